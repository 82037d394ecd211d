"""Leases, pauses and paces made short: what waits a minute in the studio waits a second."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from studio import sweep
from studio.media.download import download_video
from studio.providers.registry import make_provider
from studio.services import doors, holds
from studio.services.exchange import import_runs
from studio.services.work import (
    clip_download,
    failed_sends,
    isolation,
    late_downloads,
    line,
    outcomes,
    probing,
    reconcile,
    recovery,
    rendering,
    storing,
    submitting,
)

SHORT: tuple[tuple[object, str, object], ...] = (
    *((module, "LEASE_S", 1.0) for module in (submitting, storing, late_downloads, rendering)),
    (failed_sends, "RESEND_FIRST_S", 0.2),
    (failed_sends, "FIRST_RECONCILE", timedelta(seconds=0.2)),
    (reconcile, "LOOKS", tuple(timedelta(seconds=s) for s in (0.5, 1, 2, 4, 8))),
    (reconcile, "LATE_LOOKS", (timedelta(seconds=16),)),
    (reconcile, "NO_ANSWER", timedelta(seconds=1)),
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
    (failed_sends, "UNAVAILABLE_PAUSE_S", 0.3),
    (failed_sends, "RATE_PAUSE_S", 0.3),
    (holds, "PROBE_AFTER", (timedelta(seconds=0.3),)),
    (holds, "REFUSED_FOR", timedelta(seconds=0.5)),
    (probing, "TRIES_ANYWAY", 1),
    (failed_sends, "UNCLEAR_PAUSE_S", 0.3),
    (line, "SUBMITS_PER_MINUTE", {}),
    (reconcile, "NO_ANSWER", timedelta(seconds=1)),
    (reconcile, "NO_ANSWER_MOST", timedelta(minutes=10)),
    (storing, "MAX_PAUSE_S", 0.4),
    (late_downloads, "LATE_EVERY", timedelta(seconds=2)),
    (isolation, "SET_ASIDE_FOR", timedelta(seconds=1)),
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
        put(
            clip_download, "download_video", functools.partial(download_video, max_bytes=16 * 2**20)
        )
    if timeout_s is not None:
        put(doors, "make_provider", functools.partial(make_provider, timeout_s=timeout_s))
