"""How many requests there were and how long they took, over every web process of this machine.

Each process counts in files of its own, which one scrape adds up (prometheus_client's multi-process
mode). A file belongs to a slot and not to a process: a slot is a lock the kernel takes back from the
dead, so that whoever comes after goes on counting, and there are never more files than processes.
"""

from __future__ import annotations

import logging
import os
import threading
from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest
from prometheus_client import CollectorRegistry, Counter, Histogram, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

logger = logging.getLogger(__name__)

_taking = threading.Lock()
MOST_PROCESSES = 64
FILE_BYTES = 1 << 16  # prometheus_client's own first size
KINDS_OF_FILES = ("counter", "histogram")
BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
MEDIA = frozenset(
    {"clip-file", "still-file", "still-thumbnail", "export-file", "picture-by-token", "shared-file"}
)
PREFIXES = {"hooks/": "hook", "admin/": "admin", "s/": "share"}


class Counters:
    """The counters of this process."""

    def __init__(self, slot: int) -> None:
        values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        self._requests = Counter(
            "studio_requests", "Requests answered.", ["kind", "status"], registry=registry
        )
        self._seconds = Histogram(
            "studio_request_seconds", "Time until an answer began.", ["kind"],
            buckets=BUCKETS_S, registry=registry,
        )  # fmt: skip

    def count(self, kind: str, status: int, took_s: float) -> None:
        self._requests.labels(kind, f"{status // 100}xx").inc()
        self._seconds.labels(kind).observe(took_s)


def count_request(request: HttpRequest, status: int, took_s: float) -> None:
    """Count one answered request. Never raises: a page is worth more than its measurement."""
    try:
        # Two threads at once would take two slots.
        with _taking:
            counters = _counters()
        if counters is not None:
            counters.count(kind_of(request), status, took_s)
    except Exception:
        logger.warning("a request was not counted", exc_info=True)


@cache
def _counters() -> Counters | None:
    slot = _take_slot()
    return None if slot is None else Counters(slot)


def kind_of(request: HttpRequest) -> str:
    """Return what sort of address this is: few kinds, so that few series are kept."""
    match = request.resolver_match
    if match is None:
        return "static" if request.path.startswith(settings.STATIC_URL) else "unknown"
    name = match.url_name or ""
    if name in MEDIA:
        return "media"
    if name in {"healthz", "readyz", "metrics"}:
        return "health"
    if name.endswith("changes"):
        return "poll"
    for prefix, kind in PREFIXES.items():
        if match.route.startswith(prefix):
            return kind
    return "fragment" if request.headers.get("HX-Request") else "page"


def counted() -> list[Metric]:
    """Return what all processes of this machine have counted."""
    if not settings.METRICS_DIR.is_dir():
        return []
    collector = MultiProcessCollector(None, path=str(settings.METRICS_DIR))  # type: ignore[no-untyped-call]
    return list(collector.collect())  # type: ignore[no-untyped-call]


def _take_slot() -> int | None:
    # Not on Windows, where commands must still be able to say what they cannot do.
    import fcntl

    folder: Path = settings.METRICS_DIR
    folder.mkdir(parents=True, exist_ok=True)
    for slot in range(MOST_PROCESSES):
        held = os.open(folder / f"{slot}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            continue
        _lay_out(folder, slot)
        return slot  # and the lock is held until this process ends
    return None


def _lay_out(folder: Path, slot: int) -> None:
    """Write the files out in full: one with holes, mapped into memory, would kill on a full disk."""
    for kind in KINDS_OF_FILES:
        path = folder / f"{kind}_{slot}.db"
        if not path.exists():
            part = path.with_suffix(".part")
            part.write_bytes(bytes(FILE_BYTES))
            part.replace(path)
