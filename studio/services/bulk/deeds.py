"""What a deed is: one of the things that can be done to many clips at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studio.models import BulkItem, BulkRun, Generation, Membership

Params = dict[str, Any]
Pair = tuple[BulkItem, Generation]


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one clip: what it was `before`, or the `reason` it was left as it is."""

    before: dict[str, Any]
    reason: str = ""


def left(reason: str) -> Told:
    return Told({}, reason)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of the first clips of a batch. `stop` says why nothing more may be done."""

    told: Sequence[Told]
    stop: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """One action. Its functions run inside a transaction that holds the run and is one batch.

    `check` reads what was sent into parameters that can be kept as JSON, and raises StudioError;
    `apply` and `undo` get the batch in order. `undo` returns, for each, why it was kept as it is,
    or an empty string.
    """

    check: Callable[[Membership, Params], Params]
    apply: Callable[[BulkRun, Sequence[Pair]], Applied]
    undo: Callable[[BulkRun, Sequence[Pair]], Sequence[str]]
    batch: int = 200  # clips in one transaction: some 50 ms, so that nobody waits for it
    may: str = "create"
    most: int | None = None  # clips in one run


def stamp(run: BulkRun) -> datetime:
    """Return the one moment all of a run's changes carry: what has it was not changed since."""
    return datetime.fromisoformat(run.params["at"])


def iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
