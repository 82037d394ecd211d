"""The real studio as one process tree, and any process of it by its place."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from bench.fleet import ROOT, process_families

WEB_WORKERS = 2


def _is(pid: int, word: str) -> bool:
    try:
        return word in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


class Tree:
    """A `manage.py studio`, started again two seconds after it ended, as the shipped units do.

    It ends when it is killed, and when it finds no database as it starts.
    """

    def __init__(self, environment: dict[str, str], port: int, log: IO[str]) -> None:
        self._environment = environment
        self._log = log
        self.port = port
        self._stopped = threading.Event()
        self._start()
        threading.Thread(target=self._keep, daemon=True).start()

    def _keep(self) -> None:
        while not self._stopped.wait(2):
            if self._process.poll() is not None:
                self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "studio", "--port", str(self.port)],
            cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL,
            stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def places(self) -> dict[str, list[int]]:
        """Return the pids by what they are; an empty list where nobody is just now."""
        families = process_families()
        children = families.get(self._process.pid, [])
        web = [pid for pid in children if _is(pid, "gunicorn")]
        work = [pid for pid in children if _is(pid, "qcluster")]
        sentinels = [pid for parent in work for pid in families.get(parent, [])]
        return {
            "web server": web,
            "web worker": [pid for parent in web for pid in families.get(parent, [])],
            "cluster": work,
            "sentinel": sentinels,
            "worker": [pid for parent in sentinels for pid in families.get(parent, [])],
        }

    def is_whole(self) -> bool:
        """Whether every part runs."""
        places = self.places()
        return all(places.values()) and len(places["web worker"]) == WEB_WORKERS

    def kill(self, place: str, chance: random.Random) -> bool:
        """SIGKILL one process of this place; False when there is none."""
        pids = self.places()[place]
        if not pids:
            return False
        try:
            os.kill(chance.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def kill_all(self) -> list[int]:
        """SIGKILL the launcher; return the pids of its tree, none of which may outlive it."""
        pids = [pid for found in self.places().values() for pid in found]
        self._process.kill()
        self._process.wait(30)
        return pids

    def stop(self) -> None:
        self._stopped.set()
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)
