"""Counting and taking turns among all web processes, with Redis and without.

The embedded studio has no cache its processes share, and a row in its database for each page would
wait behind every other writer. The data folder they do share.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone

TURNS = 256  # locks on disk: a file for each, so that the folder does not grow


def count_this_minute(what: str) -> int:
    """Count one more of `what` and return how many that makes in this minute of the clock.

    0 where it could not be counted: a full disk or cache must not close the studio.
    """
    minute, name = str(int(timezone.now().timestamp()) // 60), _digest(what)
    if settings.REDIS_URL:
        key = f"tally:{name}:{minute}"
        cache.add(key, 0, timeout=120)
        try:
            return cache.incr(key)
        except ValueError:  # just thrown out of a full cache
            return 0
    with suppress(OSError):
        return _count_file(_minute_folder(minute) / name)
    return 0


def _count_file(path: Path) -> int:
    """Add a byte to a file. Where it ended up is the count: of two at once, each has its own."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, b".")
        return os.lseek(file, 0, os.SEEK_CUR)
    finally:
        os.close(file)


def _minute_folder(minute: str) -> Path:
    """Return this minute's folder. Whoever makes it takes the earlier ones away."""
    every: Path = settings.DATA_DIR / "tally"
    folder = every / minute
    try:
        folder.mkdir()
    except FileExistsError:
        return folder
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
    for other in every.iterdir():
        if other.name < minute:
            shutil.rmtree(other, ignore_errors=True)
    return folder


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Wait until nobody else is at `what`; then it is ours for the block.

    On PostgreSQL the block is one transaction; elsewhere it must not hold the database meanwhile.
    """
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            number = int.from_bytes(bytes.fromhex(_digest(what)[:16]), signed=True)
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
            yield
        return
    # Not on Windows, where commands must still be able to say what they cannot do.
    import fcntl

    folder: Path = settings.DATA_DIR / "turns"
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / str(int(_digest(what)[:8], 16) % TURNS)
    with place.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _digest(what: str) -> str:
    return sha256(what.encode(errors="surrogatepass")).hexdigest()[:32]
