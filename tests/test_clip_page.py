from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from studio import leases, lifecycle
from studio.models import Comment, Generation, Membership
from studio.models.generation import Charged, State, Verdict
from studio.services.review import MAX_COMMENT_CHARS
from tests.factories import (
    make_comment,
    make_generation,
    make_member,
    make_still,
    make_user,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/clips/x/"}


@pytest.fixture
def reviewer(project):
    user = make_user("Pia Lund")
    make_member(project, user, Membership.Role.REVIEWER)
    return user


@pytest.fixture
def clip(project):
    return make_generation(project, title="Aurora over the fjord")


def html_of(client, generation):
    response = client.get(f"/clips/{generation.code}/")
    assert response.status_code == 200
    return response.content.decode()


def words(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def fresh(generation):
    return Generation.objects.get(pk=generation.pk)


def target(generation, name):
    """The address of an action and what it is sent, by its name."""
    if name == "resolve":
        comment = make_comment(generation, generation.by)
        return f"/comments/{comment.code}/resolve/", {"resolved": "1"}
    fields = {
        "title": {"title": "Another title"},
        "rating": {"rating": "4"},
        "verdict": {"verdict": "approved"},
        "comments": {"text": "Lower the ridge", "at_ms": "400"},
        "retry": {"request_token": str(uuid.uuid4())},
    }.get(name, {})
    return f"/clips/{generation.code}/{name}/", fields


def ready_for(project, name):
    state = {"retry": State.FAILED, "cancel": State.QUEUED}.get(name, State.SUCCEEDED)
    archived = timezone.now() if name == "restore" else None
    return make_generation(project, state=state, archived_at=archived)


CREATING = ["retry", "cancel", "archive", "restore", "title"]
JUDGING = ["rating", "verdict", "comments", "resolve"]


# ---- Doors, for every action ---------------------------------------------------------------


@pytest.mark.once  # refused before the shot is read
@pytest.mark.parametrize("name", CREATING + JUDGING)
def test_an_action_rejects_get(me, project, name):
    url, _ = target(ready_for(project, name), name)
    assert me.get(url).status_code == 405


@pytest.mark.parametrize("name", CREATING + JUDGING)
def test_an_action_needs_a_sign_in(client, project, name):
    made = ready_for(project, name)
    url, fields = target(made, name)
    before = fresh(made).version
    response = client.post(url, fields)
    assert response.status_code == 302
    assert response["Location"].startswith("/login/")
    assert client.post(url, fields, headers=HTMX)["HX-Redirect"].startswith("/login/?next=")
    assert fresh(made).version == before


@pytest.mark.parametrize("name", CREATING + JUDGING)
def test_an_action_does_not_exist_for_outsiders(client, project, name):
    made = ready_for(project, name)
    url, fields = target(made, name)
    before = fresh(made).version
    client.force_login(make_user())
    assert client.post(url, fields).status_code == 404
    assert client.post(url, fields, headers=HTMX).status_code == 404
    assert fresh(made).version == before


@pytest.mark.parametrize("name", CREATING)
def test_creating_is_not_for_reviewers(client, reviewer, project, name):
    made = ready_for(project, name)
    url, fields = target(made, name)
    before = fresh(made).version
    client.force_login(reviewer)
    response = client.post(url, fields, headers=HTMX)
    assert response.status_code == 403
    assert "takes an editor" in response.content.decode()
    assert fresh(made).version == before


@pytest.mark.parametrize("name", JUDGING)
def test_judging_is_for_reviewers_too(client, reviewer, project, name):
    made = ready_for(project, name)
    url, fields = target(made, name)
    before = fresh(made).version
    client.force_login(reviewer)
    assert client.post(url, fields, headers=HTMX).status_code == 200
    assert fresh(made).version > before


@pytest.mark.once  # refused before the shot is read
@pytest.mark.parametrize("name", CREATING + JUDGING)
def test_an_action_refuses_a_form_from_elsewhere(owner, project, name):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    made = ready_for(project, name)
    url, fields = target(made, name)
    assert strict.post(url, fields).status_code == 403


@pytest.mark.parametrize("name", CREATING + JUDGING)
def test_an_action_without_script_leads_to_a_page(me, project, name):
    url, fields = target(ready_for(project, name), name)
    response = me.post(url, fields, follow=True)
    assert response.status_code == 200
    assert "<html" in response.content.decode()


def test_an_unknown_comment_is_not_there(me):
    assert me.post(f"/comments/{uuid.uuid4()}/resolve/").status_code == 404


# ---- The page --------------------------------------------------------------------------------


def test_the_page_shows_the_player_and_how_it_was_made(me, project):
    still = make_still(project)
    made = make_generation(
        project,
        concepts=["pan_right"],
        start_keyframe=still,
        aspect_ratio="21:9",
        sent_prompt="Low cloud. The camera pans right.",
        finished_at=timezone.now(),
        submitted_at=timezone.now() - timedelta(seconds=108),
    )
    html = html_of(me, made)
    text = words(html)
    assert f'src="/media/clips/{made.code}.mp4?v={made.sha256[:8]}"' in html
    assert f'download="{made.file_name}"' in html
    for expected in (
        "Camera Pan right",
        "Sent as Low cloud. The camera pans right.",
        "84 × 36, 0:01.00, 24 fps",
        "Start frame Still 90",
        "Cost Free",
        "Took 1 min 48 s",
        "Made by Maja Aas",
        "Another take, free",
    ):
        assert expected in text, expected


def test_the_page_is_closed_to_strangers(client, clip):
    assert client.get(f"/clips/{clip.code}/").status_code == 302
    client.force_login(make_user())
    assert client.get(f"/clips/{clip.code}/").status_code == 404


@pytest.mark.parametrize("state", [s for s in State if s != State.SUCCEEDED])
def test_a_shot_without_a_clip_has_a_stage_instead(me, project, state):
    made = make_generation(
        project, state=state, failure_text="It broke." if state == State.FAILED else ""
    )
    html = html_of(me, made)
    assert 'id="stage"' in html
    assert "<video" not in html
    assert "Download" not in html
    assert 'id="verdict"' not in html


def test_a_reviewer_sees_the_clip_without_the_ways_to_spend(client, reviewer, clip):
    client.force_login(reviewer)
    html = html_of(client, clip)
    for word in ("Remix", "Archive", "Another take", "Rename"):
        assert word not in html, word
    assert "Approve" in html
    assert 'id="say"' in html
    assert "Download" in html


def test_newer_and_older_lead_along_the_visible_clips(me, project):
    clips = [make_generation(project) for _ in range(4)]
    lifecycle.touch(clips[2].pk, archived_at=timezone.now())
    html = html_of(me, clips[1])
    assert f'id="newer" href="/clips/{clips[3].code}/"' in html
    assert f'id="older" href="/clips/{clips[0].code}/"' in html
    assert 'id="older"' not in html_of(me, clips[0])
    assert 'id="newer"' not in html_of(me, clips[3])


def test_takes_of_the_same_shot_stand_side_by_side(me, project, clip):
    second = make_generation(project, shot=clip.shot, take=2, verdict=Verdict.APPROVED)
    third = make_generation(project, shot=clip.shot, take=3, state=State.RUNNING)
    other = make_generation(project)
    html = html_of(me, second)
    assert re.findall(r'id="take-\d+" href="/clips/([^/]+)/"', html) == [
        str(third.code),
        str(second.code),
        str(clip.code),
    ]
    assert f'href="/clips/{second.code}/" aria-current="true"' in html
    assert f'id="take-1" href="/clips/{other.code}' not in html


def test_the_page_costs_the_same_with_many_takes_and_comments(
    me, project, clip, owner, django_assert_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    make_comment(clip, owner)
    with CaptureQueriesContext(connection) as queries:
        html_of(me, clip)
    for take in range(2, 20):
        make_generation(project, shot=clip.shot, take=take)
        make_comment(clip, make_user())
    with django_assert_num_queries(len(queries)):
        html_of(me, clip)
    assert len(queries) <= 21  # the bell, tags, links to the clip and the purse are one each


def test_what_people_wrote_is_escaped(me, project, owner):
    made = make_generation(project, title="<b>t</b>", prompt="<i>p</i>")
    make_comment(made, owner, "<script>alert(1)</script>")
    html = html_of(me, made)
    for raw in ("<b>t</b>", "<i>p</i>", "<script>alert"):
        assert raw not in html


# ---- Retry, cancel ---------------------------------------------------------------------------


def test_a_failed_shot_is_tried_again_in_its_place(me, project, owner):
    failed = make_generation(project, state=State.FAILED, concepts=["push_in"], title="Quay")
    url, fields = target(failed, "retry")
    response = me.post(url, fields, headers=HTMX)
    assert response.status_code == 204
    assert "changed" in response["HX-Trigger"]
    again = Generation.objects.get(retry_of=failed)
    assert (again.state, again.take, again.shot) == (State.QUEUED, 2, failed.shot)
    assert (again.title, again.concepts, again.by) == ("Quay", ["push_in"], owner)
    assert fresh(failed).archived_at
    assert again.events.get().actor == owner


def test_a_retry_sent_twice_makes_one_shot(me, project):
    failed = make_generation(project, state=State.FAILED)
    url, fields = target(failed, "retry")
    for _ in range(2):
        assert me.post(url, fields, headers=HTMX).status_code == 204
    assert Generation.objects.filter(retry_of=failed).count() == 1


def test_the_retry_of_one_card_is_one_shot_from_two_pages(me, project):
    failed = make_generation(project, state=State.FAILED)
    html = html_of(me, failed)
    token = re.search(r'name="request_token" value="([^"]+)"', html)[1]
    gallery = me.get(f"/p/{project.code}/").content.decode()
    assert f'name="request_token" value="{token}"' in gallery


def test_a_clip_cannot_be_retried(me, clip):
    response = me.post(f"/clips/{clip.code}/retry/", headers=HTMX)
    assert response.status_code == 409
    assert "Only a shot that failed" in response["HX-Trigger"]
    assert Generation.objects.count() == 1


def test_retry_from_the_clip_page_leads_to_the_new_shot(me, project):
    failed = make_generation(project, state=State.FAILED)
    url, fields = target(failed, "retry")
    response = me.post(url, fields | {"stay": "1"})
    again = Generation.objects.get(retry_of=failed)
    assert response["Location"] == f"/clips/{again.code}/"


def test_a_queued_shot_is_cancelled_for_nothing(me, project, owner):
    made = make_generation(project, state=State.QUEUED)
    assert me.post(f"/clips/{made.code}/cancel/", headers=HTMX).status_code == 204
    made = fresh(made)
    assert (made.state, made.charged) == (State.CANCELLED, Charged.NO)
    event = made.events.get()
    assert (event.old, event.new, event.actor) == (State.QUEUED, State.CANCELLED, owner)


def test_a_second_cancel_is_harmless(me, project):
    made = make_generation(project, state=State.QUEUED)
    for _ in range(2):
        assert me.post(f"/clips/{made.code}/cancel/", headers=HTMX).status_code == 204
    assert made.events.count() == 1


def test_a_running_previs_is_stopped(me, project):
    made = make_generation(project, state=State.RUNNING)
    assert me.post(f"/clips/{made.code}/cancel/", headers=HTMX).status_code == 204
    assert fresh(made).state == State.CANCELLED


def test_what_is_with_a_paid_provider_cannot_be_cancelled(me, project):
    made = make_generation(project, state=State.RUNNING, provider="apiframe", model="luma-ray-2")
    response = me.post(f"/clips/{made.code}/cancel/", headers=HTMX)
    assert response.status_code == 409
    assert response["HX-Reswap"] == "none"
    assert "cannot be cancelled any more" in response["HX-Trigger"]
    assert fresh(made).state == State.RUNNING


# ---- Archive and back, title -----------------------------------------------------------------


def test_archive_offers_to_take_it_back(me, project, clip):
    response = me.post(f"/clips/{clip.code}/archive/", follow=True)
    html = response.content.decode()
    assert fresh(clip).archived_at
    assert response.redirect_chain == [(f"/p/{project.code}/", 302)]
    assert "“Aurora over the fjord” is archived." in html
    assert f'action="/clips/{clip.code}/restore/"' in html
    me.post(f"/clips/{clip.code}/restore/")
    assert fresh(clip).archived_at is None


@pytest.mark.parametrize("name", ["archive", "restore"])
def test_a_second_archive_or_restore_changes_nothing(me, project, name):
    made = ready_for(project, name)
    me.post(f"/clips/{made.code}/{name}/")
    once = fresh(made)
    me.post(f"/clips/{made.code}/{name}/")
    twice = fresh(made)
    assert (once.archived_at, once.version) == (twice.archived_at, twice.version)


def test_a_shot_in_flight_is_not_archived(me, project):
    made = make_generation(project, state=State.RUNNING)
    response = me.post(f"/clips/{made.code}/archive/", {"stay": "1"}, follow=True)
    assert "is still in flight" in response.content.decode()
    assert fresh(made).archived_at is None


def test_an_archived_clip_can_be_brought_back_on_its_page(me, project):
    made = make_generation(project, archived_at=timezone.now())
    html = html_of(me, made)
    assert "Bring back" in html
    response = me.post(f"/clips/{made.code}/restore/", {"stay": "1"})
    assert response["Location"] == f"/clips/{made.code}/"


def test_rename(me, clip):
    response = me.post(f"/clips/{clip.code}/title/", {"title": "  Night   water "}, headers=HTMX)
    assert response.status_code == 200
    assert "<h1>Night water</h1>" in response.content.decode()
    assert fresh(clip).title == "Night water"


@pytest.mark.parametrize("title", ["", "   ", "x" * 121])
def test_a_title_of_a_wrong_length_is_refused_beside_the_field(me, clip, title):
    response = me.post(f"/clips/{clip.code}/title/", {"title": title}, headers=HTMX)
    html = response.content.decode()
    assert response.status_code == 422
    assert "1 to 120 are allowed" in html
    assert 'aria-invalid="true"' in html
    assert fresh(clip).title == "Aurora over the fjord"
    assert (
        "1 to 120 are allowed"
        in me.post(f"/clips/{clip.code}/title/", {"title": title}, follow=True).content.decode()
    )


# ---- Rating and verdict ----------------------------------------------------------------------


def test_rating_and_clearing_it(me, clip):
    url = f"/clips/{clip.code}/rating/"
    html = me.post(url, {"rating": "4"}, headers=HTMX).content.decode()
    assert fresh(clip).rating == 4
    assert re.search(r'id="rate-4" value="4"[^>]*checked', html)
    html = me.post(url, {"rating": "0"}, headers=HTMX).content.decode()
    assert fresh(clip).rating == 0
    assert "checked" not in html


@pytest.mark.parametrize("rating", ["", "6", "-1", "x", "²", "٣", "3.5", "9" * 5000])
def test_a_rating_outside_the_stars_is_refused(me, clip, rating):
    response = me.post(f"/clips/{clip.code}/rating/", {"rating": rating}, headers=HTMX)
    assert response.status_code == 422
    assert "it must be from 0 to 5" in response.content.decode()
    assert fresh(clip).rating == 0


@pytest.mark.parametrize("name", ["rating", "verdict", "comments"])
def test_only_a_finished_clip_is_judged(me, project, name):
    made = make_generation(project, state=State.RUNNING)
    url, fields = target(made, name)
    response = me.post(url, fields, headers=HTMX)
    assert response.status_code == 422
    assert "Only a finished clip" in response.content.decode()


def test_approve_says_by_whom_and_can_be_taken_back(me, clip, owner):
    url = f"/clips/{clip.code}/verdict/"
    html = me.post(url, {"verdict": "approved"}, headers=HTMX).content.decode()
    assert 'aria-pressed="true"' in html
    assert "Maja Aas, now" in words(html)
    judged = fresh(clip)
    assert (judged.verdict, judged.verdict_by) == (Verdict.APPROVED, owner)
    assert judged.verdict_at
    html = me.post(url, {"verdict": ""}, headers=HTMX).content.decode()
    judged = fresh(clip)
    assert (judged.verdict, judged.verdict_by, judged.verdict_at) == ("", None, None)
    assert 'aria-pressed="true"' not in html


def test_a_second_approval_is_harmless(me, clip):
    for _ in range(2):
        me.post(f"/clips/{clip.code}/verdict/", {"verdict": "approved"}, headers=HTMX)
    assert fresh(clip).verdict == Verdict.APPROVED


def test_needs_changes_asks_for_a_comment_first(me, clip, owner):
    url = f"/clips/{clip.code}/verdict/"
    response = me.post(url, {"verdict": "needs_changes"}, headers=HTMX)
    assert response.status_code == 422
    assert "Say what should change first" in response.content.decode()
    assert "sayfirst" in response["HX-Trigger-After-Settle"]
    assert fresh(clip).verdict == ""
    make_comment(clip, make_user(), "Somebody else's words do not count")
    make_comment(clip, owner, "Nor resolved ones", resolved_at=timezone.now())
    assert me.post(url, {"verdict": "needs_changes"}, headers=HTMX).status_code == 422
    make_comment(clip, owner)
    assert me.post(url, {"verdict": "needs_changes"}, headers=HTMX).status_code == 200
    assert fresh(clip).verdict == Verdict.NEEDS_CHANGES


def test_an_unknown_verdict_is_refused(me, clip):
    response = me.post(f"/clips/{clip.code}/verdict/", {"verdict": "splendid"}, headers=HTMX)
    assert response.status_code == 422
    assert "There is no verdict “splendid”" in response.content.decode()


# ---- Comments -------------------------------------------------------------------------------


def test_a_comment_stands_at_its_moment(me, clip, owner):
    url, fields = target(clip, "comments")
    response = me.post(url, fields, headers=HTMX)
    html = response.content.decode()
    made = Comment.objects.get()
    assert (made.text, made.at_ms, made.author) == ("Lower the ridge", 400, owner)
    assert 'data-seek="400"' in html
    assert "0:00.40" in html
    assert 'cx="40.00%"' in html
    assert re.search(r'<textarea[^>]*id="say"[^>]*></textarea>', html)
    assert 'id="comment-count" hx-swap-oob="morph">1<' in html


def test_a_comment_sent_twice_is_one(me, clip):
    url, fields = target(clip, "comments")
    for _ in range(2):
        assert me.post(url, fields, headers=HTMX).status_code == 200
    assert Comment.objects.count() == 1


def test_the_same_words_may_be_said_again_later_or_elsewhere(me, clip, owner):
    url, fields = target(clip, "comments")
    make_comment(clip, owner, at_ms=400, created_at=timezone.now() - timedelta(minutes=1))
    me.post(url, fields, headers=HTMX)
    me.post(url, fields | {"at_ms": "700"}, headers=HTMX)
    assert Comment.objects.count() == 3


@pytest.mark.parametrize(
    ("at_ms", "kept"),
    [
        ("", None),
        ("x", None),
        ("-5", None),
        ("²", None),
        ("0", 0),
        ("999999", 1000),
        ("9" * 40, None),
    ],
)
def test_a_moment_outside_the_clip_is_brought_inside(me, clip, at_ms, kept):
    me.post(f"/clips/{clip.code}/comments/", {"text": "x", "at_ms": at_ms}, headers=HTMX)
    assert Comment.objects.get().at_ms == kept


@pytest.mark.parametrize("text", ["", "   ", "x" * (MAX_COMMENT_CHARS + 1)])
def test_an_empty_or_endless_comment_is_refused_and_kept_in_the_field(me, clip, text):
    response = me.post(f"/clips/{clip.code}/comments/", {"text": text}, headers=HTMX)
    html = response.content.decode()
    assert response.status_code == 422
    assert f"1 to {MAX_COMMENT_CHARS} are allowed" in html
    assert text in html
    assert "comment-list" not in html
    assert not Comment.objects.exists()


def test_resolving_and_opening_again(me, clip, owner):
    comment = make_comment(clip, owner, at_ms=500)
    url = f"/comments/{comment.code}/resolve/"
    html = me.post(url, {"resolved": "1"}, headers=HTMX).content.decode()
    comment.refresh_from_db()
    assert comment.resolved_by == owner
    assert "Open again" in html
    assert 'class="pin-done"' in html
    assert 'id="say"' not in html, "what is being typed must stay"
    me.post(url, {"resolved": "0"}, headers=HTMX)
    comment.refresh_from_db()
    assert (comment.resolved_at, comment.resolved_by) == (None, None)


def test_resolving_twice_keeps_the_first_name(me, clip, owner, client, reviewer):
    comment = make_comment(clip, owner)
    url = f"/comments/{comment.code}/resolve/"
    me.post(url, {"resolved": "1"}, headers=HTMX)
    once = fresh(clip).version
    client.force_login(reviewer)
    client.post(url, {"resolved": "1"}, headers=HTMX)
    comment.refresh_from_db()
    assert comment.resolved_by == owner
    assert fresh(clip).version == once


def test_a_guests_comment_has_the_guests_name(me, clip):
    Comment.objects.create(generation=clip, guest_name="Client Carla", text="Lovely")
    assert "Client Carla" in html_of(me, clip)


# ---- What others do, shown live ------------------------------------------------------------


def changes(client, generation, since, was="succeeded"):
    return client.get(f"/clips/{generation.code}/changes/?was={was}&since={since}", headers=HTMX)


def test_the_page_asks_from_its_own_version_on(me, clip):
    html = html_of(me, clip)
    assert f"/clips/{clip.code}/changes/?was=succeeded&amp;since={clip.version}" in html
    assert changes(me, clip, clip.version).status_code == 204


def test_other_clips_change_nothing_on_this_page(me, project, clip):
    make_generation(project)
    assert changes(me, clip, clip.version).status_code == 204


def test_somebodys_words_and_stars_arrive_in_pieces(me, clip, client, reviewer):
    make_comment(clip, reviewer, "The stars swim", at_ms=250)
    lifecycle.touch(clip.pk, rating=5, verdict=Verdict.APPROVED, verdict_by=reviewer,
                    verdict_at=timezone.now())  # fmt: skip
    html = changes(me, clip, clip.version).content.decode()
    pieces = re.findall(r'id="([\w-]+)"[^>]*hx-swap-oob="(\w+)"', html)
    assert dict(pieces).items() >= {
        "crumb": "morph", "ways": "morph", "actions": "morph", "takes": "morph",
        "clip-title": "morph", "rating": "morph", "verdict": "morph", "comment-list": "morph",
        "comment-count": "morph", "pins": "morph", "made": "morph", "queue-pill": "true",
        "live": "true", "bell-count": "true", "purse": "true", "clip-tag-chips": "morph",
    }.items()  # fmt: skip
    assert "The stars swim" in html
    assert "Pia Lund, now" in words(html)
    assert 'id="say"' not in html
    assert "<video" not in html


def test_another_take_moving_on_is_seen_here(me, project, clip):
    take = make_generation(project, shot=clip.shot, take=2, state=State.QUEUED)
    html = changes(me, clip, clip.version).content.decode()
    assert f'id="take-2" href="/clips/{take.code}/"' in html


def test_a_shot_that_became_playable_comes_as_a_whole(me, project):
    made = make_generation(project, state=State.STORING)
    since = made.version
    token = leases.claim_work(made.pk, state=State.STORING)
    lifecycle.mark_succeeded(
        made.pk, token=token, clip="c.mp4", sha256="a" * 64, width=64, height=36,
        duration_ms=1000, fps=24, size_bytes=10,
    )  # fmt: skip
    html = changes(me, made, since, was="storing").content.decode()
    assert '<main class="theatre" id="main" hx-swap-oob="true">' in html
    assert "<video" in html
    assert html.count('id="live"') == 1
    assert "was=succeeded" in html


def test_a_shot_on_its_way_shows_its_progress(me, project):
    made = make_generation(project, state=State.RUNNING, progress=10)
    lifecycle.touch(made.pk, progress=42)
    html = changes(me, made, made.version, was="running").content.decode()
    assert "42%" in html
    assert 'id="stage"' in html


def test_the_clips_poll_is_closed_to_strangers(client, clip):
    assert changes(client, clip, 0)["HX-Redirect"] == "/login/?next=%2Fclips%2Fx%2F"
    client.force_login(make_user())
    assert changes(client, clip, 0).status_code == 404


def test_a_quiet_clip_poll_is_cheap(me, clip, django_assert_max_num_queries):
    with django_assert_max_num_queries(5):
        assert changes(me, clip, clip.version).status_code == 204


def test_a_change_between_cursor_and_clip_is_not_lost(client, monkeypatch, owner, clip):
    from studio.views.clips import clip_page

    client.force_login(owner)
    real = clip_page.generation_for

    def changed_after(*args, **kwargs):
        found = real(*args, **kwargs)
        lifecycle.touch(clip.pk, verdict="approved")
        return found

    monkeypatch.setattr(clip_page, "generation_for", changed_after)
    page = client.get(f"/clips/{clip.code}/").content.decode()
    monkeypatch.undo()
    clip.refresh_from_db()
    assert f"since={clip.version}" not in page
    answer = client.get(f"/clips/{clip.code}/changes/?was=succeeded&since={clip.version - 1}")
    assert b"Approved" in answer.content
