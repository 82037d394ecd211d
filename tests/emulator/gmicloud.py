"""GMI Cloud's request queue, emulated."""

from __future__ import annotations

from uuid import uuid4

from aiohttp import web

from tests.emulator.serving import UNKNOWN_STATE, WORLD, Dialect, endpoint, read_body
from tests.emulator.shapes import gmi_record
from tests.emulator.submitting import Order, Refusal, buy, check_schema
from tests.emulator.world import World

DIALECT = Dialect("gmicloud", lambda status, text: {"error": text})
MODELS = ("Luma-Ray2", "luma-ray-3-2-generate")
PICTURES = ("frame0_image", "frame1_image", "start_frame_url", "end_frame_url")
ENDS = ("frame1_image", "end_frame_url", "end_frame_generation_id")
UPLOAD_TYPES = {"jpeg": "image/jpeg", "png": "image/png"}


async def submit(world: World, request: web.Request) -> web.Response:
    body = await read_body(world, "gmicloud", request)
    try:
        payload = check_schema(world, "gmicloud", body)["payload"]
        for name in ("start_frame_generation_id", "end_frame_generation_id"):
            if name in payload:
                _check_clip(world, str(payload[name]))
        job = await buy(
            world,
            Order(
                "gmicloud",
                body,
                payload["prompt"],
                int(payload.get("duration", "5s").rstrip("s")),
                payload.get("aspect_ratio", "16:9"),
                bool(payload.get("loop")),
                tuple(payload[name] for name in PICTURES if name in payload),
                any(name in payload for name in ENDS),
                headers=request.headers,
            ),
        )
    except Refusal as no:
        return DIALECT.refuse(404 if no.path == "model" else no.status, no.text)
    return web.json_response(gmi_record(world, job))


def _check_clip(world: World, given: str) -> None:
    clips = {job.clip_id for job in world.jobs.values() if job.dialect == "gmicloud"}
    if given not in clips:
        raise Refusal(400, "generation_id not found")


async def fetch(world: World, request: web.Request) -> web.Response:
    job = world.job("gmicloud", request.match_info["id"])
    if job is None:
        return DIALECT.refuse(404, "request not found")
    unknown = bool(request.get(UNKNOWN_STATE))
    return web.json_response(gmi_record(world, job, unknown=unknown))


async def listing(world: World, request: web.Request) -> web.Response:
    if "model_id" not in request.query:
        world.violate("gmicloud", f"list with {sorted(request.query)}")
    jobs = world.newest("gmicloud", request.query.get("model_id", ""))
    rows = [gmi_record(world, job) for job in jobs]
    return web.json_response({"requests": rows, "total": len(rows)})


async def models(world: World, request: web.Request) -> web.Response:
    return web.json_response({"model_ids": [*MODELS, "Veo3"]})


async def model(world: World, request: web.Request) -> web.Response:
    name = request.match_info["id"]
    if name not in MODELS:
        return DIALECT.refuse(404, "model not found")
    price = {"price": 0.8, "pricing_type": "per_request", "unit": "USD"}
    return web.json_response({"model": name, "model_type": "video", "price_info": price})


async def ticket(world: World, request: web.Request) -> web.Response:
    body = await read_body(world, "gmicloud", request)
    kind = body.get("file_type") if isinstance(body, dict) else None
    if kind not in UPLOAD_TYPES:
        world.violate("gmicloud", f"file_type {kind!r}")
        return DIALECT.refuse(400, "file_type is not supported")
    upload_id = str(uuid4())
    put = f"{world.base_url}/gmicloud-storage/{upload_id}?type={kind}&X-Goog-Signature=abc"
    return web.json_response({"upload_url": put, "public_url": world.upload_url(upload_id)})


async def put(request: web.Request) -> web.Response:
    """Take the bytes of a presigned PUT: the key must not come along."""
    world = request.app[WORLD]
    if "Authorization" in request.headers:
        world.violate("gmicloud", "the key was sent to the storage host")
    wanted = UPLOAD_TYPES.get(request.query.get("type", ""))
    if request.content_type != wanted:
        world.violate("gmicloud", f"PUT with {request.content_type}, signed for {wanted}")
        return web.Response(status=403)
    world.uploads[request.match_info["id"]] = (await request.read(), request.content_type)
    return web.Response()


async def cancel(world: World, request: web.Request) -> web.Response:
    return DIALECT.refuse(405, "method not allowed")


def routes(prefix: str) -> list[web.RouteDef]:
    return [
        web.post(f"{prefix}/requests", endpoint(DIALECT, "submit", submit)),
        web.get(f"{prefix}/requests/{{id}}", endpoint(DIALECT, "fetch", fetch)),
        web.delete(f"{prefix}/requests/{{id}}", endpoint(DIALECT, "delete", cancel)),
        web.get(f"{prefix}/requests", endpoint(DIALECT, "list", listing)),
        web.get(f"{prefix}/models", endpoint(DIALECT, "models", models)),
        web.get(f"{prefix}/models/{{id}}", endpoint(DIALECT, "models", model)),
        web.post(f"{prefix}/upload-url", endpoint(DIALECT, "upload", ticket)),
        web.put("/gmicloud-storage/{id}", put),
    ]
