"""What a provider's answer about a job means for its generation: one reading for submit and poll."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.db.models import Count
from django.utils import timezone

from studio import lifecycle
from studio.lifecycle import Move
from studio.models import Generation
from studio.models.generation import Charged, State
from studio.providers.answers import NO_MEDIA, read_status
from studio.providers.base import Cost, Job, Status
from studio.providers.catalog import PROVIDER_LABELS
from studio.providers.reasons import read_failure
from studio.queue import call_for, enqueue
from studio.services.money.bills import NO_BILL, bill_columns, charge_of
from studio.services.work.line import in_line

logger = logging.getLogger(__name__)

QUEUE_DEADLINE = timedelta(minutes=15)
TOTAL_DEADLINE = timedelta(minutes=45)
FIRST_POLL = timedelta(seconds=5)
PROGRESS_STEP = 5  # percent: smaller moves are not worth a write
MEDIA_GRACE = timedelta(minutes=3)  # a job said to be done brings its clip within this


@dataclass(frozen=True, slots=True)
class Watched:
    """The columns of a generation at its provider that a poll needs."""

    pk: int
    project_id: int
    account_id: int
    provider: str
    model: str
    state: str
    provider_job_id: str
    progress: int
    raw_status: str
    submitted_at: datetime | None
    deadline_at: datetime | None
    code: UUID
    trouble: str
    set_aside_at: datetime | None


WATCHED_COLUMNS = tuple(Watched.__dataclass_fields__)


def read_job(row: Watched, job: Job) -> Move | None:
    """Return the move this answer asks for, or None while the job goes on as before.

    One that is done but "expired" is fetched like any other: a later answer may bring its link.
    """
    if job.status is Status.SUCCEEDED:
        return Move(
            row.pk, row.project_id, row.state, State.STORING, "rendered; fetching the clip",
            _billed(job) | {
                "result_url": job.result_url,
                "charged": _charge(job),
                "work_attempts": 0,
                "progress": 100,
                "next_poll_at": timezone.now(),
            },
        )  # fmt: skip
    if job.status is Status.FAILED:
        failure = read_failure(job.error)
        return _failed(row, job, failure.code, failure.sentence)
    if job.status is Status.CANCELLED:
        return _failed(row, job, "cancelled", f"{_label(row)} cancelled it.")
    if _has_no_media(row, job):
        return _without_media(row, job)
    if row.state in (State.SUBMITTING, State.UNCERTAIN) or _goes_on(row, job):
        return Move(
            row.pk,
            row.project_id,
            row.state,
            State.RUNNING,
            "the provider is working on it",
            _carried(job),
        )
    return None


def _goes_on(row: Watched, job: Job) -> bool:
    """Whether a stalled shot moves again. Past its deadline it stays stalled until it ends."""
    in_time = row.deadline_at is not None and row.deadline_at > timezone.now()
    return row.state == State.STALLED and in_time and job.status is Status.RUNNING


def _is_done(word: str) -> bool:
    return read_status(word) is Status.SUCCEEDED


def awaits_media(row: Watched, job: Job) -> bool:
    """Whether the provider calls this done, its clip is not there, and it still has long to come.

    Such a row's deadline is to be drawn in to `MEDIA_GRACE` from now.
    """
    late = row.deadline_at is None or row.deadline_at > timezone.now() + MEDIA_GRACE
    return job.status is Status.RUNNING and _is_done(job.raw_status) and late


def _has_no_media(row: Watched, job: Job) -> bool:
    """Whether a job was said to be done before, and its clip did not come in all the time it had."""
    over = row.deadline_at is not None and row.deadline_at <= timezone.now()
    done = job.status is Status.RUNNING and _is_done(job.raw_status)
    return done and over and _is_done(row.raw_status)


def _without_media(row: Watched, job: Job) -> Move:
    """End a job that is done without a clip. Most providers have taken the money by now.

    Only an amount that was told says so for sure. "Fetch again" asks the provider once more.
    """
    told = job.cost.microusd or job.cost.credits
    charged = _charge(replace(job, charged=True if told else job.charged))
    move = _failed(row, job, "no_media", read_failure(NO_MEDIA).sentence)
    return replace(move, changes=move.changes | {"charged": charged})


def offers_download(generation: Generation) -> bool:
    """Whether the first thing to offer is the clip that was bought, rather than buying another."""
    if generation.state != State.FAILED or generation.provider == "previs":
        return False
    if not (generation.result_url or generation.provider_job_id):
        return False
    doubt = generation.failure_code == "no_media" and generation.charged != Charged.NO
    return doubt or generation.failure_code == "media"


def note_progress(row: Watched, job: Job) -> bool:
    """Whether this answer is worth showing: another word, or a visible step of progress."""
    moved = job.progress is not None and abs(job.progress - row.progress) >= PROGRESS_STEP
    return moved or job.raw_status[:60] != row.raw_status


def _failed(row: Watched, job: Job, code: str, sentence: str) -> Move:
    return Move(
        row.pk, row.project_id, row.state, State.FAILED, sentence,
        _billed(job) | {"failure_code": code, "failure_text": sentence[:500], "charged": _charge(job)},
    )  # fmt: skip


def _carried(job: Job) -> dict[str, Any]:
    return {"raw_status": job.raw_status[:60], "raw_answer": dict(job.raw)}


def _billed(job: Job) -> dict[str, Any]:
    """Return the columns of an answer that ended the job, whose figures alone count.

    Providers tell a zero while a job runs. What the end leaves open no earlier figure decides.
    """
    return _carried(job) | NO_BILL | bill_columns(job.cost)


def _charge(job: Job) -> str:
    return charge_of(job.cost, job.charged)


def _label(row: Watched) -> str:
    return PROVIDER_LABELS.get(row.provider, row.provider)


def watched(generation: Generation) -> Watched:
    """Return the poll's view of one generation."""
    return Watched(**{name: getattr(generation, name) for name in WATCHED_COLUMNS})


