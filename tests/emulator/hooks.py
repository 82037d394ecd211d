"""Webhooks as the providers send them: signed by Apiframe, bare by the others."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from hashlib import sha256
from typing import Any

import aiohttp

from tests.emulator.manners import with_overflow
from tests.emulator.shapes import apiframe_event, luma_generation
from tests.emulator.world import EmulatedJob, World

TIMEOUT = aiohttp.ClientTimeout(total=5)


async def schedule(world: World, job: EmulatedJob) -> None:
    """Plan the callbacks of a job: at its end, and for Luma when it starts too."""
    fault = world.faults.pick("webhook", job.dialect, job.prompt)
    if fault == "lost_webhook" or job.outcome == "stuck":
        return
    if fault == "early_webhook":
        await _post(world, job)
    task = asyncio.create_task(_follow(world, job, fault))
    world.tasks.add(task)
    task.add_done_callback(world.tasks.discard)


def cancel_all(world: World) -> None:
    """Forget every planned callback."""
    for task in world.tasks:
        task.cancel()


async def _follow(world: World, job: EmulatedJob, fault: str) -> None:
    if job.dialect != "apiframe":
        await asyncio.sleep(max(0.0, job.starts_at - time.time()))
        await _post(world, job)
    # The clock must have passed the end before the state is read.
    await asyncio.sleep(max(0.0, job.finishes_at - time.time()) + 0.01)
    if fault == "forged_webhook":
        await _post(world, job, forged=True)
    await _post(world, job)
    if fault == "duplicate_webhook":
        await _post(world, job)


async def _post(world: World, job: EmulatedJob, *, forged: bool = False) -> None:
    headers = {"Content-Type": "application/json"}
    if job.dialect == "apiframe":
        event = apiframe_event(world, job)
        if event["event"] not in job.callback_events:
            return
        body = with_overflow(json.dumps(event).encode())
        headers["X-Webhook-Event"] = str(event["event"])
        headers["X-Webhook-Signature"] = "sha256=" + ("0" * 64 if forged else sign(world, body))
    else:
        data: dict[str, Any] = luma_generation(world, job)
        if forged:
            data["id"] = "00000000-0000-4000-8000-000000000000"
        body = json.dumps(data).encode()
    for _ in range(3):
        try:
            async with (
                aiohttp.ClientSession(timeout=TIMEOUT) as session,
                session.post(job.callback_url, data=body, headers=headers) as answer,
            ):
                world.webhooks[f"{job.dialect}.{answer.status}"] += 1
                if answer.status == 200:
                    return
        except (TimeoutError, aiohttp.ClientError):
            world.webhooks[f"{job.dialect}.lost"] += 1
        await asyncio.sleep(0.1)


def sign(world: World, body: bytes) -> str:
    """Return the hex signature Apiframe puts on a body, in the configured form of the key."""
    digest = sha256(world.config.keys["apiframe"].encode())
    raw = world.config.signature == "raw digest"
    key = digest.digest() if raw else digest.hexdigest().encode()
    return hmac.new(key, body, sha256).hexdigest()
