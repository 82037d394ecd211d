"""Luma's Dream Machine API, emulated."""

from __future__ import annotations

from aiohttp import web

from tests.emulator.serving import UNKNOWN_STATE, Dialect, endpoint, read_body
from tests.emulator.shapes import luma_generation
from tests.emulator.submitting import Order, Refusal, buy, check_schema
from tests.emulator.world import World

DIALECT = Dialect("luma", lambda status, text: {"detail": text}, out_of_credit=400)


async def submit(world: World, request: web.Request) -> web.Response:
    body = await read_body(world, "luma", request)
    try:
        body = check_schema(world, "luma", body)
        frames = [frame for frame in (body.get("keyframes") or {}).values() if frame]
        for frame in frames:
            if frame["type"] == "generation" and world.job("luma", str(frame["id"])) is None:
                raise Refusal(400, "keyframes: generation not found")
        job = await buy(
            world,
            Order(
                "luma",
                body,
                body.get("prompt", ""),
                int(body.get("duration", "5s").rstrip("s")),
                body.get("aspect_ratio", "16:9"),
                bool(body.get("loop")),
                tuple(frame["url"] for frame in frames if frame["type"] == "image"),
                bool(body.get("keyframes", {}).get("frame1")),
                body.get("callback_url") or "",
                headers=request.headers,
            ),
        )
    except Refusal as no:
        # No code of its own is published for an empty account.
        return DIALECT.refuse(400 if no.status == 402 else no.status, no.text)
    return web.json_response(luma_generation(world, job), status=201)


async def fetch(world: World, request: web.Request) -> web.Response:
    job = world.job("luma", request.match_info["id"])
    if job is None:
        return DIALECT.refuse(404, "Generation not found")
    unknown = bool(request.get(UNKNOWN_STATE))
    return web.json_response(luma_generation(world, job, unknown=unknown))


async def delete(world: World, request: web.Request) -> web.Response:
    if world.job("luma", request.match_info["id"]) is None:
        return DIALECT.refuse(404, "Generation not found")
    del world.jobs[request.match_info["id"]]
    return web.Response(status=204)


async def listing(world: World, request: web.Request) -> web.Response:
    limit, offset = int(request.query.get("limit", "10")), int(request.query.get("offset", "0"))
    if not 1 <= limit <= 100:
        world.violate("luma", f"limit {limit}")
    jobs = world.newest("luma")
    rows = [luma_generation(world, job) for job in jobs[offset : offset + limit]]
    return web.json_response(
        {
            "generations": rows,
            "has_more": offset + limit < len(jobs),
            "count": len(rows),
            "limit": limit,
            "offset": offset,
        }
    )


async def credits(world: World, request: web.Request) -> web.Response:
    cents = world.left("luma") * world.config.dollars_per_s * 100
    return web.json_response({"credit_balance": round(cents, 2)})


def routes(prefix: str) -> list[web.RouteDef]:
    return [
        web.post(f"{prefix}/generations/video", endpoint(DIALECT, "submit", submit)),
        web.get(f"{prefix}/generations/{{id}}", endpoint(DIALECT, "fetch", fetch)),
        web.delete(f"{prefix}/generations/{{id}}", endpoint(DIALECT, "delete", delete)),
        web.get(f"{prefix}/generations", endpoint(DIALECT, "list", listing)),
        web.get(f"{prefix}/credits", endpoint(DIALECT, "balance", credits)),
    ]
