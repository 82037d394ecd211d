"""Signs of life: whether anybody works, what waits, and for how long. Asked by /readyz and /metrics."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Min, QuerySet
from django.utils import timezone
from django_q.brokers import get_broker

from studio.models import Generation, ProviderAccount
from studio.models.generation import ACTIVE_STATES, AT_PROVIDER_STATES, State

# The schedule revives the sweep each half minute or so; a longer silence means no worker at all.
SWEEP_LATE = timedelta(minutes=3)


def sweep_age() -> timedelta | None:
    """Return how long ago a worker last looked after what is in flight; None: never."""
    rows = ProviderAccount.objects.filter(provider="previs", label="")
    swept_at = rows.values_list("swept_at", flat=True).first()
    return None if swept_at is None else max(timezone.now() - swept_at, timedelta())


def sweep_failure() -> tuple[timedelta, timedelta | None] | None:
    """Return how long ago a sweep stopped with an error and one last came to its end (None: never).

    None when none has stopped with an error since one came to its end.
    """
    rows = ProviderAccount.objects.filter(provider="previs", label="")
    failed, finished = (
        rows.values_list("sweep_failed_at", "sweep_finished_at").first() or (None,) * 2
    )
    if failed is None or (finished is not None and finished >= failed):
        return None
    now = timezone.now()
    return max(now - failed, timedelta()), None if finished is None else now - finished


def set_aside() -> int:
    """Return how many shots are set aside: what comes of them cannot be recorded."""
    rows = Generation.objects.filter(set_aside_at__isnull=False, state__in=sorted(ACTIVE_STATES))
    return rows.count()


def silent_accounts() -> QuerySet[ProviderAccount]:
    """Return the accounts whose polls bring no answer now."""
    return ProviderAccount.objects.exclude(polls_trouble="")


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
