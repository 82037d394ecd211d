"""Many polls at once: an event loop in a thread, bounded, with keep-alive connections.

The sweep's own thread does all database work; it hands rows in and takes answers out. Each
account has its own places on the wire, so one that hangs keeps nobody else waiting.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from studio.operations.context import about
from studio.providers.base import (
    Job,
    NotFound,
    ProtocolError,
    Provider,
    ProviderError,
    Refused,
)
from studio.providers.catalog import PROVIDER_LABELS
from studio.services.work.outcomes import Watched

logger = logging.getLogger(__name__)

AT_ONCE = 64  # requests on the wire for one account
BATCH = 100  # ids in one request, where a provider takes several
MAX_SINGLE = 20  # ids left out of one such answer that are asked about one by one


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one row: a job, or the error in its place; neither when it was not asked."""

    row: Watched
    job: Job | None
    error: Exception | None = None
    took_s: float = 0.0  # how long the answer, or its absence, took


class Loop:
    """The event loop's thread, and the mailbox its answers land in."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="fetching", daemon=True)
        self._mailbox: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._doors: list[Provider] = []
        self._thread.start()

    def fetcher(self, door: Provider) -> Fetcher:
        """Return a fetcher that asks through this adapter; it is closed with the loop."""
        self._doors.append(door)
        return Fetcher(self, door)

    def deliver(self, answer: Answer) -> None:
        self._mailbox.put(answer)

    def answers(self) -> list[Answer]:
        """Return the answers that are in, oldest first, without waiting."""
        heard: list[Answer] = []
        try:
            while True:
                heard.append(self._mailbox.get_nowait())
        except queue.Empty:
            return heard

    def close(self) -> None:
        """Drop what is still on the wire (a poll loses nothing) and end the thread."""
        closing = asyncio.run_coroutine_threadsafe(self._wind_down(), self.loop)
        try:
            closing.result(timeout=5)
        except TimeoutError:
            logger.warning("connections did not close within 5 s")
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self.loop.close()

    async def _wind_down(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for door in self._doors:
            await door.aclose()


class Fetcher:
    """Asks one adapter about rows, at most AT_ONCE requests at a time."""

    def __init__(self, loop: Loop, door: Provider) -> None:
        self._loop = loop
        self._door = door
        # Touched on the event loop only.
        self._line: deque[Sequence[Watched]] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    def fetch(self, rows: Sequence[Watched], *, batched: bool) -> None:
        """Ask about these rows, many in one request where the provider takes that."""
        size = BATCH if batched else 1
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        self._loop.loop.call_soon_threadsafe(self._take, parts)

    def hush(self) -> None:
        """Ask nothing that is not on the wire yet; those rows come back unasked."""
        self._loop.loop.call_soon_threadsafe(self._drop)

    def _take(self, parts: Sequence[Sequence[Watched]]) -> None:
        self._line.extend(parts)
        # A few workers that go through the line cost less than a task for each row.
        for _ in range(min(len(parts), AT_ONCE - len(self._workers))):
            worker = self._loop.loop.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    def _drop(self) -> None:
        while self._line:
            for row in self._line.popleft():
                self._loop.deliver(Answer(row, None))

    async def _work(self) -> None:
        while self._line:
            rows = self._line.popleft()
            if len(rows) == 1:
                await self._fetch_one(rows[0])
            else:
                await self._fetch_many(rows)

    async def _fetch_one(self, row: Watched) -> None:
        began = time.monotonic()
        try:
            with about(clip=row.code):
                answer = Answer(row, await self._door.afetch(row.provider_job_id))
        except ProviderError as error:
            answer = Answer(row, None, error, time.monotonic() - began)
        except Exception as error:
            logger.exception("polling %s failed", row.provider)
            answer = Answer(row, None, _unreadable(row, error), time.monotonic() - began)
        self._loop.deliver(answer)

    async def _fetch_many(self, rows: Sequence[Watched]) -> None:
        began = time.monotonic()
        try:
            jobs = await self._door.afetch_many([row.provider_job_id for row in rows])
        except ProviderError as error:
            if not isinstance(error, NotFound | Refused | ProtocolError):
                for row in rows:
                    self._loop.deliver(Answer(row, None, error, time.monotonic() - began))
                return
            # One id it does not like spoils the whole answer; asked one by one, only its own.
            jobs, single = {}, list(rows)
        except Exception:
            logger.exception("polling %s failed", rows[0].provider)
            jobs, single = {}, list(rows)
        else:
            single = self._left_out(rows, jobs)
        for row in rows:
            if job := jobs.get(row.provider_job_id):
                self._loop.deliver(Answer(row, job))
        for row in single:
            await self._fetch_one(row)

    def _left_out(self, rows: Sequence[Watched], jobs: Mapping[str, Job]) -> list[Watched]:
        """Return the rows to ask about one by one; of very many, the others wait for the next poll.

        An answer without a job does not say that the provider does not know it.
        """
        missing = [row for row in rows if row.provider_job_id not in jobs]
        random.shuffle(missing)
        for row in missing[MAX_SINGLE:]:
            self._loop.deliver(Answer(row, None))
        return missing[:MAX_SINGLE]


def _unreadable(row: Watched, error: Exception) -> ProtocolError:
    label = PROVIDER_LABELS.get(row.provider, row.provider)
    return ProtocolError(f"{label} sent an answer that cannot be read.", detail=str(error))


@contextmanager
def running_loop() -> Iterator[Loop]:
    """Yield a running event loop in a thread of its own."""
    loop = Loop()
    try:
        yield loop
    finally:
        loop.close()
