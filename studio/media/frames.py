"""Time as frames: which frame a moment means, at every place that has to say so.

A moment in whole milliseconds means the frame on screen at it. A frame's own beginning, rounded up
or down to a whole millisecond, means that frame. `static/studio/js/frames.js` counts alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor

from opentimelineio.opentime import RationalTime

# Rates timecode can count, which are those that cameras and editing programs use.
TIMECODE_RATES = tuple(
    Fraction(n, d)
    for n, d in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001), (60, 1))
)  # fmt: skip
USUAL_RATE = Fraction(24)
_COARSE_S = Fraction(1, 2000)  # a clock of milliseconds has rounded the frames' own times


def exact_rate(fps: float | Fraction | None) -> Fraction:
    """Return a measured rate as what it stands for: 23.976 is 24000/1001. None is USUAL_RATE."""
    if not fps or fps <= 0:
        return USUAL_RATE
    nearest = _nearest(Fraction(fps), TIMECODE_RATES)
    near = abs(nearest - Fraction(fps)) < Fraction(2, 1000)
    return nearest if near else Fraction(fps).limit_denominator(1001)


def timecode_rate(rate: Fraction) -> Fraction:
    """Return this rate where timecode can count it, else the nearest whole one that it can."""
    if rate in TIMECODE_RATES:
        return rate
    return _nearest(rate, (usual for usual in TIMECODE_RATES if usual.denominator == 1))


def _nearest(rate: Fraction, rates: Iterable[Fraction]) -> Fraction:
    return min(rates, key=lambda usual: abs(usual - rate))


def frame_number(ms: int, rate: Fraction) -> int:
    """Return the number, from 0, of the frame on screen at `ms`, at a steady rate."""
    return max(0, ceil(Fraction(ms + 1, 1000) * rate) - 1)


def middle_of(frame: int, rate: Fraction) -> int:
    """Return the middle of a frame in ms: no rounding can mean its neighbour."""
    return max(0, round((frame + Fraction(1, 2)) * 1000 / rate))


def whole_frames(seconds: Fraction, rate: Fraction) -> int:
    """Return how many frames lie wholly within an exact length; at least one."""
    return max(1, floor(seconds * rate))


def last_tick_at(ms: int, time_base: Fraction) -> int:
    """Return the last tick of a file's clock whose frame is on screen at `ms`, from its first."""
    ticks = Fraction(max(0, ms) + 1, 1000) / time_base
    return floor(ticks) if time_base > _COARSE_S else ceil(ticks) - 1


def timecode_frames(timecode: str, rate: Fraction) -> int:
    """Return the frame a timecode such as "01:00:00:00" names; 0 for none, or what is no timecode.

    With ";" before the frames, two numbers a minute are skipped, as drop-frame timecode does.
    """
    try:
        return int(RationalTime.from_timecode(timecode, float(timecode_rate(rate))).value)
    except ValueError:
        return 0


def timecode_at(timecode: str, rate: Fraction, other: Fraction) -> str:
    """Return the timecode of the same moment for frames of another rate.

    Hours, minutes and seconds stay, as programs show them for a source in a sequence of another rate.
    """
    parts = re.fullmatch(r"(.+)([:;.])(\d+)", timecode)
    if parts is None:
        return timecode
    seconds, mark, frames = parts.groups()
    counted = int(frames) * round(other) // round(timecode_rate(rate))
    mark = ";" if mark == ";" and can_drop(other) else ":"
    return f"{seconds}{mark}{counted:02d}"


def as_timecode(frame: int, rate: Fraction, *, drop: bool = False) -> str:
    """Return the timecode of a frame, at a rate of TIMECODE_RATES."""
    return str(RationalTime(frame, float(rate)).to_timecode(float(rate), drop))


def can_drop(rate: Fraction) -> bool:
    """Whether drop-frame timecode exists for this rate."""
    return rate in (Fraction(30000, 1001), Fraction(60000, 1001))
