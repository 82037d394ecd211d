"""gunicorn's worker process with waitress inside: one event loop for all clients, threads for requests.

gunicorn forks, watches and replaces the processes; waitress speaks HTTP. A thread is lent to a request
that has arrived whole, until it is computed; clients who send or read slowly hold none.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable
from functools import partial
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.server import BaseWSGIServer, create_server

from studio.address_rules import MAX_BODY_BYTES
from studio.launcher.connections import PATIENCE_S, PROXY_PATIENCE_S, Channel, Limits
from studio.launcher.crowding import make_room

TICK_S = 1.0
# A stopping process waits so long for what somebody may be sending on an idle connection.
STOP_IDLE_S = 1
STOP_TICK_S = 0.1
MAX_HEAD_BYTES = 64 * 1024
# In memory; the rest of a body, or of an answer, waits in a file without a name.
MAX_BODY_IN_MEMORY = 128 * 1024
MAX_ANSWER_IN_MEMORY = 2**20
# A connection, the body it sends, the file it reads; beside databases, logs and the loop itself.
FILES_PER_CONNECTION = 3
OTHER_FILES = 200


class BufferedWorker(Worker):  # type: ignore[misc]
    """Answers on gunicorn's sockets until told to stop, its parent is gone, or max_requests is met."""

    def limits(self) -> Limits:
        """Return what holds for connections; the application is loaded by now."""
        from django.conf import settings

        from studio.uploads import may_be_sent

        reading_patience_s = PROXY_PATIENCE_S if settings.PROXIES else PATIENCE_S
        return Limits(
            may_be_sent,
            reading_patience_s=reading_patience_s,
            has_proxy=bool(settings.PROXIES),
        )

    def run(self) -> None:
        self._limits, self._tend_at = self.limits(), 0.0
        self._connection_limit = connection_limit(self.cfg.worker_connections)
        self._map: dict[int, Any] = {}
        create_server(
            self._counted,
            map=self._map,
            sockets=[getattr(one, "sock", one) for one in self.sockets],
            threads=self.cfg.threads,
            backlog=self.cfg.backlog,
            connection_limit=self._connection_limit,
            channel_timeout=self.cfg.keepalive,
            cleanup_interval=2**31,  # Channel.tend does it
            max_request_header_size=MAX_HEAD_BYTES,
            max_request_body_size=MAX_BODY_BYTES + 1,
            inbuf_overflow=MAX_BODY_IN_MEMORY,
            outbuf_overflow=MAX_ANSWER_IN_MEMORY,
            outbuf_high_watermark=MAX_ANSWER_IN_MEMORY,
            recv_bytes=64 * 1024,
            clear_untrusted_proxy_headers=False,  # studio.proxies reads them
            log_socket_errors=False,
            ident="",
            server_name=_name_of(self.sockets[0]),
        )
        self._servers = [one for one in self._map.values() if isinstance(one, BaseWSGIServer)]
        for server in self._servers:
            server.channel_class = partial(Channel, limits=self._limits)
        while self.alive and self.ppid == os.getppid() and self.nr < self.max_requests:
            self._turn(TICK_S)
        self._stop()

    def _counted(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.nr += 1
        answer: Iterable[bytes] = self.wsgi(environ, start_response)
        return answer

    def _turn(self, timeout_s: float) -> None:
        self.notify()
        wasyncore.loop(timeout=timeout_s, use_poll=True, map=self._map, count=1)
        now = time.monotonic()
        if now >= self._tend_at:
            self._tend_at = now + timeout_s
            for channel in self._channels():
                channel.tend(now)
            if not self._limits.has_proxy:
                make_room(self._channels(), self._connection_limit)

    def _channels(self) -> list[Channel]:
        return [one for one in self._map.values() if isinstance(one, Channel)]

    def _stop(self) -> None:
        """Take no more connections, and finish what is being asked and answered, in time."""
        until = time.monotonic() + self.cfg.graceful_timeout
        self._limits.is_closing = True
        for server in self._servers:
            server.accepting = False
            server.adj.channel_timeout = STOP_IDLE_S
        now = time.monotonic()
        for channel in self._channels():
            channel.idle_since = now
        self._tend_at = now
        while self._channels() and time.monotonic() < until:
            self._turn(STOP_TICK_S)

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        for server in getattr(self, "_servers", [])[:1]:
            server.pull_trigger()


def _name_of(listener: Any) -> str:
    """Return the name of whoever is asked without a Host: the address that is listened at."""
    place = listener.getsockname()
    return str(place[0]) if isinstance(place, tuple) else "localhost"


def connection_limit(wanted: int) -> int:
    """Return how many clients this process takes at once: `wanted`, or what its open files allow.

    The process's limit of open files is raised for them as far as the system lets it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted * FILES_PER_CONNECTION + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(1, min(wanted, (max(soft, most) - OTHER_FILES) // FILES_PER_CONNECTION))
