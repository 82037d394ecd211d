"""Clips are played and saved as what they are: WebM, MOV and Matroska under their own endings and types."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile

from studio.media.probing import probe_video
from studio.models import Generation
from studio.services import chains
from studio.services.clip_facts import measured_columns
from studio.services.exchange.archives import clip_name
from studio.services.film.edit_shots import shots_of
from tests.factories import make_generation, make_project
from tests.odd_clips import write_odd
from tests.sharing import browser, share_clips

pytestmark = pytest.mark.django_db
KINDS = {
    "mp4": ({}, "video/mp4"),
    "mov": ({"kind": "mov"}, "video/quicktime"),
    "webm": ({"kind": "webm", "codec": "libvpx-vp9", "sound": "libopus"}, "video/webm"),
    "mkv": ({"kind": "matroska"}, "video/x-matroska"),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def clip(cast, kind, tmp_path):
    return arrived(cast.project, kind, tmp_path)


def arrived(project, kind, folder) -> Generation:
    clip = make_generation(project, files=True, title="A ridge at dawn")
    source = write_odd(folder / "clip", **KINDS[kind][0])
    clip.clip.save("other.mp4", ContentFile(source.read_bytes()))
    columns = measured_columns(probe_video(source)) | {"sha256": "a" * 64}
    Generation.objects.filter(pk=clip.pk).update(**columns)
    clip.refresh_from_db()
    return clip


def test_members_play_and_save_a_clip_as_what_it_is(cast, clip, kind, client):
    client.force_login(cast.bob)
    played, saved = client.get(clip.clip_url), client.get(f"{clip.clip_url}&download")
    assert played["Content-Type"] == saved["Content-Type"] == KINDS[kind][1]
    assert saved["Content-Disposition"].endswith(f'-take-1.{kind}"')
    assert f'-take-1.{kind}"' in client.get(clip.get_absolute_url()).content.decode()
    assert client.get(clip.preview_url)["Content-Type"] == "video/mp4"


@pytest.mark.parametrize("embeds", [True, False])
def test_guests_play_and_save_a_clip_as_what_it_is(cast, clip, kind, embeds):
    cast.project.embed_provenance = embeds
    cast.project.save()
    _, token = share_clips(cast.project, cast.bob, clip, may_download=True)
    address = f"/s/{token}/media/{clip.code}.mp4"
    played, saved = browser().get(address), browser().get(f"{address}?download")
    assert played["Content-Type"] == saved["Content-Type"] == KINDS[kind][1]
    assert saved["Content-Disposition"].endswith(f'.{kind}"')


def test_archives_and_editors_get_it_under_its_own_ending(cast, clip, kind):
    assert clip_name(clip).endswith(f"-take-1.{kind}")
    chain = chains.create(project=clip.project, by=cast.bob, title="Film", clips=[clip])
    [shot] = shots_of(chain)
    assert shot.media == f"media/001-a-ridge-at-dawn.{kind}"


def test_an_mp4_is_what_is_not_measured(tmp_path):
    assert make_generation(make_project(), files=True).container == "mp4"
