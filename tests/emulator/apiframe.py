"""Apiframe API v2, emulated."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from tests.emulator.serving import UNKNOWN_STATE, Dialect, endpoint, read_body
from tests.emulator.shapes import APIFRAME_WORDS, apiframe_job
from tests.emulator.submitting import Order, Refusal, buy, check_schema
from tests.emulator.world import World

DIALECT = Dialect("apiframe", lambda status, text: {"error": text}, key_header="X-API-Key")
UPLOAD_LIFE_S = 3600
MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"RIFF": "image/webp"}


async def submit(world: World, request: web.Request) -> web.Response:
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > 255:
        world.violate("apiframe", "Idempotency-Key longer than 255")
    body = await read_body(world, "apiframe", request)
    try:
        body = check_schema(world, "apiframe", body)
    except Refusal as no:
        details = {no.path: [no.text]}
        return web.json_response({"error": "Validation failed", "details": details}, status=400)
    canonical = json.dumps(body, sort_keys=True)
    if key and key in world.by_key:
        first, job_id = world.by_key[key]
        if first != canonical:
            return DIALECT.refuse(409, "Idempotency key reused with a different body")
        job = world.jobs[job_id]
        world.requests["apiframe.replayed"] += 1
        job.answers += 1
        return _accepted(job.id, APIFRAME_WORDS[job.phase])
    params: dict[str, Any] = body.get("lumaParams", {})
    pictures = [params[name] for name in ("start_image", "end_image") if name in params]
    order = Order(
        "apiframe",
        body,
        body["prompt"],
        int(params.get("duration", 5)),
        params.get("aspect_ratio", "16:9"),
        bool(params.get("loop")),
        tuple(pictures),
        "end_image" in params,
        body.get("webhookUrl", ""),
        tuple(body.get("webhookEvents", ("completed", "failed"))),
        request.headers,
    )
    try:
        job = await buy(world, order)
    except Refusal as no:
        if no.status == 402:
            return _poor(world, order)
        return DIALECT.refuse(no.status, no.text)
    if key:
        world.by_key[key] = (canonical, job.id)
    return _accepted(job.id, APIFRAME_WORDS[job.phase])


async def fetch(world: World, request: web.Request) -> web.Response:
    job_id = request.match_info["id"]
    try:
        UUID(job_id)
    except ValueError:
        return DIALECT.refuse(400, "id is not a valid UUID")
    job = world.job("apiframe", job_id)
    if job is None:
        return DIALECT.refuse(404, "Job not found")
    unknown = bool(request.get(UNKNOWN_STATE))
    return web.json_response(apiframe_job(world, job, unknown=unknown))


async def listing(world: World, request: web.Request) -> web.Response:
    limit = int(request.query.get("limit", "20"))
    if not 1 <= limit <= 100:
        world.violate("apiframe", f"limit {limit}")
        return DIALECT.refuse(400, "limit must be 1 to 100")
    start = int(request.query.get("cursor", "0"))
    jobs = world.newest("apiframe", request.query.get("model", ""))
    page = jobs[start : start + limit]
    more = start + limit < len(jobs)
    rows = [apiframe_job(world, job, with_input=False) for job in page]
    cursor = str(start + limit) if more else None
    return web.json_response({"jobs": rows, "nextCursor": cursor, "hasMore": more})


async def upload(world: World, request: web.Request) -> web.Response:
    part = await (await request.multipart()).next()
    if part is None or getattr(part, "name", "") != "file":
        world.violate("apiframe", "upload without a part named file")
        return DIALECT.refuse(400, "file is required")
    data = bytes(await part.read())  # type: ignore[union-attr]  # a part, not a nested reader
    kind = next((name for magic, name in MAGIC.items() if data.startswith(magic)), "")
    if not kind or len(data) > 25 * 1024 * 1024:
        return DIALECT.refuse(400, "Unsupported file")
    upload_id = str(uuid4())
    world.uploads[upload_id] = (data, kind)
    answer = {
        "id": upload_id,
        "url": world.upload_url(upload_id),
        "kind": "image",
        "contentType": kind,
        "byteSize": len(data),
        "expiresAt": world.iso_of("apiframe", time.time() + UPLOAD_LIFE_S),
    }
    return web.json_response(answer, status=201)


async def me(world: World, request: web.Request) -> web.Response:
    team = {
        "id": str(uuid4()),
        "name": "Emulated",
        "credits": int(world.left("apiframe") * 10),
        "plan": "pro",
        "customerId": None,
    }
    user = {"id": str(uuid4()), "email": "owner@example.com", "role": "OWNER"}
    return web.json_response({"user": user, "team": team, "apiKey": None})


async def models(world: World, request: web.Request) -> web.Response:
    rows = [
        {
            "id": model,
            "label": model,
            "modality": "video",
            "costMin": low,
            "costMax": high,
            "pricingMode": "flat",
        }
        for model, low, high in (
            ("luma-ray-2", 50, 90),
            ("luma-ray-flash-2", 50, 90),
            ("kling-3.0", 10, 99),
        )
    ]
    return web.json_response({"models": rows})


def routes(prefix: str) -> list[web.RouteDef]:
    return [
        web.post(f"{prefix}/v2/videos/generate", endpoint(DIALECT, "submit", submit)),
        web.get(f"{prefix}/v2/jobs/{{id}}", endpoint(DIALECT, "fetch", fetch)),
        web.get(f"{prefix}/v2/jobs", endpoint(DIALECT, "list", listing)),
        web.post(f"{prefix}/v2/uploads", endpoint(DIALECT, "upload", upload)),
        web.get(f"{prefix}/v2/me", endpoint(DIALECT, "balance", me)),
        web.get(f"{prefix}/v2/models", endpoint(DIALECT, "models", models, open_to_all=True)),
    ]


def _accepted(job_id: str, word: str) -> web.Response:
    return web.json_response({"jobId": job_id, "status": word}, status=202)


def _poor(world: World, order: Order) -> web.Response:
    body = {
        "error": "Insufficient credits",
        "creditsRequired": order.duration_s * 10,
        "creditsAvailable": max(0, int(world.left("apiframe") * 10)),
    }
    return web.json_response(body, status=402)
