"""The only writer of the ledger: what each shot holds of a budget, and what it really cost.

A shot that costs reserves its estimate as it is queued. When it ends, the reservation is released
and what was charged is written; a shot that was not charged only releases. A shot whose charge is
not known keeps its reservation, so that the sum is never too small. What changes later ("fetch
again", a corrected bill) is a correction. `settle` brings a shot's sum to what its row says,
whatever is there already, so it may run twice; lifecycle calls it in the move's own transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from django.db.models import Sum

from studio.models.generation import TERMINAL_STATES, Charged, Generation
from studio.models.money import LedgerEntry

K = LedgerEntry.Kind
_COLUMNS = (
    "pk", "project_id", "by_id", "account_id", "created_at", "state", "charged",
    "estimated_microusd", "actual_microusd", "estimated_credits", "actual_credits", "credit_unit",
)  # fmt: skip


def month_of(at: datetime) -> date:
    """Return the first day of the month (UTC) that a shot queued at `at` counts in."""
    return at.date().replace(day=1)


def reserve(generations: Sequence[Generation]) -> None:
    """Hold the estimates of shots that were just queued. Call in the transaction that queues them."""
    LedgerEntry.objects.bulk_create(
        _entry(shot, K.RESERVED, shot.estimated_microusd, shot.estimated_credits)
        for shot in generations
        if shot.estimated_microusd
    )


def settle(pks: Iterable[int]) -> None:
    """Bring these shots' sums to what their rows say. Call in the transaction that changed them."""
    wanted = list(pks)
    if not wanted:
        return
    rows: dict[int, dict[str, int]] = defaultdict(dict)
    sums = LedgerEntry.objects.filter(generation__in=wanted).order_by()
    for pk, kind, total in sums.values_list("generation", "kind").annotate(total=Sum("microusd")):
        rows[pk][kind] = total
    costly = Generation.objects.filter(pk__in=wanted).only(*_COLUMNS).order_by("pk")
    entries: list[LedgerEntry] = []
    for shot in costly.iterator():
        entries += _missing(shot, rows[shot.pk])
    if entries:
        LedgerEntry.objects.bulk_create(entries)


def due(shot: Generation) -> int:
    """Return what a shot counts for in its budgets, micro-USD."""
    if shot.state in TERMINAL_STATES:
        if shot.charged == Charged.NO:
            return 0
        if shot.charged == Charged.YES and shot.actual_microusd is not None:
            return shot.actual_microusd
    return shot.estimated_microusd or 0


def _missing(shot: Generation, written: dict[str, int]) -> list[LedgerEntry]:
    held, wanted = sum(written.values()), due(shot)
    over = shot.state in TERMINAL_STATES and shot.charged in (Charged.YES, Charged.NO)
    if not over:
        if held == wanted:
            return []
        kind = K.CORRECTED if K.RESERVED in written else K.RESERVED
        return [_entry(shot, kind, wanted - held, shot.estimated_credits)]
    if K.CHARGED in written:
        if held == wanted:
            return []
        return [_entry(shot, K.CORRECTED, wanted - held, shot.actual_credits)]
    found = []
    if held:
        once = K.RESERVED in written and K.RELEASED not in written
        found.append(_entry(shot, K.RELEASED if once else K.CORRECTED, -held, None))
    if wanted:
        found.append(_entry(shot, K.CHARGED, wanted, shot.actual_credits))
    return found


def _entry(shot: Generation, kind: str, microusd: int | None, credits: float | None) -> LedgerEntry:
    return LedgerEntry(
        kind=kind,
        generation=shot,
        project_id=shot.project_id,
        user_id=shot.by_id,
        account_id=shot.account_id,
        month=month_of(shot.created_at),
        microusd=microusd or 0,
        credits=credits,
        unit=shot.credit_unit if credits is not None else "",
    )
