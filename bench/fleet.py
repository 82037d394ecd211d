"""Databases and workers of their own for measurements: real `qcluster` processes, killed at the end."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import redis

ROOT = Path(__file__).resolve().parent.parent
POSTGRES = os.environ.get("BENCH_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432")
REDIS = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379/14")
DATABASE = "raystudio_bench"
DATABASES = ("SQLite", "PostgreSQL + Redis")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def prepare(database: str, folder: Path) -> dict[str, str]:
    """Return the environment of a studio on an empty database. Raises OSError where none answers."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "studio.settings",
        "STUDIO_DATA_DIR": str(folder),
        "STUDIO_LOG_LEVEL": os.environ.get("STUDIO_LOG_LEVEL", "ERROR"),
        "DATABASE_URL": "",
        "REDIS_URL": "",
    }
    if database == "SQLite":
        return environment
    try:
        redis.Redis.from_url(REDIS).flushdb()
        with psycopg.connect(POSTGRES, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {DATABASE}")
    except (psycopg.OperationalError, redis.ConnectionError) as error:
        raise OSError(f"no PostgreSQL or no Redis answers: {error}") from error
    return environment | {"DATABASE_URL": f"{POSTGRES}/{DATABASE}", "REDIS_URL": REDIS}


def tidy(database: str) -> None:
    """Remove what `prepare` made."""
    if database != "SQLite":
        redis.Redis.from_url(REDIS).flushdb()
        with psycopg.connect(POSTGRES, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


class Cluster:
    """One `qcluster` of this many slots, patched by bench.worker, in a session of its own."""

    def __init__(self, kind: str, *, workers: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", kind],
            cwd=ROOT,
            env=os.environ | {"STUDIO_WORKERS": str(workers)},
            start_new_session=True,
        )

    def cpu_s(self) -> float:
        """Return the processor time of all its processes so far, seconds."""
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self._process.pid:
                # Its own time, and that of children it has buried.
                total += sum(int(field) for field in fields[11:15])
        return total / TICKS_PER_S

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)


def quiet() -> None:
    """Silence what the emulator's server says about clients that hang up, as ours are made to."""
    for name in ("aiohttp", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def wait_until(done: object, *, seconds: float, every: float = 0.2) -> bool:
    """Ask `done()` now and then; return whether it held before the time was over."""
    assert callable(done)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if done():
            return True
        time.sleep(every)
    return False
