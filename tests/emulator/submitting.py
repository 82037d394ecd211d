"""What every dialect does with a submit: validate, refuse nonsense, take the money, make a job."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.emulator import contracts
from tests.emulator.asked import asked_for, kept_headers
from tests.emulator.hooks import schedule
from tests.emulator.world import EmulatedJob, World


@dataclass(slots=True)
class Order:
    """A submit as all dialects understand it."""

    dialect: str
    body: dict[str, Any]
    prompt: str
    duration_s: int = 5
    aspect_ratio: str = "16:9"
    loop: bool = False
    pictures: tuple[str, ...] = ()
    has_end: bool = False
    callback_url: str = ""
    callback_events: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """The emulator says no. `path` is the field, empty when the whole request is meant."""

    def __init__(self, status: int, text: str, path: str = "") -> None:
        super().__init__(text)
        self.status, self.text, self.path = status, text, path


def check_schema(world: World, dialect: str, body: Any) -> dict[str, Any]:
    """Return the body when it keeps the published schema; else note a violation and refuse."""
    path, text = contracts.breach(dialect, body, check_ids=dialect not in ("aimlapi", "legacy"))
    if text:
        world.violate(dialect, f"{path or 'body'}: {text}")
        raise Refusal(400, text, path)
    assert isinstance(body, dict)
    return body


async def buy(world: World, order: Order) -> EmulatedJob:
    """Accept an order. Raises Refusal for what every Luma shop refuses."""
    if order.loop and order.has_end:
        world.violate(order.dialect, "loop together with an end frame")
        raise Refusal(400, "loop is not allowed with an end frame", "loop")
    pictures = {url: await _look_at(world, url) for url in order.pictures}
    if world.left(order.dialect) < order.duration_s:
        raise Refusal(402, "Insufficient credits, top up: billing")
    job = world.accept(
        order.dialect,
        order.body,
        prompt=order.prompt,
        duration_s=order.duration_s,
        aspect_ratio=order.aspect_ratio,
        callback_url=order.callback_url,
        callback_events=order.callback_events,
        headers=kept_headers(order.headers),
        key=order.headers.get("X-API-Key") or order.headers.get("Authorization", "")[7:],
        frames=_digests(order, pictures),
    )
    if world.config.record_bodies:
        world.received.append({"dialect": order.dialect, "id": job.id, "body": order.body})
    if job.callback_url:
        await schedule(world, job)
    return job


def _digests(order: Order, pictures: Mapping[str, bytes | None]) -> dict[str, str]:
    """Return the SHA-256 of each end's picture, as far as it was looked at."""
    asked = asked_for(order.dialect, order.body)
    found = {side: pictures.get((asked[side] or {}).get("url", "")) for side in ("start", "end")}
    return {side: hashlib.sha256(data).hexdigest() for side, data in found.items() if data}


async def _look_at(world: World, url: str) -> bytes | None:
    """Fetch a picture that claims to be on this machine, as a provider would fetch it."""
    if url.startswith(f"{world.base_url}/media/uploads/"):
        uploaded = world.uploads.get(url.rpartition("/")[2])
        if uploaded is None:
            raise Refusal(400, "Failed to read user input frames: image not found")
        return uploaded[0]
    host = urlsplit(url).hostname or ""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        return None
    try:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            kind = answer.content_type
            if answer.status != 200 or not kind.startswith("image/"):
                raise Refusal(400, f"Failed to read user input frames: {answer.status} {kind}")
            return await answer.read()
    except (TimeoutError, aiohttp.ClientError) as error:
        raise Refusal(400, "Failed to read user input frames: no answer") from error
