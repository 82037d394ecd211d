"""What /metrics says: counts read from the database as it is asked, and the web processes' own.

What costs a look at every row is kept for a minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError
from django.db.models import Count, Sum
from django.utils import timezone
from django_q.models import Failure
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from studio.ledger import month_of
from studio.models import (
    Export,
    Generation,
    Keyframe,
    LedgerEntry,
    ProviderAccount,
    WebhookDelivery,
)
from studio.models.generation import ACTIVE_STATES, TERMINAL_STATES
from studio.operations.request_counts import counted
from studio.services import disk, signs

KEPT_S = 60
Rows = Iterable[tuple[tuple[str, ...], float]]


def exposition() -> bytes:
    """Return everything in Prometheus's text format. Raises DatabaseError."""
    registry = CollectorRegistry()
    registry.register(_Studio())
    return generate_latest(registry)


class _Studio(Collector):
    def collect(self) -> Iterator[Metric]:
        yield from _shots()
        yield from _work()
        yield from _money()
        yield from _room()
        yield from counted()


def _gauge(name: str, text: str, labels: tuple[str, ...], rows: Rows) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"studio_{name}", text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _one(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"studio_{name}", text, value=value)


# ---- Shots -----------------------------------------------------------------------------------


def _shots() -> Iterator[Metric]:
    rows = Generation.objects.filter(state__in=sorted(ACTIVE_STATES)).order_by()
    active = rows.values_list("state", "provider").annotate(n=Count("pk"))
    yield _gauge(
        "generations", "Shots that are not over, by state.", ("state", "provider"),
        (((state, provider), count) for state, provider, count in active),
    )  # fmt: skip
    yield _gauge(
        "generations_ended", "Shots that are over; `reason` is why one failed.",
        ("state", "provider", "reason"), _ended(),
    )  # fmt: skip
    yield _one(
        "oldest_in_flight_seconds", "Age of the oldest shot a provider has.",
        signs.oldest_in_flight().total_seconds(),
    )  # fmt: skip


def _ended() -> Rows:
    def read() -> list[tuple[tuple[str, ...], float]]:
        rows = Generation.objects.filter(state__in=sorted(TERMINAL_STATES)).order_by()
        counts = rows.values_list("state", "provider", "failure_code").annotate(n=Count("pk"))
        return [((state, provider, reason), n) for state, provider, reason, n in counts]

    found: list[tuple[tuple[str, ...], float]] = (
        cache.get_or_set("metrics:ended", read, KEPT_S) or []
    )
    return found


# ---- Work ------------------------------------------------------------------------------------


def _work() -> Iterator[Metric]:
    try:
        depth, up = signs.queue_depth(), 1
    except (DatabaseError, RedisError):
        depth, up = 0, 0
    yield _one("queue_up", "Whether the queue answers.", up)
    yield _one("queue_tasks", "Tasks waiting at the broker.", depth)
    age = signs.sweep_age()
    yield _one(
        "sweep_age_seconds", "Since a worker last looked after the shots; -1 = never.",
        -1 if age is None else age.total_seconds(),
    )  # fmt: skip
    yield _one(
        "sweep_failing", "Whether a sweep stopped with an error since one came to its end.",
        signs.sweep_failure() is not None,
    )  # fmt: skip
    yield _one(
        "shots_set_aside", "Shots of which nothing can be recorded; each is tried alone.",
        signs.set_aside(),
    )  # fmt: skip
    yield _one(
        "poll_lag_seconds", "How late the latest poll of a provider is.",
        signs.overdue().total_seconds(),
    )  # fmt: skip
    since = timezone.now() - timedelta(days=1)
    failed = Failure.objects.filter(stopped__gte=since).count()
    yield _one("failed_tasks_day", "Tasks that failed in the last 24 hours.", failed)
    waiting = WebhookDelivery.objects.filter(state=WebhookDelivery.State.WAITING).count()
    yield _one("webhook_messages_waiting", "Messages that no receiver has taken yet.", waiting)


# ---- Money -----------------------------------------------------------------------------------


def _money() -> Iterator[Metric]:
    now = timezone.now()
    sums = LedgerEntry.objects.filter(month=month_of(now)).order_by().values_list("account")
    spent = dict(sums.annotate(total=Sum("microusd")))
    accounts = list(ProviderAccount.objects.filter(enabled=True).order_by("pk"))
    labels = ("provider", "account")
    names = {a.pk: (a.provider, a.label) for a in accounts}
    yield _gauge(
        "spend_dollars", "Spent or held this month (UTC).", labels,
        ((names[a.pk], spent.get(a.pk, 0) / 1e6) for a in accounts),
    )  # fmt: skip
    yield _gauge(
        "spend_limit_dollars", "What may be spent a month, where there is a limit.", labels,
        (
            (names[a.pk], a.monthly_limit_microusd / 1e6)
            for a in accounts if a.monthly_limit_microusd is not None
        ),
    )  # fmt: skip
    yield _gauge(
        "balance_dollars", "What is left at the provider, as last asked.", labels,
        (
            (names[a.pk], a.balance_microusd / 1e6)
            for a in accounts if a.balance_microusd is not None
        ),
    )  # fmt: skip
    yield _gauge(
        "account_paused", "1 while nothing is sent there: no answer, no credit, a bad key.", labels,
        (
            (names[a.pk], int(bool(a.hold_reason or (a.paused_until and a.paused_until > now))))
            for a in accounts
        ),
    )  # fmt: skip


# ---- Room ------------------------------------------------------------------------------------


def _room() -> Iterator[Metric]:
    yield _gauge("storage_bytes", "What rows say is stored.", ("kind",), _stored())
    yield _one("disk_free_bytes", "Free where the studio writes.", disk.free_bytes())
    yield _one("disk_least_bytes", "Below this nothing new is begun.", settings.DISK_LEAST_BYTES)


def _stored() -> Rows:
    def read() -> list[tuple[tuple[str, ...], float]]:
        kinds = (("clips", Generation), ("stills", Keyframe), ("exports", Export))
        return [
            ((kind,), model._base_manager.aggregate(total=Sum("size_bytes"))["total"] or 0)
            for kind, model in kinds
        ]

    found: list[tuple[tuple[str, ...], float]] = (
        cache.get_or_set("metrics:bytes", read, KEPT_S) or []
    )
    return found
