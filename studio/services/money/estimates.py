"""Honest time left: from like runs only, and nothing where there is no history."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median, quantiles

from django.core.cache import cache
from django.utils import timezone

from studio.models import Generation
from studio.models.generation import State

Kind = tuple[str, str, int, str]  # provider, model, seconds, resolution
LEAST_RUNS = 3
RUNS_KEPT = 50
HISTORY = timedelta(days=30)
CACHE_S = 60


@dataclass(frozen=True, slots=True)
class Pace:
    """How long runs of one kind take, in seconds."""

    median_s: float
    slow_s: float  # nine in ten were done by then


def kind_of(generation: Generation) -> Kind:
    return (generation.provider, generation.model, generation.duration_s, generation.resolution)


def paces() -> dict[Kind, Pace]:
    """Return the pace of every kind with enough history; one query a minute at most."""
    known: dict[Kind, Pace] | None = cache.get("paces")
    if known is None:
        known = _measure()
        cache.set("paces", known, CACHE_S)
    return known


def _measure() -> dict[Kind, Pace]:
    rows = Generation.objects.filter(
        state=State.SUCCEEDED, submitted_at__isnull=False, finished_at__gt=timezone.now() - HISTORY
    ).order_by("-finished_at")
    spans: dict[Kind, list[float]] = defaultdict(list)
    columns = ("provider", "model", "duration_s", "resolution", "submitted_at", "finished_at")
    for provider, model, duration_s, resolution, began, ended in rows.values_list(*columns)[:2000]:
        runs = spans[provider, model, duration_s, resolution]
        if began and ended and len(runs) < RUNS_KEPT:
            runs.append((ended - began).total_seconds())
    return {
        kind: Pace(median(runs), quantiles(runs, n=10)[-1])
        for kind, runs in spans.items()
        if len(runs) >= LEAST_RUNS
    }


def time_left(generation: Generation, now: datetime, known: dict[Kind, Pace]) -> str:
    """Return "about 40 s left", "slower than usual", or an empty string where nothing is known.

    Real progress comes first; where the provider reports none, the median of like runs.
    """
    if generation.submitted_at is None:
        return ""
    elapsed = (now - generation.submitted_at).total_seconds()
    pace = known.get(kind_of(generation))
    if generation.progress >= 100:
        return ""
    if pace and elapsed > pace.slow_s * 1.1 + 5:
        return "slower than usual"
    if generation.provider == "previs" and 3 <= generation.progress < 100:
        return f"about {rounded(elapsed * (100 - generation.progress) / generation.progress)} left"
    if pace:
        left = pace.median_s - elapsed
        return f"about {rounded(left)} left" if left > 3 else "any moment now"
    waits = generation.provider == "previs" or elapsed < 60
    return "starting" if not generation.progress and waits else ""


def expected_progress(generation: Generation, now: datetime, known: dict[Kind, Pace]) -> int | None:
    """Return the share of the median that has passed, in percent; None without history.

    For providers that report no progress. Never above 95: only the clip itself is 100.
    """
    pace = known.get(kind_of(generation))
    if pace is None or generation.submitted_at is None:
        return None
    elapsed = (now - generation.submitted_at).total_seconds()
    return min(int(100 * elapsed / max(pace.median_s, 1)), 95)


def forget() -> None:
    """Measure anew at the next question."""
    cache.delete("paces")


def rounded(seconds: float) -> str:
    """A span rounded the way people would say it: 5 s, 40 s, 2 min."""
    if seconds < 10:
        return f"{max(round(seconds), 1)} s"
    if seconds < 90:
        return f"{round(seconds / 10) * 10} s"
    return f"{round(seconds / 60)} min"
