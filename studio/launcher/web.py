"""gunicorn's settings: `gunicorn --config python:studio.launcher.web studio.wsgi`.

Clients wait in an event loop, requests are computed by threads: studio.launcher.buffered_worker.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.launcher.lifeline import die_with
from studio.launcher.memory import return_large_blocks

worker_class = "studio.launcher.buffered_worker.BufferedWorker"
workers = 2
threads = 16
# Clients at once, of each worker. Whoever is one too many waits to be accepted.
worker_connections = 1000
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
# As settings.py has it: gunicorn sets one of its own for files it makes.
umask = 0o077
# The heartbeat file: on a slow disk a busy worker could look dead.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def post_fork(server: Any, worker: Any) -> None:
    """Tie each worker to gunicorn's own process, and have it return what a picture took."""
    die_with(worker.ppid)
    return_large_blocks()


def post_worker_init(worker: Any) -> None:
    """Have what is received wait where there is room for it, beside the media."""
    import tempfile

    from studio.services.files import scratch_dir

    tempfile.tempdir = str(scratch_dir())


def when_ready(server: Any) -> None:
    """Have gunicorn's own lines look as the studio's do, and keep a restore off. The studio is loaded."""
    import logging

    from django.conf import settings
    from django.core.management.base import CommandError
    from django.db import connections

    from studio.launcher.lock import share_data_folder
    from studio.launcher.migrating import warn_of_newer_tables

    try:
        server.data_folder_lock = share_data_folder(settings.DATA_DIR)
    except CommandError as error:
        server.log.error(str(error))
        raise SystemExit(1) from error
    (ours,) = logging.getLogger("studio").handlers
    for handler in server.log.error_log.handlers:
        handler.setFormatter(ours.formatter)
    warn_of_newer_tables()
    connections.close_all()  # a connection must not be shared with the workers that are forked next
