"""Leases, pauses and paces made short: what waits a minute in the studio waits a second."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from studio import sweep
from studio.media.download import download_video
from studio.providers.registry import make_provider
from studio.services import doors
from studio.services.exchange import import_runs
from studio.services.work import line, outcomes, reconcile, recovery, rendering, storing, submitting

SHORT: tuple[tuple[object, str, object], ...] = (
    *((module, "LEASE_S", 1.0) for module in (submitting, storing, rendering)),
    (submitting, "RESEND_FIRST_S", 0.2),
    (submitting, "FIRST_RECONCILE", timedelta(seconds=0.2)),
    (reconcile, "LOOKS", tuple(timedelta(seconds=s) for s in (0.5, 1, 2, 4, 8))),
    (rendering, "ASK_AGAIN", timedelta(seconds=1)),
    (rendering, "BEAT_S", 0.05),
    (outcomes, "FIRST_POLL", timedelta(seconds=0.2)),
    (import_runs, "LEASE", timedelta(seconds=1)),
    (import_runs, "ASK_AGAIN", timedelta(seconds=1)),
    (sweep, "PACES", ((timedelta(seconds=60), 0.3),)),
    (sweep, "LEASE_S", 1.5),
    (sweep, "CARE_EVERY_S", 0.4),
    (sweep, "CARE_LEAVING_S", 0.2),
    (sweep, "RECONCILE_EVERY_S", 0.5),
)

# Also what a provider's trouble costs in time: for many faults at once.
SHORTER: tuple[tuple[object, str, object], ...] = (
    *SHORT,
    (submitting, "UNAVAILABLE_PAUSE_S", 0.3),
    (submitting, "RATE_PAUSE_S", 0.3),
    (submitting, "PERSON_PAUSE_S", 0.3),
    (submitting, "UNCLEAR_PAUSE_S", 0.3),
    (line, "SUBMITS_PER_MINUTE", {}),
    (reconcile, "NO_ANSWER", timedelta(seconds=1)),
    (reconcile, "NO_ANSWER_MOST", timedelta(seconds=12)),
    (storing, "BACKOFF_S", (0.2, 0.4, 0.4, 0.4, 0.4)),
    (recovery, "QUEUE_DEADLINE", timedelta(seconds=8)),
    (outcomes, "TOTAL_DEADLINE", timedelta(seconds=15)),
    (reconcile, "TOTAL_DEADLINE", timedelta(seconds=15)),
    (sweep, "LAG", timedelta(seconds=2)),
    # Thousands of shots: what is asked for too often only waits for itself.
    (sweep, "CARE_EVERY_S", 1.0),
    (sweep, "RECONCILE_EVERY_S", 2.0),
    (sweep, "QUIET_MOST_S", 0.5),
    (sweep, "AUTH_QUIET_S", 0.3),
    (sweep, "LATE_PACE_S", 1),
    (sweep, "STALLED_PACE_S", 1),
)


def hurry(
    *, faults: bool = False, timeout_s: float | None = None, put: Callable[..., Any] = setattr
) -> None:
    """Shorten the waits of this process; with `faults`, those after trouble too."""
    for module, name, value in SHORTER if faults else SHORT:
        put(module, name, value)
    if faults:
        # An endless body is as endless at 16 MB.
        put(storing, "download_video", functools.partial(download_video, max_bytes=16 * 2**20))
    if timeout_s is not None:
        put(doors, "make_provider", functools.partial(make_provider, timeout_s=timeout_s))
