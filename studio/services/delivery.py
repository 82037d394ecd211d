"""What a provider delivered, compared with what was ordered and paid for."""

from __future__ import annotations

from studio.models import Generation
from studio.providers.catalog import UnknownModel, get_spec

SHORT_SIDES_PX = {"360p": 360, "540p": 540, "720p": 720, "1080p": 1080, "4k": 2160}
WIDE = 16 / 9
# How far a clip may be from the order. Models without such a field only come near its value.
SIDE_SHARE, FIXED_SIDE_SHARE = 0.10, 0.25
PIXELS_SHARE, FIXED_PIXELS_SHARE = 0.15, 0.40
SHAPE_SHARE = 0.10
LENGTH_SHARE, FIXED_LENGTH_SHARE = 0.10, 0.25
LENGTH_S = 0.5


def delivery_note(clip: Generation) -> str:
    """Return how a clip differs from its order, in a sentence; empty where it does not.

    Previs renders what it is asked for, so nothing is said of it.
    """
    if not clip.is_clip or clip.provider == "previs":
        return ""
    fixed_size, fixed_length = _fixed(clip)
    delivered, ordered = [], []
    if clip.width and clip.height:
        other_size = not _size_fits(clip, clip.width, clip.height, fixed=fixed_size)
        other_shape = not _shape_fits(clip, clip.width, clip.height)
        if other_size or other_shape:
            delivered.append(f"{clip.width} × {clip.height}")
        if other_size:
            ordered.append(clip.resolution)
        if other_shape:
            ordered.append(clip.aspect_ratio)
    if clip.duration_ms and not _length_fits(clip, clip.duration_ms / 1000, fixed=fixed_length):
        delivered.append(f"{clip.duration_ms / 1000:.1f} s")
        ordered.append(f"{clip.duration_s} s")
    if not delivered:
        return ""
    was = "was" if len(ordered) == 1 else "were"
    return f"Delivered {' and '.join(delivered)}, {' and '.join(ordered)} {was} ordered."


def _fixed(clip: Generation) -> tuple[bool, bool]:
    """Return whether this model takes no size, and no length."""
    try:
        spec = get_spec(clip.provider, clip.model)
    except UnknownModel:
        return False, False
    return spec.fixed_resolution, spec.fixed_duration


def _ratio(aspect_ratio: str) -> float | None:
    wide, _, high = aspect_ratio.partition(":")
    if wide.isdecimal() and high.isdecimal() and int(wide) and int(high):
        return int(wide) / int(high)
    return None


def _size_fits(clip: Generation, width: int, height: int, *, fixed: bool) -> bool:
    """Whether the short side fits, or the pixel count: some models keep that in every shape."""
    short = SHORT_SIDES_PX.get(clip.resolution)
    if short is None:
        return True
    if abs(min(width, height) / short - 1) <= (FIXED_SIDE_SHARE if fixed else SIDE_SHARE):
        return True
    share = FIXED_PIXELS_SHARE if fixed else PIXELS_SHARE
    ratio = _ratio(clip.aspect_ratio) or WIDE
    counts = {short * short * max(shape, 1 / shape) for shape in (ratio, WIDE)}
    return any(abs(width * height / count - 1) <= share for count in counts)


def _shape_fits(clip: Generation, width: int, height: int) -> bool:
    ratio = _ratio(clip.aspect_ratio)
    return ratio is None or abs(width / height / ratio - 1) <= SHAPE_SHARE


def _length_fits(clip: Generation, seconds: float, *, fixed: bool) -> bool:
    share = FIXED_LENGTH_SHARE if fixed else LENGTH_SHARE
    return abs(seconds - clip.duration_s) <= max(LENGTH_S, share * clip.duration_s)
