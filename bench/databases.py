"""Databases of their own for measurements, and a process of its own for each: Django reads its settings once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import redis

from bench.fleet import ROOT

POSTGRES = os.environ.get("BENCH_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432")
REDIS = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379/14")
DATABASE = "raystudio_bench"
DATABASES = ("SQLite", "PostgreSQL + Redis")


def named(only: str | None) -> list[str]:
    """Return the databases to measure on: `only` is "sqlite" or "postgresql", or None for both."""
    return [name for name in DATABASES if only is None or name.lower().startswith(only)]


def run_apart(
    module: str, database: str, *arguments: str, read: bool = False
) -> subprocess.CompletedProcess[str] | None:
    """Run `python -m bench.MODULE` in a process of its own, on an empty database; both are gone after.

    None where no such database answers, which is said. With `read` its output is kept, not shown.
    """
    with tempfile.TemporaryDirectory(prefix=f"{module.replace('_', '-')}-") as folder:
        try:
            environment = os.environ | prepare(database, Path(folder))
        except OSError as error:
            print(f"{database}: left out, {error}")
            return None
        command = [sys.executable, "-m", f"bench.{module}", *arguments]
        stdout = subprocess.PIPE if read else None
        try:
            return subprocess.run(
                command, cwd=ROOT, env=environment, stdout=stdout, text=True, check=False
            )
        finally:
            tidy(database)


def run_on_each(module: str, only: str | None, *arguments: str) -> None:
    """Run `python -m bench.MODULE --here DATABASE` on each; `only` as in `named`.

    Raises CalledProcessError when one fails.
    """
    for database in named(only):
        done = run_apart(module, database, "--here", database, *arguments)
        if done:
            done.check_returncode()


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
