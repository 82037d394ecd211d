from __future__ import annotations

import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from studio.media import images
from studio.media.images import (
    ImageRefused,
    cover_crop_to,
    crop_image,
    normalise_image,
    thumbnail_webp,
)


def picture(width=320, height=180, mode="RGB"):
    across = np.linspace(0, 255, width, dtype=np.uint8)
    down = np.linspace(0, 255, height, dtype=np.uint8)
    red, green = np.meshgrid(across, down)
    return Image.fromarray(np.dstack([red, green, red // 2 + 40])).convert(mode)


def noise(width, height):
    values = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def decoded(still):
    image = Image.open(io.BytesIO(still.data))
    image.load()
    return image


def png_header_only(width, height):
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + body
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + struct.pack(">I", 1 << 20)
        + b"IDAT"
        + bytes(64)
    )


@pytest.mark.parametrize(
    ("kind", "options", "becomes"),
    [
        ("PNG", {}, "image/png"),
        ("GIF", {}, "image/png"),
        ("BMP", {}, "image/png"),
        ("TIFF", {}, "image/png"),
        ("TIFF", {"compression": "jpeg"}, "image/jpeg"),
        ("WEBP", {"lossless": True}, "image/png"),
        ("WEBP", {"quality": 80}, "image/jpeg"),
        ("AVIF", {}, "image/jpeg"),
        ("JPEG", {}, "image/jpeg"),
    ],
)
def test_every_accepted_format_is_read_and_keeps_its_losslessness(kind, options, becomes):
    still = normalise_image(encoded(picture(), kind, **options))
    assert (still.content_type, still.width, still.height) == (becomes, 320, 180)
    assert still.extension == {"image/png": "png", "image/jpeg": "jpg"}[becomes]
    assert still.sha256 == hashlib.sha256(still.data).hexdigest()
    difference = np.abs(np.asarray(decoded(still), int) - np.asarray(picture(), int))
    # A palette of 256 colours or a lossy source moves pixels a little, never the picture.
    assert difference.mean() < 8


def test_a_png_keeps_its_pixels_exactly():
    still = normalise_image(encoded(noise(200, 100), "PNG"))
    assert np.array_equal(np.asarray(decoded(still)), np.asarray(noise(200, 100)))


def test_a_file_object_is_read_like_bytes():
    data = encoded(picture(), "PNG")
    assert normalise_image(io.BytesIO(data)) == normalise_image(data)


def test_the_same_pixels_are_the_same_bytes_whatever_the_file_said():
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Author", "somebody")
    plain = normalise_image(encoded(picture(), "PNG"))
    noted = normalise_image(encoded(picture(), "PNG", pnginfo=notes, dpi=(300, 300), optimize=True))
    bitmap = normalise_image(encoded(picture(), "BMP"))
    assert plain.sha256 == noted.sha256 == bitmap.sha256


def test_exif_orientation_is_applied_and_metadata_removed():
    source = picture()
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "holiday"
    exif.get_ifd(0x8825)[1] = "N"
    still = normalise_image(encoded(source, "JPEG", exif=exif, quality=95, comment=b"hello"))
    assert (still.width, still.height) == (180, 320)
    upright = np.asarray(source.transpose(Image.Transpose.ROTATE_270), int)
    assert np.abs(np.asarray(decoded(still), int) - upright).mean() < 4
    assert not decoded(still).getexif()
    assert b"holiday" not in still.data
    assert b"hello" not in still.data


def test_a_damaged_exif_block_does_not_cost_the_picture():
    still = normalise_image(encoded(picture(), "JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\xff\xff"))
    assert (still.width, still.height) == (320, 180)


def profile_with_red_and_green_swapped():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"?XYZ").replace(b"gXYZ", b"rXYZ").replace(b"?XYZ", b"gXYZ")
    return swapped.replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be"))


def test_an_embedded_profile_is_converted_to_srgb_and_dropped():
    source = encoded(picture(), "PNG", icc_profile=profile_with_red_and_green_swapped())
    result = decoded(normalise_image(source))
    red, green, blue = picture().split()
    assert "icc_profile" not in result.info
    difference = np.asarray(result, int) - np.asarray(Image.merge("RGB", (green, red, blue)), int)
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("made_for", ["srgb", "other pixels", "nothing"])
def test_a_profile_without_effect_leaves_pixels_alone(made_for):
    profile = {
        "srgb": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        "other pixels": ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
        "nothing": b"not a profile",
    }[made_for]
    still = normalise_image(encoded(picture(), "PNG", icc_profile=profile))
    assert still.sha256 == normalise_image(encoded(picture(), "PNG")).sha256


def linear_profile_named_srgb():
    """Return an RGB profile without curves that calls itself sRGB."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * int.from_bytes(data[128:132]), 12):
        if bytes(data[at : at + 4]) in {b"rTRC", b"gTRC", b"bTRC"}:
            start = int.from_bytes(data[at + 4 : at + 8])
            data[start : start + 12] = b"curv" + bytes(8)
    return bytes(data)


def png_with_gamma(image, gamma, *others):
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"gAMA", struct.pack(">I", round(gamma * 100_000)))
    for name, body in others:
        chunks.add(name, body)
    return encoded(image, "PNG", pnginfo=chunks)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_profile_is_judged_by_its_curves_and_not_by_its_name(mode):
    dark = Image.new("RGB", (100, 100), (55, 55, 55)).convert(mode)
    profile = linear_profile_named_srgb()
    for kind in ("PNG", "TIFF") if mode != "L" else ("TIFF",):
        still = decoded(normalise_image(encoded(dark, kind, icc_profile=profile)))
        assert still.getpixel((50, 50)) == pytest.approx((128, 128, 128), abs=1)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
@pytest.mark.parametrize(
    ("gamma", "shown"), [(1.0, 128), (0.45455, 55), (1 / 1.8, 71), (0.00001, 55), (1000, 55)]
)
def test_the_gamma_of_a_png_is_honoured(mode, gamma, shown):
    source = png_with_gamma(Image.new("RGB", (100, 100), (55, 55, 55)).convert(mode), gamma)
    pixel = decoded(normalise_image(source)).convert("RGB").getpixel((50, 50))
    assert pixel == pytest.approx((shown,) * 3, abs=1)


def test_what_a_png_says_of_srgb_or_a_profile_counts_before_its_gamma():
    dark = Image.new("RGB", (100, 100), (55, 55, 55))
    said = png_with_gamma(dark, 1.0, (b"sRGB", bytes(1)))
    assert decoded(normalise_image(said)).getpixel((50, 50)) == (55, 55, 55)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"gAMA", struct.pack(">I", 100_000))
    both = encoded(dark, "PNG", icc_profile=profile, pnginfo=chunks)
    assert decoded(normalise_image(both)).getpixel((50, 50)) == (55, 55, 55)


def test_a_tiff_of_floating_point_colours_says_so():
    """Pillow reads no three channels of floating-point numbers."""
    entries = [
        (256, 3, 1, 64), (257, 3, 1, 64), (258, 3, 1, 32), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, 200), (277, 3, 1, 3), (278, 3, 1, 64), (279, 4, 1, 64 * 64 * 12), (339, 3, 1, 3),
    ]  # fmt: skip
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(4)
    with pytest.raises(ImageRefused, match="floating-point numbers.*8 or 16 bits a colour"):
        normalise_image(head.ljust(200, b"\0") + bytes(64 * 64 * 12))


def test_cmyk_becomes_rgb():
    still = normalise_image(encoded(picture(mode="CMYK"), "JPEG", quality=95))
    assert decoded(still).mode == "RGB"
    assert np.abs(np.asarray(decoded(still), int) - np.asarray(picture(), int)).mean() < 4


def test_sixteen_bit_grey_keeps_its_range():
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (100, 1))
    still = normalise_image(encoded(Image.fromarray(ramp), "PNG"))
    row = np.asarray(decoded(still))[50, :, 0]
    assert decoded(still).mode == "RGB"
    assert np.abs(row.astype(int) - np.arange(256)).max() <= 1


def test_sixteen_bit_colour_keeps_its_range():
    rows = b"".join(
        b"\x00" + b"".join(struct.pack(">HHH", x * 655, 65535 - x * 655, 0) for x in range(100))
        for _ in range(100)
    )

    def chunk(name, body):
        crc = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", 100, 100, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    last = decoded(normalise_image(data)).getpixel((99, 50))
    assert last[0] > 250
    assert last[1] < 5


@pytest.mark.parametrize(("value", "white"), [(1.0, 1.0), (255.0, 255.0), (65535.0, 65535.0)])
def test_a_floating_point_tiff_is_scaled_to_eight_bits(value, white):
    ramp = np.tile(np.linspace(0, value, 128, dtype=np.float32), (100, 1))
    row = np.asarray(decoded(normalise_image(encoded(Image.fromarray(ramp), "TIFF"))))[50, :, 0]
    assert row[0] == 0
    assert row[-1] == 255


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_black(mode):
    source = Image.new("RGBA", (100, 100), (255, 255, 255, 255))
    source.paste((255, 255, 255, 0), (0, 0, 50, 100))
    if mode == "P":
        source = source.convert("P")
        source.info["transparency"] = source.getpixel((10, 10))
        source.putpixel((90, 90), (source.getpixel((10, 10)) + 1) % 256)
        data = encoded(Image.open(io.BytesIO(encoded(transparent_gif(), "PNG"))), "PNG")
    else:
        data = encoded(source.convert(mode), "PNG")
    result = decoded(normalise_image(data))
    assert result.mode == "RGB"
    assert result.getpixel((10, 10)) == (0, 0, 0)
    assert result.getpixel((90, 10)) == (255, 255, 255)


def transparent_gif():
    image = Image.new("P", (100, 100), 0)
    image.putpalette([9, 9, 9, 255, 255, 255] + [0] * 762)
    image.paste(1, (50, 0, 100, 100))
    image.info["transparency"] = 0
    return image


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_an_animation_gives_its_first_frame(kind):
    frames = [Image.new("RGB", (100, 100), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert decoded(normalise_image(data)).getpixel((50, 50)) == (255, 0, 0)


def test_a_large_picture_is_brought_to_the_long_side_limit():
    still = normalise_image(encoded(picture(5000, 2500), "JPEG", quality=80))
    assert (still.width, still.height) == (4096, 2048)


def test_a_very_large_jpeg_is_brought_to_the_same_size_by_the_fast_path():
    still = normalise_image(encoded(picture(9001, 3000), "JPEG", quality=80))
    assert (still.width, still.height) == (4096, 1365)


def test_a_lossless_source_too_large_as_png_becomes_jpeg(monkeypatch):
    monkeypatch.setattr(images, "MAX_PNG_BYTES", 10_000)
    assert normalise_image(encoded(noise(300, 300), "PNG")).content_type == "image/jpeg"
    assert normalise_image(encoded(Image.new("RGB", (300, 300)), "PNG")).content_type == "image/png"


def test_jpeg_keeps_full_colour_resolution():
    still = normalise_image(encoded(picture(), "JPEG"))
    assert [layer[1:3] for layer in decoded(still).layer] == [(1, 1)] * 3


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty"),
        (b"just some text in a file called photo.jpg", "not a picture that can be read"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(32), "HEIC"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "not a picture"),
        (encoded(picture(), "PNG")[:-400], "damaged or incomplete"),
        (encoded(picture(), "JPEG")[:-900], "damaged or incomplete"),
        (encoded(picture(), "WEBP")[:-300], "picture"),
        (png_header_only(30_000, 30_000), "120 million"),
        (png_header_only(12_000, 10_000), "12000 x 10000.*40 million.*PNG"),
        (encoded(Image.new("RGB", (1, 1)), "PNG"), "at least 64 pixels"),
        (encoded(Image.new("RGB", (63, 500)), "PNG"), "63 x 500"),
        (encoded(Image.new("RGB", (30_000, 460)), "PNG"), "too narrow .30000 x 460 pixels"),
    ],
)
def test_what_is_not_a_usable_picture_is_refused_with_a_sentence(data, sentence):
    with pytest.raises(ImageRefused, match=sentence) as caught:
        normalise_image(data)
    assert str(caught.value).endswith(".")


def test_damage_anywhere_is_refused_and_never_another_error():
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"):
        good = encoded(picture(), kind)
        random = np.random.default_rng(3)
        for _ in range(25):
            bad = bytearray(good)
            for position in random.integers(0, len(bad), 12):
                bad[position] = int(random.integers(0, 256))
            try:
                normalise_image(bytes(bad))
            except ImageRefused:
                pass


def test_an_upload_over_the_byte_limit_is_refused_without_being_read(monkeypatch):
    monkeypatch.setattr(images, "MAX_UPLOAD_BYTES", 2**20)

    class Unread(io.BytesIO):
        def read(self, *args):
            raise AssertionError("it was read")

    with pytest.raises(ImageRefused, match="at most 1 MB"):
        normalise_image(Unread(bytes(3 * 2**20)))


def test_a_thumbnail_is_a_small_webp_and_never_larger_than_the_picture():
    small = Image.open(io.BytesIO(thumbnail_webp(encoded(picture(1600, 900), "JPEG"))))
    assert (small.format, small.size) == ("WEBP", (640, 360))
    same = Image.open(io.BytesIO(thumbnail_webp(encoded(picture(), "PNG"), side=500)))
    assert same.size == (320, 180)


def test_a_crop_cuts_the_named_part():
    still = crop_image(encoded(noise(400, 200), "PNG"), x=0.25, y=0.5, width=0.5, height=0.5)
    assert (still.width, still.height, still.content_type) == (200, 100, "image/png")
    assert np.array_equal(np.asarray(decoded(still)), np.asarray(noise(400, 200))[100:, 100:300])


@pytest.mark.parametrize(
    ("box", "sentence"),
    [
        ((-0.1, 0, 0.5, 0.5), "between 0 and 1"),
        ((0, 0, float("nan"), 0.5), "between 0 and 1"),
        ((0, 0, 0, 0.5), "inside the picture"),
        ((0.6, 0, 0.5, 0.5), "inside the picture"),
        ((0, 0, 0.1, 0.1), "at least 64 pixels"),
        ((0, 0, 1e-9, 1), "at least 64 pixels"),
    ],
)
def test_an_impossible_crop_is_refused(box, sentence):
    x, y, width, height = box
    with pytest.raises(ImageRefused, match=sentence):
        crop_image(encoded(picture(), "PNG"), x=x, y=y, width=width, height=height)


@pytest.mark.parametrize(
    ("shape", "size", "box"),
    [
        ("16:9", (1600, 900), (0, 0, 1, 1)),
        ("1:1", (200, 100), (0.25, 0, 0.5, 1)),
        ("1:1", (100, 200), (0, 0.25, 1, 0.5)),
        ("9:21", (1000, 1000), (2 / 7, 0, 3 / 7, 1)),
    ],
)
def test_the_cover_crop_is_the_largest_centred_box(shape, size, box):
    assert cover_crop_to(shape, width=size[0], height=size[1]) == pytest.approx(box)


@pytest.mark.parametrize("shape", ["wide", "16x9", "0:9", "16:", "-1:2"])
def test_a_shape_that_is_none_is_an_error(shape):
    with pytest.raises(ValueError, match="is not like 16:9"):
        cover_crop_to(shape, width=100, height=100)
