"""Small soaks; `make bench-soak` runs the large one, with real workers and on both databases."""

from __future__ import annotations

import time

import pytest

from bench import soak_manners
from bench.soak_comparison import details, table
from bench.soak_mixed import PUBLIC_URL, compare_world
from bench.soak_shots import furnish
from studio.models import Generation
from studio.models.generation import State
from studio.sweep import run_slice
from tests.factories import make_previs
from tests.hurry import hurry
from tests.paid import DIALECTS, account_at, queue_shot
from tests.soak import (
    every_fault,
    find_money_problems,
    find_problems,
    settled,
    stub_pictures,
    tally,
)

pytestmark = pytest.mark.django_db(transaction=True)
SHOTS_EACH = 12
MIXED_SHOTS = 60
AT_MOST_S = 290  # each takes a quarter of a minute on a quiet machine


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
        asked.run("submit_next", "store_next", "reconcile", "fail_over", "probe_account")
    assert settled(), [*tally().items(), *asked.tasks[:5]]
    count = SHOTS_EACH * len(DIALECTS)
    assert find_problems(count, emulator.jobs(), emulator.stats) == []
    assert Generation.objects.filter(state=State.SUCCEEDED).exists()
    assert len(emulator.stats["faults"]) >= 20
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == []


def test_mixed_shots_at_badly_behaved_providers_compared_one_by_one(
    db, emulator, asked, monkeypatch, settings, tmp_path
):
    settings.DATA_DIR = tmp_path
    settings.PUBLIC_URL = PUBLIC_URL
    hurry(faults=True, timeout_s=0.5, put=monkeypatch.setattr)
    stub_pictures(monkeypatch.setattr)
    quick = {"finish_after_s": 0.5, "spread_s": 0.5, "media_late_s": 0.5, "log_lag_s": 0.5}
    emulator.configure(**(soak_manners.settings(seed=7) | quick))
    make_previs()  # whoever sweeps its account looks after what waits
    cast = furnish(emulator, shots=MIXED_SHOTS, seed=7)
    emulator.reset()  # the accounts are shut by the clock, which starts now
    queued = 0
    until = time.monotonic() + AT_MOST_S
    while time.monotonic() < until:
        if queued < MIXED_SHOTS:
            queued += cast.ask() + cast.render_masters()
        if queued % 20 == 0:
            cast.move_prices()
        run_slice(0.2, linger_s=0)
        # The sweep asks for itself; everything else is run, whatever it is called.
        asked.run(*{name for name, _ in asked.tasks} - {"sweep"})
        cast.decide_on_dearer()
        if queued >= MIXED_SHOTS and settled():
            break
    result = compare_world(emulator)
    assert result.findings == [], "\n".join(["", *table(result), *details(result)])
    met = soak_manners.counted(emulator.stats["faults"])
    assert sum(count > 0 for count in met.values()) >= 20, met
    assert result.counts["right clip"] >= 5
    assert find_money_problems() == []
