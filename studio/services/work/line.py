"""The line at each provider account: who is next, and how many are ahead.

Fair between people: everybody's first waiting shot comes before anybody's second, counting what
they already have at the provider.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Case, Count, F, Q, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber

from studio.models import Generation
from studio.models.generation import AT_PROVIDER_STATES, State
from studio.providers.catalog import SUBMITS_PER_MINUTE

READY = (Q(start_generation=None) | Q(start_generation__state=State.SUCCEEDED)) & (
    Q(end_generation=None) | Q(end_generation__state=State.SUCCEEDED)
)


def in_line() -> QuerySet[Generation]:
    """Return what waits, but for held shots and those that join a clip which is not there yet."""
    return Generation.objects.filter(READY, state=State.QUEUED, held=False)


def sendable(now: datetime) -> QuerySet[Generation]:
    """Return what may be sent now: waiting, and not put off for a while after a failed try."""
    return in_line().filter(Q(next_poll_at=None) | Q(next_poll_at__lte=now))


def waiting(account_id: int) -> list[int]:
    """Return the pks waiting at this account, next first."""
    return _in_turn(account_id, in_line().filter(account_id=account_id))


def next_in_line(
    account_id: int, now: datetime, *, most: int = 8, only: Collection[int] | None = None
) -> list[int]:
    """Return the pks to send next, at most so many, and of these `only`.

    Shots put off for a while are passed over.
    """
    rows = sendable(now).filter(account_id=account_id)
    return _in_turn(account_id, rows if only is None else rows.filter(pk__in=only), most)


def sends_left(account_id: int, provider: str, now: datetime) -> int:
    """Return how many shots may still be sent to this account without asking too fast."""
    most = SUBMITS_PER_MINUTE.get(provider)
    if most is None:
        return 10**6
    minute = Generation.objects.filter(
        account_id=account_id, submitted_at__gt=now - timedelta(minutes=1)
    )
    return max(most - minute.exclude(state=State.QUEUED).count(), 0)


def _in_turn(account_id: int, rows: QuerySet[Generation], most: int | None = None) -> list[int]:
    there = Generation.objects.filter(account_id=account_id, state__in=AT_PROVIDER_STATES)
    have = there.order_by().values_list("by_id").annotate(count=Count("pk"))
    # What somebody has there counts as turns taken. Looked up once, not for each row of the line.
    taken = Case(*(When(by_id=by_id, then=Value(count)) for by_id, count in have), default=Value(0))
    turn = Window(RowNumber(), partition_by=F("by_id"), order_by=["queue_rank", "pk"])
    ordered = rows.annotate(turn=turn + taken).order_by("turn", "queue_rank", "pk")
    return list(ordered.values_list("pk", flat=True)[:most])


def places(generations: list[Generation]) -> dict[int, int]:
    """Return how many are ahead of each waiting generation at its account; one query if any waits."""
    accounts = {g.account_id for g in generations if g.state == State.QUEUED}
    if not accounts:
        return {}
    there = Q(state__in=AT_PROVIDER_STATES)
    rows = Generation.objects.filter(there | (READY & Q(state=State.QUEUED, held=False)))
    rows = rows.filter(account__in=accounts).order_by("queue_rank", "pk")
    taken: Counter[tuple[int, int]] = Counter()  # turns, by account and person
    line: dict[int, list[tuple[int, int]]] = {account_id: [] for account_id in accounts}
    found = list(rows.values_list("account_id", "by_id", "state", "pk"))
    for account_id, by_id, state, _ in found:
        taken[account_id, by_id] += state != State.QUEUED
    for account_id, by_id, state, pk in found:
        if state == State.QUEUED:
            taken[account_id, by_id] += 1
            line[account_id].append((taken[account_id, by_id], pk))
    # Sorted by turn alone: within one the rows keep the order they came in.
    turns = (sorted(waiting, key=lambda place: place[0]) for waiting in line.values())
    return {pk: ahead for waiting in turns for ahead, (_, pk) in enumerate(waiting)}
