"""The studio's files in a bucket: every way in and out, at a real S3 server on this machine."""

from __future__ import annotations

import functools
import io
import json
import zipfile
from contextlib import ExitStack
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.conf import LazySettings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from moto.server import ThreadedMotoServer
from PIL import Image

from studio import tasks
from studio.media.bucket_storage import BUFFER_BYTES, BucketStorage
from studio.media.probing import probe_video
from studio.media.zipping import stream_zip
from studio.models import Chain, Generation, Keyframe, Membership, Segment
from studio.models.generation import clip_path
from studio.services.errors import StudioError
from studio.services.exchange import archive_uploads, import_runs, upload_parts
from studio.services.exchange.archives import project_entries
from studio.services.exchange.backups import restore_backup, write_backup
from studio.services.files import local_copy, scratch_dir
from studio.services.film.exports import create_export
from studio.services.gallery.bin import purge
from studio.services.keyframes import delete_keyframe, store_keyframe
from studio.services.requests import cut_end, public_picture_url
from studio.services.retention import uploads
from studio.services.retention.routine import clear_up
from studio.services.sharing import making
from studio.services.work.rooms import FETCHES, room
from studio.services.work.storing import store_clip
from tests.factories import make_generation, make_previs
from tests.sharing import browser, share_clips
from tests.test_doctor import examine
from tests.test_settings import PUBLIC, read

pytestmark = [pytest.mark.django_db, pytest.mark.once]
BUCKET = "clips"
TAILS = {
    "clip": ".mp4",
    "preview": "-preview.mp4",
    "poster": "-poster.webp",
    "strip": "-strip.webp",
}


@pytest.fixture(scope="module")
def server():
    running = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(autouse=True)
