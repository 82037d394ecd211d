"""Still pictures: what comes in is turned into one plain, safe form. Pillow only.

Decoding keeps to the budget of `image_memory`: one picture at a time, shrunk in bands, and the
reader with its full-size pixels is freed before colours are converted.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from PIL import ExifTags, Image, ImageChops, ImageCms, UnidentifiedImageError

from studio.media.image_memory import (
    MAX_JPEG_PIXELS,
    DecoderBusy,
    jpeg_shrink,
    max_pixels,
    one_decode,
)

MAX_UPLOAD_BYTES = 50 * 2**20
MAX_SIDE = 4096  # pixels, long side of what is kept
MIN_SIDE = 64  # pixels, short side of what is kept
MAX_PNG_BYTES = 8 * 2**20  # above this a lossless source is kept as JPEG

# Named one by one, so that no decoder with side effects (EPS runs Ghostscript) is ever tried.
_READERS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
_ACCEPTED = "PNG, JPEG, WebP, GIF, TIFF, BMP and AVIF"
_SIGNATURES = {
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "WebP": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "GIF": re.compile(rb"GIF8[79]a"),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
    "BMP": re.compile(rb"BM.{4}\0{4}", re.DOTALL),
    "AVIF": re.compile(rb".{4}ftypavi[fs]", re.DOTALL),
}
_JPEG_QUALITY = 95
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
_BAND_ROWS = 64  # rows of the result made at once
# Pillow warns above this and refuses above twice this, before it has decoded anything.
Image.MAX_IMAGE_PIXELS = MAX_JPEG_PIXELS
# EXIF's orientations, as the turns that undo them.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SRGB_GAMMA = 0.45455
_GAMMAS = (0.2, 5.0)  # of PNG files; others are damage
_SRGB_TOLERANCE = 3  # of 255: what profiles of sRGB differ by
_LEVELS = (0, 32, 64, 128, 192, 255)
_SAMPLES = [(level, level, level) for level in range(0, 256, 5)] + [
    (red, green, blue) for red in _LEVELS for green in _LEVELS for blue in _LEVELS
]
_LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


class ImageRefused(ValueError):
    """The picture cannot be used; the message is a sentence for people naming the limit."""


@dataclass(frozen=True, slots=True)
class StillImage:
    """A picture ready to be kept: 8-bit sRGB without alpha or metadata, upright.

    `sha256` is the hexadecimal digest of `data`; equal pixels from a source of equal kind give
    equal bytes.
    """

    data: bytes
    content_type: str  # image/png or image/jpeg
    extension: str  # "png" or "jpg"
    width: int
    height: int
    sha256: str


class CropBox(NamedTuple):
    """A part of a picture, as fractions 0..1 of its width and height."""

    x: float
    y: float
    width: float
    height: float


def normalise_image(source: bytes | BinaryIO) -> StillImage:
    """Turn an uploaded picture into the form in which it is kept.

    Applies the EXIF orientation, converts to 8-bit sRGB (embedded profile honoured), lays
    transparency on black, takes the first frame of an animation, drops all metadata and shrinks
    to at most MAX_SIDE on the long side. Lossless sources become PNG while that is at most
    MAX_PNG_BYTES, everything else JPEG (quality 95, 4:4:4).
    Raises ImageRefused for anything that is not a usable picture.
    """
    stream = _limited_stream(source)
    with _decoding(stream):
        decoded = _decoded(stream)
        _check_not_tiny(decoded.picture, original=decoded.original_size)
        return _encoded(decoded.picture, lossless=decoded.lossless)


def crop_image(data: bytes, *, x: float, y: float, width: float, height: float) -> StillImage:
    """Cut a part out of a picture; the box is in fractions 0..1 of its width and height.

    Raises ImageRefused when the box leaves the picture or the result is under MIN_SIDE.
    """
    box = CropBox(x, y, width, height)
    if not all(math.isfinite(value) and 0 <= value <= 1 for value in box):
        raise ImageRefused("The crop must lie between 0 and 1 on both sides.")
    # A browser sums rounded fractions, so a box to the very edge may read 1.0000001.
    if width <= 0 or height <= 0 or x + width > 1.0001 or y + height > 1.0001:
        raise ImageRefused("The crop must lie inside the picture.")
    stream = io.BytesIO(data)
    with _decoding(stream):
        picture, lossless, _ = _decoded(stream)
        left, top = round(x * picture.width), round(y * picture.height)
        right = min(picture.width, round((x + width) * picture.width))
        bottom = min(picture.height, round((y + height) * picture.height))
        if right <= left or bottom <= top:
            raise ImageRefused(
                f"The crop is too small. Each side must be at least {MIN_SIDE} pixels."
            )
        picture = picture.crop((left, top, right, bottom))
        _check_not_tiny(picture)
        return _encoded(picture, lossless=lossless)


def cover_crop_to(aspect_ratio: str, *, width: int, height: int) -> CropBox:
    """Return the largest centred box of shape "W:H" inside a picture of that size in pixels."""
    across, _, down = aspect_ratio.partition(":")
    if not (across.isdigit() and down.isdigit() and int(across) and int(down)):
        raise ValueError(f"aspect_ratio {aspect_ratio!r} is not like 16:9")
    if width <= 0 or height <= 0:
        raise ValueError(f"a picture of {width} x {height} has no shape")
    wanted, have = int(across) / int(down), width / height
    part_x, part_y = min(1.0, wanted / have), min(1.0, have / wanted)
    return CropBox((1 - part_x) / 2, (1 - part_y) / 2, part_x, part_y)


def thumbnail_webp(data: bytes, *, side: int = 640) -> bytes:
    """Return a WebP of the picture, at most `side` pixels on the long side, never enlarged."""
    stream = io.BytesIO(data)
    with _decoding(stream):
        picture = _decoded(stream, side=side).picture
        out = io.BytesIO()
        picture.save(out, "WEBP", quality=80, method=4)
        return out.getvalue()


def _limited_stream(source: bytes | BinaryIO) -> BinaryIO:
    """Return the source as a stream at its beginning, its length checked without reading it."""
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    size = stream.seek(0, io.SEEK_END)
    if not size:
        raise ImageRefused("The file is empty.")
    if size > MAX_UPLOAD_BYTES:
        limit_mb = MAX_UPLOAD_BYTES // 2**20
        raise ImageRefused(f"The file is too large. A picture may have at most {limit_mb} MB.")
    stream.seek(0)
    return stream


@contextlib.contextmanager
def _decoding(stream: BinaryIO) -> Iterator[None]:
    """Hold the process's place for decoding; errors of a reader become ImageRefused."""
    try:
        with one_decode():
            yield
    except ImageRefused:
        raise
    except DecoderBusy:
        raise ImageRefused(
            "Other pictures are being read just now. Add this one again in a minute."
        ) from None
    except UnidentifiedImageError:
        raise ImageRefused(_unknown_sentence(stream)) from None
    except Image.DecompressionBombError:
        millions = MAX_JPEG_PIXELS // 10**6
        raise ImageRefused(
            f"The picture has too many pixels. At most {millions} million are allowed."
        ) from None
    except Exception as error:
        # Pillow's readers raise anything on damaged files, from OSError to RuntimeError.
        raise ImageRefused(
            "The picture is damaged or incomplete and cannot be read. Save it again and retry."
        ) from error


