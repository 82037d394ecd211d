"""The real studio as child processes, for tests marked `processes` or `browser`."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from psycopg.sql import SQL, Identifier

ROOT = Path(__file__).resolve().parent.parent
# How long to wait for what must come: on a busy machine a start takes many times its three seconds.
START_WITHIN_S = 120.0
END_WITHIN_S = 30.0
# Below the ports the system lends to outgoing connections, which come and go at any moment.
PORTS = range(20_000, 32_000)
PREPARE = "from studio.launcher.prepare import *; prepare_database(); collect_static()"


@dataclass
class StudioProcess:
    """A `manage.py studio` and what it said. `stop` and `kill` may be called twice."""

    process: subprocess.Popen[str]
    url: str
    port: int
    data_dir: Path
    environment: dict[str, str]
    lines: list[str] = field(default_factory=list)
    told: threading.Condition = field(default_factory=threading.Condition)
    ended: bool = False

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    @property
    def welcome_url(self) -> str:
        """The link for the first account, as printed."""
        found = re.search(r"http\S+/welcome/\?token=\S+", self.output)
        assert found, f"No welcome link was printed:\n{self.output}"
        return found[0]

    def wait_for(self, text: str, *, seconds: float = START_WITHIN_S) -> None:
        """Wait until a line has this text; AssertionError with all the output if none comes."""
        with self.told:
            came = self.told.wait_for(lambda: text in self.output or self.ended, seconds)
        assert came and text in self.output, f"{text!r} was not said:\n{self.output}"

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another manage.py command on the same data."""
        return run_manage(*arguments, environment=self.environment)

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Send the signal, wait for the end and its last words, and return the seconds it took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(END_WITHIN_S)
        took = time.monotonic() - began
        if number != signal.SIGKILL:
            with self.told:
                assert self.told.wait_for(lambda: self.ended, END_WITHIN_S), self.output
        return took

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self.told:
                self.lines.append(line.rstrip("\n"))
                self.told.notify_all()
        with self.told:
            self.ended = True
            self.told.notify_all()


StartStudio = Callable[..., StudioProcess]


def free_port() -> int:
    """Return a port nothing listens on, picked so that two who ask at once get two."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("Of 100 ports none is free.")


def studio_environment(data_dir: Path, **more: str) -> dict[str, str]:
    """The environment of a studio process: the tests' own, on another data folder."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "studio.settings",
        "STUDIO_DATA_DIR": str(data_dir),
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def run_manage(
    *arguments: str, environment: dict[str, str], seconds: float = 600
) -> subprocess.CompletedProcess[str]:
    """Run manage.py to its end; its output is text."""
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@dataclass(frozen=True)
class Prepared:
    """What a studio's first start makes, made once: tests begin with a copy of it."""

    folder: Path
    database: str  # PostgreSQL's name of it, or empty for SQLite in the folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    folder = tmp_path_factory.mktemp("prepared")
    with fresh_database() as (name, environment):
        values = studio_environment(folder, **environment)
        done = run_manage("shell", "-v0", "-c", PREPARE, environment=values)
        assert done.returncode == 0, done.stdout + done.stderr
        yield Prepared(folder, name)


@pytest.fixture
def start_studio(
    tmp_path: Path, prepared: Prepared, database_for_processes: dict[str, str]
) -> Iterator[StartStudio]:
    """A function that starts a studio and waits until it says it is running.

    `start_studio("--workers", "1", port=8123, data_dir=..., STUDIO_PUBLIC_URL=...)`; each call on
    the same data folder and database unless told otherwise. The folder is as a start before left
    it. All are killed at the test's end.
    """
    started: list[StudioProcess] = []

    def start(
        *arguments: str,
        port: int | None = None,
        data_dir: Path | None = None,
        ready: bool = True,
        **environment: str,
    ) -> StudioProcess:
        port = port or free_port()
        folder = data_dir or tmp_path / "data"
        if not folder.exists():
            shutil.copytree(prepared.folder, folder)
        values = studio_environment(folder, **(database_for_processes | environment))
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "studio", "--port", str(port), *arguments],
            env=values,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        studio = StudioProcess(process, f"http://127.0.0.1:{port}", port, folder, values)
        started.append(studio)
        if ready:
            studio.wait_for("Ctrl-C stops it.")
        return studio

    yield start
    for studio in started:
        studio.stop()


@pytest.fixture
def studio_process(start_studio: StartStudio) -> StudioProcess:
    """A running studio on a free port and a data folder of its own."""
    return start_studio()


@pytest.fixture
def database_for_processes(prepared: Prepared) -> Iterator[dict[str, str]]:
    """What the environment must say for a prepared database and an empty queue.

    Nothing for SQLite in the data folder, which is both.
    """
    with fresh_database(template=prepared.database) as (_, environment):
        yield environment


@contextmanager
def fresh_database(*, template: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """A new database, empty or like `template`, and an empty queue: (its name, environment)."""
    environment: dict[str, str] = {}
    if os.environ.get("TEST_REDIS_URL"):
        # The next database of the same server: REDIS_URL is the tests' own process's (tests/settings.py).
        place = urlsplit(os.environ["REDIS_URL"])
        number = int(place.path.strip("/") or 0) + 1
        environment["REDIS_URL"] = urlunsplit(place._replace(path=f"/{number}"))
        redis.Redis.from_url(environment["REDIS_URL"]).flushdb()
    url = os.environ.get("TEST_DATABASE_URL")
    if not url:
        yield "", environment
        return
    name = f"studio_{uuid.uuid4().hex[:12]}"
    make = SQL("CREATE DATABASE {}").format(Identifier(name))
    if template:
        make += SQL(" TEMPLATE {}").format(Identifier(template))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(make)
        environment["DATABASE_URL"] = urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        try:
            yield name, environment
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
