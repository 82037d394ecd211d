from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from studio import lifecycle
from studio.models import Generation
from studio.models.generation import Charged, State
from studio.providers.catalog import get_spec
from studio.services.errors import StudioError
from studio.services.work import reconcile
from studio.services.work.reconcile import reconcile_account
from studio.services.work.submitting import submit_next
from tests.emulator import Emulator, Scripted
from tests.factories import make_generation
from tests.paid import MODELS, account_at, again, make_due, queue_shot

pytestmark = pytest.mark.django_db
LISTING = ("gmicloud", "luma")


def lost(
    project, emulator: Emulator, dialect: str, *, arrived: bool = True, **fields
) -> Generation:
    """Return an uncertain shot whose search is due; it reached the provider, or did not."""
    fault = "dropped" if arrived else "reset"
    emulator.configure(finish_after_s=600, script=[Scripted(fault, kind="submit")])
    shot = queue_shot(project, account_at(emulator, dialect), **fields)
    submit_next(shot.account_id)
    assert again(shot).state == State.UNCERTAIN
    make_due(shot)
    return again(shot)


def next_look(shot: Generation) -> float | None:
    at = again(shot).next_poll_at
    return None if at is None else (at - timezone.now()).total_seconds()


@pytest.mark.parametrize("dialect", LISTING)
def test_a_shot_that_arrived_is_found_and_watched(project, emulator, asked, dialect):
    shot = lost(project, emulator, dialect)
    assert reconcile_account(shot.account_id) == 1
    row = again(shot)
    (job,) = emulator.jobs()
    assert (row.state, row.provider_job_id) == (State.RUNNING, job.id)
    assert row.events.last().reason == f"found at the provider: {job.id}"


def test_with_an_order_number_it_is_found_too(project, emulator, asked):
    emulator.configure(finish_after_s=600, rates={"dropped": 1.0})
    shot = queue_shot(project, account_at(emulator, "apiframe"))
    for _ in range(lifecycle.MOST_SAME_KEY):
        submit_next(shot.account_id)
        make_due(shot)
    assert again(shot).state == State.UNCERTAIN
    assert reconcile_account(shot.account_id) == 1
    assert again(shot).provider_job_id == emulator.jobs()[0].id


@pytest.mark.parametrize("dialect", LISTING)
def test_a_shot_that_did_not_arrive_stays_and_is_looked_for_again(
    project, emulator, asked, dialect
):
    shot = lost(project, emulator, dialect, arrived=False)
    assert reconcile_account(shot.account_id) == 0
    assert again(shot).state == State.UNCERTAIN
    assert 5 < next_look(shot) <= 30


def test_the_looks_come_to_an_end(project, emulator, asked):
    shot = lost(project, emulator, "luma", arrived=False)
    Generation.objects.filter(pk=shot.pk).update(submitted_at=timezone.now() - timedelta(hours=25))
    reconcile_account(shot.account_id)
    assert next_look(shot) is None
    reconcile.check_again(generation=again(shot))
    assert next_look(shot) <= 0
    assert ("sweep", ()) in asked


def test_a_job_that_shows_up_hours_later_is_found_although_a_person_is_asked(
    project, emulator, asked, monkeypatch
):
    shot = lost(project, emulator, "aimlapi")
    emulator.configure(log_lag_s=3600)
    sent_at = timezone.now() - timedelta(minutes=11)
    Generation.objects.filter(pk=shot.pk).update(submitted_at=sent_at)
    assert reconcile_account(shot.account_id) == 0
    assert reconcile.asks_a_person(again(shot))
    assert 1800 < next_look(shot) <= 3600
    emulator.configure(log_lag_s=0)
    make_due(shot)
    assert reconcile_account(shot.account_id) == 1
    assert again(shot).provider_job_id == emulator.jobs()[0].id


def test_a_provider_that_does_not_answer_uses_up_no_look(project, emulator, asked):
    shot = lost(project, emulator, "luma")
    Generation.objects.filter(pk=shot.pk).update(submitted_at=timezone.now() - timedelta(hours=1))
    emulator.configure(script=[Scripted("error_503", kind="list")])
    assert reconcile_account(shot.account_id) == 0
    assert 60 < next_look(shot) <= 120


