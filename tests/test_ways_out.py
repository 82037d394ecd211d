"""The ways out of a shot that is stuck, and the line: who may press what, and what it does."""

from __future__ import annotations

import uuid

import pytest

from studio.models import Generation, Membership
from studio.models.generation import State
from tests.factories import make_generation, make_member, make_user
from tests.paid import account_at

ACTIONS = (
    "arrived", "send-again", "give-up", "check", "fetch", "failover", "master", "hold", "move",
)  # fmt: skip


@pytest.fixture
def uncertain(project, emulator, asked):
    return make_generation(
        project, account=account_at(emulator, "luma"), model="ray-2", state=State.UNCERTAIN,
        provider_job_id="", estimated_microusd=710_000, waiting_text="Luma did not confirm this shot.",
    )  # fmt: skip


def post(client, generation, action, **data):
    return client.post(f"/clips/{generation.code}/{action}/", data)


@pytest.mark.parametrize("action", ACTIONS)
def test_outsiders_learn_nothing_and_reviewers_may_not(client, project, uncertain, action):
    client.force_login(make_user())
    assert post(client, uncertain, action).status_code == 404
    reviewer = make_user()
    make_member(project, reviewer, Membership.Role.REVIEWER)
    client.force_login(reviewer)
    assert post(client, uncertain, action).status_code == 403
    assert client.get(f"/clips/{uncertain.code}/{action}/").status_code == 405
    uncertain.refresh_from_db()
    assert uncertain.state == State.UNCERTAIN


def test_it_arrived_and_is_watched_from_now_on(me, uncertain, asked):
    post(me, uncertain, "arrived", job_id="  abc-123 ")
    uncertain.refresh_from_db()
    assert (uncertain.state, uncertain.provider_job_id) == (State.RUNNING, "abc-123")
    assert uncertain.events.last().actor is not None
    assert ("sweep", ()) in asked


def test_a_job_id_of_another_clip_is_refused_and_what_was_typed_stays(me, project, uncertain):
    other = make_generation(
        project, account=uncertain.account, model="ray-2", state=State.RUNNING, provider_job_id="taken"
    )  # fmt: skip
    answer = me.post(
        f"/clips/{uncertain.code}/arrived/", {"job_id": "taken"}, headers={"HX-Request": "true"}
    )
    assert answer.status_code == 422
    assert b"already belongs to another clip" in answer.content
    assert b'value="taken"' in answer.content
    assert other.provider_job_id == "taken"


def test_send_again_goes_back_in_line_once(me, uncertain):
    post(me, uncertain, "send-again")
    again = post(me, uncertain, "send-again")
    uncertain.refresh_from_db()
    assert uncertain.state == State.QUEUED
    assert again.status_code == 302
    assert uncertain.events.filter(new=State.QUEUED).count() == 1


def test_give_up_says_that_credits_may_be_spent(me, uncertain):
    post(me, uncertain, "give-up")
    uncertain.refresh_from_db()
    assert (uncertain.state, uncertain.charged) == (State.ABANDONED, "unknown")
    page = me.get(f"/clips/{uncertain.code}/").content.decode()
    assert "Whether you were charged is not known" in page


def test_check_again_makes_a_stalled_shot_due(me, project, emulator, asked):
    stalled = make_generation(
        project, account=account_at(emulator, "luma"), model="ray-2", state=State.STALLED
    )
    post(me, stalled, "check")
    stalled.refresh_from_db()
    assert stalled.next_poll_at is not None
    assert ("sweep", ()) in asked


def test_fetch_again_only_where_there_is_something_to_fetch(me, project, emulator, asked):
    lost = make_generation(
        project, account=account_at(emulator, "luma"), model="ray-2", state=State.FAILED,
        failure_code="media", result_url="https://cdn.example/clip.mp4",
    )  # fmt: skip
    post(me, lost, "fetch")
    lost.refresh_from_db()
    assert lost.state == State.STORING
    assert ("store_clip", (lost.pk,)) in asked
    nothing = make_generation(project, state=State.FAILED)
    post(me, nothing, "fetch")
    nothing.refresh_from_db()
    assert nothing.state == State.FAILED


def test_the_dialog_shows_the_three_ways_out_and_the_price_of_doubt(me, uncertain):
    dialog = me.get(
        f"/clips/{uncertain.code}/ways/", headers={"HX-Request": "true"}
    ).content.decode()
    for words in (
        "I have a job ID",
        "Track it",
        "Send again",
        "$0.71",
        "twice",
        "Stop tracking",
        "Check with Luma",
    ):
        assert words in dialog
    plain = me.get(f"/clips/{uncertain.code}/ways/")
    assert plain["Location"] == f"/clips/{uncertain.code}/"


def test_hold_and_release(me, project, asked):
    shot = make_generation(project, state=State.QUEUED)
    post(me, shot, "hold", held="1")
    shot.refresh_from_db()
    assert shot.held
    post(me, shot, "hold", held="0")
    shot.refresh_from_db()
    assert not shot.held
    assert ("submit_next", (shot.account_id,)) in asked


def test_move_to_the_front_of_ones_own_shots(me, project):
    first, second = (make_generation(project, state=State.QUEUED) for _ in range(2))
    post(me, second, "move", to="first")
    ranks = dict(Generation.objects.values_list("pk", "queue_rank"))
    assert ranks[second.pk] < ranks[first.pk]


def test_the_line_page_shows_order_price_and_buttons(me, project, uncertain, emulator):
    running = make_generation(project, state=State.RUNNING, title="Under way")
    waiting = make_generation(
        project, account=account_at(emulator, "luma"), model="ray-2", state=State.QUEUED,
        title="Next one", estimated_microusd=710_000,
    )  # fmt: skip
    page = me.get(f"/p/{project.code}/line/").content.decode()
    # What waits for a person comes first.
    assert page.index(f"/clips/{uncertain.code}/ways/") < page.index("Under way")
    assert "No confirmation" in page
    assert page.index("Under way") < page.index("Next one")
    assert "$0.71" in page
    assert f"/clips/{waiting.code}/hold/" in page
    assert f"/clips/{running.code}/hold/" not in page


def test_what_is_sent_is_shown_without_the_key(me, project, emulator):
    shot = make_generation(
        project, account=account_at(emulator, "luma"), model="ray-2", state=State.QUEUED,
        resolution="720p", concepts=["push_in"],
    )  # fmt: skip
    body = me.get(f"/clips/{shot.code}/sent/").content.decode()
    assert "push_in" in body
    assert "Low cloud slides" in body
    assert emulator.key("luma") not in body


def test_a_back_address_elsewhere_is_not_followed(me, project):
    shot = make_generation(project, state=State.QUEUED)
    answer = post(me, shot, "hold", held="1", stay="1", back="//evil.example/p//line/")
    assert answer["Location"] == f"/clips/{shot.code}/"
    assert uuid.UUID(str(shot.code))
