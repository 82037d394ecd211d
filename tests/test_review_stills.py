"""Frames out of a clip: kept as stills, and the next take that starts from one."""

from __future__ import annotations

import re

import pytest
from PIL import Image

from studio.media.video import frame_at
from studio.models import Generation, Keyframe
from studio.services import review
from studio.services.files import local_copy
from studio.services.keyframes import delete_keyframe
from studio.services.shots import retry
from tests.factories import make_generation, make_project

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def clip(cast, monkeypatch):
    # Test films are smaller than what is worth keeping.
    monkeypatch.setattr("studio.media.images.MIN_SIDE", 32)
    return make_generation(cast.project, files=True, title="Aurora", prompt="Low cloud.")


def test_the_very_frame_is_kept_once_and_says_where_it_came_from(client, cast, clip):
    client.force_login(cast.bob)
    url = f"/clips/{clip.code}/grab/"
    html = client.post(url, {"at_ms": "521"}, headers=HTMX).content.decode()
    still = Keyframe.objects.get()
    with local_copy(clip.clip) as path:
        shown = frame_at(path, 521)
    with still.file.open("rb") as file:
        assert Image.open(file).convert("RGB").tobytes() == shown.tobytes()
    assert (still.grabbed_from, still.grabbed_at_ms, still.uploaded_by) == (clip, 521, cast.bob)
    assert "“Aurora at 0:00.52” is kept in Stills." in html
    assert f'href="/p/{cast.project.code}/stills/#still-{still.code}"' in html
    assert f'hx-post="/stills/{still.code}/delete/"' in html
    again = client.post(url, {"at_ms": "525"}, headers=HTMX).content.decode()
    assert "is in Stills already" in again
    assert "/delete/" not in again, "what was there before is not undone"
    assert Keyframe.objects.count() == 1
    delete_keyframe(keyframe=still)


@pytest.mark.parametrize(("at_ms", "kept"), [("", 0), ("x", 0), ("99999", 1000)])
def test_a_moment_that_is_none_is_brought_inside(client, cast, clip, at_ms, kept):
    client.force_login(cast.bob)
    answer = client.post(f"/clips/{clip.code}/grab/", {"at_ms": at_ms}, follow=True)
    assert Keyframe.objects.get().grabbed_at_ms == kept
    assert "is kept in Stills" in answer.content.decode()


def compose(client, page):
    html = client.get(page).content.decode()
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)"[^>]* value="([^"]*)"', html))
    prompt = re.search(r'<textarea[^>]*id="prompt"[^>]*>([^<]*)<', html)[1]
    return html, fields, prompt


def test_a_comment_becomes_the_next_take(client, cast, clip):
    said = review.comment(generation=clip, by=cast.carol, text="Lower the ridge, @Bob", at_ms=500)
    client.force_login(cast.bob)
    page = client.post(f"/comments/{said.code}/redo/")["Location"]
    still = Keyframe.objects.get()
    assert page == f"/p/{cast.project.code}/new/?answers={said.code}&start={still.code}"
    html, fields, prompt = compose(client, page)
    assert prompt == "Low cloud.\n\nLower the ridge"
    assert "Take that answers Carol at 0:00.50" in html
    assert (fields["take_of"], fields["answers"]) == (str(clip.code), str(said.code))
    fields |= {"prompt": "Low cloud, a lower ridge.", "start": str(still.code), "do": "previs"}
    fields |= {"duration_s": "5", "aspect_ratio": "16:9", "resolution": "540p", "offer": ""}
    answer = client.post(f"/p/{cast.project.code}/new/", fields)
    assert answer.status_code == 302, answer.content.decode()
    take = Generation.objects.get(shot=clip.shot, take=2)
    assert (take.answers_comment, take.start_keyframe, take.prompt) == (
        said, still, "Low cloud, a lower ridge.",
    )  # fmt: skip
    shown = client.get(f"/clips/{clip.code}/").content.decode()
    assert f'<a class="link" href="/clips/{take.code}/">Take 2 answers this</a>' in shown
    assert "settle-" not in shown, "resolve is offered once it is ready"


def test_resolve_is_offered_when_the_answer_is_ready(client, cast, clip):
    said = review.comment(generation=clip, by=cast.carol, text="Lower the ridge")
    make_generation(cast.project, shot=clip.shot, take=2, answers_comment=said)
    client.force_login(cast.bob)
    shown = client.get(f"/clips/{clip.code}/").content.decode()
    assert f'id="settle-{said.code}"' in shown
    client.post(f"/comments/{said.code}/resolve/", {"resolved": "1"})
    assert "settle-" not in client.get(f"/clips/{clip.code}/").content.decode()


def test_a_word_about_the_whole_clip_keeps_the_clips_own_start(client, cast, clip):
    said = review.comment(generation=clip, by=cast.carol, text="Slower")
    client.force_login(cast.bob)
    page = client.post(f"/comments/{said.code}/redo/", headers=HTMX)["HX-Redirect"]
    assert page == f"/p/{cast.project.code}/new/?answers={said.code}"
    assert not Keyframe.objects.exists()


def test_a_retry_of_an_answer_answers_too(cast, clip):
    said = review.comment(generation=clip, by=cast.carol, text="Slower")
    failed = make_generation(
        cast.project, shot=clip.shot, take=2, answers_comment=said, state="failed"
    )
    again = retry(generation=failed, by=cast.bob, request_token=failed.idempotency_key)
    assert again.answers_comment == said


def test_a_comment_of_another_project_prefills_nothing(client, cast, clip):
    other = make_generation(make_project(cast.dave, name="Elsewhere"))
    said = review.comment(generation=other, by=cast.dave, text="Secret words")
    client.force_login(cast.bob)
    html = client.get(f"/p/{cast.project.code}/new/?answers={said.code}").content.decode()
    assert "Secret words" not in html
