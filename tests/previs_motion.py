"""Motion measured on rendered clips by following points, never read from the renderer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

Frames = list[npt.NDArray[np.uint8]]
Points = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Motion:
    """How the picture moved from the first frame to the last, in shares of the frame's width.

    x to the right, y down, `scale` 1 unchanged, `turn` in degrees clockwise; `near_*` and `far_*`
    are the same for the lowest and the uppermost third of the picture.
    """

    x: float
    y: float
    scale: float
    turn: float
    near_x: float
    far_x: float
    near_y: float
    far_y: float
    near_scale: float
    far_scale: float
    keystone: float  # scale of the upper half over that of the lower half


def frames_of(path: Path) -> Frames:
    """Return every frame of a clip as RGB."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def tracks(frames: Frames) -> Points:
    """Return positions (frame, point, x and y in pixels) of points seen all the way through."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    start = _spread_points(grey[0])
    path, alive = [start], np.ones(len(start), bool)
    for before, after in zip(grey, grey[1:], strict=False):
        there, ok, _ = cv2.calcOpticalFlowPyrLK(before, after, path[-1], None, winSize=(15, 15))
        back, ok_back, _ = cv2.calcOpticalFlowPyrLK(after, before, there, None, winSize=(15, 15))
        miss = np.linalg.norm(back - path[-1], axis=2)[:, 0]
        alive &= (ok[:, 0] > 0) & (ok_back[:, 0] > 0) & (miss < 0.7)
        path.append(there)
    return np.stack(path)[:, alive, 0]


def _spread_points(grey: npt.NDArray[np.uint8]) -> Points:
    """Return corners from every part of the picture, shape (points, 1, 2)."""
    tall, broad = grey.shape
    found = []
    for top in range(0, tall, tall // 6):
        for left in range(0, broad, broad // 10):
            cell = grey[top : top + tall // 6, left : left + broad // 10]
            corners = cv2.goodFeaturesToTrack(np.ascontiguousarray(cell), 8, 0.05, 4)
            if corners is not None:
                found.append(corners + np.array([left, top], np.float32))
    return np.concatenate(found).astype(np.float32).reshape(-1, 1, 2)


def motion_of(frames: Frames) -> Motion:
    """Measure a clip."""
    height, width = frames[0].shape[:2]
    whole = tracks(frames)
    begin, end = whole[0], whole[-1]
    assert len(begin) > 40, f"only {len(begin)} points could be followed"
    low, high = begin[:, 1] > height * 0.67, begin[:, 1] < height * 0.4
    x, y, scale, turn = _similarity(begin, end, width)
    near, far = (_similarity(begin[part], end[part], width) for part in (low, high))
    up, down = begin[:, 1] < height * 0.5, begin[:, 1] >= height * 0.5
    keystone = _spread(begin[up], end[up]) / _spread(begin[down], end[down])
    return Motion(x, y, scale, turn, near[0], far[0], near[1], far[1], near[2], far[2], keystone)


def _similarity(begin: Points, end: Points, width: int) -> tuple[float, float, float, float]:
    shift = np.median(end - begin, axis=0) / width
    for _ in range(2):
        a, b = begin - begin.mean(axis=0), end - end.mean(axis=0)
        along = (a * b).sum() / (a * a).sum()
        across = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / (a * a).sum()
        turned = a @ np.array([[along, across], [-across, along]])
        miss = np.linalg.norm(b - turned, axis=1)
        kept = miss <= np.quantile(miss, 0.85)
        begin, end = begin[kept], end[kept]
    scale, turn = np.hypot(along, across), np.degrees(np.arctan2(across, along))
    return float(shift[0]), float(shift[1]), float(scale), float(turn)


def _spread(begin: Points, end: Points) -> float:
    """Return by how much points have moved apart sideways."""
    x = begin[:, 0] - begin[:, 0].mean()
    return float((x * (end[:, 0] - end[:, 0].mean())).sum() / (x * x).sum())


def jitter(frames: Frames) -> float:
    """Return how much the whole picture trembles from frame to frame, in pixels.

    Third differences of its mean position: a smooth move has next to none. Divided by what white
    noise of one pixel would give.
    """
    path = tracks(frames).astype(np.float64).mean(axis=1)
    third = np.diff(path, n=3, axis=0)
    return float(np.sqrt((third**2).sum(axis=1).mean() / 20))