@pytest.mark.parametrize("dialect", ["aimlapi", "legacy"])
def test_where_nothing_can_be_listed_a_person_decides(
    project, emulator, asked, monkeypatch, dialect
):
    spec = replace(get_spec("aimlapi", MODELS[dialect]), logs_request_ids=False)
    monkeypatch.setattr(reconcile, "get_spec", lambda *names: spec)
    shot = lost(project, emulator, dialect)
    assert reconcile_account(shot.account_id) == 0
    assert again(shot).state == State.UNCERTAIN
    assert next_look(shot) is None


def test_a_job_whose_answer_came_late_is_watched_where_nothing_can_be_listed(
    project, emulator, asked
):
    shot = lost(project, emulator, "aimlapi")
    (job,) = emulator.jobs()
    Generation.objects.filter(pk=shot.pk).update(provider_job_id=job.id)
    make_due(shot)
    assert reconcile_account(shot.account_id) == 1
    assert (again(shot).state, again(shot).provider_job_id) == (State.RUNNING, job.id)


def test_two_like_shots_never_share_a_job(project, emulator, asked):
    first = lost(project, emulator, "luma", prompt="The same ridge")
    second = lost(project, emulator, "luma", prompt="The same ridge")
    assert reconcile_account(first.account_id) == 2
    assert {again(g).provider_job_id for g in (first, second)} == {j.id for j in emulator.jobs()}


def test_one_job_settles_one_of_two_like_shots(project, emulator, asked):
    first = lost(project, emulator, "luma", prompt="The same ridge")
    second = lost(project, emulator, "luma", prompt="The same ridge", arrived=False)
    assert reconcile_account(first.account_id) == 1
    assert (again(first).state, again(second).state) == (State.RUNNING, State.UNCERTAIN)


def test_a_job_of_another_length_or_shape_is_not_taken(project, emulator, asked):
    longer = lost(project, emulator, "luma", prompt="The same ridge", duration_s=9)
    shot = lost(project, emulator, "luma", prompt="The same ridge", arrived=False)
    Generation.objects.filter(pk=longer.pk).update(
        state=State.ABANDONED, finished_at=timezone.now()
    )
    assert reconcile_account(shot.account_id) == 0
    assert again(shot).state == State.UNCERTAIN


def test_a_draft_that_was_not_bought_does_not_take_its_masters_job(project, emulator, asked):
    draft = lost(project, emulator, "luma", prompt="The same ridge", arrived=False)
    master = lost(project, emulator, "luma", prompt="The same ridge", resolution="1080p")
    reconcile_account(draft.account_id)
    assert again(draft).state == State.UNCERTAIN
    assert again(master).provider_job_id in ("", emulator.jobs()[0].id)


def test_a_job_another_clip_has_is_not_taken(project, emulator, asked):
    shot = lost(project, emulator, "luma", prompt="The same ridge")
    (job,) = emulator.jobs()
    make_generation(project, account=shot.account, provider="luma", provider_job_id=job.id)
    assert reconcile_account(shot.account_id) == 0


def test_while_a_like_shot_is_being_sent_nothing_is_taken(project, emulator, asked):
    shot = lost(project, emulator, "luma", prompt="The same ridge", arrived=False)
    twin = lost(project, emulator, "luma", prompt="The same ridge")
    Generation.objects.filter(pk=twin.pk).update(state=State.SUBMITTING)
    assert reconcile_account(shot.account_id) == 0
    Generation.objects.filter(pk=twin.pk).update(
        state=State.RUNNING, provider_job_id=emulator.jobs()[0].id
    )
    make_due(shot)
    assert reconcile_account(shot.account_id) == 0