def record_submitted(generation: Generation, job: Job) -> bool:
    """Record a submit's answer: the job id first of all, and the end if it is one already.

    Raises IntegrityError when another generation of the account has this job.
    """
    try:
        return _record_submitted(generation, job)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        # It may be charged: its id counts for more than an answer that no database takes. A job
        # that is another shot's raises again.
        logger.exception("the answer about clip %s could not be recorded whole", generation.code)
        return _record_submitted(generation, replace(job, raw={}, raw_status="", cost=Cost()))


def _record_submitted(generation: Generation, job: Job) -> bool:
    now = timezone.now()
    move = read_job(watched(generation), job)
    if move is None or move.new == State.RUNNING:
        moved = lifecycle.record_running(
            generation.pk,
            job_id=job.id,
            deadline_at=now + TOTAL_DEADLINE,
            next_poll_at=now + FIRST_POLL,
            progress=max(0, min(job.progress or 0, 99)),
            work_attempts=0,
            **_carried(job),
        )
    else:
        moved = lifecycle.move(
            generation.pk,
            move.new,
            old=[State.SUBMITTING, State.UNCERTAIN],
            reason=move.reason,
            **(move.changes | {"provider_job_id": job.id}),
        )
        if moved:
            follow_up([move], {generation.pk})
    if not moved:
        # Given up by a person meanwhile, say: what was bought must stay findable.
        Generation.objects.filter(pk=generation.pk, provider_job_id="").update(
            provider_job_id=job.id
        )
    return moved


def follow_up(moves: Iterable[Move], moved: set[int]) -> None:
    """Put in the queue what the moves that were made ask for: fetching clips, free places."""
    made = [move for move in moves if move.pk in moved]
    storing = sum(move.new == State.STORING for move in made)
    if storing:
        call_for("store_next", times=storing)
    for move in made:
        if move.new == State.FAILED:
            enqueue("fail_over", move.pk)
    freed = [m.pk for m in made if m.new in (State.STORING, State.FAILED, State.STALLED)]
    if not freed:
        return
    ended = Generation.objects.filter(pk__in=freed).order_by()
    places = dict(ended.values_list("account_id").annotate(places=Count("pk")))
    # Only where somebody waits: thousands may end at an account whose line is empty.
    line = in_line().filter(account_id__in=places).order_by()
    for account_id in line.values_list("account_id", flat=True).distinct():
        call_for("submit_next", account_id, times=places[account_id])
