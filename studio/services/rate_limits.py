"""Token buckets in the database: one count for all web processes, on one machine or several.

A bucket starts full. Each use takes a token, and tokens come back at a steady pace, so nobody waits
longer than for the next token, however often others were refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import transaction
from django.utils import timezone

from studio.models import RateLimit


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket's size and pace: `refill_s` seconds bring one token back."""

    capacity: int
    refill_s: int

    @property
    def refill(self) -> timedelta:
        return timedelta(seconds=self.refill_s)

    @property
    def size(self) -> timedelta:
        """How long an empty bucket takes to be full."""
        return self.refill * self.capacity


@dataclass(frozen=True, slots=True)
class Grant:
    """Whether a use is allowed, and how many more are, by the emptiest bucket."""

    allowed: bool
    left: int
    wait_s: int  # until the next use is allowed; 0 while there are uses left


Charge = tuple[str, Limit]
NOTHING = timedelta(0)


def authorize(*charges: Charge) -> Grant:
    """Take a token from each bucket, or from none of them where one is empty."""
    with transaction.atomic():
        now = timezone.now()
        buckets = [(row, limit, _debt(row, limit, now)) for row, limit in _locked(charges, now)]
        allowed = all(debt + limit.refill <= limit.size for _, limit, debt in buckets)
        if allowed:
            buckets = [(row, limit, debt + limit.refill) for row, limit, debt in buckets]
            for row, _, debt in buckets:
                RateLimit.objects.filter(pk=row.pk).update(full_at=now + debt)
    waits = [debt + limit.refill - limit.size for _, limit, debt in buckets]
    wait_s = math.ceil(max(max(waits, default=NOTHING), NOTHING).total_seconds())
    left = min(((limit.size - debt) // limit.refill for _, limit, debt in buckets), default=0)
    return Grant(allowed, left, wait_s)


def give_back(*charges: Charge) -> None:
    """Return the token of a use that should not have counted."""
    with transaction.atomic():
        now = timezone.now()
        for row, limit in _locked(charges, now):
            debt = max(_debt(row, limit, now) - limit.refill, NOTHING)
            RateLimit.objects.filter(pk=row.pk).update(full_at=now + debt)


def reset(keys: Iterable[str]) -> None:
    """Fill these buckets."""
    RateLimit.objects.filter(key__in=[_digest(key) for key in keys]).delete()


def _locked(charges: Iterable[Charge], now: datetime) -> list[tuple[RateLimit, Limit]]:
    """Return the rows under lock, in one order for everybody, so that no two wait for each other."""
    limits = {_digest(key): limit for key, limit in charges}
    for key in sorted(limits):
        RateLimit.objects.get_or_create(key=key, defaults={"full_at": now})
    rows = RateLimit.objects.select_for_update().filter(key__in=limits).order_by("key")
    return [(row, limits[row.key]) for row in rows]


def _debt(row: RateLimit, limit: Limit, now: datetime) -> timedelta:
    """Return how long the bucket takes to be full. Never more than its whole size: clocks are set back."""
    return min(max(row.full_at - now, NOTHING), limit.size)


def _digest(key: str) -> str:
    return sha256(key.encode(errors="surrogatepass")).hexdigest()
