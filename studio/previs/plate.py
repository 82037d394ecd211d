"""A picture made ready for the camera: fitted to the frame, extended past its edges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from studio.previs.raster import AREA, CUBIC, LINEAR, Field, Pixels, blended, blurred, scaled

MARGIN = 0.34  # of the frame on every side: what the widest moves see beyond it
_WORTH_DETAIL = 1.4  # source pixels per output pixel from which a second level shows


@dataclass(frozen=True, slots=True)
class Plate:
    """The extended picture at one or two sharpness levels.

    `levels` holds (scale, pixels): pixels per output pixel, coarsest (1.0) first. `frame` is
    the part that fills the frame at rest, exactly `size`; `spare` is how many pixels of true
    picture lie past it, left and right, above and below. `offset` is where that part's top left
    corner lies in the 1.0 level, in pixels.
    """

    size: tuple[int, int]
    spare: tuple[int, int]
    offset: tuple[int, int]
    levels: tuple[tuple[float, Pixels], ...]

    @property
    def frame(self) -> Pixels:
        """Return the picture as it fills the frame at rest."""
        (width, height), (left, top) = self.size, self.offset
        return self.levels[0][1][top : top + height, left : left + width]


def resize(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Return `pixels` at `size` (width, height), antialiased when it shrinks."""
    shrinks = size[0] < pixels.shape[1]
    return scaled(pixels, size, AREA if shrinks else CUBIC)


def cover(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Return the centre of `pixels` that fills `size` (width, height) exactly."""
    cut = _window(pixels, size, 0.0)[0]
    return resize(cut, size)


def _window(
    pixels: Pixels, size: tuple[int, int], margin: float
) -> tuple[Pixels, tuple[int, int], tuple[int, int], float]:
    """Return the part in or near the frame, its size and place at scale 1, and the fit factor."""
    width, height = size
    tall, broad = pixels.shape[:2]
    fit = max(width / broad, height / tall)
    spare_x = min(width * margin, (broad * fit - width) / 2)
    spare_y = min(height * margin, (tall * fit - height) / 2)
    spare = (max(0, math.floor(spare_x)), max(0, math.floor(spare_y)))
    cut_w, cut_h = (width + 2 * spare[0]) / fit, (height + 2 * spare[1]) / fit
    left, top = round((broad - cut_w) / 2), round((tall - cut_h) / 2)
    cut = pixels[max(0, top) : top + round(cut_h), max(0, left) : left + round(cut_w)]
    return cut, (width + 2 * spare[0], height + 2 * spare[1]), spare, fit


def _extend(pixels: Pixels, left: int, top: int) -> Pixels:
    """Return `pixels` mirrored outwards, softer with distance so that no twin catches the eye."""
    if left <= 0 and top <= 0:
        return pixels
    wide = np.asarray(
        cv2.copyMakeBorder(pixels, top, top, left, left, cv2.BORDER_REFLECT), dtype=np.uint8
    )
    tall, broad = wide.shape[:2]
    small = scaled(wide, (max(8, broad // 16), max(8, tall // 16)), AREA)
    small = blurred(small, 1.6)
    fx, fy = broad / small.shape[1], tall / small.shape[0]
    across = _distance(broad, left)[None, :]
    along = _distance(tall, top)[:, None]
    step = max(16, (1 << 19) // broad)
    for row in range(0, tall, step):
        # Strip by strip: a whole 4K plate in floats would not fit the memory allowed.
        part = wide[row : row + step]
        far = np.clip(np.hypot(across, along[row : row + step]), 0.0, 1.0)
        veil = np.asarray(0.92 * far * far * (3.0 - 2.0 * far), dtype=np.float32)
        place = np.array([[fx, 0, fx / 2 - 0.5], [0, fy, fy / 2 - 0.5 - row]])
        soft = cv2.warpAffine(
            small, place, (broad, len(part)), flags=LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        wide[row : row + step] = blended(part, np.asarray(soft, dtype=np.uint8), veil)
    return wide


def _distance(length: int, margin: int) -> Field:
    place = np.arange(length, dtype=np.float32)
    outside = np.maximum(margin - place, place - (length - 1 - margin))
    reach = max(1.0, 0.6 * margin)
    return np.asarray(np.clip(outside, 0.0, None) / reach, dtype=np.float32)


def make_plate(pixels: Pixels, size: tuple[int, int], *, margin: float = MARGIN) -> Plate:
    """Return `pixels` fitted to `size` (width, height) with an extended border around it."""
    width, height = size
    cut, real, spare, fit = _window(pixels, size, margin)
    border = (math.ceil(width * margin) - spare[0], math.ceil(height * margin) - spare[1])
    levels = [(1.0, _extend(resize(cut, real), *border))]
    if 1.0 / fit >= _WORTH_DETAIL and width * height <= 1920 * 1080:
        fine = (real[0] * 2, real[1] * 2)
        levels.append((2.0, _extend(resize(cut, fine), border[0] * 2, border[1] * 2)))
    return Plate(size, spare, (border[0] + spare[0], border[1] + spare[1]), tuple(levels))
