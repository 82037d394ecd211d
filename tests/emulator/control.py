"""Endpoints under /_emulator/: look inside, order faults, start over."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from aiohttp import web

from tests.emulator.config import Config, Scripted
from tests.emulator.faults import FAULTS
from tests.emulator.serving import WORLD
from tests.emulator.world import World

NAMES = {field.name for field in fields(Config)}


def configure(world: World, changes: dict[str, Any]) -> None:
    """Apply changes to the configuration. Raises ValueError naming what is unknown."""
    unknown = sorted(set(changes) - NAMES)
    if unknown:
        raise ValueError(f"unknown settings: {', '.join(unknown)}")
    script = changes.get("script")
    if script is not None:
        changes["script"] = [
            entry if isinstance(entry, Scripted) else Scripted(**entry) for entry in script
        ]
    ordered = [entry.fault for entry in changes.get("script", [])]
    wrong = [name for name in [*changes.get("rates", {}), *ordered] if name not in FAULTS]
    if wrong:
        raise ValueError(f"unknown faults: {', '.join(wrong)}. Known: {', '.join(FAULTS)}")
    for name, value in changes.items():
        setattr(world.config, name, value)


async def stats(request: web.Request) -> web.Response:
    return web.json_response(request.app[WORLD].snapshot())


async def violations(request: web.Request) -> web.Response:
    return web.json_response(request.app[WORLD].violations)


async def jobs(request: web.Request) -> web.Response:
    rows = [
        {
            "id": job.id,
            "dialect": job.dialect,
            "prompt": job.prompt,
            "phase": job.phase,
            "outcome": job.outcome,
            "accepted_at": job.accepted_at,
            "finishes_at": job.finishes_at,
        }
        for job in request.app[WORLD].jobs.values()
    ]
    return web.json_response(rows)


async def change(request: web.Request) -> web.Response:
    try:
        configure(request.app[WORLD], await request.json())
    except (ValueError, TypeError) as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.json_response({"ok": True})


async def reset(request: web.Request) -> web.Response:
    request.app[WORLD].reset()
    return web.json_response({"ok": True})


def routes() -> list[web.RouteDef]:
    return [
        web.get("/_emulator/stats", stats),
        web.get("/_emulator/violations", violations),
        web.get("/_emulator/jobs", jobs),
        web.post("/_emulator/faults", change),
        web.post("/_emulator/config", change),
        web.post("/_emulator/reset", reset),
    ]
