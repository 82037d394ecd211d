"""Clips of any size, rate and sound, read as if they had all been made alike."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from studio.media.display import Projection
from studio.media.sound_layout import layout_of
from studio.media.video import at_steady_rate, opened_video, sound_of

SOUND_RATE = 48_000  # samples a second
SOUND_LAYOUT = "stereo"

Samples = NDArray[np.float32]  # channels × samples, -1 to 1


@dataclass(frozen=True, slots=True)
class Look:
    """What all pictures are made to look like: scaled to fit, with black around if need be.

    `matrix` is what their colours are turned into, high dynamic range brought to what an ordinary
    screen shows; None leaves them as each clip has them.
    """

    width: int  # even, pixels
    height: int
    matrix: Colorspace | None = Colorspace.ITU709

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height


def pictures(
    path: Path, look: Look, *, fps: Fraction, count: int, skip: int = 0
) -> Generator[av.VideoFrame]:
    """Yield frames `skip` to `count` of a clip at a steady rate: yuv420p, of this look.

    A frame may be yielded twice; set its pts only when it is used.
    """
    with opened_video(path) as (container, stream):
        fitter = _Fitter(look, stream)
        for index, frame in enumerate(at_steady_rate(container.decode(stream), fps, count)):
            if index >= skip:
                yield fitter.fit(frame)


class _Fitter:
    """Scales, turns, pads and recolours frames; what is right already passes untouched."""

    def __init__(self, look: Look, stream: VideoStream) -> None:
        self._size = look.size
        self._matrix = look.matrix
        self._projection = Projection(stream)
        self._pad: Graph | None = None
        self._padded: tuple[int, int] | None = None

    def fit(self, frame: av.VideoFrame) -> av.VideoFrame:
        shown = self._projection.display(frame)
        inner = self._inner(shown.width, shown.height)
        ready = self._projection.frame(frame, inner, self._matrix)
        if inner != self._size:
            ready = self._centred(ready, inner)
        ready.pict_type = 0
        return ready

    def _inner(self, width: int, height: int) -> tuple[int, int]:
        scale = min(self._size[0] / width, self._size[1] / height)
        across, down = (max(2, round(side * scale / 2) * 2) for side in (width, height))
        return min(across, self._size[0]), min(down, self._size[1])

    def _centred(self, frame: av.VideoFrame, inner: tuple[int, int]) -> av.VideoFrame:
        if self._pad is None or self._padded != inner:
            self._pad, self._padded = Graph(), inner
            # 4:2:0 has one colour sample for two pixels, so the picture begins at an even one.
            left, top = ((o - i) // 4 * 2 for o, i in zip(self._size, inner, strict=True))
            self._pad.link_nodes(
                self._pad.add_buffer(
                    width=inner[0],
                    height=inner[1],
                    format=VideoFormat("yuv420p"),
                    time_base=Fraction(1, 1000),
                ),
                self._pad.add("pad", f"{self._size[0]}:{self._size[1]}:{left}:{top}:black"),
                self._pad.add("buffersink"),
            ).configure()
        self._pad.push(frame)
        padded = self._pad.pull()
        assert isinstance(padded, av.VideoFrame)
        return padded


def mixed(one: av.VideoFrame, other: av.VideoFrame, share: float) -> av.VideoFrame:
    """Return a picture that is `share` (0 to 1) of `other` and the rest of `one`; both alike."""
    weight = round(share * 256)
    planes = one.to_ndarray().astype(np.uint16) * (256 - weight)
    planes += other.to_ndarray().astype(np.uint16) * weight
    planes += 128
    planes >>= 8
    return av.VideoFrame.from_ndarray(planes.astype(np.uint8), format="yuv420p")


class Sound:
    """A clip's sound as stereo samples at SOUND_RATE, from the moment its picture begins.

    Silence where the clip has none, and after its end.
    """

    def __init__(self, path: Path) -> None:
        self._blocks = _samples(path)
        self._held = np.zeros((2, 0), np.float32)

    def read(self, count: int) -> Samples:
        """Return the next `count` samples."""
        parts, held = [self._held], self._held.shape[1]
        while held < count:
            block = next(self._blocks, None)
            if block is None:
                block = np.zeros((2, count - held), np.float32)
            parts.append(block)
            held += block.shape[1]
        whole = np.concatenate(parts, axis=1)
        self._held = whole[:, count:]
        return whole[:, :count]

    def close(self) -> None:
        self._blocks.close()


def _samples(path: Path) -> Generator[Samples]:
    with opened_video(path) as (container, stream):
        sound = sound_of(container)
        if sound is None:
            return
        resampler = av.AudioResampler(format="fltp", layout=SOUND_LAYOUT, rate=SOUND_RATE)
        begins = Fraction(stream.start_time or 0) * Fraction(stream.time_base or 1)
        late: int | None = None  # samples from the first picture to the first sound
        for frame in chain(container.decode(sound), [None]):
            if frame is not None:
                layout_of(frame)
            if late is None and frame is not None:
                at = Fraction(frame.pts or 0) * Fraction(frame.time_base or 1)
                late = round((at - begins) * SOUND_RATE)
                if late > 0:
                    yield np.zeros((2, late), np.float32)
            for ready in resampler.resample(frame):
                block = np.asarray(ready.to_ndarray(), dtype=np.float32)
                early, late = max(-(late or 0), 0), min((late or 0) + block.shape[1], 0)
                if early < block.shape[1]:
                    yield block[:, early:]
