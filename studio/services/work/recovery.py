"""Putting work whose process died back in motion, filling free places, and noticing deadlines."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from django.db import InterfaceError, OperationalError
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from studio import lifecycle
from studio.lifecycle import SENDING, Move
from studio.models import Export, Generation, ProviderAccount
from studio.models.generation import AT_PROVIDER_STATES, Charged, State
from studio.providers.answers import STATUS_WORDS
from studio.providers.base import Status
from studio.providers.catalog import PROVIDER_LABELS, UnknownModel, get_spec
from studio.queue import call_for, enqueue
from studio.services import holds
from studio.services.files import scratch_dir
from studio.services.film.exports import revive_exports
from studio.services.money.agreement import release_no_dearer
from studio.services.sketches import tidy_sketches
from studio.services.work import clip_download, failover, isolation, probing, rendering, storing
from studio.services.work.late_downloads import undownloaded_text
from studio.services.work.line import sendable, sends_left
from studio.services.work.outcomes import MEDIA_GRACE, QUEUE_DEADLINE, follow_up

logger = logging.getLogger(__name__)

SCRATCH_LIFE = timedelta(days=1)
AT_A_TIME = 200  # rows looked after in one go; the rest in the next, seconds later
DONE_WORDS = [word for word, status in STATUS_WORDS.items() if status is Status.SUCCEEDED]
MOST_PREPARATIONS = 5  # workers one shot may stop before its request has left


def revive() -> int:
    """Look after every row nobody works on; safe to call at any time. Returns how many it moved.

    One step or one row that fails keeps no other from being looked after.
    """
    touched = 0
    for step in STEPS:
        try:
            touched += step(timezone.now())
        except (OperationalError, InterfaceError):
            raise  # the database is away
        except Exception:
            logger.exception("looking after stuck shots failed: %s", step.__name__)
    return touched


def _each(rows: QuerySet[Generation], work: Callable[[Generation], int], what: str) -> int:
    """Do this for each of these rows, apart from the others. Returns how many it moved."""
    touched = 0
    rows = rows.filter(isolation.not_set_aside(timezone.now()))
    for pk in list(rows.values_list("pk", flat=True)[:AT_A_TIME]):
        with isolation.isolated(pk, what):
            row = rows.filter(pk=pk).first()
            touched += 0 if row is None else work(row)
    return touched


def _unheld(now: datetime) -> QuerySet[Generation]:
    stale = Generation.objects.filter(Q(lease_until=None) | Q(lease_until__lt=now))
    return stale.defer("raw_answer", "prompt", "sent_prompt").order_by("pk")


def _recover_submits(now: datetime) -> int:
    rows = _unheld(now).filter(state=State.SUBMITTING)
    return _each(rows, lambda row: _recover_submit(row, now), "the recovery of a submit")


def _end_downloads(now: datetime) -> int:
    rows = _unheld(now).filter(state=State.STORING, work_attempts__gte=clip_download.MOST_ATTEMPTS)
    return _each(rows, _give_up_storing, "the end of a download")


def tidy_scratch() -> None:
    """Remove what workers that were killed left in the making, a day later, and old sketches."""
    tidy_sketches()
    for path in scratch_dir().iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > SCRATCH_LIFE.total_seconds():
                path.unlink()


def fetch_clips(now: datetime) -> int:
    """Ask for the clips that wait to be fetched. Returns how many wait."""
    waiting: int = storing.due(now).count()
    if waiting:
        call_for("store_next", times=waiting)
    return waiting


def fill_places() -> int:
    """Ask for a submit for each free place at an account that has a line. Returns how many."""
    now = timezone.now()
    asked = 0
    line = _per_account(sendable(now))
    there = _per_account(Generation.objects.filter(state__in=AT_PROVIDER_STATES)) if line else {}
    accounts = ProviderAccount.objects.filter(enabled=True, hold_reason="", pk__in=line)
    open_ones = accounts.filter(Q(paused_until=None) | Q(paused_until__lt=now))
    for pk, provider, limit in open_ones.values_list("pk", "provider", "concurrent_limit"):
        places = min(limit - there.get(pk, 0), line[pk])
        if places > 0:
            places = min(places, sends_left(pk, provider, now))
        if places > 0:
            call_for("submit_next", pk, times=places)
            asked += places
    return asked


def _per_account(rows: QuerySet[Generation]) -> dict[int, int]:
    return dict(rows.order_by().values_list("account_id").annotate(rows=Count("pk")))


def _revive_exports(now: datetime) -> int:
    return revive_exports()


def _release_no_dearer(now: datetime) -> int:
    return release_no_dearer(most=AT_A_TIME)


def _watch_holds(now: datetime) -> int:
    return holds.announce() + probing.ask_for_probes(now)


def _fill_places(now: datetime) -> int:
    return fill_places()


def ask_for_export() -> None:
    """Ask for the export that waits longest: there is a place for it on this machine now."""
    waiting = Export.objects.filter(state=Export.State.QUEUED, deleted_at=None)
    pk = waiting.order_by("pk").values_list("pk", flat=True).first()
    if pk is not None:
        enqueue("stitch_export", pk)


def release_followers(now: datetime) -> int:
    """End shots that wait for a clip which will never come. Nothing was bought for them."""
    ended = sorted({State.FAILED, State.CANCELLED, State.ABANDONED})
    released = 0
    for side in ("start", "end"):
        waiting = Generation.objects.filter(
            **{f"{side}_generation__state__in": ended}, state=State.QUEUED
        ).select_related(f"{side}_generation")
        release = partial(_release_follower, side)
        released += _each(waiting.exclude(raw_status=SENDING), release, "the end of its wait")
    return released


def _release_follower(side: str, row: Generation) -> int:
    neighbour = getattr(row, f"{side}_generation")
    return lifecycle.mark_failed(
        row.pk,
        old=State.QUEUED,
        code="neighbour",
        text=f"It was to join clip {neighbour.number}, “{neighbour.title}”, which has no clip.",
        charged=Charged.NO,
    )


def notice_deadlines(now: datetime) -> int:
    """Call what took too long stalled: it is asked about less often, and a person may give it up."""
    late = Generation.objects.filter(state=State.RUNNING).exclude(provider="previs")
    late = late.filter(isolation.not_set_aside(now))
    # What is said to be done has a short deadline, and its next poll ends it; unless none comes.
    done = Q(raw_status__in=DONE_WORDS) | Q(raw_status__in=[word.upper() for word in DONE_WORDS])
    late = late.filter(
        (~done & Q(deadline_at__lt=now))
        | Q(deadline_at__lt=now - MEDIA_GRACE)
        | Q(submitted_at__lt=now - QUEUE_DEADLINE, raw_status__iexact="queued", progress=0)
    )
    moves = []
    columns = ("pk", "project_id", "provider", "deadline_at", "raw_status")
    for row in late.values(*columns)[:AT_A_TIME]:
        label = PROVIDER_LABELS.get(row["provider"], row["provider"])
        over = row["deadline_at"] and row["deadline_at"] < now
        text = f"{label} has kept this in its queue for 15 minutes without starting."
        if over and row["raw_status"].lower() in DONE_WORDS:
            text = f"{label} called this done, brought no video, and has not answered since."
        elif over:
            text = f"{label} has not finished after 45 minutes. It is still asked now and then."
        moves.append(
            Move(
                row["pk"],
                row["project_id"],
                State.RUNNING,
                State.STALLED,
                text,
                {"waiting_text": text},
            )
        )
    moved = isolation.move_each(moves)
    follow_up(moves, moved)
    return len(moved)


def _recover_submit(generation: Generation, now: datetime) -> int:
    label = PROVIDER_LABELS.get(generation.provider, generation.provider)
    if generation.raw_status != SENDING and generation.work_attempts >= MOST_PREPARATIONS:
        return lifecycle.mark_failed(
            generation.pk,
            code="refused",
            text=f"Preparing this for {label} stopped {generation.work_attempts} workers. "
            "Try another start or end frame.",
            charged=Charged.NO,
            token=generation.lease_token,
            seen=generation,
        )
    same_key = _resendable(generation) and generation.attempts < lifecycle.MOST_SAME_KEY
    if generation.raw_status != SENDING or same_key:
        left = generation.raw_status == SENDING
        why = "it cannot be bought twice" if left else "nothing had left"
        return lifecycle.return_to_queue(
            generation.pk,
            reason=f"the worker stopped; {why}, so it is sent again",
            token=generation.lease_token,
            seen=generation,
            may_have_left=left,
            work_attempts=generation.work_attempts,
        )
    return lifecycle.mark_uncertain(
        generation.pk,
        token=generation.lease_token,
        seen=generation,
        reason="the worker stopped while it was being sent",
        text=f"The worker stopped while this was being sent to {label}. It may have "
        "arrived, and may be charged. Nothing is sent again by itself.",
        next_poll_at=now,
    )


def _resendable(generation: Generation) -> bool:
    try:
        spec = get_spec(generation.provider, generation.model)
    except UnknownModel:
        return False
    return spec.idempotent or spec.free


def _recover_renders(now: datetime) -> int:
    rows = rendering.unheld(now).filter(work_attempts__gte=rendering.MOST_ATTEMPTS)
    ended = _each(rows, _end_render, "the end of a render")
    return ended + rendering.ask_for_renders(now, most=AT_A_TIME)


def _end_render(generation: Generation) -> int:
    return lifecycle.mark_failed(
        generation.pk,
        code="render",
        text=f"Previs stopped {generation.work_attempts} times while rendering this. "
        "Try a shorter or smaller version.",
        charged=Charged.NO,
        token=generation.lease_token,
        seen=generation,
    )


def _give_up_storing(generation: Generation) -> int:
    return lifecycle.mark_failed(
        generation.pk,
        code="media",
        text=undownloaded_text(
            generation.charged, f"Saving it stopped {generation.work_attempts} workers."
        ),
        charged=generation.charged or Charged.UNKNOWN,
        token=generation.lease_token,
        seen=generation,
        next_poll_at=None,  # a file that ends workers is not tried again by itself
    )


STEPS: tuple[Callable[[datetime], int], ...] = (
    _recover_submits,
    _recover_renders,
    _end_downloads,
    fetch_clips,
    notice_deadlines,
    failover.ask_again,
    _watch_holds,
    _release_no_dearer,
    _revive_exports,
    release_followers,
    _fill_places,
)
