"""AI/ML API's request log: `GET /v2/logs`, one row a request, refused ones too.

Reference: https://docs.aimlapi.com/api-references/service-endpoints/usage-logs and
/capabilities/request-tracing-and-cost, checked 2026-11-30.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from aiohttp import web

from tests.emulator.serving import JOB_ID, WORLD
from tests.emulator.shapes import aimlapi_log_row, log_row
from tests.emulator.world import World

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
PERIOD = re.compile(r"([1-9][0-9]*)([hd])")
PARAMETERS = {"period", "start", "end", "key_prefix", "model", "status", "limit", "offset"}
MAX_WINDOW = timedelta(days=92)
DIALECTS = ("aimlapi", "legacy")
# Answered before the request is one: no row is written.
UNLOGGED = (401, 429)

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


def traced(serve: Serve) -> Serve:
    """Return the handler with the ids of its request in the answer's headers, and in the log."""

    async def serve_traced(request: web.Request) -> web.StreamResponse:
        world = request.app[WORLD]
        trace = request.headers.get("X-Client-Request-Id")
        if trace is not None and not REQUEST_ID.fullmatch(trace):
            world.violate("aimlapi", "ill-formed X-Client-Request-Id")
            trace = None
        answer = await serve(request)
        inference_id = request.get(JOB_ID, "")
        if not inference_id:
            inference_id = str(uuid4())
            if answer.content_type == "application/json" and answer.status not in UNLOGGED:
                await _log_refused(world, request, inference_id, trace)
        if not answer.prepared:
            answer.headers["x-inference-id"] = inference_id
            if trace is not None:
                answer.headers["x-client-request-id"] = trace
        return answer

    return serve_traced


async def _log_refused(
    world: World, request: web.Request, inference_id: str, trace: str | None
) -> None:
    try:
        model = str((await request.json())["model"])
    except (ValueError, KeyError, TypeError):
        model = ""
    now = time.time()
    row = log_row(
        created=world.iso_of("aimlapi", now), status="failed", model=model, dollars=0.0,
        inference_id=inference_id, client_request_id=trace,
    )  # fmt: skip
    world.refused_requests.append({"at": now, "row": row})


async def listing(world: World, request: web.Request) -> web.Response:
    query = request.query
    unknown = set(query) - PARAMETERS
    if unknown:
        world.violate("aimlapi", f"logs: query {sorted(unknown)}")
    try:
        start, end = _window(world, query.get("period"), query.get("start"), query.get("end"))
        limit, offset = int(query.get("limit", "50")), int(query.get("offset", "0"))
        statuses = query.getall("status", [])
        if not 1 <= limit <= 100 or offset < 0:
            raise ValueError("limit must be 1 to 100")
        if not set(statuses) <= {"succeeded", "failed"}:
            raise ValueError("status must be succeeded or failed")
    except ValueError as error:
        world.violate("aimlapi", f"logs: {error}")
        body = {"message": str(error), "statusCode": 400, "path": "/v2/logs"}
        return web.json_response(body, status=400)
    models = query.getall("model", [])
    rows = [
        row
        for at, row in _rows(world)
        if start <= at <= end
        and (not statuses or row["status"] in statuses)
        and (not models or row["model"] in models or row["model"].rpartition("/")[2] in models)
    ]
    more = offset + limit < len(rows)
    pages = {"limit": limit, "offset": offset, "total": len(rows), "has_more": more}
    return web.json_response({"data": rows[offset : offset + limit], "pagination": pages})


def _rows(world: World) -> list[tuple[datetime, dict[str, Any]]]:
    """Return what the log shows by now, newest first, each with its moment by the provider's clock."""
    seen_until = time.time() - world.config.log_lag_s
    found = [
        (job.accepted_at, aimlapi_log_row(world, job))
        for job in world.jobs.values()
        if job.dialect in DIALECTS
    ]
    found += [(refused["at"], refused["row"]) for refused in world.refused_requests]
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [(_moment(row["created"]), row) for at, row in found if at <= seen_until]


def _window(
    world: World, period: str | None, start: str | None, end: str | None
) -> tuple[datetime, datetime]:
    now = datetime.fromtimestamp(time.time() + world.clock_offset("aimlapi"), UTC)
    if (period is None) == (start is None and end is None):
        raise ValueError("give either period, or both start and end")
    if period is not None:
        told = PERIOD.fullmatch(period)
        if told is None:
            raise ValueError("period is not a number followed by h or d")
        length = timedelta(hours=int(told[1])) * (24 if told[2] == "d" else 1)
        first, last = now - length, now
    else:
        if start is None or end is None:
            raise ValueError("start and end go together")
        first, last = _moment(start), _moment(end)
    if last < first or last - first > MAX_WINDOW:
        raise ValueError("the window must end after its start and not exceed 92 days")
    return first, last


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
