"""Workers killed at every point of a shot's life: nothing is lost, and nothing is bought twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.emulator import Emulator, Scripted
from tests.processes import ROOT, Prepared, fresh_database, studio_environment

pytestmark = pytest.mark.processes

SENDING = (
    "before the claim",
    "after the claim",
    "before the call",
    "before the answer",
    "before the record",
)
LATER = (
    "while polling",
    "while downloading",
    "while making the poster",
    "before the end is written",
)
LOCAL = ("in the middle of a render", "while making the poster", "before the end is written")
CASES = [
    # Polling first: its sweep looks after whatever else it finds.
    *((point, "luma") for point in LATER),
    *((point, provider) for point in SENDING for provider in ("apiframe", "luma", "aimlapi")),
    *(("while reconciling", provider) for provider in ("luma", "gmicloud")),
    *((point, "previs") for point in LOCAL),
]
# What is asked for was stored, and nobody knows whether it left: only a person can decide.
NOT_SENT = {("before the call", "luma"), ("before the call", "aimlapi")}
UNBOUGHT = {*NOT_SENT, *((point, "previs") for point in LOCAL)}

PATIENCE_S = 120.0  # for what takes a second or two on a quiet machine


@dataclass
class Outcome:
    """What one database set-up ended with."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    signals: dict[str, int] = field(default_factory=dict)
    bought: Counter[str] = field(default_factory=Counter)
    stats: dict[str, Any] = field(default_factory=dict)
    scratch: list[str] = field(default_factory=list)
    media: list[str] = field(default_factory=list)


class Worker:
    """The process that forks the workers."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash_worker"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.hear() == {"ready": True}

    def say(self, **command: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the worker process ended"
        heard: dict[str, Any] = json.loads(line)
        assert "failed" not in heard, heard["failed"]
        return heard

    def end(self) -> None:
        self._process.kill()
        self._process.wait(10)


@pytest.fixture(scope="module")
def outcome(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    folder = shutil.copytree(prepared.folder, tmp_path_factory.mktemp("crash") / "data")
    with (
        fresh_database(template=prepared.database) as (_, database),
        Emulator(finish_after_s=0.5, clip_s=1, hang_s=PATIENCE_S) as emulator,
    ):
        environment = studio_environment(
            folder, STUDIO_LOG_LEVEL="ERROR", **emulator.environment, **database
        )
        worker = Worker(environment)
        try:
            yield _run(worker, emulator, folder)
        finally:
            worker.end()


def _run(worker: Worker, emulator: Emulator, folder: Path) -> Outcome:
    outcome = Outcome()
    for point, provider in CASES:
        name = f"{point}, {provider}"
        paid = provider != "previs"
        worker.say(
            do="make", name=name, provider=provider,
            base_url=emulator.base_url(provider) if paid else "",
            key=emulator.key(provider) if paid else "",
        )  # fmt: skip
        pk = worker.hear()["pk"]
        if point == "before the answer":
            emulator.configure(script=[Scripted("hang_after", subject=name)])
        if point == "while reconciling":
            emulator.configure(script=[Scripted("dropped", subject=name)])
        worker.say(do="live", point=point, pk=pk)
        pid = worker.hear()["pid"]
        if point == "before the answer":
            _kill_once_bought(emulator, name, pid)
        outcome.signals[name] = worker.hear()["signal"]
    worker.say(do="work", until_s=PATIENCE_S)
    outcome.rows = {row["name"]: row for row in worker.hear()["said"]}
    outcome.bought.update(job.prompt for job in emulator.jobs())
    outcome.stats = emulator.stats
    outcome.scratch = [path.suffix for path in (folder / "tmp").iterdir()]
    outcome.media = [p.name for p in (folder / "media").rglob("*.mp4") if "-" not in p.stem[36:]]
    return outcome


def _kill_once_bought(emulator: Emulator, prompt: str, pid: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while not any(job.prompt == prompt for job in emulator.jobs()):
        assert time.monotonic() < until, "the request did not arrive"
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(("point", "provider"), CASES)
def test_a_killed_worker_loses_nothing_and_buys_nothing_twice(outcome, point, provider):
    name = f"{point}, {provider}"
    assert outcome.signals[name] == signal.SIGKILL, "it was not killed at this point"
    row = outcome.rows[name]
    assert outcome.bought[name] == (0 if (point, provider) in UNBOUGHT else 1)
    if (point, provider) in NOT_SENT:
        assert row["state"] == "uncertain", row
        assert "may be charged" in row["says"]
        return
    assert row["state"] == "succeeded", row
    assert row["bytes"] == row["size_bytes"] > 0
    assert row["events"].count("succeeded") == 1


def test_the_provider_saw_nothing_wrong(outcome):
    assert outcome.stats["duplicates"] == {}
    assert outcome.stats["violations"] == 0
    assert sum(outcome.stats["accepted"].values()) == len(set(CASES) - UNBOUGHT)


def test_only_finished_clips_are_in_the_media_folder(outcome):
    done = [row for row in outcome.rows.values() if row["state"] == "succeeded"]
    assert len(outcome.media) == len(done)
