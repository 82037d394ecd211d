"""Putting work whose process died back in motion, filling free places, and noticing deadlines."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime, timedelta

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
from studio.services.files import scratch_dir
from studio.services.film.exports import revive_exports
from studio.services.sketches import tidy_sketches
from studio.services.work import failover, rendering, storing
from studio.services.work.line import sendable, sends_left
from studio.services.work.outcomes import MEDIA_GRACE, QUEUE_DEADLINE, follow_up

SCRATCH_LIFE = timedelta(days=1)
AT_A_TIME = 200  # rows looked after in one go; the rest in the next, seconds later
DONE_WORDS = [word for word, status in STATUS_WORDS.items() if status is Status.SUCCEEDED]
MOST_PREPARATIONS = 5  # workers one shot may stop before its request has left


def revive() -> int:
    """Look after every row nobody works on; safe to call at any time. Returns how many it moved."""
    now = timezone.now()
    stale = Generation.objects.filter(Q(lease_until=None) | Q(lease_until__lt=now))
    stale = stale.defer("raw_answer", "prompt", "sent_prompt").order_by("pk")
    touched = 0
    for generation in stale.filter(state=State.SUBMITTING)[:AT_A_TIME]:
        touched += _recover_submit(generation, now)
    touched += _recover_renders(now)
    for generation in stale.filter(state=State.STORING, work_attempts__gte=storing.MOST_ATTEMPTS)[
        :AT_A_TIME
    ]:
        touched += _give_up_storing(generation)
    touched += fetch_clips(now) + notice_deadlines(now)
    touched += failover.ask_again(now)
    return touched + revive_exports() + release_followers() + fill_places()


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
    accounts = ProviderAccount.objects.filter(enabled=True, pk__in=line)
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


def ask_for_export() -> None:
    """Ask for the export that waits longest: there is a place for it on this machine now."""
    waiting = Export.objects.filter(state=Export.State.QUEUED, deleted_at=None)
    pk = waiting.order_by("pk").values_list("pk", flat=True).first()
    if pk is not None:
        enqueue("stitch_export", pk)


def release_followers() -> int:
    """End shots that wait for a clip which will never come. Nothing was bought for them."""
    ended = sorted({State.FAILED, State.CANCELLED, State.ABANDONED})
    released = 0
    for side in ("start", "end"):
        waiting = Generation.objects.filter(
            **{f"{side}_generation__state__in": ended}, state=State.QUEUED
        ).select_related(f"{side}_generation")
        for row in waiting.exclude(raw_status=SENDING)[:AT_A_TIME]:
            neighbour = getattr(row, f"{side}_generation")
            released += lifecycle.mark_failed(
                row.pk,
                old=State.QUEUED,
                code="neighbour",
                text=f"It was to join clip {neighbour.number}, “{neighbour.title}”, which was not rendered.",
                charged=Charged.NO,
            )
    return released


def notice_deadlines(now: datetime) -> int:
    """Call what took too long stalled: it is asked about less often, and a person may give it up."""
    late = Generation.objects.filter(state=State.RUNNING).exclude(provider="previs")
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
    moved = lifecycle.move_many(moves)
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
    rows = rendering.unheld(now)
    ended = 0
    for generation in rows.filter(work_attempts__gte=rendering.MOST_ATTEMPTS)[:AT_A_TIME]:
        ended += lifecycle.mark_failed(
            generation.pk,
            code="render",
            text=f"Previs stopped {generation.work_attempts} times while rendering this. "
            "Try a shorter or smaller version.",
            charged=Charged.NO,
            token=generation.lease_token,
            seen=generation,
        )
    return ended + rendering.ask_for_renders(now, most=AT_A_TIME)


def _give_up_storing(generation: Generation) -> int:
    return lifecycle.mark_failed(
        generation.pk,
        code="media",
        text="The clip was rendered, but keeping it was stopped too often. Fetch it again.",
        charged=generation.charged or Charged.UNKNOWN,
        token=generation.lease_token,
        seen=generation,
    )