def _unknown_sentence(stream: BinaryIO) -> str:
    stream.seek(0)
    data = stream.read(1024)
    head = data.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return "SVG drawings are not accepted. Export it as a PNG and upload that."
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return "HEIC photos are not accepted. Save it as a JPEG and upload that."
    for kind, begins in _SIGNATURES.items():
        if begins.match(data):
            return (
                f"This {kind} is of a kind that cannot be read: its colours are floating-point numbers, "
                "or it is damaged. Save it again with 8 or 16 bits a colour."
            )
    return f"This file is not a picture that can be read. Accepted are {_ACCEPTED}."


def _is_lossless(image: Image.Image, stream: BinaryIO) -> bool:
    if image.format == "WEBP":
        stream.seek(0)
        return _contains(stream, b"VP8L")
    if image.format == "TIFF":
        return image.info.get("compression") != "jpeg"
    return image.format in {"PNG", "GIF", "BMP"}


def _contains(stream: BinaryIO, needle: bytes) -> bool:
    """Look through a stream without holding all of it."""
    before = b""
    while part := stream.read(2**20):
        if needle in before + part:
            return True
        before = part[-len(needle) + 1 :]
    return False


class Decoded(NamedTuple):
    """Upright sRGB pixels without alpha, and what the file said of them."""

    picture: Image.Image
    lossless: bool
    original_size: tuple[int, int]  # pixels, as opened


