"""A worker killed in the middle of an import, with a real queue: another one brings in the rest."""

from __future__ import annotations

import shutil
import signal

import pytest

from tests.processes import studio_environment
from tests.test_crash_matrix import PATIENCE_S, Worker

pytestmark = pytest.mark.processes


def test_a_killed_workers_import_is_finished_with_each_clip_once(
    tmp_path, prepared, database_for_processes
):
    folder = shutil.copytree(prepared.folder, tmp_path / "data")
    environment = studio_environment(folder, STUDIO_LOG_LEVEL="ERROR", **database_for_processes)
    worker = Worker(environment)
    try:
        worker.say(do="make import", clips=4)
        pk = worker.hear()["pk"]
        worker.say(do="import", point="in the middle of an import", pk=pk)
        killed = worker.hear()["signal"]
        worker.say(do="finish import", pk=pk, until_s=PATIENCE_S)
        said = worker.hear()["said"]
    finally:
        worker.end()
    assert killed == signal.SIGKILL, "it was not killed at this point"
    assert said == {
        "state": "done",
        "told": "4 clips came in.",
        "clips": 4,
        "archive": False,
        "numbers": [1, 2, 3, 4],
        "whole": True,
    }
