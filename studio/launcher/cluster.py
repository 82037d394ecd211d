"""django-q2's cluster, made to survive the SIGKILL of any of its processes.

An idle worker waits for its next task holding the queue's read lock. Killed there (by the
system short of memory, or by hand) it never lets go, and no worker gets a task again. So the
locks note who holds them, and the sentinel frees those of the dead before it replaces them.

A dead worker may have been the sweep. So the sentinel, at its start and when a worker dies, also
frees the leases of sweeps that are gone, and asks for a new one: it takes over within seconds,
where the schedule alone would take up to a minute.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from multiprocessing import Process
from multiprocessing.sharedctypes import RawValue
from typing import Any

from django.db import DatabaseError
from django_q import cluster
from redis.exceptions import RedisError

from studio.leases import free_leases_of_the_dead
from studio.queue import enqueue

logger = logging.getLogger(__name__)

NOTED_WITHIN_S = 0.2


class NotedLock:
    """A multiprocessing lock that notes, for every process to see, which one holds it."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._holder = RawValue("i", 0)

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        acquired: bool = self._lock.acquire(block, timeout)
        if acquired:
            self._holder.value = os.getpid()
        return acquired

    def release(self) -> None:
        self._holder.value = 0
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()

    def free_from_the_dead(self, living: Collection[int]) -> bool:
        """Release the lock if none of the living holds it; return whether it had to be."""
        if self._holder.value in living:
            return False
        # Free, or held by the dead, or by somebody living who is just about to note it.
        freed = not self._lock.acquire(True, NOTED_WITHIN_S)
        if freed and self._holder.value in living:
            return False
        self.release()
        return freed


class Sentinel(cluster.Sentinel):  # type: ignore[misc]
    """The process that watches the workers."""

    def start(self) -> None:
        self.noted: list[NotedLock] = []
        for queue in (self.task_queue, self.result_queue):
            for name in ("_rlock", "_wlock"):
                lock = NotedLock(getattr(queue, name))
                setattr(queue, name, lock)
                self.noted.append(lock)
        revive_sweep()
        super().start()

    def reincarnate(self, process: Process) -> None:
        if not process.is_alive():
            everyone = [*self.pool, self.monitor, self.pusher]
            living = {p.pid for p in everyone if p.is_alive()} | {os.getpid()}
            for lock in self.noted:
                lock.free_from_the_dead(living)
            if process in self.pool:
                revive_sweep()
        super().reincarnate(process)


def revive_sweep() -> None:
    """Let another worker take over what a sweep that died here watched, and ask for that."""
    try:
        free_leases_of_the_dead()
        enqueue("sweep")
    except (DatabaseError, RedisError):
        # The schedule asks again, within the minute.
        logger.warning("the sweep could not be revived", exc_info=True)


def install() -> None:
    """Have django-q2 start this sentinel; it offers no setting for it."""
    cluster.Sentinel = Sentinel
