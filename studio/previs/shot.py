"""What a previs render is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SHAPES = {
    "16:9": (16, 9),
    "9:16": (9, 16),
    "1:1": (1, 1),
    "4:3": (4, 3),
    "3:4": (3, 4),
    "21:9": (21, 9),
    "9:21": (9, 21),
}
SHORT_SIDES_PX = {"540p": 540, "720p": 720, "1080p": 1080, "4k": 2160}
_LONGEST_PX = 4096  # H.264 decoders in browsers and phones stop here


@dataclass(frozen=True)
class PrevisShot:
    """One clip to render. Pictures are local files; text alone makes a drawn title card."""

    prompt: str
    concepts: tuple[str, ...]
    duration_s: float
    aspect_ratio: str
    resolution: str
    loop: bool = False
    start: Path | None = None
    end: Path | None = None
    slate: str = ""  # corner text such as "Shot 12 · Take 2"; empty leaves the slate out
    fps: int = 24


def frame_size(aspect_ratio: str, resolution: str) -> tuple[int, int]:
    """Return (width, height) in even pixels; the resolution names the short side.

    Where the long side would pass 4096 px (4k at 21:9 and 9:21) both shrink together.
    Raises ValueError for a shape or a resolution that Ray does not know.
    """
    if aspect_ratio not in SHAPES:
        raise ValueError(f"Shape {aspect_ratio!r} is not one of {', '.join(SHAPES)}")
    if resolution not in SHORT_SIDES_PX:
        raise ValueError(f"Resolution {resolution!r} is not one of {', '.join(SHORT_SIDES_PX)}")
    wide, high = SHAPES[aspect_ratio]
    unit = SHORT_SIDES_PX[resolution] / min(wide, high)
    unit = min(unit, _LONGEST_PX / max(wide, high))
    return _even(wide * unit), _even(high * unit)


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)
