"""One studio per data folder, and none of its processes beside a restore."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from django.core.management.base import CommandError
from django.db import connection

from studio.launcher.unusable import unusable_file

PROCESSES = "processes.lock"
# An idle connection is a pooler's or a page's; a worker asks the database every few seconds.
LIVE_WITHIN_S = 30


@contextmanager
def folder_errors() -> Iterator[None]:
    """Have a file of the data folder that cannot be used end the command with one sentence."""
    try:
        yield
    except OSError as error:
        raise CommandError(unusable_file(error)) from error


def hold_data_folder(folder: Path) -> TextIO:
    """Lock the folder for this process's life and return the open lock file.

    The kernel drops the lock when the process ends, however it ends. Raises CommandError
    with one sentence when another studio holds it.
    """
    # Not on Windows, where the command must still be able to say that it cannot run.
    import fcntl

    with folder_errors():
        file = (folder / "studio.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise CommandError(
            f"Another studio{f' (process {holder})' if holder else ''} is running on {folder}. "
            "Stop it first, or set STUDIO_DATA_DIR to another folder."
        ) from error
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def share_data_folder(folder: Path) -> TextIO:
    """Hold the folder as one of the studio's processes, beside others. Forks hold it too.

    Raises CommandError while a backup is being restored into it.
    """
    return _lock_processes(
        folder,
        "A backup is being restored into {folder}. Start again when it is done.",
        shared=True,
    )


def hold_every_process(folder: Path) -> TextIO:
    """Keep every process of the studio off the folder. Raises CommandError when one has it."""
    return _lock_processes(
        folder,
        "A web server or a worker of this studio is running on {folder}. Stop it first, then "
        "restore. Nothing was changed.",
        shared=False,
    )


def _lock_processes(folder: Path, refusal: str, *, shared: bool) -> TextIO:
    import fcntl

    file = (folder / PROCESSES).open("a+")
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise CommandError(refusal.format(folder=folder)) from error
    return file


def refuse_live_connections() -> None:
    """Raise CommandError where other programs use the database: workers of other machines, say."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND usename = current_user
               AND pid <> pg_backend_pid() AND backend_type = 'client backend'
               AND (state <> 'idle' OR state_change > now() - make_interval(secs => %s))""",
            [LIVE_WITHIN_S],
        )
        count = cursor.fetchone()[0]
    if count:
        raise CommandError(
            f"The database is in use by {count} other connection{'' if count == 1 else 's'}. Stop "
            "every web server and worker of this studio, on other machines too, then restore. "
            "Nothing was changed."
        )
