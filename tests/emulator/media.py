"""The media host: real small MP4 clips, uploads, and everything a download can meet."""

from __future__ import annotations

import asyncio
import io
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from aiohttp import web
from PIL import Image

from tests.emulator.serving import HTML, WORLD
from tests.emulator.world import EmulatedJob, World

SHORT_SIDE = 144
FPS = 24


def clip_size(aspect_ratio: str) -> tuple[int, int]:
    """Return even (width, height) with a short side of 144 px."""
    wide, high = (int(part) for part in aspect_ratio.split(":"))
    scale = SHORT_SIDE / min(wide, high)
    return round(wide * scale / 2) * 2, round(high * scale / 2) * 2


@cache
def make_clip(aspect_ratio: str, duration_s: float) -> bytes:
    """Return a playable 24 fps H.264 MP4: a drifting gradient, the same bytes each time."""
    width, height = clip_size(aspect_ratio)
    # Moving the index to the front opens the file a second time, so it needs a name.
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        _write_clip(path, width, height, max(1, round(duration_s * FPS)))
        return path.read_bytes()


def _write_clip(path: Path, width: int, height: int, frames: int) -> None:
    x = np.linspace(0, 255, width, dtype=np.float32)[None, :]
    y = np.linspace(0, 255, height, dtype=np.float32)[:, None]
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "30", "threads": "1"}
        for index in range(frames):
            shift = 255 * index / frames
            red = np.broadcast_to((x + shift) % 256, (height, width))
            green = np.broadcast_to((y + shift / 2) % 256, (height, width))
            pixels = np.stack([red, green, np.full_like(red, 96)], axis=-1).astype(np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode())


def clip_of(world: World, job: EmulatedJob) -> bytes:
    """Return a job's clip: a box at its end that players skip names the job, so no two are alike."""
    clip = make_clip(job.aspect_ratio, world.config.clip_s or job.duration_s)
    name = job.id.encode()
    return clip + (len(name) + 8).to_bytes(4, "big") + b"free" + name


@cache
def make_thumbnail() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 36), (80, 90, 110)).save(buffer, "JPEG")
    return buffer.getvalue()


async def clip(request: web.Request) -> web.StreamResponse:
    """Serve a job's clip, or what the fault picker wants instead."""
    world = request.app[WORLD]
    world.requests["media.clip"] += 1
    if "Authorization" in request.headers or "X-API-Key" in request.headers:
        world.violate("media", "the provider key was sent to the media host")
    name = request.match_info["name"].replace("_", "/")
    job = world.jobs.get(name) or world.jobs.get(request.match_info["name"])
    if job is None or job.phase != "done" or job.outcome in ("expired", "dead_link"):
        return web.Response(status=404, text="gone")
    job.clip_requests += 1
    early = _not_there(world, job)
    if early is not None:
        return early
    data = await asyncio.to_thread(clip_of, world, job)
    fault = world.faults.pick("media", job.dialect, job.id)
    if fault:
        return await _broken(world, request, job, fault, data)
    return web.Response(body=data, content_type="video/mp4")


EARLY = {"media_404_early": 404, "media_403_early": 403, "media_410_early": 410}


def _not_there(world: World, job: EmulatedJob) -> web.Response | None:
    """Return what is answered where the clip of a job that has ended is not there yet, or not now."""
    if job.delivery == "media_flapping":
        # The first request meets it, and every other one.
        return web.Response(status=404, text="gone") if job.clip_requests % 2 else None
    late = time.time() < job.finishes_at + world.config.media_late_s
    if not job.delivery or not late:
        return None
    if job.delivery == "media_html_early":
        return web.Response(text=HTML, content_type="text/html")
    return web.Response(status=EARLY[job.delivery], text="gone")


async def thumbnail(request: web.Request) -> web.Response:
    request.app[WORLD].requests["media.thumbnail"] += 1
    return web.Response(body=make_thumbnail(), content_type="image/jpeg")


async def uploaded(request: web.Request) -> web.Response:
    found = request.app[WORLD].uploads.get(request.match_info["id"])
    if found is None:
        return web.Response(status=404)
    return web.Response(body=found[0], content_type=found[1])


async def _broken(
    world: World, request: web.Request, job: EmulatedJob, fault: str, data: bytes
) -> web.StreamResponse:
    match fault:
        case "media_404":
            return web.Response(status=404, text="gone")
        case "media_500":
            return web.Response(status=500, text="storage trouble")
        case "media_html":
            return web.Response(text=HTML, content_type="text/html")
        case "media_empty":
            return web.Response(body=b"", content_type="video/mp4")
        case "media_redirect_private":
            return web.Response(status=302, headers={"Location": "http://169.254.169.254/latest"})
        case "media_redirect_loop":
            return web.Response(status=302, headers={"Location": world.media_url(job)})
    answer = web.StreamResponse(headers={"Content-Type": "video/mp4"})
    if fault != "media_endless":
        answer.content_length = len(data)
    await answer.prepare(request)
    if fault == "media_truncated":
        await answer.write(data[: len(data) // 2])
        if request.transport is not None:
            request.transport.close()
        return answer
    if fault == "media_slow":
        step = max(1, len(data) // 5)
        for start in range(0, len(data), step):
            await answer.write(data[start : start + step])
            await asyncio.sleep(world.config.slow_s / 5)
        return answer
    await answer.write(data)
    while True:
        await answer.write(bytes(64 * 1024))
