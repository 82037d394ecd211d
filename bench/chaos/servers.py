"""A PostgreSQL and a Redis of this run's own, so that ending them disturbs nobody else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg
import redis

from tests.processes import free_port

ANSWERS_WITHIN_S = 60.0
NAME = "studio"


def _tool(name: str) -> str:
    """Return the path of one of PostgreSQL's programs; the newest version's. OSError: not there."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(places[-1]) if places else shutil.which(name)
    if not found:
        raise OSError(f"{name} is not installed")
    return found


class Postgres:
    """A server on an empty folder; its data outlives `restart`, whatever the mode."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "postgres"
        self._control = _tool("pg_ctl")
        self.port = free_port()
        self._data.mkdir(mode=0o700)
        folder.chmod(0o711)  # for a server that runs as somebody else
        # It refuses to run as root.
        self._as: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self._data, "postgres", "postgres")
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        initdb = [_tool("initdb"), "--no-sync", "--auth=trust", "--username=postgres"]
        self._run([*initdb, f"--pgdata={self._data}"])
        # Nothing it has written is lost but by the machine's own end: no need to wait for a disk.
        options = f"-p {self.port} -h 127.0.0.1 -c fsync=off -c unix_socket_directories="
        self._start = [self._control, f"--pgdata={self._data}", "-w", f"-o{options}"]
        self._start.append(f"--log={self._data / 'log'}")
        self.start()
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {NAME}")
        self.url = self._url(NAME)

    def start(self) -> None:
        self._run([*self._start, "start"])

    def stop(self, mode: str) -> None:
        """End it: "fast" takes leave of its clients, "immediate" is a crash."""
        self._run([self._control, f"--pgdata={self._data}", "-w", f"--mode={mode}", "stop"])

    def _url(self, database: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def _run(self, command: Sequence[str]) -> None:
        done = subprocess.run(
            [*self._as, *command], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=False, timeout=ANSWERS_WITHIN_S,
        )  # fmt: skip
        if done.returncode:
            raise OSError(f"{Path(command[0]).name} ended with {done.returncode}")


class Redis:
    """A server that writes nothing down: ended, it has forgotten the queue."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("redis-server") is None:
            raise OSError("redis-server is not installed")
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", "--dir", str(self._folder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        until = time.monotonic() + ANSWERS_WITHIN_S
        client = redis.Redis.from_url(self.url)
        while time.monotonic() < until:
            try:
                client.ping()
            except redis.RedisError:
                time.sleep(0.05)
            else:
                client.close()
                return
        raise OSError("Redis does not start")

    def stop(self, number: int = signal.SIGKILL) -> None:
        self._process.send_signal(number)
        self._process.wait(ANSWERS_WITHIN_S)
