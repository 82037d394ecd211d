"""Migrations beside a studio that goes on serving: one process at a time, and nobody waits long.

A migration that waits for a table makes everybody who comes after it wait too. On PostgreSQL it
gives up after LOCK_WITHIN and tries again a little later, so a long query delays the upgrade and
not the people.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import call_command
from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable

ONE_AT_A_TIME = 0x5261_7953  # any number of our own, for PostgreSQL's advisory lock
LOCK_WITHIN = "3s"
PAUSE_S = 2.0
TRIES = 30


def migrate() -> None:
    """Apply what is to be applied. Raises DatabaseError."""
    if connection.vendor != "postgresql":
        call_command("migrate", verbosity=0, interactive=False)
        return
    with _alone():
        for left in reversed(range(TRIES)):
            try:
                call_command("migrate", verbosity=0, interactive=False)
                return
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable) or not left:
                    raise
                time.sleep(PAUSE_S)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process migrates this database; what is locked here waits briefly only."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [ONE_AT_A_TIME])
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [LOCK_WITHIN])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
            cursor.execute("SELECT pg_advisory_unlock(%s)", [ONE_AT_A_TIME])
