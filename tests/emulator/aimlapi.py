"""AI/ML API, emulated: the universal endpoint and the older Luma one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from tests.emulator.request_log import listing as log_listing
from tests.emulator.request_log import traced
from tests.emulator.serving import JOB_ID, UNKNOWN_STATE, Dialect, endpoint, read_body
from tests.emulator.shapes import aimlapi_generation, luma_generation
from tests.emulator.submitting import Order, Refusal, buy, check_schema
from tests.emulator.world import World


def _error(status: int, text: str) -> dict[str, Any]:
    return {
        "message": text,
        "path": "/v2",
        "requestId": str(uuid4()),
        "statusCode": status,
        "timestamp": datetime.now(UTC).isoformat(),
    }


UNIVERSAL = Dialect("aimlapi", _error, out_of_credit=403)
LEGACY = Dialect("legacy", _error, out_of_credit=403)


async def submit(world: World, request: web.Request) -> web.Response:
    return await _submit(world, request, UNIVERSAL)


async def submit_legacy(world: World, request: web.Request) -> web.Response:
    return await _submit(world, request, LEGACY)


async def _submit(world: World, request: web.Request, dialect: Dialect) -> web.Response:
    body = await read_body(world, dialect.name, request)
    try:
        body = check_schema(world, dialect.name, body)
        frames = [frame for frame in (body.get("keyframes") or {}).values() if frame]
        for frame in frames:
            if frame["type"] == "generation":
                _check_generation(world, dialect, str(frame["id"]))
        pictures = [frame["url"] for frame in frames if frame["type"] == "image"]
        pictures += [body[name] for name in ("image_url", "last_image_url") if name in body]
        has_end = bool((body.get("keyframes") or {}).get("frame1")) or "last_image_url" in body
        job = await buy(
            world,
            Order(
                dialect.name,
                body,
                body["prompt"],
                int(str(body.get("duration") or 5).rstrip("s")),
                body.get("aspect_ratio", "16:9"),
                bool(body.get("loop")),
                tuple(pictures),
                has_end,
                body.get("callback_url") or "",
                headers=request.headers,
            ),
        )
    except Refusal as no:
        status = 403 if no.status == 402 else no.status
        return dialect.refuse(status, no.text)
    request[JOB_ID] = job.id
    if dialect is LEGACY:
        return web.json_response(luma_generation(world, job), status=201)
    return web.json_response(aimlapi_generation(world, job))


def _check_generation(world: World, dialect: Dialect, given: str) -> None:
    if world.config.strict_ids:
        try:
            UUID(given)
        except ValueError:
            raise Refusal(400, "keyframes: id must be a valid UUID, received a string") from None
    for job in world.jobs.values():
        if job.dialect == dialect.name and given in (job.id, job.id.partition(":")[0]):
            if job.phase != "done":
                raise Refusal(400, "keyframes: generation is not completed")
            return
    raise Refusal(400, "keyframes: generation not found")


async def fetch(world: World, request: web.Request) -> web.Response:
    if set(request.query) != {"generation_id"}:
        world.violate("aimlapi", f"query {sorted(request.query)}")
    job = world.job("aimlapi", request.query.get("generation_id", ""))
    if job is None:
        return UNIVERSAL.refuse(404, "Generation not found")
    unknown = bool(request.get(UNKNOWN_STATE))
    return web.json_response(aimlapi_generation(world, job, unknown=unknown))


async def fetch_legacy(world: World, request: web.Request) -> web.Response:
    if not set(request.query) <= {"generation_id", "state"}:
        world.violate("legacy", f"query {sorted(request.query)}")
    job = world.job("legacy", request.query.get("generation_id", ""))
    if job is None:
        return LEGACY.refuse(404, "Generation not found")
    unknown = bool(request.get(UNKNOWN_STATE))
    return web.json_response(luma_generation(world, job, unknown=unknown))


async def batch(world: World, request: web.Request) -> web.Response:
    if not set(request.query) <= {"generation_ids", "generation_ids[]", "status"}:
        world.violate("legacy", f"query {sorted(request.query)}")
    given = [
        *request.query.getall("generation_ids", []),
        *request.query.getall("generation_ids[]", []),
    ]
    ids = [one for text in given for one in text.split(",") if one]
    if not ids:
        world.violate("legacy", "batch without ids")
        return LEGACY.refuse(400, "generation_ids is required")
    rows = []
    for one in ids:
        job = world.job("legacy", one)
        if job is not None and not _left_out(world, one):
            rows.append(luma_generation(world, job, unknown=bool(request.get(UNKNOWN_STATE))))
    shaped: Any = rows
    match world.config.batch_shape:
        case "generations" | "data" as key:
            shaped = {key: rows}
        case "map":
            shaped = {row["id"]: row for row in rows}
    return web.json_response(shaped)


async def billing(world: World, request: web.Request) -> web.Response:
    dollars = round(world.left("aimlapi") * world.config.dollars_per_s, 4)
    return web.json_response({"current_balance": dollars, "currency": "USD"})


def routes(prefix: str) -> list[web.RouteDef]:
    luma = f"{prefix}/v2/generate/video/luma-ai"
    return [
        web.post(f"{prefix}/v2/video/generations", traced(endpoint(UNIVERSAL, "submit", submit))),
        web.get(f"{prefix}/v2/video/generations", endpoint(UNIVERSAL, "fetch", fetch)),
        web.get(f"{prefix}/v2/billing", endpoint(UNIVERSAL, "balance", billing)),
        web.get(f"{prefix}/v2/logs", endpoint(UNIVERSAL, "list", log_listing)),
        web.post(f"{luma}/generation", traced(endpoint(LEGACY, "submit", submit_legacy))),
        web.get(f"{luma}/generation", endpoint(LEGACY, "fetch", fetch_legacy)),
        web.get(f"{luma}/generations", endpoint(LEGACY, "batch", batch)),
    ]


def _left_out(world: World, job_id: str) -> bool:
    return world.faults.pick("batch_row", "legacy", job_id) == "missing"
