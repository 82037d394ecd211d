"""Clips of any size, rate and sound, read as if they had all been made alike."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from studio.media.encode import SCALING, matrix_of
from studio.media.fingerprint import FULL_RANGE, sound_of
from studio.media.video import opened_video

SOUND_RATE = 48_000  # samples a second
SOUND_LAYOUT = "stereo"

_CODES = {Colorspace.ITU709: 1, Colorspace.ITU601: 6}  # in ITU-T H.273

Samples = NDArray[np.float32]  # channels × samples, -1 to 1


@dataclass(frozen=True, slots=True)
class Look:
    """What all pictures are made to look like: scaled to fit, with black around if need be.

    `matrix` is what their colours are turned into; None leaves them as each clip has them.
    """

    width: int  # even, pixels
    height: int
    matrix: Colorspace | None = Colorspace.ITU709

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height


def count_frames(path: Path, fps: Fraction) -> int:
    """Return how many frames a clip has at this rate, from its packets; reads the file once."""
    with opened_video(path) as (container, stream):
        first: int | None = None
        last = shown = 0
        for packet in container.demux(stream):
            if not packet.size or packet.pts is None or packet.is_discard:
                continue
            shown += 1
            first = packet.pts if first is None else min(first, packet.pts)
            last = max(last, packet.pts + (packet.duration or 0))
        if stream.guessed_rate == fps:
            return max(shown, 1)
        assert stream.time_base is not None
        return max(round((last - (first or 0)) * stream.time_base * fps), 1)


def pictures(
    path: Path, look: Look, *, fps: Fraction, count: int, skip: int = 0
) -> Generator[av.VideoFrame]:
    """Yield frames `skip` to `count` of a clip at a steady rate: yuv420p, of this look.

    A frame may be yielded twice; set its pts only when it is used.
    """
    fitter = _Fitter(look)
    with opened_video(path) as (container, stream):
        for index, frame in enumerate(_steady(container.decode(stream), fps, count)):
            if index >= skip:
                yield fitter.fit(frame)


def _steady(frames: Iterator[av.VideoFrame], fps: Fraction, count: int) -> Iterator[av.VideoFrame]:
    """Repeat or drop frames so that exactly `count` come, `fps` a second."""
    written = 0
    first: Fraction | None = None
    shown: av.VideoFrame | None = None
    for frame in frames:
        if written >= count:
            return
        at = Fraction(frame.pts or 0) * Fraction(frame.time_base or 1)
        first = at if first is None else first
        due = int((at - first) * fps + Fraction(1, 2))
        while shown is not None and written < min(due, count):
            yield shown
            written += 1
        shown = frame
    while shown is not None and written < count:
        yield shown
        written += 1


class _Fitter:
    """Scales, pads and recolours frames; what is right already passes untouched."""

    def __init__(self, look: Look) -> None:
        self._size = look.size
        self._matrix = look.matrix
        self._reformatter = VideoReformatter()
        self._pad: Graph | None = None
        self._padded: tuple[int, int] | None = None

    def fit(self, frame: av.VideoFrame) -> av.VideoFrame:
        inner = self._inner(frame.width, frame.height)
        if (frame.width, frame.height) == self._size and self._is_ours(frame):
            ready = frame
        else:
            ready = self._reformatter.reformat(
                frame,
                *inner,
                format="yuv420p",
                **self._recolouring(frame),
                interpolation=SCALING,
                threads=2,
            )
        if inner != self._size:
            ready = self._centred(ready, inner)
        ready.pict_type = 0
        return ready

    def _is_ours(self, frame: av.VideoFrame) -> bool:
        if frame.format.name != "yuv420p":
            return False
        if self._matrix is None:
            return True
        matrix = matrix_of(frame)
        right = (
            frame.colorspace == _CODES[self._matrix] if matrix is None else matrix == self._matrix
        )
        return right and frame.color_range != FULL_RANGE

    def _recolouring(self, frame: av.VideoFrame) -> dict[str, Any]:
        if self._matrix is None:
            return {}
        return {
            "src_colorspace": matrix_of(frame),
            "dst_colorspace": self._matrix,
            "dst_color_range": ColorRange.MPEG,
        }

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
