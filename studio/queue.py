"""The one door to django-q2: put work in the queue once the current transaction has committed.

A crash between the commit and the enqueue loses the task, not the work: the sweep looks for
rows that wait and asks again. The same where the broker does not answer: what was committed stays,
and nobody is told that it failed. Only for tasks that nothing asks for again is the error raised.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import DatabaseError, transaction
from django.utils import timezone
from django_q.tasks import async_task, queue_size
from redis.exceptions import RedisError

from studio.models import ProviderAccount
from studio.operations.context import facts

logger = logging.getLogger(__name__)

# Tasks waiting at the broker before no more than one of these is asked for at a time. Clips being
# fetched stop short of the rest, so that a thousand of them do not keep the next shot from being
# sent; and one is always let in, so that a long line of sends does not keep clips from being fetched.
CALLS_MOST = {"store_next": 10, "submit_next": 30, "send_webhooks": 2}
QUEUE_FULL = 60
# What neither the sweep nor a schedule asks for again.
ASKED_ONCE = frozenset({"empty_bin"})

_kept: dict[tuple[str, tuple[Any, ...]], None] | None = None


def enqueue(task: str, *args: Any) -> None:
    """Run `studio.tasks.<task>(*args)` in a worker. Arguments are ids and plain scalars."""
    transaction.on_commit(partial(_put, task, *args))


def _put(task: str, *args: Any) -> None:
    if _kept is not None:
        _kept[task, args] = None
        return
    name = ":".join([task, *map(str, args)])[:100]
    try:
        # The group is only a name here: whoever reads the log finds the request that asked for it.
        request = facts().get("request", "")
        async_task(f"studio.tasks.{task}", *args, task_name=name, save=False, group=request)
    except (DatabaseError, RedisError) as error:
        if task in ASKED_ONCE:
            raise
        logger.warning("%s could not be put in the queue: %s", name, error)


@contextmanager
def kept_here() -> Iterator[dict[tuple[str, tuple[Any, ...]], None]]:
    """Keep what this process asks for, each task once, in the order asked: it works alone.

    In the broker it would wait for a worker that is not there, and pile up.
    """
    global _kept
    _kept = {}
    try:
        yield _kept
    finally:
        _kept = None


def call_for(task: str, *args: Any, times: int = 1) -> None:
    """Ask for tasks that find their own rows, unless the queue is long already.

    What is left out is asked for again by the sweep, every few seconds; webhooks each minute.
    """
    transaction.on_commit(partial(_call_for, task, *args, times=times))


def _call_for(task: str, *args: Any, times: int) -> None:
    if _kept is not None:
        times = min(times, 1)
    try:
        waiting = queue_size()
    except (DatabaseError, RedisError) as error:
        logger.warning("the queue does not answer: %s", error)
        return
    least = 1 if waiting < QUEUE_FULL else 0
    for _ in range(min(times, max(CALLS_MOST[task] - waiting, least))):
        enqueue(task, *args)


def wake_sweep(account_pk: int) -> None:
    """Start a sweep, unless this account is being swept now: that one sees the row by itself."""
    transaction.on_commit(partial(_wake_sweep, account_pk))


def _wake_sweep(account_pk: int) -> None:
    swept = ProviderAccount.objects.filter(pk=account_pk, sweep_until__gt=timezone.now())
    if not swept.exists():
        enqueue("sweep")
