"""Signs of life: whether anybody works, what waits, and for how long. Asked by /readyz and /metrics."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Min
from django.utils import timezone
from django_q.brokers import get_broker

from studio.models import Generation, ProviderAccount
from studio.models.generation import AT_PROVIDER_STATES, State

# The schedule revives the sweep each half minute or so; a longer silence means no worker at all.
SWEEP_LATE = timedelta(minutes=3)


def sweep_age() -> timedelta | None:
    """Return how long ago a worker last looked after what is in flight; None: never."""
    rows = ProviderAccount.objects.filter(provider="previs", label="")
    swept_at = rows.values_list("swept_at", flat=True).first()
    return None if swept_at is None else max(timezone.now() - swept_at, timedelta())


def queue_depth() -> int:
    """Return how many tasks wait at the broker. Raises DatabaseError or RedisError."""
    return int(get_broker().queue_size() or 0)


def overdue() -> timedelta:
    """Return how long the longest due poll has been waiting for its answer to be asked for."""
    due = Generation.objects.filter(state=State.RUNNING, next_poll_at__isnull=False)
    first = due.exclude(provider="previs").aggregate(first=Min("next_poll_at"))["first"]
    return timedelta() if first is None else max(timezone.now() - first, timedelta())


def oldest_in_flight() -> timedelta:
    """Return how long ago the oldest shot that a provider has was sent."""
    there = Generation.objects.filter(state__in=[*AT_PROVIDER_STATES, State.STORING])
    first = there.aggregate(first=Min("submitted_at"))["first"]
    return timedelta() if first is None else max(timezone.now() - first, timedelta())
