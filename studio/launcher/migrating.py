"""Migrations beside a studio that goes on serving: one process at a time, and nobody waits long.

A migration that waits for a table makes everybody who comes after it wait too. On PostgreSQL it
gives up after LOCK_WITHIN and tries again a little later, so a long query delays the upgrade and
not the people.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from psycopg.errors import LockNotAvailable

from studio.services.errors import StudioError
from studio.services.exchange.kept_backups import save_before_migrating
from studio.services.exchange.schema_state import applied_migrations, unknown_migrations

logger = logging.getLogger(__name__)

NEWER_TABLES_FIX = "Start the newer version, or restore a backup made before the upgrade."
ONE_AT_A_TIME = 0x5261_7953  # any number of our own, for PostgreSQL's advisory lock
LOCK_WITHIN = "3s"
PAUSE_S = 2.0
TRIES = 30


def migrate() -> None:
    """Save the rows of a database with people in it, and apply what is to be applied.

    Raises DatabaseError, and CommandError for a database of a newer version or a backup that failed.
    """
    refuse_newer_tables()
    if connection.vendor != "postgresql":
        _save()
        call_command("migrate", verbosity=0, interactive=False)
        return
    with _alone():
        _save()
        for left in reversed(range(TRIES)):
            try:
                call_command("migrate", verbosity=0, interactive=False)
                return
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable) or not left:
                    raise
                time.sleep(PAUSE_S)


def refuse_newer_tables() -> None:
    """Raise CommandError when a newer version of the studio has changed the tables."""
    if problem := newer_tables():
        raise CommandError(f"{problem} {NEWER_TABLES_FIX} Nothing was changed.")


def warn_of_newer_tables() -> None:
    """Log that a newer version has changed the tables.

    During an upgrade a worker of the version before may start beside them; at any other time
    somebody has to know.
    """
    with suppress(DatabaseError):  # it does not answer yet: the worker waits for it by itself
        if problem := newer_tables():
            logger.warning(
                "%s During an upgrade that is as it should be. %s", problem, NEWER_TABLES_FIX
            )


def newer_tables() -> str:
    """Return a sentence when a newer version of the studio has changed the tables, else nothing."""
    newer = unknown_migrations(applied_migrations(), of=["studio"])
    if not newer:
        return ""
    return f"The database is of a newer Ray Studio: this version does not know {newer[0]}."


def _save() -> None:
    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return
    try:
        save_before_migrating()
    except StudioError as error:
        raise CommandError(error.message) from error


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
