"""AI/ML API's request log, `GET /v2/logs`: one row per request, newest first, by our request id.

Reference: docs.aimlapi.com, usage logs and request tracing, checked 2026-11-30. A row lags behind
its request, and its charge is written when the generation has completed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Any

from studio.providers.amounts import read_cost
from studio.providers.answers import dig, id_at, text_at, time_at
from studio.providers.base import Cost, Job, ProtocolError, Status
from studio.providers.clock import Clock
from studio.providers.masking import scrub

PATH = "/v2/logs"
PAGE_ROWS = 100
MAX_PAGES = 20
PAGE_TRIES = 3
MAX_PERIOD_H = 92 * 24
FAILED = "The provider's log says that the request failed and was not billed."
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9._:-]")
MAX_TRACE_CHARS = 128


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the log: (request id, job) of the rows that carry one of them; whether others follow."""

    jobs: tuple[tuple[str, Job], ...]
    has_more: bool


def trace_id(idempotency_key: str) -> str:
    """Return the request id as the provider takes it: a malformed one is dropped without a word."""
    return _NOT_ALLOWED.sub("-", idempotency_key)[:MAX_TRACE_CHARS]


def page_params(since: datetime, page: int) -> Mapping[str, str]:
    """Return the query of one page. The window is relative, so that no clock has to agree."""
    hours = ceil((datetime.now(UTC) - since).total_seconds() / 3600) + 1
    return {
        "period": f"{min(max(hours, 1), MAX_PERIOD_H)}h",
        "limit": str(PAGE_ROWS),
        "offset": str(page * PAGE_ROWS),
    }


def read_page(
    data: Any, clock: Clock, traces: Collection[str], label: str, secrets: tuple[str, ...]
) -> Page:
    """Return the page's rows under these request ids as jobs. Raises ProtocolError when it is no log."""
    rows = dig(data, "data")
    if not isinstance(rows, list):
        raise ProtocolError(f"{label} answered a request for its log without rows.")
    jobs = []
    for row in rows:
        trace = text_at(row, "client_request_id")
        # A row without a request id is never a match, whatever was asked for.
        if trace and trace in traces and id_at(row, "inference_id"):
            jobs.append((trace, _job(row, clock, secrets)))
    return Page(tuple(jobs), dig(data, "pagination", "has_more") is True and bool(rows))


def _job(row: Any, clock: Clock, secrets: tuple[str, ...]) -> Job:
    word = text_at(row, "status").lower()
    failed = word == "failed"
    cost = read_cost(dig(row, "cost"), usd=("usd",), credits=("credits",))
    if not failed and not (cost.microusd or cost.credits):
        cost = Cost()  # not charged yet: the charge comes with the clip
    raw = scrub(row, secrets)
    return Job(
        id=id_at(row, "inference_id"),
        # The log knows that it was accepted; how far it is, a poll says.
        status=Status.FAILED if failed else Status.RUNNING,
        cost=cost,
        error=FAILED if failed else "",
        charged=bool(cost.microusd or cost.credits) if failed else None,
        model=text_at(row, "model"),
        created_at=clock.here(time_at(row, "created")),
        created_as_told=time_at(row, "created"),
        raw=raw if isinstance(raw, dict) else {},
    )
