"""Still pictures: what comes in is turned into one plain, safe form. Pillow only."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

MAX_UPLOAD_BYTES = 50 * 2**20
MAX_PIXELS = 120_000_000
MAX_SIDE = 4096  # pixels, long side of what is kept
MIN_SIDE = 64  # pixels, short side of what is kept
MAX_PNG_BYTES = 8 * 2**20  # above this a lossless source is kept as JPEG

# Named one by one, so that no decoder with side effects (EPS runs Ghostscript) is ever tried.
_READERS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
_ACCEPTED = "PNG, JPEG, WebP, GIF, TIFF, BMP and AVIF"
_JPEG_QUALITY = 95
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
# Pillow warns above this and refuses above twice this, before it has decoded anything.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
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
    data = _read_limited(source)
    with _opened(data) as image:
        lossless = _is_lossless(image, data)
        picture = _decoded(image)
    _check_not_tiny(picture)
    return _encoded(picture, lossless=lossless)


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
    with _opened(data) as image:
        lossless = _is_lossless(image, data)
        picture = _decoded(image)
    left, top = round(x * picture.width), round(y * picture.height)
    right = min(picture.width, round((x + width) * picture.width))
    bottom = min(picture.height, round((y + height) * picture.height))
    if right <= left or bottom <= top:
        raise ImageRefused(f"The crop is too small. Each side must be at least {MIN_SIDE} pixels.")
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
    with _opened(data) as image:
        picture = _decoded(image, side=side)
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=80, method=4)
    return out.getvalue()


def _read_limited(source: bytes | BinaryIO) -> bytes:
    data = source if isinstance(source, bytes) else source.read(MAX_UPLOAD_BYTES + 1)
    if not data:
        raise ImageRefused("The file is empty.")
    if len(data) > MAX_UPLOAD_BYTES:
        limit_mb = MAX_UPLOAD_BYTES // 2**20
        raise ImageRefused(f"The file is too large. A picture may have at most {limit_mb} MB.")
    return data


@contextlib.contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """Open by content; decoding errors inside the block become ImageRefused too."""
    try:
        with Image.open(io.BytesIO(data), formats=_READERS) as image:
            _check_pixels(*image.size)
            yield image
    except ImageRefused:
        raise
    except UnidentifiedImageError:
        raise ImageRefused(_unknown_sentence(data)) from None
    except Image.DecompressionBombError:
        raise ImageRefused(_pixels_sentence("")) from None
    except Exception as error:
        # Pillow's readers raise anything on damaged files, from OSError to RuntimeError.
        raise ImageRefused(
            "The picture is damaged or incomplete and cannot be read. Save it again and retry."
        ) from error


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageRefused(_pixels_sentence(f" ({width} x {height})"))


def _pixels_sentence(size: str) -> str:
    return (
        f"The picture has too many pixels{size}. At most {MAX_PIXELS // 10**6} million are allowed."
    )


def _unknown_sentence(data: bytes) -> str:
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return "SVG drawings are not accepted. Export it as a PNG and upload that."
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return "HEIC photos are not accepted. Save it as a JPEG and upload that."
    return f"This file is not a picture that can be read. Accepted are {_ACCEPTED}."


def _is_lossless(image: Image.Image, data: bytes) -> bool:
    if image.format == "WEBP":
        return b"VP8L" in data
    if image.format == "TIFF":
        return image.info.get("compression") != "jpeg"
    return image.format in {"PNG", "GIF", "BMP"}


def _decoded(image: Image.Image, *, side: int = MAX_SIDE) -> Image.Image:
    """Decode to upright sRGB without alpha, at most `side` pixels on the long side."""
    scale = min(1.0, side / max(image.size))
    image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
    profile = image.info.get("icc_profile")
    image.load()
    # Broken EXIF raises anything and must not cost the picture.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    # Shrunk before colours are converted: at 100 million pixels each copy is 400 MB.
    return _to_srgb(_fitted(_plain_mode(image), side), profile)


def _plain_mode(image: Image.Image) -> Image.Image:
    """Return the picture in L, RGB, RGBA, CMYK or LAB, 8 bits a channel."""
    image = _to_eight_bits(image)
    if image.mode in {"LA", "La", "PA", "RGBa"} or "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode in {"L", "RGB", "RGBA", "CMYK", "LAB"} else image.convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if alpha else image
    if image.mode == "LAB":
        embedded: ImageCms.ImageCmsProfile | None = _LAB
    else:
        embedded = _usable_profile(profile)
    result = _transformed(colours, embedded) if embedded else None
    result = result or colours.convert("RGB")
    if alpha is not None:
        result = Image.composite(result, Image.new("RGB", result.size), alpha)
    return result


def _to_eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value / 257).convert("L")
    if image.mode in {"I", "F"}:
        lowest, highest = image.getextrema()
        assert isinstance(lowest, (int, float)) and isinstance(highest, (int, float))
        # 32-bit files do not say their range: 0..1, 0..255 and 0..65535 are what programs write.
        white = 1 if highest <= 1 else 255 if highest <= 255 else max(65535, highest)
        factor = 255 / white
        return image.point(lambda value: value * factor + 0).convert("L")
    return image


def _usable_profile(profile: bytes | None) -> ImageCms.ImageCmsProfile | None:
    if not profile:
        return None
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        described = ImageCms.getProfileDescription(embedded).strip()
    except (ImageCms.PyCMSError, OSError):
        return None
    # sRGB to sRGB would only round pixels up and down by one.
    return None if described.startswith("sRGB") else embedded


def _transformed(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image | None:
    try:
        return ImageCms.profileToProfile(image, profile, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, ValueError):
        return None  # a profile made for another kind of pixels: better unconverted than refused


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    scale = side / max(picture.size)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _check_not_tiny(picture: Image.Image) -> None:
    if min(picture.size) < MIN_SIDE:
        raise ImageRefused(
            f"The picture is too small ({picture.width} x {picture.height} pixels). "
            f"Each side must be at least {MIN_SIDE} pixels."
        )


def _encoded(picture: Image.Image, *, lossless: bool) -> StillImage:
    if lossless and (data := _as_png(picture)) is not None:
        return _still(picture, data, "image/png", "png")
    out = io.BytesIO()
    _bare(picture).save(out, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return _still(picture, out.getvalue(), "image/jpeg", "jpg")


def _as_png(picture: Image.Image) -> bytes | None:
    out = io.BytesIO()
    _bare(picture).save(out, "PNG", compress_level=6)
    return out.getvalue() if out.tell() <= MAX_PNG_BYTES else None


def _bare(picture: Image.Image) -> Image.Image:
    """Forget what Pillow would write back by itself: comments, profiles, EXIF, densities."""
    clean = picture.copy()
    clean.info = {}
    clean.getexif().clear()
    return clean


def _still(picture: Image.Image, data: bytes, content_type: str, extension: str) -> StillImage:
    digest = hashlib.sha256(data).hexdigest()
    return StillImage(data, content_type, extension, picture.width, picture.height, digest)
