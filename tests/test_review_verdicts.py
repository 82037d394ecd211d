"""Verdicts: one a person and take, kept for ever, rolled up into the clip's own."""

from __future__ import annotations

import pytest
from django.utils import timezone

from studio import lifecycle
from studio.models import Comment, GivenVerdict, Guest, Share
from studio.models.generation import Verdict
from studio.services import review
from studio.services.errors import StudioError
from studio.services.review import verdicts_on
from studio.signals import comment_made, verdict_given
from tests.factories import make_generation

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
APPROVED, CHANGES = Verdict.APPROVED, Verdict.NEEDS_CHANGES


@pytest.fixture
def clip(cast):
    return make_generation(cast.project)


@pytest.fixture
def guest(cast):
    share = Share.objects.create(project=cast.project, token_hash="a", created_by=cast.alice)
    return Guest.objects.create(share=share, name="Ingrid", token_hash="b")


def decide(clip, verdict, **voice):
    review.decide(
        generation=clip, verdict=verdict, note="Lower the ridge." * (verdict == CHANGES), **voice
    )
    clip.refresh_from_db()
    return clip.verdict


def test_each_person_has_one_verdict_and_all_that_were_given_are_kept(cast, clip):
    decide(clip, APPROVED, by=cast.bob)
    decide(clip, CHANGES, by=cast.bob)
    decide(clip, APPROVED, by=cast.carol)
    assert GivenVerdict.objects.filter(generation=clip, current=True).count() == 2
    shown = verdicts_on(clip, reader=cast.bob)
    assert [(one.voice.name, one.verdict) for one in shown.now] == [
        ("Carol", APPROVED), ("Bob", CHANGES),
    ]  # fmt: skip
    assert [(one.voice.name, one.verdict) for one in shown.before] == [("Bob", APPROVED)]
    assert shown.mine == CHANGES


def test_asking_for_changes_outweighs_approvals_until_it_is_taken_back(cast, clip):
    assert decide(clip, CHANGES, by=cast.carol) == CHANGES
    assert decide(clip, APPROVED, by=cast.bob) == CHANGES
    assert clip.verdict_by == cast.carol
    assert decide(clip, "", by=cast.carol) == APPROVED
    assert clip.verdict_by == cast.bob


def test_an_owners_verdict_settles_what_was_said_before_it_only(cast, clip):
    decide(clip, CHANGES, by=cast.carol)
    assert decide(clip, APPROVED, by=cast.alice) == APPROVED
    assert [one.counts for one in verdicts_on(clip).now] == [True, False]
    assert decide(clip, CHANGES, by=cast.bob) == CHANGES
    # Said again, it settles what came between.
    assert verdicts_on(clip, reader=cast.alice).renews
    assert decide(clip, APPROVED, by=cast.alice) == APPROVED
    assert decide(clip, "", by=cast.alice) == CHANGES


def test_a_guests_verdict_counts_like_a_members(cast, clip, guest):
    assert decide(clip, CHANGES, guest=guest) == CHANGES
    assert (clip.verdict_by, clip.verdict_at is None) == (None, False)
    assert clip.comments.get().guest_name == "Ingrid"
    assert decide(clip, APPROVED, guest=guest) == APPROVED
    with pytest.raises(TypeError):
        review.decide(generation=clip, verdict=APPROVED)


def test_a_verdict_from_before_they_were_kept_stays_that_persons(cast, clip):
    lifecycle.touch(clip.pk, verdict=CHANGES, verdict_by=cast.carol, verdict_at=timezone.now())
    clip.refresh_from_db()
    assert [one.voice.name for one in verdicts_on(clip).now] == ["Carol"]
    assert decide(clip, APPROVED, by=cast.bob) == CHANGES
    assert GivenVerdict.objects.get(by=cast.carol).verdict == CHANGES
    assert decide(clip, "", by=cast.carol) == APPROVED


def test_the_same_verdict_twice_is_one(cast, clip):
    for _ in range(2):
        decide(clip, APPROVED, by=cast.bob)
    decide(clip, "", by=cast.carol)
    assert GivenVerdict.objects.count() == 1


def test_changes_need_a_word_that_is_ones_own_and_open(cast, clip):
    review.comment(generation=clip, by=cast.carol, text="Not Bob's word")
    with pytest.raises(StudioError, match="Say what should change first"):
        review.decide(generation=clip, by=cast.bob, verdict=CHANGES)
    said = review.comment(generation=clip, by=cast.bob, text="Lower it")
    review.decide(generation=clip, by=cast.bob, verdict=CHANGES)
    review.decide(generation=clip, by=cast.bob, verdict="")
    review.resolve(comment=said, by=cast.bob, resolved=True)
    with pytest.raises(StudioError):
        review.decide(generation=clip, by=cast.bob, verdict=CHANGES)
    clip.refresh_from_db()
    assert clip.verdict == ""


def test_verdict_and_reason_come_in_one_post(client, cast, clip):
    client.force_login(cast.carol)
    url = f"/clips/{clip.code}/comments/"
    html = client.post(
        url, {"asks": "1", "text": "Lower the ridge", "at_ms": "400"}, headers=HTMX
    ).content.decode()
    clip.refresh_from_db()
    given = GivenVerdict.objects.get()
    assert (clip.verdict, given.comment.text, given.comment.at_ms) == (
        CHANGES, "Lower the ridge", 400,
    )  # fmt: skip
    assert 'id="verdict" class="stack-s" hx-swap-oob="morph"' in html
    assert "Needs changes</span>" in html


def test_a_reason_without_words_keeps_the_form_and_gives_no_verdict(client, cast, clip):
    client.force_login(cast.carol)
    url = f"/clips/{clip.code}/comments/"
    answer = client.post(url, {"asks": "1", "text": "x" * 2001}, headers=HTMX)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "1 to 2000 are allowed" in html
    assert 'name="asks" id="asks" value="1"' in html
    plain = client.post(url, {"asks": "1", "text": "x" * 2001})
    assert plain.status_code == 422
    assert "x" * 2001 in plain.content.decode(), "typed words survive without script too"
    clip.refresh_from_db()
    assert (clip.verdict, Comment.objects.count()) == ("", 0)


def test_without_script_needs_changes_leads_to_the_form_that_asks_why(client, cast, clip):
    client.force_login(cast.carol)
    answer = client.post(f"/clips/{clip.code}/verdict/", {"verdict": CHANGES})
    assert answer["Location"] == f"/clips/{clip.code}/?ask#say"
    assert "What should change?" in client.get(f"/clips/{clip.code}/?ask").content.decode()


def test_others_learn_of_a_verdict_and_its_reason(cast, clip):
    heard = []

    def hear(signal, **happening):
        heard.append(happening)

    comment_made.connect(hear)
    verdict_given.connect(hear)
    try:
        decide(clip, CHANGES, by=cast.carol)
        decide(clip, "", by=cast.carol)
    finally:
        comment_made.disconnect(hear)
        verdict_given.disconnect(hear)
    said, given, back = heard
    assert said["comment"] == given["comment"] == clip.comments.get()
    assert (given["verdict"], given["actor"], given["guest"]) == (CHANGES, cast.carol, None)
    assert (back["verdict"], back["comment"]) == ("", None)
