"""The largest pictures that are accepted, one file of each format, as hard to compress as fits.

    python -m bench.memory_pictures FOLDER

Sizes come from the budget in `studio.media.image_memory`, so a new budget is measured as it is.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from studio.media.image_memory import MAX_DECODE_BYTES, decode_bytes, jpeg_shrink, max_pixels
from studio.media.images import MAX_SIDE, MAX_UPLOAD_BYTES

BLOCK = 3  # pixels of one colour: noise of single pixels would be more than a file may hold
LAYER_444 = [(1, 1, 1, 0), (2, 1, 1, 0), (3, 1, 1, 0)]
LAYER_420 = [(1, 2, 2, 0), (2, 1, 1, 0), (3, 1, 1, 0)]


def noise(width: int, height: int, channels: int, seed: str) -> np.ndarray[Any, Any]:
    """Return rows of noise in blocks, 6 bits a channel, height x width x channels."""
    random = np.random.default_rng(zlib.crc32(seed.encode()))
    rows = random.integers(0, 64, (height // BLOCK + 1, width // BLOCK + 1, channels), np.uint8) * 4
    return rows.repeat(BLOCK, 0)[:height].repeat(BLOCK, 1)[:, :width]


def header(kind: str, mode: str, width: int, height: int, **more: Any) -> Any:
    """Return what the budget reads of an opened picture of this kind and size."""
    info = {"progressive": 1} if more.pop("progressive", False) else {}
    return SimpleNamespace(
        format=kind, mode=mode, width=width, height=height, size=(width, height), info=info, **more
    )


def largest(kind: str, mode: str, **more: Any) -> tuple[int, int]:
    """Return the size in pixels of the largest 5:4 picture of this kind that is accepted."""
    most = 0
    for side in range(100, 3000):
        image = header(kind, mode, 5 * side, 4 * side, **more)
        shrink = jpeg_shrink(image, MAX_SIDE) if kind == "JPEG" else 1
        if image.width * image.height <= max_pixels(image, shrink):
            most = side
    return 5 * most, 4 * most


def dearest(**more: Any) -> tuple[int, int]:
    """Return the size of the 5:4 JPEG that takes most memory: shrunk least, not largest."""
    best, cost = 0, 0
    for side in range(100, 3000):
        image = header("JPEG", "RGB", 5 * side, 4 * side, **more)
        shrink = jpeg_shrink(image, MAX_SIDE)
        takes = decode_bytes(image, shrink)
        if image.width * image.height <= max_pixels(image, shrink) and cost < takes:
            best, cost = side, takes
    assert cost <= MAX_DECODE_BYTES
    return 5 * best, 4 * best


def write_png_16(path: Path) -> None:
    """Write RGBA of 16 bits a channel, which Pillow reads and does not write."""
    width, height = largest("PNG", "RGBA")
    packer = zlib.compressobj(1)
    with path.open("wb") as file:

        def chunk(name: bytes, data: bytes) -> None:
            file.write(struct.pack(">I", len(data)) + name + data)
            file.write(struct.pack(">I", zlib.crc32(name + data)))

        file.write(b"\x89PNG\r\n\x1a\n")
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0))
        pixels = noise(width, height, 4, "PNG")
        repeated = b"\2" + bytes(8 * width)  # as the row above
        for top in range(0, height, BLOCK):
            row = pixels[top].astype(">u2") * 257
            rows = b"\0" + row.astype(">u2").tobytes() + repeated * min(BLOCK - 1, height - top - 1)
            if data := packer.compress(rows):
                chunk(b"IDAT", data)
        chunk(b"IDAT", packer.flush())
        chunk(b"IEND", b"")


def saver(size: tuple[int, int], kind: str, mode: str, **options: Any) -> Callable[[Path], None]:
    """Return a function that writes such a picture."""

    def write(path: Path) -> None:
        channels = {"RGBA": 4, "F": 1}.get(mode, 3)
        pixels = noise(*size, channels, kind)
        image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
        image = image if image.mode == mode else image.convert(mode)
        more = [image.transpose(Image.Transpose.ROTATE_180)] if options.get("save_all") else []
        image.save(path, kind, **options, **({"append_images": more} if more else {}))

    return write


def kinds() -> dict[str, Callable[[Path], None]]:
    """Return a writer for each kind of picture, by a name for people."""
    strips = {"tag_v2": {278: 10**6}}  # one strip, the most that is unpacked at once
    webp, avif = largest("WEBP", "RGBA"), largest("AVIF", "RGBA")
    progressive = {"progressive": True}
    return {
        "PNG, RGBA of 16 bits": write_png_16,
        "PNG, palette": saver(largest("PNG", "P"), "PNG", "P", compress_level=1),
        "JPEG, most pixels": saver(
            largest("JPEG", "RGB", layer=LAYER_444), "JPEG", "RGB", quality=50, subsampling=2
        ),
        "JPEG, most memory": saver(dearest(layer=LAYER_444), "JPEG", "RGB", quality=75),
        "JPEG, progressive 4:4:4": saver(
            dearest(layer=LAYER_444, **progressive),
            *("JPEG", "RGB"),
            quality=75,
            subsampling=0,
            **progressive,
        ),
        "JPEG, progressive 4:2:0": saver(
            dearest(layer=LAYER_420, **progressive),
            *("JPEG", "RGB"),
            quality=75,
            subsampling=2,
            **progressive,
        ),
        "WebP": saver(webp, "WEBP", "RGBA", quality=80, method=0),
        "WebP, lossless": saver(webp, "WEBP", "RGBA", lossless=True, quality=0, method=0),
        "WebP, animated": saver(webp, "WEBP", "RGBA", quality=50, method=0, save_all=True),
        "AVIF": saver(avif, "AVIF", "RGBA", quality=60, speed=10),
        "GIF": saver(largest("GIF", "P"), "GIF", "P"),
        "TIFF, RGB in one strip": saver(
            *(largest("TIFF", "RGB", **strips), "TIFF", "RGB"),
            compression="tiff_adobe_deflate",
            tiffinfo={278: 10**6},
        ),
        "TIFF, 32-bit numbers": saver(
            largest("TIFF", "F", tag_v2={278: 1}), "TIFF", "F", compression="tiff_adobe_deflate"
        ),
        "BMP": saver((4550, 3640), "BMP", "RGB"),  # not compressed: 50 MB are its limit
    }


def main() -> None:
    folder = Path(sys.argv[1])
    for number, (name, write) in enumerate(kinds().items()):
        path = folder / f"{number:02} {name.replace(':', '')}"
        write(path)
        assert path.stat().st_size <= MAX_UPLOAD_BYTES, f"{name} is larger than an upload may be"


if __name__ == "__main__":
    main()