def _decoded(stream: BinaryIO, *, side: int = MAX_SIDE) -> Decoded:
    """Decode to upright sRGB without alpha, at most `side` pixels on the long side."""
    pixels, meaning, lossless, size = _pixels(stream, side)
    picture = _to_srgb(pixels, meaning)
    # Pillow would write it back by itself: comments, profiles, EXIF, densities.
    picture.info = {}
    return Decoded(picture, lossless, size)


class ColourMeaning(NamedTuple):
    """What a file says its numbers mean; an embedded profile counts before a PNG's gamma."""

    profile: bytes | None
    gamma: float | None  # a number is light to this power


def _pixels(
    stream: BinaryIO, side: int
) -> tuple[Image.Image, ColourMeaning, bool, tuple[int, int]]:
    """Return upright pixels, what they mean, whether lossless, and the size as opened.

    What the reader holds, for a WebP as much as the pixels twice, is freed by returning.
    """
    with Image.open(stream, formats=_READERS) as image:
        size, lossless = image.size, _is_lossless(image, stream)
        _check_memory(image, side)
        image.load()
        meaning = ColourMeaning(image.info.get("icc_profile"), _gamma_of(image))
        turn = _TURNS.get(_orientation(image))
        picture = _shrunk(image, side)
        picture = picture.copy() if picture is image else picture
    return picture.transpose(turn) if turn is not None else picture, meaning, lossless, size


