"""Endpoints under /_emulator/: look inside, order faults, start over."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import fields
from typing import Any

from aiohttp import web

from tests.emulator.config import Config, Phase, Scripted
from tests.emulator.faults import FAULTS
from tests.emulator.media import clip_of
from tests.emulator.money import is_readable
from tests.emulator.serving import WORLD
from tests.emulator.shapes import has_media
from tests.emulator.world import ACCOUNTS, EmulatedJob, World, account_of

NAMES = {field.name for field in fields(Config)}
LISTED = frozenset({"apiframe", "gmicloud", "luma"})  # dialects with a list of jobs
STATES = ("dry", "locked")


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
    if "phases" in changes:
        changes["phases"] = [
            entry if isinstance(entry, Phase) else Phase(**entry) for entry in changes["phases"]
        ]
    for name in ("out_of_credit", "locked"):
        if name in changes:
            changes[name] = set(changes[name])
    _check_accounts(changes)
    ordered = [entry.fault for entry in changes.get("script", [])]
    wrong = [name for name in [*changes.get("rates", {}), *ordered] if name not in FAULTS]
    if wrong:
        raise ValueError(f"unknown faults: {', '.join(wrong)}. Known: {', '.join(FAULTS)}")
    for name, value in changes.items():
        setattr(world.config, name, value)


def _check_accounts(changes: dict[str, Any]) -> None:
    """Raise ValueError for an account or a state of an account that there is not."""
    phases: list[Phase] = changes.get("phases", [])
    maps = ("price_factors", "clock_offsets", "out_of_credit", "locked")
    named = [account for name in maps for account in changes.get(name, ())]
    wrong = sorted({*named, *(phase.account for phase in phases)} - set(ACCOUNTS))
    if wrong:
        raise ValueError(f"unknown accounts: {', '.join(wrong)}. Known: {', '.join(ACCOUNTS)}")
    odd = sorted({phase.state for phase in phases} - set(STATES))
    if odd:
        raise ValueError(f"unknown states: {', '.join(odd)}. Known: {', '.join(STATES)}")


async def stats(request: web.Request) -> web.Response:
    return web.json_response(request.app[WORLD].snapshot())


async def violations(request: web.Request) -> web.Response:
    return web.json_response(request.app[WORLD].violations)


def describe(world: World, job: EmulatedJob) -> dict[str, Any]:
    """Return all there is to know about one purchase, as plain JSON."""
    plain = ("id", "dialect", "model", "prompt", "phase", "outcome", "accepted_at", "finishes_at")
    more = ("key", "headers", "body", "asked", "frames", "unit", "charged", "told", "amount")
    last = ("delivery", "echo", "foreign", "answers", "clip_requests")
    row = {name: getattr(job, name) for name in (*plain, *more, *last)}
    sees_list = time.time() >= job.accepted_at + world.config.list_lag_s
    sees_log = time.time() >= job.accepted_at + world.config.log_lag_s
    return row | {
        "account": account_of(job.dialect),
        "amount_is_told": job.told is not None and is_readable(job.amount),
        "is_listed": job.dialect in LISTED and not job.echo and sees_list,
        "is_logged": account_of(job.dialect) == "aimlapi" and sees_log,
        "has_clip": has_media(job) and job.outcome not in ("expired", "dead_link"),
        "sha256": hashlib.sha256(clip_of(world, job)).hexdigest(),
    }


async def jobs(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    # Clips are drawn on first use.
    rows = await asyncio.to_thread(lambda: [describe(world, job) for job in _all(world)])
    return web.json_response(rows)


def _all(world: World) -> list[EmulatedJob]:
    return list(world.jobs.values())


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
