"""Memory budget of picture decoding: what a picture takes to decode, and the largest that may be.

A compressed picture says nothing about the memory its pixels take: 0.5 MB of PNG can hold 120
million pixels. So the cost is worked out from the header, before anything is decoded, and one
process decodes one picture at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

MAX_DECODE_BYTES = 200_000_000
MAX_PIXELS = 40_000_000  # of formats that are decoded at full size only
MAX_JPEG_PIXELS = 120_000_000  # JPEG is decoded at a half, quarter or eighth where that is enough
WAIT_S = 30.0  # for the picture that is being decoded
MAX_WAITING = 4  # pictures of a process; each holds a thread that pages need too

# Bytes a pixel at full size, the decoder's own copies included; measured with Pillow 13.
_BYTES_PER_PIXEL = {"WEBP": 16, "AVIF": 16}
_BYTES_PER_MODE = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 278, 322, 323

_decoding = threading.Lock()
_places = threading.BoundedSemaphore(1 + MAX_WAITING)


class DecoderBusy(Exception):
    """Too many other pictures are being decoded, or this one waited too long for its turn."""


@contextmanager
def one_decode() -> Iterator[None]:
    """Hold the process's only place for decoding.

    Raises DecoderBusy after WAIT_S seconds, and at once where MAX_WAITING others wait.
    """
    if not _places.acquire(blocking=False):
        raise DecoderBusy
    try:
        if not _decoding.acquire(timeout=WAIT_S):
            raise DecoderBusy
        try:
            yield
        finally:
            _decoding.release()
    finally:
        _places.release()


def decode_bytes(image: Image.Image, shrink: int = 1) -> int:
    """Return the bytes that decoding an opened picture takes; a JPEG at 1/`shrink` of its sides."""
    pixels = image.width * image.height
    if image.format == "JPEG":
        return pixels * _mode_bytes(image) // shrink**2 + _coefficient_bytes(image)
    if image.format == "TIFF":
        return pixels * _mode_bytes(image) + _strip_bytes(image)
    return pixels * _BYTES_PER_PIXEL.get(image.format or "", _mode_bytes(image))


def jpeg_shrink(image: Image.Image, side: int) -> int:
    """Return 1, 2, 4 or 8: at which part of its sides a JPEG is decoded.

    Smaller than `side` pixels only where it would take too much memory otherwise.
    """
    shrink = 1
    while shrink < 8 and max(image.size) / (2 * shrink) >= side:
        shrink *= 2
    # A fifth is left for the picture that is made of it while its own pixels are still there.
    while shrink < 8 and decode_bytes(image, shrink) > MAX_DECODE_BYTES * 4 // 5:
        shrink *= 2
    return shrink


def max_pixels(image: Image.Image, shrink: int = 1) -> int:
    """Return how many pixels a picture of this format and kind may have."""
    most = MAX_JPEG_PIXELS if image.format == "JPEG" else MAX_PIXELS
    per_pixel = decode_bytes(image, shrink) / (image.width * image.height)
    return min(most, int(MAX_DECODE_BYTES / per_pixel))


def _mode_bytes(image: Image.Image) -> int:
    return _BYTES_PER_MODE.get(image.mode, 4)


def _coefficient_bytes(image: Any) -> int:
    """Return what a progressive JPEG's coefficients take: all of them are held until the last scan."""
    if not image.info.get("progressive"):
        return 0
    factors = [(across, down) for _, across, down, _ in image.layer]
    widest, highest = max(f[0] for f in factors), max(f[1] for f in factors)
    samples = sum(across * down for across, down in factors) / (widest * highest)
    return int(2 * samples * image.width * image.height)


def _strip_bytes(image: Any) -> int:
    """Return the size of a TIFF's largest part that is unpacked at once: a strip or a tile."""
    tags = image.tag_v2
    width, height = image.size
    if tags.get(_TILE_WIDTH):
        width, height = int(tags[_TILE_WIDTH]), int(tags.get(_TILE_HEIGHT) or height)
    elif tags.get(_ROWS_PER_STRIP):
        height = min(height, int(tags[_ROWS_PER_STRIP]))
    return int(width * height * 4)
