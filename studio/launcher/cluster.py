"""django-q2's cluster, made to survive the SIGKILL of any of its processes.

multiprocessing's queues, events and values have locks and counts of their own, and pipes that a
message may be half-way through. Whoever is killed there (by the system short of memory, or by hand)
stops all others for ever: of a cluster whose processes are killed at random, none lived through 300
kills. So messages go as packets, which are whole or not there, and the one lock that is left, the
timer's, which a worker holds as it ends a task and the sentinel takes on each of its rounds, is of a
kind the kernel takes back from the dead.

A dead worker may have been the sweep. So the sentinel, at its start and when a worker dies, also
frees the leases of sweeps that are gone, and asks for a new one: it takes over within seconds,
where the schedule alone would take up to a minute.
"""

from __future__ import annotations

import logging
from multiprocessing import Process, Value
from typing import Any, cast

from django.db import DatabaseError
from django_q import cluster
from django_q.conf import Conf
from django_q.worker import worker
from redis.exceptions import RedisError

from studio.launcher.deathlock import DeathLock
from studio.launcher.mailbox import Flag, Mailbox, Results
from studio.leases import free_leases_of_the_dead
from studio.queue import enqueue

logger = logging.getLogger(__name__)


class Sentinel(cluster.Sentinel):  # type: ignore[misc]
    """The process that watches the workers."""

    def start(self) -> None:
        self.task_queue, self.result_queue = Mailbox(Conf.QUEUE_LIMIT), Results()
        self.event_out = Flag()
        revive_sweep()
        super().start()

    def spawn_worker(self) -> None:
        timer = Value("f", -1, lock=cast(Any, DeathLock()))
        self.spawn_process(worker, self.task_queue, self.result_queue, timer, self.timeout)

    def reincarnate(self, process: Process) -> None:
        if not process.is_alive() and process in self.pool:
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
