"""Amounts in providers' answers: true, or unknown. Zero is an amount.

Negative, absurd and unreadable figures are unknown (None), whatever their form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studio.providers.answers import dig, number_at
from studio.providers.base import Cost, Status

MICROUSD = 1_000_000
MAX_CLIP_USD = 10_000.0
MAX_CLIP_CREDITS = 2e10  # MAX_CLIP_USD in the smallest credit in use, AI/ML API's
MAX_BALANCE = 1e12  # dollars or credits, owed or owned


def amount_at(value: Any, *path: str | int, most: float) -> float | None:
    """Return the amount at this path, 0 to `most`, or None."""
    amount = number_at(value, *path)
    return amount if amount is not None and 0 <= amount <= most else None


def balance_at(value: Any, *path: str | int) -> float | None:
    """Return the balance at this path, which may be below zero, or None."""
    amount = number_at(value, *path)
    return amount if amount is not None and abs(amount) <= MAX_BALANCE else None


def microusd(dollars: float | None) -> int | None:
    """Return dollars as whole millionths."""
    return None if dollars is None else round(dollars * MICROUSD)


def read_cost(value: Any, *, usd: tuple[str, ...] = (), credits: tuple[str, ...] = ()) -> Cost:
    """Return the cost in an answer: dollars and credits, each under the first key that is there."""
    dollars = amount_at(value, _first(value, usd), most=MAX_CLIP_USD)
    native = amount_at(value, _first(value, credits), most=MAX_CLIP_CREDITS)
    if dollars == 0 and native:
        dollars = None  # the two contradict one another: what was charged is in the credits
    return Cost(microusd(dollars), native, "credits" if native is not None else "")


def read_charge(
    status: Status, cost: Cost, rule: Mapping[Status, bool], *, unreadable: bool = False
) -> bool | None:
    """Return whether an ended job was charged: its figure decides, else the provider's rule.

    None = not known: the job goes on, there is no rule, or there is a figure that cannot be read.
    """
    if status not in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED):
        return None
    figures = [figure for figure in (cost.microusd, cost.credits) if figure is not None]
    if figures:
        return any(figure > 0 for figure in figures)
    return None if unreadable else rule.get(status)


def has_any(value: Any, *keys: str) -> bool:
    """Return whether a figure stands under one of these keys, readable or not."""
    return any(dig(value, key) is not None for key in keys)


def _first(value: Any, keys: tuple[str, ...]) -> str:
    return next((key for key in keys if dig(value, key) is not None), "")
