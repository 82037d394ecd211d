"""Everything a shot needs between frames: its pictures, their depth, the camera, the slate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from studio.previs.blend import Joint
from studio.previs.camera import FOCAL, CameraPath, Pose, ease
from studio.previs.cards import Card
from studio.previs.depth import Scene, estimate
from studio.previs.looks import Doors, Shoulder
from studio.previs.plate import Plate, make_plate
from studio.previs.raster import Field, Pixels
from studio.previs.shot import PrevisShot
from studio.previs.slate import Slate
from studio.previs.warp import defocused, mix, see

_OPEN = 0.5  # share of a frame's time the shutter is open: half a turn, as in cinema
_MOST_EXPOSURES = 9


class Stage:
    """A shot set up at one pixel size; `frame(t)` may be asked in any order."""

    def __init__(self, shot: PrevisShot, size: tuple[int, int]) -> None:
        self.path = CameraPath(shot.concepts, shot.duration_s, shot.loop)
        self.size = size
        self._shutter = _OPEN / max(1.0, shot.duration_s * shot.fps)
        start, end = _load(shot.start), _load(shot.end)
        self._card = Card(shot.prompt, size) if start is None and end is None else None
        self._slate = Slate(shot, size) if shot.slate.strip() else None
        self._first = _picture(start, size)
        self._last = _picture(end, size)
        if self._card:
            self._first = _Picture(self._card.plate, self._card.scene)
        self._joint: Joint | None = None
        if self._first and self._last:
            self._joint = Joint(self._first.plate.frame, self._last.plate.frame)

    def frame(self, t: float) -> Pixels:
        """Return the RGB frame at `t`, 0 to 1 through the shot."""
        moments = self._moments(t)
        if len(moments) == 1:
            seen = self._seen(t)
        else:
            total = np.zeros((self.size[1], self.size[0], 3), np.uint16)
            for moment in moments:
                total += self._seen(moment)
            mean = cv2.convertScaleAbs(total, alpha=1.0 / len(moments))
            seen = np.asarray(mean, dtype=np.uint8)
        pose = self.path.pose(t)
        if pose.shoulder > 1e-4:
            seen = self._shoulder.over(seen, pose.shoulder, -0.7 * pose.x)
        if pose.doors > 1e-4:
            seen = self._doors.over(seen, pose.doors)
        seen = self._card.over(seen) if self._card else seen
        return self._slate.over(seen, t) if self._slate else seen

    @cached_property
    def _doors(self) -> Doors:
        return Doors(self.size)

    @cached_property
    def _shoulder(self) -> Shoulder:
        return Shoulder(self.size)

    def _moments(self, t: float) -> list[float]:
        """Return the times to expose for one frame: several when the picture smears."""
        step = self.path.pose(t + self._shutter / 2) - self.path.pose(t - self._shutter / 2)
        turned = abs(step.yaw) + abs(step.pitch) + abs(step.roll) + abs(step.zoom)
        moved = abs(step.x) + abs(step.y) + abs(step.z) + abs(step.orbit) + abs(step.rise)
        smear_px = (turned + 0.6 * moved) * FOCAL * math.sqrt(self.size[0] * self.size[1]) / 2
        count = min(_MOST_EXPOSURES, int(smear_px / (0.004 * max(self.size))))
        if count < 2:
            return [t]
        return [t + self._shutter * ((k + 0.5) / count - 0.5) for k in range(count)]

    def _seen(self, t: float) -> Pixels:
        if self._first and self._last and self._joint:
            return self._between(self._first, self._last, self._joint, t)
        if self._last:
            return self._last.seen(self.path.to_end(t))
        assert self._first is not None
        return self._first.seen(self.path.from_start(t))

    def _between(self, first: _Picture, last: _Picture, joint: Joint, t: float) -> Pixels:
        progress = ease(t)
        meeting = joint.meet(progress)
        if joint.related:
            leaving = arriving = self.path.between(t, progress)
        else:
            leaving, arriving = self.path.from_start(t), self.path.to_end(t)
            if not self.path.moves():
                leaving += _CARRY * progress
                arriving += _CARRY * (progress - 1.0)
        if not meeting.share.any():
            return defocused(first.seen(leaving, meeting.first), meeting.defocus)
        if meeting.share.min() >= 1.0:
            return defocused(last.seen(arriving, meeting.last), meeting.defocus)
        seen = mix(
            first.seen(leaving, meeting.first), last.seen(arriving, meeting.last), meeting.share
        )
        return defocused(seen, meeting.defocus)


# A change of picture while all stands still looks like a fault; a slow push carries it.
_CARRY = Pose(z=0.16)


@dataclass(frozen=True, slots=True)
class _Picture:
    """One picture with its depth."""

    plate: Plate
    scene: Scene

    def seen(self, pose: Pose, shift: Field | None = None) -> Pixels:
        return see(pose, self.plate, self.scene, shift)


def _picture(pixels: Pixels | None, size: tuple[int, int]) -> _Picture | None:
    if pixels is None:
        return None
    plate = make_plate(pixels, size)
    return _Picture(plate, estimate(plate))


def _load(path: Path | None) -> Pixels | None:
    if path is None:
        return None
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)
