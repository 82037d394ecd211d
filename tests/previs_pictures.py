"""Pictures drawn for the previs tests: textured everywhere, so that motion can be measured."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def grain(width: int, height: int, seed: int = 3) -> npt.NDArray[np.float32]:
    """Return soft noise about 0, with detail from a few pixels to a quarter of the picture."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    for cells, weight in ((6, 1.0), (14, 0.8), (34, 0.7), (80, 0.6)):
        rows = max(2, cells * height // width)
        coarse = rng.normal(size=(rows, cells)).astype(np.float32)
        total += weight * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return total / 2.0


def landscape(width: int, height: int, seed: int = 3) -> Pixels:
    """Return a field under a pale sky with a dark subject standing in the middle."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = x / width, y / height
    noise = grain(width, height, seed)[..., None]
    sky = np.array([150.0, 175, 205]) + noise * 16
    field = np.array([92.0, 118, 62]) + noise * 34
    picture = np.where(v[..., None] < 0.48, sky, field)
    body = ((u - 0.5) / 0.09) ** 2 + ((v - 0.55) / 0.26) ** 2 < 1
    picture = np.where(body[..., None], np.array([150.0, 60, 45]) + noise * 40, picture)
    return np.clip(picture, 0, 255).astype(np.uint8)


def write_png(path: Path, pixels: Pixels) -> Path:
    """Write `pixels` (RGB) as a PNG file and return its path."""
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return path
