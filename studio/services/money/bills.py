"""What a provider says a job cost, as the columns of its shot."""

from __future__ import annotations

from math import isfinite
from typing import Any

from django.db.models import QuerySet

from studio import lifecycle
from studio.models import Generation, ProviderAccount
from studio.models.generation import Charged
from studio.providers.base import Cost
from studio.providers.prices import MAX_MICROUSD

NO_BILL: dict[str, Any] = {
    "actual_microusd": None,
    "credit_nanousd": None,
    "actual_credits": None,
    "credit_unit": "",
}


def bill_columns(cost: Cost) -> dict[str, Any]:
    """Return the columns that this cost fills; what it does not say, or cannot mean, is left out.

    Credits alone become money in the ledger, at the account's rate.
    """
    columns: dict[str, Any] = {}
    if cost.microusd is not None and 0 <= cost.microusd <= MAX_MICROUSD:
        columns |= {"actual_microusd": cost.microusd, "credit_nanousd": None}
    if cost.credits is not None and isfinite(cost.credits) and cost.credits >= 0:
        columns |= {"actual_credits": cost.credits, "credit_unit": cost.unit[:20]}
    return columns


def charge_of(cost: Cost, charged: bool | None) -> str:
    """Return whether a job was charged. A figure decides; else what the provider's rule says."""
    columns = bill_columns(cost)
    figure = columns.get("actual_microusd", columns.get("actual_credits"))
    if figure is not None:
        return Charged.YES if figure else Charged.NO
    if charged is None:
        return Charged.UNKNOWN
    return Charged.YES if charged else Charged.NO


def credits_without_money(account: ProviderAccount) -> QuerySet[Generation]:
    """Return the account's shots whose charge was told in credits and is no money yet."""
    return Generation.objects.filter(
        account=account, actual_credits__isnull=False, actual_microusd=None
    )


def book_credits(account: ProviderAccount) -> int:
    """Turn these charges into money at the rate that counts now, as corrections. Returns how many."""
    waiting = list(credits_without_money(account).values_list("pk", "actual_credits"))
    for pk, credits in waiting:
        # The same figure once more: the ledger reads the bill anew.
        lifecycle.touch(pk, actual_credits=credits)
    left = credits_without_money(account).filter(pk__in=[pk for pk, _ in waiting]).count()
    return len(waiting) - left
