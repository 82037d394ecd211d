"""Amounts of money in words: dollars for reading, and as people type them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

MICROUSD = 1_000_000  # in a dollar


def money(microusd: int | None) -> str:
    """Micro-USD as dollars with two decimals; an amount under a cent shows as < $0.01.

    What was given back has its minus in front: −$0.65.
    """
    if microusd is None:
        return ""
    if microusd < 0:
        return "> −$0.01" if microusd > -10_000 else f"−{money(-microusd)}"
    if 0 < microusd < 10_000:
        return "< $0.01"
    return f"${microusd / MICROUSD:,.2f}"


class Certainty(StrEnum):
    """How well an amount is known. The value stands in front of it, but for an exact one."""

    EXACT = "exact"
    ESTIMATE = "about"
    CEILING = "at most"


# How a price is known (services/money/quotes.py: Kind, stored with each shot), as a certainty.
_OF_KIND = {
    "learned": Certainty.ESTIMATE,
    "estimated": Certainty.ESTIMATE,
    "ceiling": Certainty.CEILING,
}


def certainty_of(kind: str) -> Certainty:
    """Return how well a price of this kind is known; exactly where the kind is not recorded."""
    return _OF_KIND.get(kind, Certainty.EXACT)


def least_certain(certainties: Iterable[str]) -> Certainty:
    """Return how well a sum of amounts is known: as well as the least known of them."""
    order = list(Certainty)
    return max(map(Certainty, certainties), key=order.index, default=Certainty.EXACT)


def amount_text(microusd: int | None, certainty: str = Certainty.EXACT) -> str:
    """Return an amount with how well it is known: $1.27, about $1.27, at most $1.27, not known.

    Zero is free, whatever it is known by. Every amount that may be other than exact is written here.
    """
    if microusd is None:
        return "not known"
    if microusd == 0:
        return "free"
    words = "" if certainty == Certainty.EXACT else f"{Certainty(certainty)} "
    return f"{words}{money(microusd)}"


def dollars(microusd: int | None) -> str:
    """An amount as people type it into a field: 150 or 99.50; empty for none."""
    if microusd is None:
        return ""
    return f"{microusd / MICROUSD:.2f}".removesuffix(".00")


def rate(nanousd: int | None) -> str:
    """Nano-USD for one credit in dollars, to the last digit that counts: $0.01 or $0.0000005."""
    if nanousd is None:
        return ""
    whole, _, part = f"{nanousd / 1_000_000_000:.9f}".rstrip("0").partition(".")
    return f"${whole}.{part:0<2}"
