"""A real studio with every render place taken, and one whose sweep is killed."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.emulator import Emulator
from tests.test_launcher import children_of, members

pytestmark = pytest.mark.processes


@pytest.fixture
def studio(start_studio):
    with Emulator(finish_after_s=1, clip_s=1) as emulator:
        studio = start_studio("--workers", "1", **emulator.environment)
        studio.emulator = emulator
        yield studio


def probe(studio, call: str) -> dict[str, float]:
    done = studio.manage("shell", "-v0", "-c", f"from tests import probe; probe.{call}")
    assert done.returncode == 0, done.stderr
    said: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_renders_starve_nothing_and_a_killed_sweep_is_replaced(studio):
    beside = studio.manage(
        "generate", "--project", "Probe", "--provider", "luma", "--prompt", "A ridge", "--wait"
    )
    assert beside.returncode == 0, beside.stderr
    assert "No studio is running" not in beside.stderr
    assert beside.stdout.endswith(".mp4\n")

    said = probe(studio, "beside_renders(3, places=1)")
    # It did not wait for a render: one at least is still under way now that the paid clip is stored.
    assert said["rendering"] >= 1, said

    studio.emulator.configure(finish_after_s=600)
    assert probe(studio, "kill_the_sweep()")["taken_over_after_s"] < 60

    launcher = studio.process.pid
    (parent,) = set(members(launcher, "qcluster")) & set(children_of(launcher))
    os.kill(parent, signal.SIGKILL)
    studio.wait_for("Starting it again in 0.5 s.")
    assert probe(studio, "next_sweep()")["after_s"] < 60
