"""Doing a few generations' work in this very process, for commands without a running studio."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from studio import sweep, tasks
from studio.leases import free_leases_of_the_dead
from studio.models import Generation, ProviderAccount
from studio.models.generation import TERMINAL_STATES, State
from studio.queue import kept_here
from studio.services.apart import Apart
from studio.services.work import reconcile, rendering, storing, submitting

PICKED_UP_WITHIN_S = 4.0  # a studio that runs begins its work within this
LOOK_EVERY_S = 0.2
SLICE_S = 1.0
# What a worker that died left is taken along: it holds places that these shots wait for.
TAKEN_ALONG = frozenset({"render_previs", "store_next", "store_clip", "fail_over"})


def wait_for(
    pks: Sequence[int], *, timeout_s: float, say: Callable[[str], None] = lambda text: None
) -> list[Generation]:
    """Wait until none of these moves by itself any more, or the time is up; return them as they are.

    A studio that runs does the work, and this only looks on. Without one, or when it ends on the
    way, everything is done here: sending, watching, fetching, rendering. Every piece is claimed
    first, so a studio that starts meanwhile does nothing twice, and takes over.
    """
    until = time.monotonic() + timeout_s
    quiet_since, last_slice = time.monotonic(), timezone.now()
    seen: dict[int, tuple[str, int]] = {}
    alone = False
    while True:
        rows = list(
            Generation.objects.filter(pk__in=pks)
            .select_related("project", "account")
            .defer("raw_answer")
            .order_by("pk")
        )
        for row in rows:
            if seen.get(row.pk) != (row.state, row.progress // 10):
                seen[row.pk] = (row.state, row.progress // 10)
                say(
                    f"{row.title}, take {row.take}: {row.get_state_display().lower()} {row.progress}%"
                )
        waiting = [row for row in rows if goes_on(row)]
        if not waiting or time.monotonic() > until:
            return rows
        if _somebody_works(since=last_slice):
            quiet_since, alone = time.monotonic(), False
        elif alone or time.monotonic() - quiet_since > PICKED_UP_WITHIN_S:
            if not alone:
                alone = True
                say("No studio is running; doing the work here.")
            _work(waiting, slice_s=min(SLICE_S, max(until - time.monotonic(), 0)))
            last_slice = timezone.now()
            continue
        time.sleep(LOOK_EVERY_S)


def goes_on(generation: Generation) -> bool:
    """Whether this moves by itself; what has ended, or waits for a person, does not."""
    asks = generation.state == State.UNCERTAIN and reconcile.asks_a_person(generation)
    held = generation.state == State.QUEUED and generation.account.hold_reason
    return generation.state not in TERMINAL_STATES and not asks and not held


def _somebody_works(*, since: datetime) -> bool:
    """Whether a worker elsewhere sweeps now: it holds an account, or did a moment ago.

    `since` is when this process last swept itself.
    """
    free_leases_of_the_dead()
    now = timezone.now()
    recent = max(since, now - timedelta(seconds=PICKED_UP_WITHIN_S))
    return ProviderAccount.objects.filter(Q(sweep_until__gt=now) | Q(swept_at__gt=recent)).exists()


def _work(waiting: Sequence[Generation], *, slice_s: float) -> None:
    """Take each of these one step further, then watch the providers for a moment."""
    ours = {row.pk for row in waiting}
    with kept_here() as asked:
        apart = Apart()
        for row in waiting:
            with apart.one(f"generation {row.pk}"):
                _step(row, ours)
        if Generation.objects.filter(pk__in=ours).exclude(state__in=TERMINAL_STATES).exists():
            sweep.run_slice(slice_s, linger_s=0)
        along = [task for task in asked if task[0] in TAKEN_ALONG]
        for name, args in along[:1]:
            getattr(tasks, name)(*args)


def _step(row: Generation, ours: Collection[int]) -> None:
    match row.state:
        case State.QUEUED:
            submitting.submit_next(row.account_id, only=ours)
        case State.STORING:
            storing.store_clip(row.pk)
        case State.RUNNING if row.provider == "previs":
            rendering.render_previs(row.pk)
        case State.UNCERTAIN:
            reconcile.reconcile_account(row.account_id)
