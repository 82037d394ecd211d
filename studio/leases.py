"""Leases: how a long piece of work on one row (a submit, a render, a download) stays one worker's.

A worker that dies lets its lease run out, and somebody else takes the row. A worker that lives
renews it from a thread beside the work, so that slow work is not mistaken for a dead worker.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from studio.bulk import update_in_order
from studio.models import Generation, Project, ProviderAccount

logger = logging.getLogger(__name__)


def claim_work(pk: int, *, state: str, seconds: float = 20, most: int = 3) -> str | None:
    """Take a row for a long piece of work (a render, a download) for `seconds`.

    Counts the attempt when it starts, because a task that kills its worker leaves no other trace.
    Returns a token, or None when somebody else holds it, the state has changed, or `most`
    attempts were begun already.
    """
    token = uuid.uuid4().hex
    now = timezone.now()
    taken = (
        Generation.objects.filter(pk=pk, state=state, work_attempts__lt=most)
        .filter(Q(lease_until=None) | Q(lease_until__lt=now))
        .update(
            lease_token=token,
            lease_until=now + timedelta(seconds=seconds),
            work_attempts=F("work_attempts") + 1,
        )
    )
    return token if taken == 1 else None


def renew_work(
    pk: int, *, token: str, state: str, seconds: float = 20, progress: int | None = None
) -> bool:
    """Keep a lease alive and, with `progress` (percent), show it. False: stop, it is not yours any more."""
    columns: dict[str, Any] = {"lease_until": timezone.now() + timedelta(seconds=seconds)}
    with transaction.atomic():
        rows = Generation.objects.filter(pk=pk, state=state, lease_token=token)
        if progress is not None:
            project_id = Generation.objects.values_list("project_id", flat=True).get(pk=pk)
            columns |= {"progress": min(progress, 99), "version": Project.bump(project_id)}
        if rows.update(**columns) == 1:
            return True
        transaction.set_rollback(True)
        return False


def release_work(pk: int, *, token: str, until: datetime | None = None) -> bool:
    """Let go of a lease; with `until`, nobody may take the row before then (a backoff)."""
    return (
        Generation.objects.filter(pk=pk, lease_token=token).update(
            lease_token="" if until is None else token, lease_until=until
        )
        == 1
    )


@contextmanager
def kept_lease(pk: int, *, token: str, state: str, seconds: float) -> Iterator[None]:
    """Renew a lease beside the work in this block, for as long as the row is in `state` and ours."""

    def renew() -> bool:
        return renew_work(pk, token=token, state=state, seconds=seconds)

    with renewed(renew, seconds=seconds, what=f"generation {pk}"):
        yield


@contextmanager
def renewed(renew: Callable[[], bool], *, seconds: float, what: str) -> Iterator[None]:
    """Call `renew` four times in `seconds` beside the work in this block, until it returns False."""
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(seconds / 4):
            try:
                if not renew():
                    break
            except DatabaseError:
                logger.warning("the lease of %s was not renewed", what, exc_info=True)
        connection.close()

    thread = threading.Thread(target=keep, name=f"lease of {what}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


# ---- The sweep's lease of an account ------------------------------------------------------------


def sweep_token() -> str:
    """Return a token that says which process of which machine sweeps."""
    return f"{_machine()}-{os.getpid()}-{secrets.token_hex(4)}"


def free_leases_of_the_dead() -> int:
    """Free the leases of sweeps whose process on this machine is gone. Returns how many accounts."""
    held = ProviderAccount.objects.filter(sweep_token__startswith=f"{_machine()}-")
    dead = [
        token for token in held.values_list("sweep_token", flat=True).distinct()
        if not _lives(token.split("-")[1])
    ]  # fmt: skip
    theirs = held.filter(sweep_token__in=dead)
    return update_in_order(theirs, sweep_until=timezone.now()) if dead else 0


def _machine() -> str:
    return hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()


def _lives(pid: str) -> bool:
    """Whether this process of this machine is alive; one that ended and was not buried is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        pass
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
