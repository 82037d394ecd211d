"""Where two clips meet: does the second begin with the picture the first ended on?"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, takewhile
from math import inf, log10
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from studio.media.display import Projection
from studio.media.fingerprint import UNDECODED
from studio.media.frames import last_tick_at
from studio.media.video import VideoUnreadable, opened_video

REPEAT_DB = 30.0  # of luma; a given picture comes back from a model at 32 dB and more
SETTLED_DB = 3.0  # how much nearer than the motion around it a repeated picture is

Luma = NDArray[np.uint8]


def repeats_frame(first: Path, second: Path, *, until_ms: int | None = None) -> bool:
    """Whether `second` begins with the picture `first` ends on, so that motion halts for a frame.

    `first` ends with the frame on screen at `until_ms`, or with its last one. The luma of both
    pictures is at least REPEAT_DB alike (PSNR), and SETTLED_DB more so than the neighbouring
    frames on both sides: where nothing moves, nothing halts.
    """
    before, last = _last_two(first, until_ms)
    height, width = last.shape
    with opened_video(second) as (container, stream):
        luma = Projection(stream).luma
        opening = [luma(f, (width, height)) for f in islice(_decoded(container, stream), 2)]
    if not opening:
        raise VideoUnreadable("The video has no frames.")
    step = psnr(last, opening[0])
    around = [psnr(before, last), psnr(opening[0], opening[-1])]
    return step >= REPEAT_DB and all(m != inf and step >= m + SETTLED_DB for m in around)


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """When each frame of a clip appears, in ticks from its first, in the order of decoding."""

    ticks: tuple[int, ...]
    time_base: Fraction

    def shown_until(self, ms: int | None) -> int:
        """Return how many frames appear up to and with the one on screen at `ms`; None is all."""
        if ms is None:
            return len(self.ticks)
        latest = last_tick_at(ms, self.time_base)
        return max(sum(tick <= latest for tick in self.ticks), 1)

    def end_after(self, shown: int) -> int | None:
        """Return the time of the first frame left out when `shown` are kept; None for all."""
        return None if shown >= len(self.ticks) else sorted(self.ticks)[shown]

    def needs_what_follows(self, end: int) -> bool:
        """Whether frames before `end` may be decoded from one at or after it."""
        kept = [index for index, tick in enumerate(self.ticks) if tick < end]
        return len(kept) != kept[-1] + 1


def frame_times(path: Path) -> FrameTimes:
    """Read when a clip's frames appear; nothing is decoded."""
    with opened_video(path, options=UNDECODED) as (container, stream):
        start = stream.start_time or 0
        times = tuple(
            packet.pts - start
            for packet in container.demux(stream)
            if packet.size and packet.pts is not None and not packet.is_discard
        )
        if not times or stream.time_base is None:
            raise VideoUnreadable("The video has no frames.")
        return FrameTimes(times, stream.time_base)


def psnr(one: Luma, other: Luma) -> float:
    """How alike two pictures of one size are, in decibels; infinite for the same picture."""
    error = float(np.mean(np.square(one.astype(np.int16) - other, dtype=np.int32)))
    return inf if error == 0 else 10 * log10(255**2 / error)


def _last_two(path: Path, until_ms: int | None) -> tuple[Luma, Luma]:
    with opened_video(path) as (container, stream):
        start = stream.start_time or 0
        latest = start + max((stream.duration or 0) - 1, 0)
        if until_ms is not None and stream.time_base is not None:
            latest = start + last_tick_at(until_ms, stream.time_base)
        for beginning in (latest, start):
            with suppress(av.FFmpegError):
                container.seek(beginning, stream=stream)
            frames = takewhile(lambda f: (f.pts or 0) <= latest, container.decode(stream))
            ending = deque(frames, maxlen=2)
            # A key frame has nothing before it to compare with: then decode from the start.
            if len(ending) == 2:
                break
        if not ending:
            raise VideoUnreadable("The video has no frames.")
        projection = Projection(stream)
        shown = projection.display(ending[-1])
        size = (shown.width, shown.height)
        return projection.luma(ending[0], size), projection.luma(ending[-1], size)


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    container.seek(stream.start_time or 0, stream=stream)
    yield from container.decode(stream)
