"""Workers of their own for measurements: real `qcluster` processes, killed at the end."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


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

    def kill_worker(self, chance: random.Random) -> bool:
        """SIGKILL one of its workers; False when there is none just now."""
        families = process_families()
        sentinels = families.get(self._process.pid, [])
        workers = [pid for sentinel in sentinels for pid in families.get(sentinel, [])]
        try:
            os.kill(chance.choice(workers), signal.SIGKILL)
        except (IndexError, ProcessLookupError):
            return False
        return True

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)


def process_families() -> dict[int, list[int]]:
    """Return the children of every process of the machine."""
    found: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            found.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    return found


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
