from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image

from studio.models import Keyframe
from studio.services import keyframes
from studio.services.errors import StudioError
from tests.people import make_clip

pytestmark = pytest.mark.django_db
JSON = {"Accept": "application/json"}


@pytest.fixture
def stills(client, cast):
    client.force_login(cast.bob)
    return f"/p/{cast.project.code}/stills/"


def picture(kind="PNG", size=(320, 180), mode="RGB", colour=(200, 120, 40), **options):
    out = io.BytesIO()
    Image.new("RGB", size, colour).convert(mode).save(out, kind, **options)
    return out.getvalue()


def file(data=None, name="Dawn_over ridge.png"):
    return SimpleUploadedFile(name, picture() if data is None else data)


def keep(cast, colour=(1, 2, 3), size=(320, 180), name="Dawn.png"):
    still, _ = keyframes.store_keyframe(
        project=cast.project, by=cast.bob, source=picture(colour=colour, size=size), name=name
    )
    return still


def header_of(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body
    return start + struct.pack(">I", zlib.crc32(body)) + struct.pack(">I", 9) + b"IDAT" + bytes(64)


def turned_photo():
    exif = Image.Exif()
    exif[274] = 6  # orientation: the camera was on its side
    exif[305] = "camera software"
    return picture("JPEG", size=(320, 180), exif=exif)


# ---- Uploading -------------------------------------------------------------------------
def test_several_pictures_are_stored_at_once(client, cast, stills):
    pictures = [file(picture(colour=(n, n, n)), f"{n}.png") for n in (10, 20, 30)]
    answer = client.post(stills, {"stills": pictures}, headers=JSON)
    assert answer.status_code == 201
    body = answer.json()
    assert [still["name"] for still in body["stills"]] == ["10", "20", "30"]
    assert body["errors"] == []
    kept = Keyframe.objects.get(code=body["stills"][0]["code"])
    assert (kept.width, kept.height, kept.uploaded_by) == (320, 180, cast.bob)
    assert Path(kept.file.path).is_file() and Path(kept.thumbnail.path).is_file()


def test_the_same_picture_is_stored_once_and_said_so(client, cast, stills):
    first = client.post(stills, {"stills": file()}, headers=JSON).json()["stills"][0]
    again = client.post(stills, {"stills": file(name="other.png")}, headers=JSON)
    assert again.status_code == 201
    assert again.json()["stills"] == [first | {"created": False}]
    assert Keyframe.objects.count() == 1
    page = client.post(stills, {"stills": file()}, follow=True)
    assert "“Dawn over ridge” was here already and is kept once." in page.content.decode()


def test_the_same_picture_belongs_to_each_project_by_itself(client, cast, stills):
    client.post(stills, {"stills": file()}, headers=JSON)
    other = make_clip(cast.project).project.__class__.objects.create(
        name="Other", created_by=cast.alice
    )
    still, created = keyframes.store_keyframe(
        project=other, by=cast.alice, source=picture(), name="x.png"
    )
    assert created and still.project == other


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (header_of(30_000, 30_000), "At most 120 million are allowed."),
        (b"Dear diary, this is no picture.", "This file is not a picture that can be read."),
        (b"", "empty"),
        (picture(size=(1, 1)), "Each side must be at least 64 pixels."),
        (picture()[:200], "damaged or incomplete"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawings are not accepted."),
    ],
    ids=["bomb", "renamed text", "empty", "one pixel", "cut off", "svg"],
)
def test_a_bad_file_gets_a_sentence_and_leaves_nothing(client, cast, stills, data, sentence):
    answer = client.post(stills, {"stills": file(data)}, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["stills"] == []
    (error,) = answer.json()["errors"]
    assert sentence in error["message"] and error["name"] == "Dawn_over ridge.png"
    assert not Keyframe.objects.exists()
    assert not [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


def test_a_file_over_the_limit_is_refused_with_the_limit(client, stills, monkeypatch):
    monkeypatch.setattr("studio.media.images.MAX_UPLOAD_BYTES", 1 << 20)
    answer = client.post(stills, {"stills": file(bytes((1 << 20) + 1))}, headers=JSON)
    assert "A picture may have at most 1 MB." in answer.json()["errors"][0]["message"]


def test_a_photo_of_40_mb_is_kept(client, stills):
    grain = Image.effect_noise((5000, 3400), 90).convert("RGB")
    out = io.BytesIO()
    grain.save(out, "BMP")
    assert 40 << 20 < out.tell() < 50 << 20
    answer = client.post(stills, {"stills": file(out.getvalue(), "photo.bmp")}, headers=JSON)
    assert answer.status_code == 201
    assert answer.json()["stills"][0]["width"] == 4096


@pytest.mark.parametrize(
    "data",
    [
        picture("GIF", save_all=True, append_images=[Image.new("RGB", (320, 180), "blue")]),
        picture("JPEG", mode="CMYK"),
        picture(mode="I;16"),
        picture("TIFF", mode="LAB"),
        picture("WEBP", mode="RGBA"),
    ],
    ids=["animated GIF", "CMYK", "16-bit PNG", "LAB", "alpha"],
)
def test_unusual_pictures_are_kept_as_plain_ones(client, stills, data):
    answer = client.post(stills, {"stills": file(data)}, headers=JSON)
    assert answer.status_code == 201, answer.content
    still = Keyframe.objects.get()
    with Image.open(still.file.path) as image:
        assert image.mode == "RGB" and image.size == (320, 180)
        assert getattr(image, "n_frames", 1) == 1


def test_a_photo_is_turned_upright_and_its_metadata_removed(client, stills):
    client.post(stills, {"stills": file(turned_photo(), "photo.jpg")}, headers=JSON)
    still = Keyframe.objects.get()
    assert (still.width, still.height) == (180, 320)
    with Image.open(still.file.path) as image:
        assert image.size == (180, 320) and not image.getexif()


def test_good_files_are_kept_beside_a_bad_one(client, stills):
    answer = client.post(stills, {"stills": [file(), file(b"no", "no.png")]}, headers=JSON)
    assert answer.status_code == 201
    assert len(answer.json()["stills"]) == 1
    assert [error["name"] for error in answer.json()["errors"]] == ["no.png"]


def test_a_form_without_script_uploads_and_comes_back(client, cast, stills):
    answer = client.post(stills, {"stills": [file(), file(b"no", "no.png")]})
    assert answer.status_code == 201
    page = answer.content.decode()
    assert "1 still added." in page and "no.png" in page and "not a picture" in page
    assert client.post(stills, {"stills": file(picture(colour="blue"))}).status_code == 302
    nothing = client.post(stills, {})
    assert nothing.status_code == 422
    assert "Choose one or more files." in nothing.content.decode()


def test_a_lost_race_returns_the_winner_and_removes_its_files(cast, monkeypatch):
    winner = keep(cast)
    seen = iter([None, winner])
    monkeypatch.setattr(keyframes, "_known", lambda *args: next(seen))
    still, created = keyframes.store_keyframe(
        project=cast.project, by=cast.bob, source=picture(colour=(1, 2, 3)), name="x.png"
    )
    assert (still, created) == (winner, False)
    files = [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]
    assert sorted(map(str, files)) == sorted([winner.file.path, winner.thumbnail.path])


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("C:\\pictures\\my_dawn.JPG", "my dawn"),
        ("../../etc/passwd", "passwd"),
        ("", "Still"),
        ("\x00\n.png", "Still"),
        ("a" * 300 + ".png", "a" * 120),
    ],
)
def test_a_still_is_named_after_its_file(sent, name):
    assert keyframes.name_from_file(sent) == name


