"""Answers changed on their way out: fields left out, and numbers that no reader expects."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from aiohttp import web

from tests.emulator.faults import roll
from tests.emulator.money import OVERFLOW
from tests.emulator.world import EmulatedJob, World

Record = dict[str, Any]
# The faults that change an answer and leave it one about a job.
CHANGED = frozenset(
    {
        "id_without_status", "overflow", "absurd_progress", "other_job", "zero_while_running",
        "failed_after_done", "gone_after_done",
    }
)  # fmt: skip
IDS = ("jobId", "request_id", "id")
WORDS = ("status", "state")
STAND_IN = json.dumps(OVERFLOW).encode()
CLIPS = ("result", "video", "assets", "outcome")  # where a record holds its clip
FAILED_WORDS = {
    "apiframe": "FAILED", "aimlapi": "error", "legacy": "error", "luma": "failed",
    "gmicloud": "failed",
}  # fmt: skip
ABSURD_PROGRESS = (-5, 250, 1e300, "99.9 %")


def change_answer(
    world: World, fault: str, kind: str, dialect: str, answer: web.Response
) -> web.Response:
    """Return the answer as this fault has it; unchanged when it is none of a job."""
    change: Callable[[Record], Record]
    match fault:
        case "other_job":
            change = _of_another_job
        case "zero_while_running":
            change = partial(_with_zero, world, dialect)
        case "failed_after_done" | "gone_after_done":
            change = partial(_after_done, world, dialect, fault)
        case "id_without_status":
            change = _only_id if kind == "submit" else _without_status
        case "overflow":
            # Apiframe has a number of its own; elsewhere one that nobody documents.
            name = "progress" if dialect == "apiframe" else "eta_s"
            change = lambda record: {**record, name: OVERFLOW}  # noqa: E731
        case _:
            change = _with_absurd_progress
    data = _of_each(json.loads(bytes(answer.body or b"null")), change)  # type: ignore[arg-type]  # bytes, as json_response made it
    return web.json_response(data, status=answer.status)


def write_overflow(answer: web.StreamResponse) -> web.StreamResponse:
    """Put 1e400 where its stand-in is in an answer."""
    if isinstance(answer, web.Response) and isinstance(answer.body, bytes):
        answer.body = with_overflow(answer.body)
    return answer


def with_overflow(body: bytes) -> bytes:
    """Put 1e400 where its stand-in is: no JSON writer of ours would write it."""
    return body.replace(STAND_IN, b"1e400")


def _of_each(data: Any, change: Callable[[Record], Record]) -> Any:
    """Change the record of a single answer, or each of a batch answer of any shape."""
    if isinstance(data, list):
        return [_of_each(row, change) for row in data]
    if not isinstance(data, dict):
        return data
    if any(name in data for name in IDS):
        return change(data)
    return {name: _of_each(value, change) for name, value in data.items()}


def _only_id(record: Record) -> Record:
    return {name: record[name] for name in IDS if name in record}


def _without_status(record: Record) -> Record:
    return {name: value for name, value in record.items() if name not in WORDS}


def _of_another_job(record: Record) -> Record:
    name = next(name for name in IDS if name in record)
    return {**record, name: str(uuid5(NAMESPACE_URL, str(record[name])))}


def _with_zero(world: World, dialect: str, record: Record) -> Record:
    """Name an amount of nothing for a job that has not ended, where the provider names amounts."""
    job = _job_of(world, record)
    if job is None or job.has_ended:
        return record
    if dialect == "apiframe":
        return {**record, "creditCost": 0}
    if dialect in ("aimlapi", "legacy"):
        return {**record, "meta": {"usage": {"credits_used": 0, "usd_spent": 0}}}
    return record


def _after_done(world: World, dialect: str, fault: str, record: Record) -> Record:
    """Take back what an earlier answer told of the clip."""
    job = _job_of(world, record)
    # Whoever asked for the clip was told of it.
    if job is None or not job.clip_requests:
        return record
    name = next(name for name in WORDS if name in record)
    taken = {key: None for key in CLIPS if key in record}
    if fault == "failed_after_done":
        taken[name] = FAILED_WORDS[dialect]
    elif dialect == "apiframe":
        taken["expired"] = True
    return {**record, **taken}


def _job_of(world: World, record: Record) -> EmulatedJob | None:
    return next((world.jobs.get(str(record[name])) for name in IDS if name in record), None)


def _with_absurd_progress(record: Record) -> Record:
    which = int(roll(json.dumps(record, sort_keys=True)) * len(ABSURD_PROGRESS))
    return {**record, "progress": ABSURD_PROGRESS[which]}
