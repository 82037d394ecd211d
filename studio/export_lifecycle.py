"""The only writer of Export.state: a film of a chain, from asked for to ready.

    queued ──> running ──> succeeded
      │ │        │ │ │
      │ │        │ │ └─> queued        its worker died
      │ │        │ └─> cancelled       a person stopped it
      │ │        └─> failed            it could not be stitched
      │ └─> cancelled                  before it was begun
      └─> failed                       it cannot be begun
    failed | cancelled ──> queued      a person tries again

The rules are those of studio.lifecycle: a move is one UPDATE on the state it was read in, and one
that lost the race, or that the table does not allow, changes nothing and returns False. An export
costs nothing, so it has no events and no version.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from studio.models.chain import Export

S = Export.State
MOVES: dict[str, frozenset[str]] = {
    S.QUEUED: frozenset({S.RUNNING, S.CANCELLED, S.FAILED}),
    S.RUNNING: frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED, S.QUEUED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset({S.QUEUED}),
    S.CANCELLED: frozenset({S.QUEUED}),
}


def move(
    pk: int, new: str, *, old: str | None = None, where: Q | None = None, **changes: Any
) -> bool:
    """Move one export to `new` with the columns in `changes`, if it may go there now.

    `old` narrows where it may come from; `where` adds a condition checked in the same UPDATE. The
    lease ends with the move. Returns False, changing nothing, when any of this is no longer so.
    """
    state = Export.objects.filter(pk=pk).values_list("state", flat=True).first()
    if state is None or new not in MOVES[state] or old not in {None, state}:
        return False
    rows = Export.objects.filter(pk=pk, state=state)
    if where is not None:
        rows = rows.filter(where)
    columns: dict[str, Any] = {
        "finished_at": timezone.now() if new in Export.TERMINAL else None,
        "lease_token": "",
        "lease_until": None,
    } | changes
    return rows.update(state=new, **columns) == 1


def claim(pk: int, *, seconds: float, most: int) -> str | None:
    """Take a queued export for stitching, counting the attempt as it starts.

    Returns a lease token, or None when it is taken, over, or was begun `most` times already.
    """
    token = uuid.uuid4().hex
    taken = move(
        pk,
        S.RUNNING,
        old=S.QUEUED,
        where=Q(attempts__lt=most),
        lease_token=token,
        lease_until=timezone.now() + timedelta(seconds=seconds),
        attempts=F("attempts") + 1,
        progress=0,
        note="",
        failure_text="",
    )
    return token if taken else None


def renew(pk: int, *, token: str, seconds: float, **shown: Any) -> bool:
    """Keep the lease alive and show `progress` and `note`. False: it is not yours any more."""
    rows = Export.objects.filter(pk=pk, state=S.RUNNING, lease_token=token)
    until = timezone.now() + timedelta(seconds=seconds)
    return rows.update(lease_until=until, **shown) == 1


def finish(pk: int, *, token: str, **media: Any) -> bool:
    """End an export as succeeded. `media` are its file's name and measurements."""
    return move(pk, S.SUCCEEDED, where=Q(lease_token=token), progress=100, **media)


def fail(pk: int, *, text: str, where: Q) -> bool:
    """End an export as failed, saying why. `where` says whose lease must still be on it."""
    return move(pk, S.FAILED, where=where, failure_text=text[:300])


def cancel(pk: int) -> bool:
    """Stop an export; its worker notices within a second."""
    return move(pk, S.CANCELLED, note="", progress=0)


def queue(pk: int, *, where: Q | None = None, **changes: Any) -> bool:
    """Put an export back in line: its worker died, or a person tries again."""
    return move(pk, S.QUEUED, where=where, progress=0, note="", failure_text="", **changes)