# ---- The page --------------------------------------------------------------------------
def test_the_page_shows_where_a_still_is_used(client, cast, stills):
    used, unused = keep(cast, name="Used.png"), keep(cast, colour="red", name="Unused.png")
    clip = make_clip(cast.project, start_keyframe=used, end_keyframe=used)
    page = client.get(stills).content.decode()
    assert page.count(f'href="/clips/{clip.code}/"') == 1
    assert f'src="{unused.thumbnail_url}"' in page and "not used yet" in page


def test_the_page_makes_the_same_queries_for_one_still_and_for_many(client, cast, stills):
    keep(cast)
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(stills)
    for n in range(12):
        make_clip(cast.project, start_keyframe=keep(cast, colour=(n, 90, 90)))
    with CaptureQueriesContext(connection) as many:
        client.get(stills)
    assert len(many) == len(few)


def test_a_long_wall_comes_in_pages(client, cast, stills, monkeypatch):
    monkeypatch.setattr("studio.views.compose.stills.PAGE_SIZE", 2)
    kept = [keep(cast, colour=(n, 0, 0)) for n in range(5)]
    seen, more = [], ""
    for _ in range(3):
        answer = client.get(stills + more)
        seen += [still for still, *_ in answer.context["stills"]]
        more = answer.context["more"]
    assert seen == kept[::-1] and more == ""


def test_reviewers_look_and_outsiders_learn_nothing(client, cast):
    still = keep(cast)
    stills = f"/p/{cast.project.code}/stills/"
    client.force_login(cast.carol)
    page = client.get(stills)
    assert page.status_code == 200 and "Add stills" not in page.content.decode()
    assert client.get(still.url).status_code == 200
    posts = (stills, *(f"/stills/{still.code}/{verb}/" for verb in ("name", "delete", "crop")))
    assert [client.post(url).status_code for url in posts] == [403] * 4
    client.force_login(cast.dave)
    assert [client.post(url).status_code for url in posts] == [404] * 4
    gets = (stills, still.url, still.thumbnail_url, f"{stills}picker/")
    assert [client.get(url).status_code for url in gets] == [404] * 4
    client.logout()
    assert client.get(stills).status_code == 302
    assert client.get(still.url).status_code == client.get(still.thumbnail_url).status_code == 404