def _check_memory(image: Image.Image, side: int) -> None:
    """Have a JPEG decoded at a part of its size; refuse what takes more memory than one may."""
    shrink = jpeg_shrink(image, side) if image.format == "JPEG" else 1
    width, height = image.size
    most = max_pixels(image, shrink)
    if width * height > most:
        kind = "progressive JPEG" if image.info.get("progressive") else image.format
        raise ImageRefused(
            f"The picture has too many pixels ({width} x {height}). At most {most // 10**6} million "
            f"are allowed in this kind of file ({kind}). Make it smaller, or save it as a plain JPEG."
        )
    if shrink > 1:
        image.draft(None, (width // shrink, height // shrink))


def _orientation(image: Image.Image) -> int:
    # Broken EXIF raises anything and must not cost the picture.
    with contextlib.suppress(Exception):
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """Return the picture in a plain mode, at most `side` pixels on the long side.

    Made in bands, so that no second copy of a large picture is ever held. Each band is cut with
    what the filter reads beside it, so the seams do not show.
    """
    white = _white_level(image)
    scale = max(image.size) / side
    if scale <= 1:
        return _plain_mode(image, white)
    width, height = max(1, round(image.width / scale)), max(1, round(image.height / scale))
    step = image.height / height
    margin = math.ceil(3 * step) + 1
    result: Image.Image | None = None
    for top in range(0, height, _BAND_ROWS):
        bottom = min(height, top + _BAND_ROWS)
        first = max(0, math.floor(top * step) - margin)
        last = min(image.height, math.ceil(bottom * step) + margin)
        band = _plain_mode(image.crop((0, first, image.width, last)), white)
        box = (0, top * step - first, image.width, min(bottom * step - first, band.height))
        small = band.resize((width, bottom - top), Image.Resampling.LANCZOS, box=box)
        if result is None:
            result = Image.new(small.mode, (width, height))
        result.paste(small, (0, top))
    assert result is not None
    return result


def _plain_mode(image: Image.Image, white: float) -> Image.Image:
    """Return the picture in L, RGB, RGBA, CMYK or LAB, 8 bits a channel."""
    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value / 257).convert("L")
    if image.mode in {"I", "F"}:
        return image.point(lambda value: value * (255 / white) + 0).convert("L")
    if image.mode in {"LA", "La", "PA", "RGBa"} or "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode in {"L", "RGB", "RGBA", "CMYK", "LAB"} else image.convert("RGB")


def _white_level(image: Image.Image) -> float:
    """Return the value that stands for white in a picture of 32-bit numbers."""
    if image.mode not in {"I", "F"}:
        return 255
    highest = image.getextrema()[1]
    assert isinstance(highest, int | float)
    # 32-bit files do not say their range: 0..1, 0..255 and 0..65535 are what programs write.
    return 1 if highest <= 1 else 255 if highest <= 255 else max(65535, highest)


def _gamma_of(image: Image.Image) -> float | None:
    """Return the gamma a PNG gives instead of a profile, where it is another than sRGB's."""
    gamma = image.info.get("gamma")
    if image.format != "PNG" or "srgb" in image.info or not isinstance(gamma, int | float):
        return None
    usual = abs(gamma - _SRGB_GAMMA) < 0.03
    return gamma if not usual and _GAMMAS[0] <= gamma <= _GAMMAS[1] else None


def _to_srgb(image: Image.Image, meaning: ColourMeaning) -> Image.Image:
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    if alpha is not None:
        image = image.convert("RGB")
    if image.mode == "LAB":
        image = _transformed(image, _LAB) or image
    elif meaning.profile:
        image = _by_profile(image, meaning.profile)
    elif meaning.gamma:
        image = _by_gamma(image, meaning.gamma)
    if image.mode != "RGB":
        image = image.convert("RGB")
    if alpha is None:
        return image
    result = Image.new("RGB", image.size)
    result.paste(image, mask=alpha)
    return result


def _by_profile(image: Image.Image, data: bytes) -> Image.Image:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        space = profile.profile.xcolor_space.strip()
    except (ImageCms.PyCMSError, OSError):
        return image
    if image.mode == "L" and space == "RGB":
        image = image.convert("RGB")
    # sRGB to sRGB would only round pixels up and down by one.
    if image.mode == "RGB" and _is_srgb(profile):
        return image
    return _transformed(image, profile) or image


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether colours stay what they are under this profile; its name may say anything."""
    ramp = Image.new("RGB", (len(_SAMPLES), 1))
    ramp.putdata(_SAMPLES)
    shown = _transformed(ramp, profile)
    if shown is None:
        return False
    differences = ImageChops.difference(ramp, shown).getextrema()
    return all(int(most) <= _SRGB_TOLERANCE for _, most in differences)  # type: ignore[misc]


def _by_gamma(image: Image.Image, gamma: float) -> Image.Image:
    curve = []
    for value in range(256):
        light = (value / 255) ** (1 / gamma)
        signal = light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
        curve.append(round(signal * 255))
    return image.point(curve * len(image.getbands()))


def _transformed(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image | None:
    try:
        return ImageCms.profileToProfile(image, profile, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, ValueError):
        return None  # a profile made for another kind of pixels: better unconverted than refused


def _check_not_tiny(picture: Image.Image, *, original: tuple[int, int] | None = None) -> None:
    """Refuse a picture whose short side is under MIN_SIDE, naming its `original` size in pixels."""
    if min(picture.size) >= MIN_SIDE:
        return
    width, height = original or picture.size
    if min(width, height) < MIN_SIDE:
        raise ImageRefused(
            f"The picture is too small ({width} x {height} pixels). "
            f"Each side must be at least {MIN_SIDE} pixels."
        )
    raise ImageRefused(
        f"The picture is too narrow ({width} x {height} pixels). Its long side is brought to "
        f"{MAX_SIDE} pixels, which leaves {min(picture.size)} for the other; "
        f"at least {MIN_SIDE} pixels are needed."
    )


def _encoded(picture: Image.Image, *, lossless: bool) -> StillImage:
    if lossless and (data := _as_png(picture)) is not None:
        return _still(picture, data, "image/png", "png")
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return _still(picture, out.getvalue(), "image/jpeg", "jpg")


def _as_png(picture: Image.Image) -> bytes | None:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=6)
    return out.getvalue() if out.tell() <= MAX_PNG_BYTES else None


def _still(picture: Image.Image, data: bytes, content_type: str, extension: str) -> StillImage:
    digest = hashlib.sha256(data).hexdigest()
    return StillImage(data, content_type, extension, picture.width, picture.height, digest)