def bucket(server, settings: LazySettings, monkeypatch, tmp_path):
    """An empty bucket, and a studio that keeps its files there."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    httpx.post(f"{server}/moto-api/reset")
    shared_storage(endpoint_url=server).connection.create_bucket(Bucket=BUCKET)
    settings.DATA_DIR = tmp_path
    settings.STUDIO_STORAGE = f"s3://{BUCKET}?endpoint={server}"
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "tests.test_s3.shared_storage",
            "OPTIONS": {"endpoint_url": server},
        }
    }
    yield default_storage
    shared_storage(endpoint_url=server).bucket_name = BUCKET


@functools.cache
def shared_storage(endpoint_url: str) -> BucketStorage:
    """The same one for every test: a connection takes half a second to make."""
    return BucketStorage(bucket_name=BUCKET, endpoint_url=endpoint_url, region_name="us-east-1")


@pytest.fixture
def clip(cast):
    return make_generation(cast.project, files=True, by=cast.bob, title="Aurora")


@pytest.fixture
def bob(client, cast):
    client.force_login(cast.bob)
    return client


def kept(folder="") -> set[str]:
    """Every file in the bucket below a folder."""
    folders, files = default_storage.listdir(folder)
    inside = {name for f in folders for name in kept(f"{folder}/{f}".lstrip("/"))}
    return inside | {f"{folder}/{name}".lstrip("/") for name in files}


def bytes_of(file) -> bytes:
    with default_storage.open(file.name) as stored:
        return stored.read()


def picture(shade: int = 40) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (320, 180), (shade, 80, 200 - shade)).save(data, "PNG")
    return data.getvalue()


def followed(response, **headers) -> httpx.Response:
    """What a browser gets where the studio sent it."""
    assert response.status_code == 302
    return httpx.get(response["Location"], headers=headers)


def body(response) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


# ---- In ------------------------------------------------------------------------------------


def test_a_previs_clip_is_rendered_from_a_still_stored_and_continued(cast):
    still, _ = store_keyframe(project=cast.project, by=cast.bob, source=picture(), name="Dawn.png")
    shot = make_generation(
        cast.project, by=cast.bob, state="running", account=make_previs(), start_keyframe=still,
        duration_s=1, resolution="540p", concepts=["push_in"],
    )  # fmt: skip
    with ExitStack() as held:
        # Another machine could not keep it: the render is here.
        while held.enter_context(room(FETCHES)):
            continue
        tasks.render_previs(shot.pk)
    shot.refresh_from_db()
    assert shot.state == "succeeded", shot.failure_text
    assert {shot.clip.name, shot.poster.name, shot.strip.name, shot.preview.name} <= kept()
    with local_copy(shot.clip) as path:
        assert probe_video(path).frames == 24
    assert list(scratch_dir().iterdir()) == []
    following = make_generation(cast.project, state="queued", start_generation=shot)
    frame = cut_end(following, "start")
    assert frame.grabbed_from == shot and frame.file.name in kept()


def test_a_bucket_that_fails_is_waited_for(cast, clip):
    shot = make_generation(cast.project, state="storing", account=make_previs())
    out = scratch_dir() / "render.mp4"
    out.write_bytes(bytes_of(clip.clip))
    Generation.objects.filter(pk=shot.pk).update(result_url=out.as_uri())
    default_storage.bucket_name = "no-such-bucket"
    assert store_clip(shot.pk).startswith("trying again in 2 s: The bucket refused")
    default_storage.bucket_name = BUCKET
    Generation.objects.filter(pk=shot.pk).update(lease_until=None, next_poll_at=None)
    assert store_clip(shot.pk) == "stored"
    assert not out.exists()


def test_what_a_dead_worker_had_put_into_the_bucket_already_is_used(cast, clip):
    shot = make_generation(cast.project, state="storing", account=make_previs())
    default_storage.save(clip_path(shot, ""), ContentFile(bytes_of(clip.clip)))
    gone = (scratch_dir() / "render.mp4").as_uri()
    Generation.objects.filter(pk=shot.pk).update(result_url=gone)
    assert store_clip(shot.pk) == "stored"


def test_a_still_is_uploaded_seen_and_deleted(bob, cast, django_capture_on_commit_callbacks):
    address = f"/p/{cast.project.code}/stills/"
    upload = SimpleUploadedFile("dawn.png", picture(), content_type="image/png")
    assert bob.post(address, {"stills": upload}).status_code == 302
    still = Keyframe.objects.get()
    answer = followed(bob.get(still.url))
    assert answer.headers["Content-Type"] == still.content_type
    assert Image.open(io.BytesIO(answer.content)).size == (320, 180)
    assert followed(bob.get(still.thumbnail_url)).status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        delete_keyframe(keyframe=still)
    assert kept() == set()


# ---- Out -----------------------------------------------------------------------------------


@pytest.mark.parametrize("field", TAILS)
def test_a_member_is_sent_to_a_signed_address_for_an_hour(bob, clip, field):
    response = bob.get(f"/media/clips/{clip.code}{TAILS[field]}")
    assert response["Cache-Control"] == "private, max-age=1800"
    signed = parse_qs(urlsplit(response["Location"]).query)
    assert signed["X-Amz-Expires"] == ["3600"] and signed["X-Amz-Signature"]
    answer = followed(response)
    assert answer.content == bytes_of(getattr(clip, field))
    assert answer.headers["Content-Type"] == (
        "image/webp" if "webp" in TAILS[field] else "video/mp4"
    )
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    part = followed(response, Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, answer.content[10:20])


def test_without_its_signature_the_address_opens_nothing(bob, clip):
    address = bob.get(clip.clip_url)["Location"]
    assert httpx.get(address.partition("?")[0]).status_code == 403


def test_a_download_has_its_name_with_and_without_tags(bob, clip):
    type(clip.project).objects.update(embed_provenance=False)
    answer = followed(bob.get(clip.clip_url + "&download"))
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="nordlys-winter-film-001-aurora-take-1.mp4"'
    )
    type(clip.project).objects.update(embed_provenance=True)
    tagged = bob.get(clip.clip_url + "&download")
    assert b"Aurora" in body(tagged) and list(scratch_dir().iterdir()) == []


def test_strangers_are_sent_nowhere(client, clip, cast):
    assert client.get(clip.clip_url).status_code == 404
    client.force_login(cast.dave)
    assert client.get(clip.clip_url).status_code == 404
    client.force_login(cast.carol)
    assert client.get(clip.clip_url).status_code == 302
    Membership.objects.filter(user=cast.carol).delete()
    assert client.get(clip.clip_url).status_code == 404


def test_a_chain_becomes_a_film(bob, cast):
    clips = [make_generation(cast.project, by=cast.bob, files=True) for _ in range(2)]
    chain = Chain.objects.create(project=cast.project, title="Night", created_by=cast.bob)
    for position, one in enumerate(clips):
        Segment.objects.create(chain=chain, position=position, generation=one)
    export = create_export(chain=chain, by=cast.bob)
    tasks.stitch_export(export.pk)
    export.refresh_from_db()
    assert export.state == "succeeded", export.failure_text
    assert followed(bob.get(f"/media/exports/{export.code}")).content == bytes_of(export.file)
    with local_copy(export.file) as path:
        assert probe_video(path).frames == 48
    assert list(scratch_dir().iterdir()) == []


def test_a_project_leaves_as_a_zip_and_comes_back(bob, cast, clip):
    store_keyframe(project=cast.project, by=cast.bob, source=picture(), name="Dawn.png")
    data = body(bob.get(f"/p/{cast.project.code}/archive.zip"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        assert archive.read(manifest["clips"][0]["file"]) == bytes_of(clip.clip)
    run = import_runs.begin(file=SimpleUploadedFile("a.zip", data), by=cast.dave)
    assert default_storage.exists(run.archive)
    assert tasks.work_import(run.pk) == "1 clip and 1 still came in."
    assert not default_storage.exists(run.archive)


def test_an_archive_comes_in_parts_through_the_bucket(cast, clip, monkeypatch):
    data = b"".join(stream_zip(project_entries(cast.project)[1]))
    monkeypatch.setattr(archive_uploads, "PART_BYTES", len(data) // 3)
    edge = archive_uploads.EDGE_BYTES

    def begin(name="a.zip"):
        edges = data[:edge] + data[max(edge, len(data) - edge) :]
        return archive_uploads.begin(by=cast.dave, name=name, size=len(data), edges=edges)

    upload = begin()
    for offset in range(0, len(data), upload.part_bytes):
        body, length = io.BytesIO(data[offset:]), min(upload.part_bytes, len(data) - offset)
        ended = archive_uploads.add_part(
            by=cast.dave, code=upload.code, offset=offset, length=length, read=body.read
        )
        assert ended == begin().received() == offset + length
    assert not list(scratch_dir().iterdir()), "nothing of it stays on this machine"
    run = archive_uploads.finish(by=cast.dave, code=upload.code)
    left = begin("left.zip")
    assert tasks.work_import(run.pk) == "1 clip came in."
    assert upload_parts.files_in(upload.folder) == []
    monkeypatch.setattr(uploads, "LIFE", timedelta(seconds=-1))
    clear_up()
    assert list(upload_parts.folders()) == [] and left.received() == 0


def test_a_missing_file_is_said(cast, clip):
    default_storage.delete(clip.clip.name)
    with pytest.raises(StudioError, match="no file of it is in the studio any more"):
        project_entries(cast.project)


def test_guests_never_see_the_bucket_and_a_revoked_link_is_closed_at_once(cast, clip):
    share, token = share_clips(cast.project, cast.bob, clip, may_download=True)
    whole = bytes_of(clip.clip)
    address = f"/s/{token}/media/{clip.code}"
    assert body(browser().get(f"{address}.mp4")) == whole
    part = browser().get(f"{address}.mp4", headers={"Range": "bytes=5-14"})
    assert (part.status_code, body(part)) == (206, whole[5:15])
    assert body(browser().get(f"{address}-poster.webp")) == bytes_of(clip.poster)
    assert browser().get(f"{address}.mp4?download").status_code == 200
    making.revoke_share(share=share)
    assert browser().get(f"{address}.mp4").status_code == 404


def test_a_provider_may_fetch_a_still_for_a_day(cast):
    still, _ = store_keyframe(project=cast.project, by=cast.bob, source=picture(), name="Dawn.png")
    address = public_picture_url(still)
    assert parse_qs(urlsplit(address).query)["X-Amz-Expires"] == [str(24 * 3600)]
    assert httpx.get(address).content == bytes_of(still.file)


# ---- Away, and back ------------------------------------------------------------------------


def test_purged_clips_leave_the_bucket(cast, clip):
    assert len(kept()) == 4
    Generation.objects.filter(pk=clip.pk).update(
        archived_at=clip.finished_at, deleted_at=clip.finished_at
    )
    assert purge([clip]) == 1
    assert kept() == set()


def test_a_backup_holds_the_buckets_files_and_puts_them_back(cast, clip, tmp_path):
    whole = bytes_of(clip.clip)
    report = write_backup(tmp_path / "studio.tar")
    assert (report.files, report.missing) == (4, [])
    default_storage.delete(clip.clip.name)
    restore_backup(tmp_path / "studio.tar", replace=True)
    assert bytes_of(clip.clip) == whole


def test_the_doctor_tries_the_bucket():
    assert "wrote, read and deleted" in examine()[0]
    default_storage.bucket_name = "no-such-bucket"
    said, wrong = examine()
    assert "Media cannot be stored in s3://clips" in said and wrong


# ---- The storage itself --------------------------------------------------------------------


def test_a_file_is_read_in_any_order_and_opened_again(bucket):
    data = bytes(range(256)) * (BUFFER_BYTES // 100)
    name = bucket.save("large.bin", ContentFile(data))
    with bucket.open(name) as file:
        assert file.size == len(data)
        for at in (0, len(data) - 10, BUFFER_BYTES - 3, 7):
            file.seek(at)
            assert file.read(10) == data[at : at + 10]
    with file.open() as again:
        assert again.read() == data


def test_a_file_written_anew_while_it_is_read_is_refused_not_mixed(bucket):
    name = bucket.save("large.bin", ContentFile(b"a" * 3 * BUFFER_BYTES))
    with bucket.open(name) as file:
        assert file.read(1) == b"a"
        bucket.save("large.bin", ContentFile(b"b" * 3 * BUFFER_BYTES))
        file.seek(2 * BUFFER_BYTES)
        with pytest.raises(OSError, match="The bucket refused"):
            file.read(1)


def test_what_is_not_there_is_an_ordinary_error(bucket):
    for ask in (bucket.open, bucket.size):
        with pytest.raises(FileNotFoundError):
            ask("nothing.mp4")
    bucket.delete("nothing.mp4")
    assert not bucket.exists("nothing.mp4")


# ---- The settings --------------------------------------------------------------------------


def test_pages_may_show_what_is_in_the_bucket_and_no_other(tmp_path):
    said = "s3://clips?endpoint=https://s3.example:9000&region=garage"
    storage, policy = read(tmp_path, "STORAGES", "SECURE_CSP", STUDIO_STORAGE=said)
    options = storage["default"]["OPTIONS"]
    assert (options["bucket_name"], options["region_name"]) == ("clips", "garage")
    assert options["endpoint_url"] == "https://s3.example:9000"
    assert "https://s3.example:9000/clips/" in policy["img-src"]
    assert "https://s3.example:9000/clips/" in policy["media-src"]
    assert not [rule for rule, places in policy.items() if any("s3." in p for p in places)][2:]
    (at_amazon,) = read(tmp_path, "BUCKET_URL", STUDIO_STORAGE="s3://clips?region=eu-central-1")
    assert at_amazon == "https://s3.eu-central-1.amazonaws.com/clips/"


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("s3://", "it must name a bucket"),
        ("s3://clips/folder", "it must name a bucket"),
        ("s3://clips?zone=eu", "at most endpoint and region"),
        ("s3://clips?endpoint=s3.example", "it must start with http:// or https://"),
    ],
)
def test_a_bucket_that_cannot_be_is_named_with_what_is_allowed(tmp_path, storage, said):
    assert said in read(tmp_path, STUDIO_STORAGE=storage, SECRET_KEY="given", **PUBLIC)


def test_every_signed_address_begins_where_pages_may_look(bob, clip, server):
    assert bob.get(clip.clip_url)["Location"].startswith(f"{server}/{BUCKET}/")
