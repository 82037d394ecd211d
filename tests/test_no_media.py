"""A provider that calls a job done and brings no video: a clear end within minutes, honest about money."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from studio.models import Generation
from studio.models.generation import Charged, State
from studio.services.work import reconcile, recovery
from studio.services.work.outcomes import MEDIA_GRACE
from studio.services.work.submitting import submit_next
from studio.sweep import run_slice
from tests.emulator import Scripted
from tests.paid import DIALECTS, account_at, again, make_due, queue_shot

pytestmark = pytest.mark.django_db
# Told with the answer: credits at Apiframe. Elsewhere nobody knows what was taken.
CHARGES = dict.fromkeys(DIALECTS, Charged.UNKNOWN) | {"apiframe": Charged.YES}


def poll(shot: Generation) -> Generation:
    make_due(shot)
    run_slice(0, linger_s=0.4)
    return again(shot)


def let_grace_pass(shot: Generation) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Generation.objects.filter(pk=shot.pk).update(deadline_at=past)


@pytest.fixture(params=DIALECTS)
def done(request, project, emulator, asked) -> Generation:
    """A shot that was polled once after its provider called it done, without a video."""
    emulator.configure(finish_after_s=600, rates={"no_media": 1.0})
    shot = queue_shot(project, account_at(emulator, request.param))
    submit_next(shot.account_id)
    emulator.finish_all()
    return poll(shot)


def test_it_is_waited_for_a_few_minutes_and_then_ends(done, asked):
    assert done.state == State.RUNNING
    assert done.deadline_at and done.deadline_at <= timezone.now() + MEDIA_GRACE

    before = done.deadline_at
    assert poll(done).deadline_at == before

    let_grace_pass(done)
    row = poll(done)
    assert (row.state, row.failure_code) == (State.FAILED, "no_media")
    assert "handed over no video" in row.failure_text
    assert row.charged == CHARGES[done.account.label]
    assert ("fail_over", (row.pk,)) in asked


def test_a_video_that_comes_late_is_kept(done, emulator):
    for job in emulator.jobs():
        job.outcome = ""
    let_grace_pass(done)
    assert poll(done).state == State.STORING


def test_fetch_again_asks_the_provider_once_more(done, emulator, asked):
    let_grace_pass(done)
    row = poll(done)
    assert reconcile.can_fetch(row)
    for job in emulator.jobs():
        job.outcome = ""
    reconcile.fetch_again(generation=row, by=row.by)
    asked.run("store_clip")
    assert again(done).state == State.SUCCEEDED
    assert emulator.stats["duplicates"] == {}


@pytest.mark.parametrize("done", ["luma"], indirect=True)
def test_a_provider_that_falls_silent_then_leaves_it_stalled_with_words(done, emulator):
    recovery.notice_deadlines(timezone.now() + MEDIA_GRACE + timedelta(seconds=1))
    assert again(done).state == State.RUNNING
    recovery.notice_deadlines(timezone.now() + 2 * MEDIA_GRACE + timedelta(seconds=1))
    row = again(done)
    assert row.state == State.STALLED
    assert "brought no video" in row.waiting_text
    let_grace_pass(done)
    assert poll(done).state == State.FAILED


def test_one_that_was_stalled_gets_its_grace_too(project, emulator, asked):
    emulator.configure(finish_after_s=600, script=[Scripted("no_media")])
    shot = queue_shot(project, account_at(emulator, "luma"))
    submit_next(shot.account_id)
    let_grace_pass(shot)
    recovery.notice_deadlines(timezone.now())
    assert again(shot).state == State.STALLED
    emulator.finish_all()
    assert poll(shot).state == State.STALLED
    assert poll(shot).state == State.FAILED