def test_a_like_shot_that_is_being_sent_uses_up_no_look(project, emulator, asked):
    shot = lost(project, emulator, "luma", prompt="The same ridge")
    twin = lost(project, emulator, "luma", prompt="The same ridge", arrived=False)
    Generation.objects.filter(pk=twin.pk).update(state=State.SUBMITTING)
    hours = timezone.now() - timedelta(hours=20)
    Generation.objects.filter(pk=shot.pk).update(submitted_at=hours)
    assert reconcile_account(shot.account_id) == 0
    assert 60 < next_look(shot) <= 120
    Generation.objects.filter(pk=shot.pk).update(submitted_at=hours - timedelta(hours=5))
    make_due(shot)
    assert reconcile_account(shot.account_id) == 0
    assert next_look(shot) is None, "a rival that never ends is left to a person"


def test_a_search_that_dies_comes_back(project, emulator, asked, monkeypatch):
    shot = lost(project, emulator, "luma")
    monkeypatch.setattr(reconcile, "open_door", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        reconcile_account(shot.account_id)
    assert 60 < next_look(shot) <= 120


# ---- The ways out ------------------------------------------------------------------------


def test_a_person_says_it_arrived(project, emulator, asked):
    shot = lost(project, emulator, "aimlapi")
    (job,) = emulator.jobs()
    reconcile.say_arrived(generation=shot, by=project.created_by, job_id=f" {job.id} ")
    row = again(shot)
    assert (row.state, row.provider_job_id) == (State.RUNNING, job.id)
    assert row.events.last().actor == project.created_by
    assert ("sweep", ()) in asked


@pytest.mark.parametrize(
    ("job_id", "says"),
    [
        ("", "0 characters"),
        ("x" * (reconcile.MAX_JOB_ID + 1), r"\d characters; 1 to [\d,]+ are allowed"),
    ],
)
def test_a_job_id_has_a_length(project, emulator, asked, job_id, says):
    shot = lost(project, emulator, "luma")
    with pytest.raises(StudioError, match=says) as refusal:
        reconcile.say_arrived(generation=shot, by=project.created_by, job_id=job_id)
    assert refusal.value.field == "job_id"


def test_a_job_another_clip_has_cannot_be_said(project, emulator, asked):
    shot = lost(project, emulator, "luma")
    make_generation(project, account=shot.account, provider="luma", provider_job_id="taken")
    with pytest.raises(StudioError, match="another clip"):
        reconcile.say_arrived(generation=shot, by=project.created_by, job_id="taken")


def test_a_person_sends_it_again(project, emulator, asked):
    shot = lost(project, emulator, "luma", arrived=False)
    reconcile.send_again(generation=shot, by=project.created_by)
    row = again(shot)
    assert (row.state, row.raw_status, row.next_poll_at) == (State.QUEUED, "", None)
    asked.run("submit_next")
    assert again(shot).state == State.RUNNING
    assert len(emulator.jobs()) == 1


def test_a_person_gives_it_up(project, emulator, asked):
    shot = lost(project, emulator, "luma")
    reconcile.give_up(generation=shot, by=project.created_by)
    row = again(shot)
    assert (row.state, row.charged) == (State.ABANDONED, Charged.UNKNOWN)
    assert "may still render it" in row.failure_text
    assert ("submit_next", (row.account_id,)) in asked


@pytest.mark.parametrize(
    "way",
    [
        lambda g, by: reconcile.say_arrived(generation=g, by=by, job_id="job-1"),
        lambda g, by: reconcile.send_again(generation=g, by=by),
    ],
    ids=["arrived", "send again"],
)
def test_a_way_out_taken_twice_is_refused_the_second_time(project, emulator, asked, way):
    shot = lost(project, emulator, "luma", arrived=False)
    way(shot, project.created_by)
    with pytest.raises(StudioError):
        way(shot, project.created_by)


@pytest.mark.parametrize("state", [State.QUEUED, State.SUCCEEDED, State.STORING])
def test_only_what_is_at_a_provider_is_given_up(project, state):
    with pytest.raises(StudioError, match="not at a provider"):
        reconcile.give_up(generation=make_generation(project, state=state), by=project.created_by)


def test_looking_now_makes_a_stalled_shot_due(project, asked):
    made = make_generation(project, state=State.STALLED, next_poll_at=None)
    reconcile.check_again(generation=made)
    assert again(made).next_poll_at <= timezone.now()
