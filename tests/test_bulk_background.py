"""Large runs: batches in the background, killed workers, two workers at once, constant queries."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio import tasks
from studio.models import BulkItem, BulkRun, Generation, User
from studio.services import people
from studio.services.bulk import runs
from studio.services.bulk.table import DEEDS
from tests.bulk import make_clips, press, take_back

MANY = 120


@pytest.fixture
def small_batches(monkeypatch):
    """Batches of ten, so that a hundred clips are many of them."""
    for action in ("rate", "delete", "verdict", "archive"):
        monkeypatch.setitem(DEEDS, action, replace(DEEDS[action], batch=10))


def rated(project, rating):
    return Generation.objects.filter(project=project, rating=rating).count()


def lapse(run):
    BulkRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


@pytest.mark.django_db
def test_a_large_run_is_left_to_a_worker_and_undone_by_one(cast, asked):
    make_clips(cast.project, MANY)
    run = press(cast.alice, cast.project, "rate", query="", rating="4")
    assert run.state == BulkRun.State.QUEUED
    assert rated(cast.project, 4) == 0
    assert ("work_bulk", (run.pk,)) in asked
    asked.run("work_bulk")
    run.refresh_from_db()
    assert (run.state, run.done, rated(cast.project, 4)) == (BulkRun.State.DONE, MANY, MANY)
    take_back(cast.alice, run)
    assert BulkRun.objects.get().state == BulkRun.State.UNDOING
    asked.run("work_bulk")
    assert BulkRun.objects.get().state == BulkRun.State.UNDONE
    assert rated(cast.project, 0) == MANY


def lose(cast, how):
    """Bob loses the right to change clips."""
    if how == "demoted":
        people.change_role(member=cast.member("bob"), role="reviewer")
    elif how == "removed":
        people.remove_member(member=cast.member("bob"))
    else:
        User.objects.filter(pk=cast.bob.pk).update(is_active=False)


@pytest.mark.django_db
@pytest.mark.parametrize("how", ["demoted", "removed", "deactivated"])
def test_a_run_stops_where_whoever_began_it_loses_the_right(cast, asked, small_batches, how):
    make_clips(cast.project, MANY)
    run = press(cast.bob, cast.project, "archive", query="")
    lease = runs._claim(run.pk)
    assert runs._batch(run.pk, lease)
    BulkRun.objects.update(lease_until=None)
    lose(cast, how)
    asked.run("work_bulk")
    run.refresh_from_db()
    assert (run.state, run.done, run.skipped) == (BulkRun.State.DONE, 10, MANY - 10)
    assert run.failure_text == "Bob may not change clips of this project any more."
    assert Generation.objects.filter(archived_at=None).count() == MANY - 10


@pytest.mark.django_db
@pytest.mark.parametrize("how", ["removed", "deactivated"])
def test_who_is_no_member_rates_nothing_more(cast, asked, how):
    make_clips(cast.project, MANY)
    press(cast.bob, cast.project, "rate", query="", rating="4")
    lose(cast, how)
    asked.run("work_bulk")
    assert rated(cast.project, 4) == 0


@pytest.mark.django_db
def test_a_reviewer_goes_on_rating(cast, asked):
    make_clips(cast.project, MANY)
    press(cast.bob, cast.project, "rate", query="", rating="4")
    lose(cast, "demoted")
    asked.run("work_bulk")
    assert rated(cast.project, 4) == MANY


@pytest.mark.django_db
@pytest.mark.parametrize("how", ["demoted", "removed", "deactivated"])
def test_undoing_takes_the_right_to_do(cast, asked, how):
    make_clips(cast.project, MANY)
    run = press(cast.bob, cast.project, "archive", query="")
    asked.run("work_bulk")
    membership = cast.member("bob")
    if how == "demoted":
        lose(cast, how)
        membership.refresh_from_db()
        assert not runs.may_undo(BulkRun.objects.get(), membership)
        with pytest.raises(PermissionDenied):
            runs.undo(run=BulkRun.objects.get(), membership=membership)
    else:
        # Begun in time, done too late.
        runs.undo(run=BulkRun.objects.get(), membership=membership)
        lose(cast, how)
        asked.run("work_bulk")
    run.refresh_from_db()
    assert run.state == BulkRun.State.DONE
    assert Generation.objects.filter(archived_at=None).count() == 0
    take_back(cast.alice, run)
    asked.run("work_bulk")
    assert Generation.objects.filter(archived_at=None).count() == MANY


@pytest.mark.django_db
def test_the_task_may_run_twice(cast, asked):
    make_clips(cast.project, MANY)
    run = press(cast.alice, cast.project, "rate", query="", rating="4")
    tasks.work_bulk(run.pk)
    tasks.work_bulk(run.pk)
    run.refresh_from_db()
    assert run.done == MANY


@pytest.mark.django_db
def test_a_run_in_anothers_hands_is_left_alone(cast, asked):
    make_clips(cast.project, MANY)
    run = press(cast.alice, cast.project, "rate", query="", rating="4")
    assert runs._claim(run.pk)
    assert "another worker" in tasks.work_bulk(run.pk)
    assert rated(cast.project, 4) == 0


@pytest.mark.django_db
def test_a_worker_whose_lease_was_taken_writes_nothing_more(cast, asked, small_batches):
    make_clips(cast.project, MANY)
    run = press(cast.alice, cast.project, "rate", query="", rating="4")
    lease = runs._claim(run.pk)
    lease = runs._batch(run.pk, lease)
    lapse(run)
    assert runs._claim(run.pk), "somebody else goes on"
    assert runs._batch(run.pk, lease) is None
    assert rated(cast.project, 4) == 10


@pytest.mark.django_db
def test_runs_without_a_worker_are_asked_for_again(cast, asked):
    make_clips(cast.project, MANY)
    run = press(cast.alice, cast.project, "rate", query="", rating="4")
    asked.clear()
    assert runs.resume_left() == 0, "it was asked for just now"
    BulkRun.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    tasks.resume_bulk()
    assert ("work_bulk", (run.pk,)) in asked
    asked.run("work_bulk")
    assert runs.resume_left() == 0


@pytest.mark.django_db
def test_what_breaks_says_so_and_can_be_undone(cast, asked, small_batches, monkeypatch):
    make_clips(cast.project, MANY)
    run = press(cast.alice, cast.project, "rate", query="", rating="4")
    apply, calls = DEEDS["rate"].apply, []

    def break_later(*args):
        calls.append(1)
        if len(calls) >= 3:
            raise RuntimeError("oops")
        return apply(*args)

    monkeypatch.setitem(DEEDS, "rate", replace(DEEDS["rate"], apply=break_later))
    tasks.work_bulk(run.pk)
    run.refresh_from_db()
    assert (run.state, run.done, rated(cast.project, 4)) == (BulkRun.State.FAILED, 20, 20)
    take_back(cast.alice, run)
    assert rated(cast.project, 4) == 0


@pytest.mark.django_db
def test_a_busy_database_ends_nothing(cast, asked, monkeypatch):
    make_clips(cast.project, MANY)
    run = press(cast.alice, cast.project, "rate", query="", rating="4")

    def locked(*args):
        raise OperationalError("database is locked")

    broken = replace(DEEDS["rate"], apply=locked)
    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setitem(DEEDS, "rate", broken)
        tasks.work_bulk(run.pk)
    lapse(run)
    tasks.work_bulk(run.pk)
    assert rated(cast.project, 4) == MANY


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("rate", {"rating": "4"}),
        ("verdict", {"verdict": "needs_changes", "note": "Darker, @Bob"}),
        ("tag", {"tag": "night"}),
        ("collect", {"title": "Shortlist"}),
        ("archive", {}),
        ("delete", {}),
    ],
)
def test_queries_do_not_grow_with_the_clips(cast, asked, action, params):
    def statements(count):
        make_clips(cast.project, count, title=f"t{count}")
        run = press(cast.alice, cast.project, action, query=f"q=t{count}", **params)
        with CaptureQueriesContext(connection) as work:
            tasks.work_bulk(run.pk)
        run.refresh_from_db()
        assert run.done == count
        take_back(cast.alice, run)
        with CaptureQueriesContext(connection) as undo:
            tasks.work_bulk(run.pk)
        # What is written goes in few calls too, but is told as a statement for each row.
        return [len([q for q in found if q["sql"].startswith("SELECT")]) for found in (work, undo)]

    small, large = statements(60), statements(180)
    assert large == small


@pytest.mark.django_db(transaction=True)
def test_a_killed_workers_run_is_finished_by_the_next(cast, asked, small_batches, monkeypatch):
    """A real process dies by SIGKILL in the middle of a batch; nothing is lost, nothing done twice."""
    make_clips(cast.project, MANY)
    run = press(cast.alice, cast.project, "delete", query="")
    deed, calls = DEEDS["delete"], []

    def die(*args):
        calls.append(1)
        told = deed.apply(*args)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return told

    connections.close_all()
    pid = os.fork()
    if pid == 0:
        DEEDS["delete"] = replace(deed, apply=die)
        try:
            tasks.work_bulk(run.pk)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] & 0x7F == signal.SIGKILL
    run.refresh_from_db()
    assert (run.state, run.done) == (BulkRun.State.RUNNING, 30)
    assert Generation.objects.filter(deleted_at__isnull=False).count() == 30, "whole batches only"
    assert "another worker" in tasks.work_bulk(run.pk), "the dead worker's lease still runs"
    lapse(run)
    tasks.work_bulk(run.pk)
    run.refresh_from_db()
    assert (run.state, run.done, run.skipped) == (BulkRun.State.DONE, MANY, 0)
    assert Generation.objects.filter(deleted_at__isnull=False).count() == MANY
    assert not run.items.filter(outcome=BulkItem.Outcome.WAITING).exists()


@pytest.mark.django_db
def test_a_thousand_clips_are_a_few_short_transactions(cast, asked):
    """Between batches the lock is let go of, so nobody waits for the whole."""
    make_clips(cast.project, 1200)
    run = press(cast.alice, cast.project, "rate", query="", rating="4")
    lease, batches = runs._claim(run.pk), []
    while lease is not None:
        lease = runs._batch(run.pk, lease)
        batches.append(rated(cast.project, 4))
    assert batches == [*range(200, 1201, 200), 1200]
    run.refresh_from_db()
    assert (run.state, run.done) == (BulkRun.State.DONE, 1200)
