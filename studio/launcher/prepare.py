"""What a start does before any process serves: database, static files, and rows that must exist."""

from __future__ import annotations

import hashlib
import inspect
import os
import time
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, OperationalError, connection, connections

from studio.launcher.lock import share_data_folder
from studio.launcher.migrating import migrate
from studio.services.accounts import ensure_accounts
from studio.services.exchange.restored_media import clear_up_after_restore
from studio.services.work.schedules import ensure_schedules

ASK_AGAIN_S = 2.0


def prepare_database() -> None:
    """Apply migrations and make the rows that must exist. Safe to repeat, and beside others.

    Raises CommandError with one sentence when the database cannot be used.
    """
    try:
        with share_data_folder(settings.DATA_DIR):
            migrate()
            clear_up_after_restore()
            ensure_accounts()
            ensure_schedules()
    except DatabaseError as error:
        raise CommandError(
            f"The database cannot be used: {' '.join(str(error).split())}. "
            "Check DATABASE_URL and the data folder."
        ) from error
    finally:
        # The launcher only waits from here on; it must not hold the database open.
        connections.close_all()


def wait_for_database(seconds: float) -> None:
    """Return once the database answers, or when the time is up: then whoever asks it says why not.

    After a power cut the studio's machine may be up before its database is.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            connection.ensure_connection()
        except OperationalError:
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(ASK_AGAIN_S, left))
        else:
            return


def collect_static() -> bool:
    """Collect static files where a source changed since the last time; return whether it did."""
    root = Path(settings.STATIC_ROOT)
    stamp = root / ".sources"
    now = _sources()
    if stamp.is_file() and stamp.read_text() == now:
        return False
    call_command("collectstatic", verbosity=0, interactive=False, clear=True)
    stamp.write_text(now)
    return True


def _sources() -> str:
    """Return a digest of every static source's name, size and time of change.

    The code that collects them counts as one: an upgrade may name files in another way.
    """
    files = [("", inspect.getfile(staticfiles_storage.__class__))]
    for finder in get_finders():
        files += [(name, storage.path(name)) for name, storage in finder.list([])]
    digest = hashlib.sha256()
    for name, path in files:
        found = os.stat(path)  # noqa: PTH116 (one call for size and time)
        digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
