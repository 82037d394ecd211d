"""Drawings over a frame: what may be kept, and what is said of one to who cannot see it.

A drawing is a list of shapes, each {"kind", "colour", "points"}: points are [x, y] from 0 to 1 of
the frame's width and height, so that a drawing fits the picture at any size. A pen's line has any
number of points; an arrow has its tail and its head; a box and an ellipse have two corners.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from studio.services.errors import StudioError

KINDS = {"pen": "line", "arrow": "arrow", "box": "box", "ellipse": "ellipse"}
COLOURS = ("amber", "coral", "blue", "white")
MAX_SHAPES = 40
MAX_POINTS = 1500  # of all shapes together
MAX_CHARS = 60_000
DECIMALS = 4  # a tenth of a pixel of HD


def read_drawing(raw: object) -> list[dict[str, Any]]:
    """Return the shapes of a posted drawing (JSON text or a list); empty for none.

    Raises StudioError, with the field "drawing".
    """
    if raw is None or raw == "":
        return []
    if isinstance(raw, str):
        if len(raw) > MAX_CHARS:
            raise _refusal(f"The drawing is {len(raw)} characters; {MAX_CHARS} are allowed.")
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError):
            raise _refusal("The drawing could not be read. Clear it and draw again.") from None
    if not isinstance(raw, list):
        raise _refusal("The drawing is not a list of shapes. Clear it and draw again.")
    if len(raw) > MAX_SHAPES:
        raise _refusal(f"The drawing has {len(raw)} shapes; {MAX_SHAPES} are allowed.")
    shapes = [_shape(one, number) for number, one in enumerate(raw, start=1)]
    count = sum(len(shape["points"]) for shape in shapes)
    if count > MAX_POINTS:
        raise _refusal(f"The drawing has {count} points; {MAX_POINTS} are allowed.")
    return shapes


def describe_drawing(drawing: list[dict[str, Any]]) -> str:
    """Say what is drawn: "a line, 2 arrows and a box"; empty for nothing."""
    counts = Counter(shape["kind"] for shape in drawing)
    words = [
        _counted(counts[kind], name, plural="boxes" if kind == "box" else f"{name}s")
        for kind, name in KINDS.items()
        if counts[kind]
    ]
    return (
        words[0]
        if len(words) == 1
        else " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
    )


def _counted(count: int, name: str, *, plural: str) -> str:
    article = "an" if name[0] in "aeiou" else "a"
    return f"{article} {name}" if count == 1 else f"{count} {plural}"


def _shape(raw: object, number: int) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise _refusal(f"Shape {number} of the drawing is not a shape. Clear it and draw again.")
    kind, colour, points = raw.get("kind"), raw.get("colour"), raw.get("points")
    if not isinstance(kind, str) or kind not in KINDS:
        raise _refusal(
            f"Shape {number} of the drawing is “{str(kind)[:20]}”; it must be one of "
            f"{', '.join(KINDS)}."
        )
    if colour not in COLOURS:
        raise _refusal(
            f"The colour of shape {number} is “{str(colour)[:20]}”; it must be one of "
            f"{', '.join(COLOURS)}."
        )
    if not isinstance(points, list) or not (len(points) == 2 or kind == "pen" and points):
        raise _refusal(f"Shape {number} of the drawing lacks its points. Clear it and draw again.")
    return {"kind": kind, "colour": colour, "points": [_point(p, number) for p in points]}


def _point(raw: object, number: int) -> list[float]:
    if not isinstance(raw, list) or len(raw) != 2:
        raise _refusal(f"A point of shape {number} is not two numbers. Clear it and draw again.")
    if not all(
        isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v <= 1  # NaN is neither
        for v in raw
    ):
        raise _refusal(
            f"A point of shape {number} lies outside the frame. Clear it and draw again."
        )
    return [round(float(v), DECIMALS) for v in raw]


def _refusal(message: str) -> StudioError:
    return StudioError(message, field="drawing")
