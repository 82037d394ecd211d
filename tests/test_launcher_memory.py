"""Memory that a web process gives back once it is freed."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A large block that is freed raises glibc's limit; the next ones lie between small ones that stay.
HOLD_AND_FREE = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from studio.launcher import web

def held_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

if sys.argv[1] == "web process":
    web.post_fork(None, SimpleNamespace(ppid=os.getppid()))
first = bytearray(24 << 20)
del first
before, large, small = held_mb(), [], []
for _ in range(10):
    large.append(bytearray(b"x") * (8 << 20))
    small.append(bytearray(5000))
large.clear()
print(held_mb() - before)
"""


def held_after_mb(process: str) -> int:
    """Return how much more a process holds after eighty megabytes were freed."""
    done = subprocess.run(
        [sys.executable, "-c", HOLD_AND_FREE, process], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.once
@pytest.mark.skipif(sys.platform != "linux", reason="it is about glibc")
def test_memory_of_pictures_goes_back_to_the_system():
    usual, ours = held_after_mb("any other"), held_after_mb("web process")
    assert usual > 24, "glibc does by itself: the setting can go"
    assert ours < 12
