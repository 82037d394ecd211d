"""The only writer of the ledger: what each shot holds of a budget, and what it really cost.

A shot that costs reserves its estimate as it is queued. When it ends, the reservation is released
and what was charged is written; a shot that was not charged only releases. A shot whose charge is
not known keeps its reservation, so that the sum is never too small. One that was charged an unknown
amount is booked at its estimate, with a note that says so. What changes later ("fetch again", a
corrected bill) is a correction. `settle` brings a shot's sum to what its row says, whatever is
there already, so it may run twice; lifecycle calls it in the move's own transaction.

Credits become money here, once: at the rate of the account when they are booked. The rate is kept
with the shot, so that a rate that is changed later changes no charge that is settled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from django.db.models import Sum

from studio.bulk import update_rows
from studio.models.generation import TERMINAL_STATES, Charged, Generation
from studio.models.money import LedgerEntry
from studio.providers.prices import credit_rate, credits_in_microusd

K = LedgerEntry.Kind
AMOUNT_UNKNOWN = "The amount is not known; this is the estimate."
_COLUMNS = (
    "pk", "project_id", "by_id", "account_id", "created_at", "state", "charged",
    "estimated_microusd", "actual_microusd", "estimated_credits", "actual_credits", "credit_unit",
    "credit_nanousd", "account__provider", "account__credit_nanousd",
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
    billed = Generation.objects.filter(pk__in=wanted).select_related("account")
    entries: list[LedgerEntry] = []
    corrected: list[tuple[int, dict[str, Any]]] = []
    for shot in billed.only(*_COLUMNS).order_by("pk").iterator():
        changes = read_bill(shot)
        if changes:
            corrected.append((shot.pk, changes))
        for name, value in changes.items():
            setattr(shot, name, value)
        entries += _missing(shot, rows[shot.pk])
    if corrected:
        update_rows(Generation, corrected)
    if entries:
        LedgerEntry.objects.bulk_create(entries)


def read_bill(shot: Generation) -> dict[str, Any]:
    """Return the columns that the shot's own figures make wrong: credits as money, and `charged`.

    A known amount decides where it is open whether anything was charged; and a charge of nothing
    is none. That something was not charged stands: it may have been paid back.
    """
    found: dict[str, Any] = {}
    amount = shot.actual_microusd
    if amount is None or shot.credit_nanousd is not None:
        rate = shot.credit_nanousd
        if rate is None:
            rate = credit_rate(shot.account.provider, shot.account.credit_nanousd)
        amount = credits_in_microusd(shot.actual_credits, rate)
        found = {"actual_microusd": amount, "credit_nanousd": None if amount is None else rate}
    if amount is not None and shot.charged in (Charged.YES, Charged.UNKNOWN):
        found["charged"] = Charged.YES if amount else Charged.NO
    return {name: value for name, value in found.items() if getattr(shot, name) != value}


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
        again = K.RESERVED in written or held > wanted
        kind = K.CORRECTED if again else K.RESERVED
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
        note=AMOUNT_UNKNOWN if kind == K.CHARGED and shot.amount_unknown else "",
    )
