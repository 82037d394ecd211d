"""The memory that uploaded pictures may take: the cost by the header, the peak as measured."""

from __future__ import annotations

import io
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from studio.media import image_memory, images
from studio.media.images import ImageRefused, normalise_image, thumbnail_webp

MAX_PEAK_MB = 250  # beside about 150 MB of a web process: together under 400

MEASURE = """
import resource, sys
from studio.media.images import normalise_image
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open(sys.argv[1], "rb") as file:
    before = peak()
    still = normalise_image(file)
print(still.width, still.height, (peak() - before) // 1024)
"""


def gradient(width: int, height: int, mode: str = "RGB") -> Image.Image:
    values = (np.add.outer(np.arange(height), np.arange(width)) // 16 % 256).astype(np.uint8)
    return Image.fromarray(np.dstack([values, values[::-1], values[:, ::-1]])).convert(mode)


def saved(image: Image.Image, kind: str, **options: object) -> io.BytesIO:
    out = io.BytesIO()
    image.save(out, kind, **options)
    out.seek(0)
    return out


def largest(kind: str, mode: str, **options: object) -> tuple[int, int]:
    """Return the size in pixels of about the largest 5:4 picture of this kind that is accepted."""
    # A small one says how much a pixel takes.
    with Image.open(saved(gradient(400, 320, mode), kind, **options)) as small:
        pixels = image_memory.max_pixels(small)
    side = int((pixels / 20) ** 0.5)
    return 5 * side, 4 * side


@pytest.mark.once
@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("PNG", "RGBA", {"compress_level": 1}),
        ("WEBP", "RGBA", {"quality": 30, "method": 0}),
        ("JPEG", "RGB", {"progressive": True, "subsampling": 0}),
        ("TIFF", "RGB", {"compression": "tiff_adobe_deflate"}),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_the_largest_accepted_picture_stays_within_the_memory_of_a_web_process(
    kind, mode, options, tmp_path
):
    width, height = largest(kind, mode, **options)
    path = tmp_path / "picture"
    path.write_bytes(saved(gradient(width, height, mode), kind, **options).getvalue())
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < MAX_PEAK_MB, done.stdout


def test_a_progressive_jpeg_costs_what_its_coefficients_take():
    plain = saved(gradient(800, 640), "JPEG", subsampling=0)
    progressive = saved(gradient(800, 640), "JPEG", subsampling=0, progressive=True)
    pixels = 800 * 640
    with Image.open(plain) as image:
        assert image_memory.decode_bytes(image) == 4 * pixels
    with Image.open(progressive) as image:
        assert image_memory.decode_bytes(image) == (4 + 6) * pixels


def test_a_jpeg_of_too_much_memory_is_decoded_at_half_its_size(monkeypatch):
    monkeypatch.setattr(image_memory, "MAX_DECODE_BYTES", 4 * 1000 * 800 - 1)
    still = normalise_image(saved(gradient(1000, 800), "JPEG"))
    assert (still.width, still.height) == (500, 400)


def test_pictures_are_decoded_one_at_a_time_in_a_process(monkeypatch):
    monkeypatch.setattr(image_memory, "WAIT_S", 0.01)
    data = saved(gradient(200, 200), "PNG").getvalue()
    with (
        image_memory.one_decode(),
        pytest.raises(ImageRefused, match="Add this one again in a minute"),
    ):
        normalise_image(data)
    assert normalise_image(data).width == 200


def test_few_pictures_wait_and_the_next_is_refused_at_once(monkeypatch):
    monkeypatch.setattr(image_memory, "_places", threading.BoundedSemaphore(2))
    data = saved(gradient(200, 200), "PNG").getvalue()
    with image_memory.one_decode():
        waiting = threading.Thread(target=lambda: thumbnail_webp(data))
        waiting.start()
        while image_memory._places.acquire(blocking=False):  # until the other waits
            image_memory._places.release()
        with pytest.raises(ImageRefused, match="Add this one again in a minute"):
            normalise_image(data)
    waiting.join(20)
    assert normalise_image(data).width == 200


def test_a_picture_that_waits_for_its_turn_gets_it():
    data = saved(gradient(200, 200), "PNG").getvalue()
    results: list[bytes] = []
    with image_memory.one_decode():
        waiting = [
            threading.Thread(target=lambda: results.append(thumbnail_webp(data))) for _ in range(3)
        ]
        for thread in waiting:
            thread.start()
        assert not results
    for thread in waiting:
        thread.join(20)
    assert len(results) == 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "I;16", "F"])
def test_bands_leave_no_seams(mode):
    if mode in ("I;16", "F"):
        values = np.add.outer(np.arange(3000), np.arange(5000)) % 256
        kind = np.uint16 if mode == "I;16" else np.float32
        image = Image.fromarray((values * (257 if mode == "I;16" else 1)).astype(kind))
    else:
        image = gradient(5000, 3000, mode)
    options = {"compression": "tiff_lzw"} if mode in ("I;16", "F") else {}
    still = normalise_image(saved(image, "TIFF" if options else "PNG", **options))
    plain = images._plain_mode(image, images._white_level(image)).convert("RGB")
    whole = plain.resize((4096, 2458), Image.Resampling.LANCZOS)
    with Image.open(io.BytesIO(still.data)) as banded:
        difference = np.abs(np.asarray(banded, np.int16) - np.asarray(whole, np.int16))
    # JPEG may stand for a PNG over the limit, so a little noise is allowed; a seam is not.
    rows = difference.reshape(2458, -1).mean(axis=1)
    assert rows.max() < 3 + 2 * np.median(rows)
