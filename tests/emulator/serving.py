"""How a provider endpoint is served: count, key, fault before, handler, fault after."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from aiohttp import web

from tests.emulator.manners import CHANGED, change_answer, write_overflow
from tests.emulator.world import ACCOUNTS, World, account_of

WORLD: web.AppKey[World] = web.AppKey("world", World)
UNKNOWN_STATE: web.RequestKey[bool] = web.RequestKey("unknown_state", bool)
JOB_ID: web.RequestKey[str] = web.RequestKey("job_id", str)  # of the job a submit bought
HTML = "<!doctype html><html><body><h1>Just a moment...</h1></body></html>"
# What a proxy in front of an API says: a code, and no word of the provider's.
PAGES = {"html_400": 400, "html_403": 403, "html_404": 404, "error_502": 502}
REDIRECTS = {"redirect": 302, "redirect_301": 301}
WRAPPED_400 = 'upstream error: status 400: {"detail": "invalid parameter: prompt"}'
MISLEADING_500 = "validation service gave no answer after 422 ms"
MAX_BODY_BYTES = 60 * 1024 * 1024

Handler = Callable[[World, web.Request], Awaitable[web.StreamResponse]]
ErrorBody = Callable[[int, str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one provider says no, and where it looks for the key."""

    name: str
    error: ErrorBody
    key_header: str = "Authorization"
    out_of_credit: int = 402

    def refuse(self, status: int, text: str, **headers: str) -> web.Response:
        return web.json_response(self.error(status, text), status=status, headers=headers)

    def has_key(self, world: World, request: web.Request) -> bool:
        key = world.config.keys[account_of(self.name)]
        wanted = key if self.key_header == "X-API-Key" else f"Bearer {key}"
        return request.headers.get(self.key_header) == wanted


