"""What a job cost counts from the answer that ended it, never from one in which it still ran."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from studio import ledger, lifecycle
from studio.models import Generation
from studio.models.generation import Charged, State
from studio.providers.base import Job
from studio.services.work.outcomes import read_job, record_submitted, watched
from tests.paid import account_at, again, queue_shot
from tests.providers.accounts import AIMLAPI, APIFRAME

pytestmark = pytest.mark.django_db
ESTIMATE = 3_000_000
CLIP = "https://media.example/clip.mp4"


def aimlapi(status: str, **usage: Any) -> Job:
    body: dict[str, Any] = {"id": "J", "status": status, "meta": {"usage": usage}}
    if status == "completed":
        body["video"] = {"url": CLIP}
    return AIMLAPI.answering(200, body).fetch("J")


def apiframe(status: str, **fields: Any) -> Job:
    body: dict[str, Any] = {"jobId": "J", "status": status, **fields}
    if status == "COMPLETED":
        body["result"] = {"videoUrl": CLIP}
    return APIFRAME.answering(200, body).fetch("J")


def run(project, emulator, dialect: str, *jobs: Job) -> Generation:
    """Return a shot after these answers; the first is its submit's."""
    shot = queue_shot(project, account_at(emulator, dialect), estimated_microusd=ESTIMATE)
    assert lifecycle.claim_submit(shot.pk)
    record_submitted(again(shot), replace(jobs[0], id=uuid.uuid4().hex))
    for job in jobs[1:]:
        move = read_job(watched(again(shot)), job)
        if move is not None:
            lifecycle.move_many([move])
    return again(shot)


OPEN_ENDS = [
    ("aimlapi", aimlapi("generating", usd_spent=0, credits_used=0), aimlapi("completed")),
    ("aimlapi", aimlapi("queued", credits_used=0), aimlapi("completed", credits_used=None)),
    ("aimlapi", aimlapi("queued", usd_spent=0), aimlapi("completed", usd_spent="0,40")),
    ("aimlapi", aimlapi("queued", usd_spent=0), aimlapi("completed", usd_spent=-1)),
    ("apiframe", apiframe("QUEUED", creditCost=0), apiframe("COMPLETED")),
    ("apiframe", apiframe("QUEUED", creditCost=0), apiframe("COMPLETED", creditCost=None)),
    ("apiframe", apiframe("QUEUED", creditCost=0), apiframe("COMPLETED", creditCost=-1)),
]


@pytest.mark.parametrize(("dialect", "running", "end"), OPEN_ENDS)
def test_a_zero_told_while_it_ran_never_makes_a_clip_free(
    project, emulator, asked, dialect, running, end
):
    row = run(project, emulator, dialect, running, running)
    assert (row.state, row.actual_microusd, row.actual_credits) == (State.RUNNING, None, None)
    row = run(project, emulator, dialect, running, running, end)
    assert row.state == State.STORING
    assert row.charged != Charged.NO
    assert (row.actual_microusd, row.actual_credits) == (None, None)
    assert ledger.due(row) == ESTIMATE


def test_a_figure_of_an_earlier_release_does_not_decide_an_open_end(project, emulator, asked):
    row = run(project, emulator, "aimlapi", aimlapi("generating"))
    lifecycle.touch(row.pk, actual_microusd=0, actual_credits=0, credit_unit="credits")
    lifecycle.move_many([read_job(watched(again(row)), aimlapi("completed"))])
    row = again(row)
    assert (row.charged, row.actual_microusd, row.actual_credits) == (Charged.YES, None, None)
    assert ledger.due(row) == ESTIMATE


def test_the_figure_of_the_end_counts(project, emulator, asked):
    queued = apiframe("QUEUED", creditCost=0)
    row = run(project, emulator, "apiframe", queued, apiframe("COMPLETED", creditCost=51))
    assert (row.charged, row.actual_credits) == (Charged.YES, 51)
    row = run(project, emulator, "aimlapi", aimlapi("queued"), aimlapi("failed", usd_spent=0))
    assert (row.state, row.charged, row.actual_microusd) == (State.FAILED, Charged.NO, 0)
