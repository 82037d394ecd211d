"""What people say about stills: which part to keep, and in which shape."""

from __future__ import annotations

from typing import Any

from django import forms

from studio.media.images import CropBox
from studio.models.project import ASPECT_RATIOS

SIDES = ("x", "y", "width", "height")


def _part(name: str) -> forms.FloatField:
    words = f"The crop’s {name} must be a number from 0 to 1."
    return forms.FloatField(
        min_value=0,
        max_value=1,
        required=False,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), words),
    )


class CropForm(forms.Form):
    """Either a box in fractions of the picture, or a shape to cut from its middle."""

    shape = forms.ChoiceField(
        choices=[(shape, shape) for shape in ASPECT_RATIOS],
        required=False,
        error_messages={
            "invalid_choice": f"Shape is “%(value)s”; it must be one of {', '.join(ASPECT_RATIOS)}."
        },
    )
    x = _part("x")
    y = _part("y")
    width = _part("width")
    height = _part("height")

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        given = [side for side in SIDES if values.get(side) is not None]
        if given and len(given) < len(SIDES):
            raise forms.ValidationError("A crop needs all of x, y, width and height.")
        if not given and not values.get("shape") and not self.errors:
            raise forms.ValidationError("Say which shape, or which part, to crop to.")
        return values

    @property
    def box(self) -> CropBox | None:
        values = [self.cleaned_data.get(side) for side in SIDES]
        given = [value for value in values if value is not None]
        return CropBox(*given) if len(given) == len(SIDES) else None

    @property
    def sentence(self) -> str:
        """The first thing that is wrong."""
        return next((str(message) for found in self.errors.values() for message in found), "")
