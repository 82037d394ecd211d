"""gunicorn's settings: `gunicorn --config python:studio.launcher.web studio.wsgi`.

Threads of a WSGI server, because an ASGI one would read whole videos into memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.launcher.lifeline import die_with

worker_class = "gthread"
workers = 2
threads = 16
# Loaded once and forked: the second worker starts at once and shares the first one's pages.
preload_app = True
timeout = 60
graceful_timeout = 30
# Longer than the gallery's pace of asking, so that its requests share a connection.
keepalive = 20
max_requests = 10_000
max_requests_jitter = 1_000
control_socket_disable = True
loglevel = "warning"
# The heartbeat file: on a slow disk a busy worker could look dead.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def post_fork(server: Any, worker: Any) -> None:
    """Tie each worker to gunicorn's own process."""
    die_with(worker.ppid)


def when_ready(server: Any) -> None:
    """Have gunicorn's own lines look as the studio's do. The studio is loaded by now."""
    import logging

    (ours,) = logging.getLogger("studio").handlers
    for handler in server.log.error_log.handlers:
        handler.setFormatter(ours.formatter)
