"""Clips and pictures through a link: ranges, names, tags, and nothing after it is closed."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import av
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.utils import timezone

from studio.media.tags import tagged_file
from studio.models import Generation, Project, Share
from studio.services.sharing import making
from studio.views.sharing.guest_access import cookie_name
from tests.factories import make_generation
from tests.odd_clips import write_odd
from tests.sharing import browser, share_clips
from tests.test_tags import MADE

pytestmark = pytest.mark.django_db
TAILS = {
    ".mp4": "clip",
    "-preview.mp4": "preview",
    "-poster.webp": "poster",
    "-strip.webp": "strip",
}
PROMPT = "A whale swims through the cathedral at night"


@pytest.fixture
def clip(cast):
    return make_generation(
        cast.project, files=True, prompt=PROMPT, title="A whale swims through the cathedral",
        provider="luma", model="ray-2",
    )  # fmt: skip


def url(token, clip, tail=".mp4"):
    return f"/s/{token}/media/{clip.code}{tail}"


def body(answer):
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def stored(clip, field="clip"):
    return Path(getattr(clip, field).path).read_bytes()


@pytest.mark.parametrize("tail", TAILS)
def test_files_are_the_stored_ones_and_asked_for_again_each_time(cast, clip, tail):
    _, token = share_clips(cast.project, cast.bob, clip)
    answer = browser().get(url(token, clip, tail))
    assert body(answer) == stored(clip, TAILS[tail])
    assert answer["Cache-Control"] == "private, no-cache"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer["X-Robots-Tag"]
    again = browser().get(url(token, clip, tail), headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304


def test_parts_are_served_as_asked(cast, clip):
    _, token = share_clips(cast.project, cast.bob, clip)
    answer = browser().get(url(token, clip), headers={"Range": "bytes=10-19"})
    assert answer.status_code == 206
    assert body(answer) == stored(clip)[10:20]
    beyond = browser().get(url(token, clip), headers={"Range": "bytes=99999999-"})
    assert beyond.status_code == 416
    assert browser().head(url(token, clip)).status_code == 200


def test_the_front_server_gets_the_members_address(cast, clip, settings):
    settings.STUDIO_ACCEL = "/protected/"
    share, token = share_clips(cast.project, cast.bob, clip)
    answer = browser().get(url(token, clip))
    assert answer["X-Accel-Redirect"] == f"/protected/{clip.clip.name}"
    assert answer["Cache-Control"] == "private, no-cache"
    making.revoke_share(share=share)
    assert "X-Accel-Redirect" not in browser().get(url(token, clip))


def close_by_revoking(share):
    making.revoke_share(share=share)


def close_by_time(share):
    Share.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def close_by_a_new_link(share):
    making.renew_link(share=share)


def close_by_archiving(share):
    Generation.objects.update(archived_at=timezone.now())


def close_by_deleting(share):
    Generation.objects.update(archived_at=timezone.now(), deleted_at=timezone.now())


def close_by_a_password(share):
    making.change_share(share=share, options=making.Options(password="vinterlys"))


@pytest.mark.parametrize(
    "close",
    [close_by_revoking, close_by_time, close_by_a_new_link, close_by_archiving, close_by_deleting,
     close_by_a_password],
)  # fmt: skip
def test_old_addresses_die_at_once_in_the_same_browser(cast, clip, close):
    share, token = share_clips(cast.project, cast.bob, clip, may_download=True)
    client = browser()
    tags = {tail: client.get(url(token, clip, tail))["ETag"] for tail in TAILS}
    close(share)
    for tail, tag in tags.items():
        for headers in ({}, {"If-None-Match": tag}, {"Range": "bytes=0-5"}):
            answer = client.get(url(token, clip, tail), headers=headers)
            assert answer.status_code == 404, (tail, headers)
            assert answer["Cache-Control"] == "no-store"
    assert client.get(url(token, clip) + "?download").status_code == 404


def test_a_password_is_asked_of_media_too(cast, clip):
    share, token = share_clips(cast.project, cast.bob, clip, password="vinterlys")
    client = browser()
    assert client.get(url(token, clip)).status_code == 404
    client.post(f"/s/{token}/open/", {"password": "vinterlys"})
    assert client.get(url(token, clip)).status_code == 200
    assert cookie_name(share, "door") in client.cookies


def test_download_needs_the_links_word(cast, clip):
    _, token = share_clips(cast.project, cast.bob, clip)
    assert browser().get(url(token, clip) + "?download").status_code == 404
    assert "Download" not in browser().get(f"/s/{token}/clips/{clip.code}/").content.decode()
    Share.objects.update(may_download=True)
    answer = browser().get(url(token, clip) + "?download")
    assert answer["Content-Disposition"].startswith("attachment")


# ---- What a file says ------------------------------------------------------------------------------
def saved(token, clip):
    answer = browser().get(url(token, clip) + "?download")
    data = body(answer)
    with av.open(io.BytesIO(data)) as film:
        return data, dict(film.metadata), answer["Content-Disposition"]


def test_a_download_says_no_more_than_the_page(cast, clip):
    _, token = share_clips(cast.project, cast.bob, clip, title="Round 2", may_download=True)
    data, tags, name = saved(token, clip)
    assert name == 'attachment; filename="round-2-01.mp4"'
    assert tags["title"] == "Clip 1"
    for word in ("whale", "cathedral", "luma", "ray-2", "Alice", "Nordlys", "job"):
        assert word.encode().lower() not in data.lower(), word


def test_a_download_says_what_the_link_shows(cast, clip):
    _, token = share_clips(
        cast.project, cast.bob, clip, may_download=True, shows_prompts=True, shows_names=True
    )
    data, tags, name = saved(token, clip)
    assert tags["title"] == "A whale swims through the cathedral"
    assert PROMPT.encode() in data
    assert tags["artist"] == "Alice"
    assert "01-a-whale-swims" in name
    for word in ("luma", "ray-2"):
        assert word.encode() not in data.lower()


def test_that_a_machine_made_it_is_kept(cast, clip):
    _, token = share_clips(cast.project, cast.bob, clip, may_download=True)
    assert b"trainedAlgorithmicMedia" in saved(token, clip)[0]


@pytest.mark.parametrize("asked", ["", "?download"])
def test_what_a_provider_wrote_into_a_film_is_not_passed_on(cast, clip, asked):
    path = Path(clip.clip.path)
    with tagged_file(path, MADE) as file:
        wordy = file.read()
    path.write_bytes(wordy)
    assert MADE.prompt.encode() in wordy
    _, token = share_clips(cast.project, cast.bob, clip, may_download=True)
    data = body(browser().get(url(token, clip) + asked))
    if asked:  # a copy says anew that a machine made it, and what the link shows
        assert b"trainedAlgorithmicMedia" in data
    else:
        assert len(data) == len(wordy)
    for word in (MADE.prompt, MADE.model, MADE.creator):
        assert word.encode() not in data
    with av.open(io.BytesIO(data)) as film:
        assert sum(1 for _ in film.decode(video=0)) == 24


@pytest.mark.parametrize("embeds", [True, False])
def test_every_copy_says_that_a_machine_made_it(cast, clip, embeds):
    """Whatever the provider wrote is taken out, its own mark too; ours is put in its place."""
    Project.objects.update(embed_provenance=embeds)
    path = Path(clip.clip.path)
    secret = b"A whale swims through the cathedral"
    path.write_bytes(path.read_bytes() + (len(secret) + 8).to_bytes(4) + b"free" + secret)
    _, token = share_clips(cast.project, cast.bob, clip, may_download=True)
    data = body(browser().get(f"{url(token, clip)}?download"))
    assert b"trainedAlgorithmicMedia" in data and secret not in data
    assert (b"CreateDate" in data) == embeds
    with av.open(io.BytesIO(data)) as film:
        assert sum(1 for _ in film.decode(video=0)) == 24


class Bucket(FileSystemStorage):
    """A storage on another machine: files have no path here, only signed addresses."""

    def path(self, name):
        raise NotImplementedError

    def _open(self, name, mode="rb"):
        return open(FileSystemStorage.path(self, name), mode)  # noqa: PTH123

    def size(self, name):
        return Path(FileSystemStorage.path(self, name)).stat().st_size

    def url(self, name):
        raise AssertionError("A signed address would outlive the share.")


def test_from_a_bucket_files_come_through_the_door_too(cast, clip, monkeypatch, settings):
    for field in ("clip", "poster"):
        bucket = Bucket(location=settings.MEDIA_ROOT)
        monkeypatch.setattr(Generation._meta.get_field(field), "storage", bucket)
    kept = Path(settings.MEDIA_ROOT, clip.clip.name).read_bytes()
    share, token = share_clips(cast.project, cast.bob, clip, may_download=True)
    assert body(browser().get(url(token, clip))) == kept
    part = browser().get(url(token, clip), headers={"Range": "bytes=5-"})
    assert body(part) == kept[5:]
    assert browser().get(url(token, clip, "-poster.webp")).status_code == 200
    assert browser().get(url(token, clip) + "?download").status_code == 200
    making.revoke_share(share=share)
    assert browser().get(url(token, clip)).status_code == 404


@pytest.mark.once
@pytest.mark.parametrize("embeds", [True, False])
@pytest.mark.parametrize("kind", ["webm", "garbage behind its end"])
def test_whatever_plays_for_members_plays_for_guests(cast, clip, tmp_path, kind, embeds):
    Project.objects.filter(pk=cast.project.pk).update(embed_provenance=embeds)
    coded = {"codec": "libvpx-vp9", "kind": "webm", "sound": "libopus"} if kind == "webm" else {}
    data = write_odd(tmp_path / "clip", metadata={"title": PROMPT}, **coded).read_bytes()
    if kind != "webm":
        data += PROMPT.encode() + bytes(range(200))
    clip.clip.save("other.mp4", ContentFile(data))
    Generation.objects.filter(pk=clip.pk).update(sha256="a" * 64, size_bytes=len(data))
    _, token = share_clips(cast.project, cast.bob, clip, may_download=True)
    played = browser().get(url(token, clip))
    saved_film = browser().get(url(token, clip) + "?download")
    for answer in (played, saved_film):
        assert answer.status_code == 200
        film = body(answer)
        assert PROMPT.encode() not in film or embeds
        with av.open(io.BytesIO(film)) as opened:
            assert len(list(opened.decode(video=0))) == 12
