"""The review page: what waits, whose business comes first, and how one goes on."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio.models.generation import State, Verdict
from studio.services import review
from studio.services.review import waiting_for
from tests.factories import make_generation

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def waiting(cast, name="carol"):
    found = waiting_for(project=cast.project, user=getattr(cast, name))
    return [clip.number for clip in found.mine], [clip.number for clip in found.others]


def test_only_finished_clips_without_a_verdict_wait_newest_first(cast):
    first = make_generation(cast.project)
    judged = make_generation(cast.project)
    make_generation(cast.project, state=State.RUNNING)
    make_generation(cast.project, archived_at=timezone.now())
    last = make_generation(cast.project)
    review.decide(generation=judged, by=cast.bob, verdict=Verdict.APPROVED)
    assert waiting(cast) == ([], [last.number, first.number])


def test_other_takes_of_an_approved_shot_do_not_wait(cast):
    taken = make_generation(cast.project)
    make_generation(cast.project, shot=taken.shot, take=2)
    review.decide(generation=taken, by=cast.bob, verdict=Verdict.APPROVED)
    assert waiting(cast) == ([], [])


def test_a_persons_own_business_comes_first(cast):
    judged = make_generation(cast.project)
    review.decide(
        generation=judged, by=cast.carol, verdict=Verdict.NEEDS_CHANGES, note="Lower the ridge"
    )
    asked = make_generation(cast.project, shot=judged.shot, take=2)
    mentioned = make_generation(cast.project)
    review.comment(generation=mentioned, by=cast.bob, text="@Carol, what do you think?")
    other = make_generation(cast.project)
    said = review.comment(generation=judged, by=cast.alice, text="And slower")
    answer = make_generation(cast.project, answers_comment=said)
    assert waiting(cast) == ([mentioned.number, asked.number], [answer.number, other.number])
    assert waiting(cast, "alice")[0] == [answer.number]


def test_a_verdict_leads_on_to_the_next_that_waits(client, cast):
    clips = [make_generation(cast.project) for _ in range(3)]
    client.force_login(cast.carol)
    page = f"/p/{cast.project.code}/review/"
    assert f'data-clip="{clips[2].code}"' in client.get(page).content.decode()
    url = f"/clips/{clips[1].code}/verdict/"
    answer = client.post(url, {"verdict": "approved", "page": "review"})
    assert answer["Location"] == f"{page}?clip={clips[0].code}"
    url = f"/clips/{clips[0].code}/verdict/"
    live = client.post(url, {"verdict": "approved", "page": "review"}, headers=HTMX)
    assert live["HX-Redirect"] == f"{page}?clip={clips[2].code}"
    client.post(f"/clips/{clips[2].code}/verdict/", {"verdict": "approved", "page": "review"})
    done = client.get(page).content.decode()
    assert "Nothing waits for a verdict" in done


def test_a_clip_that_does_not_wait_can_still_be_looked_at(client, cast):
    judged = make_generation(cast.project)
    review.decide(generation=judged, by=cast.bob, verdict=Verdict.APPROVED)
    client.force_login(cast.carol)
    page = f"/p/{cast.project.code}/review/"
    assert f'data-clip="{judged.code}"' in client.get(f"{page}?clip={judged.code}").content.decode()
    for wrong in ("x", "8a1f0a1e-6a4e-4d0c-9f43-111111111111"):
        assert client.get(f"{page}?clip={wrong}").status_code == 200


def test_words_refused_on_the_review_page_stay_there(client, cast):
    clip = make_generation(cast.project)
    client.force_login(cast.carol)
    answer = client.post(f"/clips/{clip.code}/comments/", {"text": "x" * 2001, "page": "review"})
    html = answer.content.decode()
    assert answer.status_code == 422
    assert 'class="review"' in html
    assert "x" * 2001 in html


def test_the_page_is_told_what_others_do(client, cast):
    clip = make_generation(cast.project)
    client.force_login(cast.carol)
    cast.project.refresh_from_db()
    url = f"/p/{cast.project.code}/review/changes/?clip={clip.code}&since="
    assert client.get(f"{url}{cast.project.version}", headers=HTMX).status_code == 204
    review.comment(generation=clip, by=cast.bob, text="Lower the ridge", at_ms=100)
    html = client.get(f"{url}{cast.project.version}", headers=HTMX).content.decode()
    assert "Lower the ridge" in html
    assert 'id="say"' not in html, "what is being typed must stay"
    assert "<video" not in html


def test_the_page_costs_the_same_however_much_waits(client, cast):
    client.force_login(cast.carol)
    page = f"/p/{cast.project.code}/review/"
    make_generation(cast.project)
    client.get(page)
    with CaptureQueriesContext(connection) as few:
        client.get(page)
    for _ in range(12):
        make_generation(cast.project)
    with CaptureQueriesContext(connection) as many:
        client.get(page)
    assert len(many) == len(few)
