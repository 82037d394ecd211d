"""A small soak; `make bench-soak` runs the large one, with real workers and on both databases."""

from __future__ import annotations

import time

import pytest

from studio.models import Generation
from studio.models.generation import State
from studio.sweep import run_slice
from tests.hurry import hurry
from tests.paid import DIALECTS, account_at, queue_shot
from tests.soak import every_fault, find_problems, settled, stub_pictures, tally

pytestmark = pytest.mark.django_db(transaction=True)
SHOTS_EACH = 12
AT_MOST_S = 300  # it takes a quarter of a minute on a quiet machine


def test_many_shots_and_every_fault_at_once(
    project, emulator, asked, monkeypatch, settings, tmp_path
):
    settings.DATA_DIR = tmp_path
    hurry(faults=True, timeout_s=0.3, put=monkeypatch.setattr)
    stub_pictures(monkeypatch.setattr)
    emulator.configure(
        finish_after_s=0.3, clip_s=0.5, hang_s=1, slow_s=0.1, retry_after_s=0, seed=7,
        rates=every_fault(),
    )  # fmt: skip
    # Faults are drawn by the words of a shot: the same words, the same faults.
    for number in range(SHOTS_EACH):
        for dialect in DIALECTS:
            prompt = f"Low cloud over ridge {number} for {dialect}"
            queue_shot(project, account_at(emulator, dialect), prompt=prompt)
    until = time.monotonic() + AT_MOST_S
    while not settled() and time.monotonic() < until:
        run_slice(0.2, linger_s=0)
        asked.run("submit_next", "store_next", "reconcile", "fail_over")
    assert settled(), [*tally().items(), *asked.tasks[:5]]
    count = SHOTS_EACH * len(DIALECTS)
    assert find_problems(count, emulator.jobs(), emulator.stats) == []
    assert Generation.objects.filter(state=State.SUCCEEDED).exists()
    assert len(emulator.stats["faults"]) >= 20
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == []
