"""OpenCV's basic operations on arrays, with the types it does not declare."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]  # height x width x 3 in RGB, or height x width
Field = npt.NDArray[np.float32]
Raster = TypeVar("Raster", bound=npt.NDArray[Any])

# The encoder wants the other cores, and two renders side by side must leave some for the pages.
cv2.setNumThreads(2)

LINEAR, CUBIC, AREA = cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA
MIRROR, REPEAT = cv2.BORDER_REFLECT, cv2.BORDER_REPLICATE


def strips(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the rows (first, past the last) to work on at a time in a frame of `size`.

    A whole 4K frame in floats costs 100 MB; one of 720p is a single strip.
    """
    tall = max(64, (1 << 20) // size[0] // 64 * 64)
    return [(top, min(top + tall, size[1])) for top in range(0, size[1], tall)]


def scaled(array: Raster, size: tuple[int, int], how: int) -> Raster:
    """Return `array` resampled to `size` (width, height)."""
    return cast(Raster, cv2.resize(array, size, interpolation=how))


def blurred(
    array: Raster, sigma: float, sigma_y: float = 0.0, border: int = cv2.BORDER_DEFAULT
) -> Raster:
    """Return `array` under a Gaussian of `sigma` pixels, or of `sigma_y` in height if given."""
    soft = cv2.GaussianBlur(array, (0, 0), sigmaX=sigma, sigmaY=sigma_y, borderType=border)
    return cast(Raster, soft)


def looked_up(array: Raster, where: npt.NDArray[Any], how: int, border: int) -> Raster:
    """Return `array` read at `where` (x, y in pixels, the first pixel's middle at 0)."""
    at = np.asarray(where, dtype=np.float32)
    return cast(Raster, cv2.remap(array, at, cast(Any, None), how, borderMode=border))


def blended(first: Pixels, last: Pixels, share: Field) -> Pixels:
    """Return two pictures mixed place by place: `share` 0 is the first, 1 the last."""
    return cast(Pixels, cv2.blendLinear(first, last, 1.0 - share, share))


def slopes(array: Field) -> tuple[Field, Field]:
    """Return the differences across and along, eight times too large as the Sobel kernel has it."""
    return (
        cast(Field, cv2.Sobel(array, cv2.CV_32F, 1, 0)),
        cast(Field, cv2.Sobel(array, cv2.CV_32F, 0, 1)),
    )


def moved(array: Raster, matrix: npt.NDArray[Any], size: tuple[int, int]) -> Raster:
    """Return `array` under an affine 2 x 3 `matrix`, on a canvas of `size` (width, height)."""
    return cast(Raster, cv2.warpAffine(array, matrix, size, flags=cv2.INTER_LINEAR))


def gathered(mask: Raster, kind: int, tall: int, wide: int) -> Raster:
    """Return a morphological `kind` (cv2.MORPH_...) of `mask` with a box of the given size."""
    return cast(Raster, cv2.morphologyEx(mask, kind, np.ones((tall, wide), np.uint8)))


def lab_of(pixels: Pixels) -> Field:
    """Return RGB pixels in CIE Lab as OpenCV scales it for eight bits, in floats."""
    return cast(Field, cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).astype(np.float32))


def grey_of(pixels: Pixels) -> Pixels:
    """Return the luminance of RGB pixels."""
    return cast(Pixels, cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