# ---- The files -------------------------------------------------------------------------
def test_a_still_is_served_privately_and_for_good(client, cast, stills):
    still = keep(cast)
    answer = client.get(still.url)
    assert b"".join(answer.streaming_content) == Path(still.file.path).read_bytes()
    assert answer["Content-Type"] == "image/png"
    assert answer["ETag"] == f'"{still.sha256}"'
    assert "private" in answer["Cache-Control"] and "immutable" in answer["Cache-Control"]
    again = client.get(still.url, headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304
    small = client.get(still.thumbnail_url)
    assert small["Content-Type"] == "image/webp" and small["ETag"] != answer["ETag"]


# ---- Renaming, deleting, cropping ------------------------------------------------------
def test_a_still_is_renamed(client, cast, stills):
    still = keep(cast)
    assert client.post(f"/stills/{still.code}/name/", {"name": " First  light "}).status_code == 302
    still.refresh_from_db()
    assert still.name == "First light"
    refused = client.post(
        f"/stills/{still.code}/name/", {"name": " "}, headers={"HX-Request": "true"}
    )
    assert refused.status_code == 422
    assert "The name has 0 characters; 1 to 120 are allowed." in refused.content.decode()


def test_a_used_still_is_not_deleted_and_the_clips_are_named(client, cast, stills):
    still = keep(cast)
    make_clip(cast.project, start_keyframe=still)
    make_clip(cast.project, end_keyframe=still)
    with pytest.raises(StudioError, match="is used by clips 1 and 2"):
        keyframes.delete_keyframe(keyframe=still)
    page = client.post(f"/stills/{still.code}/delete/", follow=True)
    assert "is used by clips 1 and 2. Only a still" in page.content.decode()
    assert Keyframe.objects.filter(pk=still.pk).exists()


def test_an_unused_still_goes_with_its_files(
    client, cast, stills, django_capture_on_commit_callbacks
):
    still = keep(cast)
    paths = [Path(still.file.path), Path(still.thumbnail.path)]
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(f"/stills/{still.code}/delete/", headers={"HX-Request": "true"})
    assert answer.status_code == 200 and answer.content == b""
    assert not Keyframe.objects.exists()
    assert not any(path.exists() for path in paths)


def test_a_crop_is_a_still_of_its_own(client, cast, stills):
    still = keep(cast, size=(800, 800))
    box = {"x": "0", "y": "0.25", "width": "1", "height": "0.5"}
    answer = client.post(f"/stills/{still.code}/crop/", box, headers=JSON)
    assert answer.status_code == 201
    made = Keyframe.objects.get(code=answer.json()["stills"][0]["code"])
    assert (made.width, made.height, made.cropped_from) == (800, 400, still)
    assert Keyframe.objects.count() == 2


def test_a_shape_cuts_the_middle_and_the_whole_picture_is_itself(client, cast, stills):
    still = keep(cast, size=(800, 800))
    answer = client.post(f"/stills/{still.code}/crop/", {"shape": "16:9"})
    assert answer.status_code == 302
    assert (Keyframe.objects.first().width, Keyframe.objects.first().height) == (800, 450)
    whole = client.post(f"/stills/{still.code}/crop/", {"shape": "1:1"}, headers=JSON)
    assert whole.json()["stills"][0]["code"] == str(still.code)
    assert whole.json()["stills"][0]["created"] is False


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({}, "Say which shape, or which part, to crop to."),
        ({"shape": "5:1"}, "Shape is “5:1”; it must be one of 16:9,"),
        ({"x": "0", "y": "0"}, "A crop needs all of x, y, width and height."),
        ({"x": "a", "y": "0", "width": "1", "height": "1"}, "The crop’s x must be a number"),
        ({"x": "0.5", "y": "0", "width": "1", "height": "1"}, "The crop must lie inside"),
        ({"x": "0", "y": "0", "width": "0.01", "height": "0.01"}, "at least 64 pixels"),
    ],
)
def test_a_bad_crop_gets_a_sentence(client, cast, stills, sent, sentence):
    still = keep(cast)
    answer = client.post(f"/stills/{still.code}/crop/", sent, headers=JSON)
    assert answer.status_code == 422
    assert sentence in answer.json()["errors"][0]["message"]
    assert Keyframe.objects.count() == 1


def test_a_grabbed_frame_that_is_known_already_learns_its_clip(cast):
    still = keep(cast)
    clip = make_clip(cast.project)
    again, created = keyframes.store_keyframe(
        project=cast.project,
        by=cast.bob,
        source=picture(colour=(1, 2, 3)),
        name="frame",
        grabbed_from=clip,
        grabbed_at_ms=4958,
    )
    assert (again, created, again.grabbed_from) == (still, False, clip)
    assert default_storage.exists(again.file.name)
