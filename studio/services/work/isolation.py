"""Row by row where many cannot be written together: one bad row harms only itself.

What cannot be written is set aside: tried alone every few minutes, said on its card, in the log
with its traceback, and counted by `services/signs.py` for whoever watches the studio's health.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from studio import lifecycle
from studio.lifecycle import Move
from studio.models import Generation
from studio.models.generation import State
from studio.providers.catalog import PREVIS, PROVIDER_LABELS

logger = logging.getLogger(__name__)

SET_ASIDE_FOR = timedelta(minutes=5)
# What a move may do without: the answer kept for support, and amounts that are then unknown.
DISPENSABLE = ("raw_answer", "raw_status", "actual_microusd", "actual_credits", "credit_unit")
Progress = tuple[int, int, int, str]  # pk, project id, percent, the provider's word


def not_set_aside(now: datetime) -> Q:
    """Return the condition that a row is in order, or due to be tried again."""
    return Q(set_aside_at=None) | Q(set_aside_at__lte=now - SET_ASIDE_FOR)


@contextmanager
def isolated(pk: int, what: str) -> Iterator[None]:
    """Set a row aside when this block fails, and go on. Not inside a transaction.

    Where even that cannot be written the database is away, and its error is raised.
    """
    try:
        yield
    except Exception:
        logger.exception("%s of generation %s failed; it is set aside", what, pk)
        set_aside(pk)


def set_aside(pk: int) -> None:
    """Leave a row alone for a while, and say so on its card."""
    row = Generation.objects.filter(pk=pk).values("provider", "state", "trouble").first()
    if row is None:
        return
    now = timezone.now()
    later = {"set_aside_at": now, "next_poll_at": now + SET_ASIDE_FOR}
    text = set_aside_text(row["provider"], row["state"])
    if row["trouble"] == text:
        Generation.objects.filter(pk=pk).update(**later)
    else:
        lifecycle.touch(pk, trouble=text, **later)


def set_aside_text(provider: str, state: str) -> str:
    """Return the sentences on the card: what happened, whether it is charged, and what to do."""
    again = f"The studio tries again every {SET_ASIDE_FOR.seconds // 60} minutes"
    ask = "if this stays, ask your administrator"
    if provider == PREVIS.provider:
        return (
            "Rendering this preview was interrupted. Nothing is charged. "
            f"{again}; you can also cancel it and start it anew."
        )
    label = PROVIDER_LABELS.get(provider, provider)
    if state == State.SUBMITTING:
        return (
            f"Sending this shot was interrupted. It may be at {label} already, so it is not sent "
            f"twice: you are charged at most once. {again}; {ask}."
        )
    what = "The clip could not be saved" if state == State.STORING else (
        f"{label}’s answer could not be saved"
    )  # fmt: skip
    return f"{what}. Your shot is safe, and you are charged at most once. {again}; {ask}."


def move_each(moves: Sequence[Move]) -> set[int]:
    """Make many moves together, or one by one where that fails. Returns the pks that moved."""
    if not moves:
        return set()
    try:
        return lifecycle.move_many(moves)
    except Exception as error:  # noqa: BLE001 (whatever one row's values may raise)
        logger.warning("%s moves were not written together: %s", len(moves), error)
    moved: set[int] = set()
    for move in moves:
        with isolated(move.pk, f"the move to {move.new}"):
            moved |= _move(move)
    return moved


def _move(move: Move) -> set[int]:
    """Make one move; without what it may do without, should that be what no database takes."""
    try:
        return lifecycle.move_many([move])
    except Exception:
        lean = {k: v for k, v in move.changes.items() if k not in DISPENSABLE}
        if lean == move.changes:
            raise
        logger.exception("the answer about generation %s is recorded in part", move.pk)
        return lifecycle.move_many([replace(move, changes=lean)])


def show_progress_each(rows: Sequence[Progress]) -> None:
    """Write progress of many shots together, or one by one where that fails."""
    if not rows:
        return
    try:
        lifecycle.show_progress(rows)
        return
    except Exception as error:  # noqa: BLE001 (as above)
        logger.warning("the progress of %s shots was not written together: %s", len(rows), error)
    for row in rows:
        with isolated(row[0], "the progress"):
            lifecycle.show_progress([row])