def endpoint(
    dialect: Dialect, kind: str, handler: Handler, *, open_to_all: bool = False
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the aiohttp handler of one provider endpoint."""
    counter = f"{dialect.name}.{kind}"

    async def serve(request: web.Request) -> web.StreamResponse:
        world = request.app[WORLD]
        world.requests[counter] += 1
        account = account_of(dialect.name)
        state = "" if open_to_all else world.state_of(account)
        if state == "locked" or not (open_to_all or dialect.has_key(world, request)):
            world.faults.hits[state or "wrong key"] += 1
            return dialect.refuse(401, "Invalid API key")
        subject = await _subject(kind, request)
        fault = world.faults.pick(kind, dialect.name, subject)
        if fault:
            early = await _before(world, dialect, fault, request)
            if early is not None:
                return early
        if fault == "unknown_state":
            request[UNKNOWN_STATE] = True
        if kind == "submit" and state == "dry":
            world.faults.hits[state] += 1
        answer = await handler(world, request)
        if fault:
            answer = await _after(world, dialect, kind, fault, request, answer)
        return write_overflow(answer)

    return serve


async def set_date(request: web.Request, answer: web.StreamResponse) -> None:
    """Date an answer by the clock of the provider whose path was asked."""
    account = request.path.split("/")[1]
    if account in ACCOUNTS:
        moment = time.time() + request.app[WORLD].clock_offset(account)
        answer.headers["Date"] = formatdate(moment, usegmt=True)


async def read_body(world: World, dialect: str, request: web.Request) -> Any:
    """Return the JSON body; None, and a violation, when it is none."""
    if request.content_type != "application/json":
        world.violate(dialect, f"content type {request.content_type}")
    try:
        return json.loads(await request.read())
    except ValueError:
        world.violate(dialect, "body is not JSON")
        return None


async def _subject(kind: str, request: web.Request) -> str:
    if kind == "submit":
        try:
            body = json.loads(await request.read())
            return str(body.get("prompt") or body.get("payload", {}).get("prompt") or "")
        except (ValueError, AttributeError):
            return ""
    return request.match_info.get("id") or request.query.get("generation_id", "")


async def _before(
    world: World, dialect: Dialect, fault: str, request: web.Request
) -> web.StreamResponse | None:
    match fault:
        case "error_500":
            return dialect.refuse(500, "Internal server error")
        case "error_503":
            return dialect.refuse(503, "Service unavailable")
        case "rate_limited":
            wait = str(world.config.retry_after_s)
            return dialect.refuse(429, "Too many requests", **{"Retry-After": wait})
        case "rate_limited_bare":
            return dialect.refuse(429, "Too many requests")
        case "unauthorized":
            return dialect.refuse(401, "Invalid API key")
        case "out_of_credit":
            return dialect.refuse(dialect.out_of_credit, "Insufficient credits, top up: billing")
        case "not_found":
            return dialect.refuse(404, "Not found")
        case "error_in_200":
            return web.json_response(dialect.error(400, "Invalid parameter: prompt is too short"))
        case "trouble_in_200":
            return web.json_response(dialect.error(503, "Upstream is unavailable, try again later"))
        case "credit_in_200":
            text = "Insufficient credits, top up: billing"
            return web.json_response(dialect.error(dialect.out_of_credit, text))
        case "rate_limited_absurd":
            return dialect.refuse(429, "Too many requests", **{"Retry-After": "9" * 20})
        case "wrapped_400":
            return dialect.refuse(500, WRAPPED_400)
        case "not_json":
            return web.Response(text="upstream: pool is exhausted", content_type="text/plain")
        case "redirect" | "redirect_301":
            place = {"Location": f"{world.base_url}/sign-in"}
            return web.Response(
                status=REDIRECTS[fault], text=HTML, content_type="text/html", headers=place
            )
        case "html_400" | "html_403" | "html_404" | "error_502":
            return web.Response(status=PAGES[fault], text=HTML, content_type="text/html")
        case "html":
            return web.Response(text=HTML, content_type="text/html")
        case "reset":
            return _hang_up(request)
        case "hang":
            await asyncio.sleep(world.config.hang_s)
            return _hang_up(request)
    return None


async def _after(
    world: World,
    dialect: Dialect,
    kind: str,
    fault: str,
    request: web.Request,
    answer: web.StreamResponse,
) -> web.StreamResponse:
    if answer.status >= 400 or not isinstance(answer, web.Response):
        return answer
    match fault:
        case "dropped":
            return _hang_up(request)
        case "hang_after":
            await asyncio.sleep(world.config.hang_s)
            return _hang_up(request)
        case "error_after":
            return web.json_response({"error": "upstream closed"}, status=502)
        case "html_after":
            return web.Response(text=HTML, content_type="text/html")
        case "html_408_after" | "html_409_after":
            status = 408 if fault == "html_408_after" else 409
            return web.Response(status=status, text=HTML, content_type="text/html")
        case "wrapped_400_after":
            return dialect.refuse(500, WRAPPED_400)
        case "misleading_500_after":
            return dialect.refuse(500, MISLEADING_500)
        case "conflict_after":
            return dialect.refuse(409, "Conflict: a request like this is being handled")
        case _ if fault in CHANGED:
            return change_answer(world, fault, kind, dialect.name, answer)
        case "empty_after":
            return web.Response(status=answer.status)
        case "slow_body" | "truncated":
            return await _trickle(world, request, answer, cut=fault == "truncated")
    return answer


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _trickle(
    world: World, request: web.Request, answer: web.Response, *, cut: bool
) -> web.StreamResponse:
    body = bytes(answer.body) if isinstance(answer.body, bytes) else b""
    slow = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
    slow.content_length = len(body)
    await slow.prepare(request)
    step = max(1, len(body) // 5)
    for start in range(0, len(body), step):
        if cut and start >= len(body) // 2:
            return _hang_up(request)
        await slow.write(body[start : start + step])
        if not cut:
            await asyncio.sleep(world.config.slow_s / 5)
    await slow.write_eof()
    return slow
