"""The ledger: what is held, released, charged and corrected, and that its sums are the rows' sums."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio import ledger, lifecycle
from studio.models import Generation, LedgerEntry
from studio.models.generation import State
from studio.services.money.budgets import month_budget
from tests.factories import make_generation, make_project, make_user

pytestmark = pytest.mark.django_db
CENT = 10_000


@pytest.fixture
def project():
    return make_project(make_user("Maja"))


def queued(project, cents=40):
    """A paid shot that was just queued."""
    shot = make_generation(
        project, state="queued", provider="luma", model="ray-2", estimated_microusd=cents * CENT
    )
    ledger.reserve([shot])
    return shot


def rows_of(shot):
    return [
        (entry.kind, entry.microusd // CENT)
        for entry in LedgerEntry.objects.filter(generation=shot)
    ]


def run(shot, *moves, **changes):
    for new in moves[:-1]:
        extra = {"provider_job_id": f"job-{shot.pk}"} if new == State.RUNNING else {}
        assert lifecycle.move(shot.pk, new, **extra)
    assert lifecycle.move(shot.pk, moves[-1], **changes)


TO_STORING = (State.SUBMITTING, State.RUNNING, State.STORING)


def test_a_shot_holds_its_estimate_and_then_costs_what_was_charged(project):
    shot = queued(project)
    assert rows_of(shot) == [("reserved", 40)]
    run(shot, *TO_STORING, charged="yes", actual_microusd=43 * CENT)
    assert lifecycle.mark_succeeded(shot.pk, token="", clip="a.mp4")
    assert rows_of(shot) == [("reserved", 40), ("released", -40), ("charged", 43)]
    assert month_budget(project).spent == 43 * CENT


def test_what_was_not_charged_is_given_back(project):
    shot = queued(project)
    run(shot, State.SUBMITTING, State.FAILED, charged="no", failure_text="No.")
    assert rows_of(shot) == [("reserved", 40), ("released", -40)]
    assert month_budget(project).spent == 0


def test_what_nobody_knows_stays_held_until_somebody_does(project):
    shot = queued(project)
    run(shot, State.SUBMITTING, State.UNCERTAIN)
    run(shot, State.ABANDONED, charged="unknown")
    assert rows_of(shot) == [("reserved", 40)]
    lifecycle.touch(shot.pk, charged="no")
    assert rows_of(shot) == [("reserved", 40), ("released", -40)]


def test_a_shot_fetched_again_is_held_again_and_charged_once(project):
    shot = queued(project)
    run(shot, *TO_STORING)
    run(shot, State.FAILED, charged="no", failure_text="Could not be fetched.")
    run(shot, State.STORING)
    assert month_budget(project).spent == 40 * CENT
    run(shot, State.FAILED, charged="yes", failure_text="Again.")
    assert rows_of(shot) == [
        ("reserved", 40), ("released", -40), ("corrected", 40), ("corrected", -40), ("charged", 40),
    ]  # fmt: skip


def test_a_corrected_bill_is_a_row_of_its_own(project):
    shot = queued(project)
    run(shot, *TO_STORING, charged="yes", actual_microusd=40 * CENT)
    lifecycle.mark_succeeded(shot.pk, token="", clip="a.mp4")
    lifecycle.touch(shot.pk, actual_microusd=55 * CENT)
    assert rows_of(shot)[-1] == ("corrected", 15)
    assert month_budget(project).spent == 55 * CENT


def test_free_shots_leave_no_rows(project):
    shot = make_generation(project, state="queued", estimated_microusd=0)
    ledger.reserve([shot])
    run(shot, *TO_STORING, charged="no", actual_microusd=0)
    lifecycle.mark_succeeded(shot.pk, token="", clip="a.mp4")
    assert not LedgerEntry.objects.exists()


def test_many_moves_settle_in_a_constant_number_of_queries(project):
    asked = []
    for count in (3, 30):
        shots = [queued(project) for _ in range(count)]
        failed = {"charged": "no", "failure_text": "No."}
        moves = [
            lifecycle.Move(s.pk, project.pk, "queued", "failed", changes=failed) for s in shots
        ]
        with CaptureQueriesContext(connection) as queries:
            lifecycle.move_many(moves)
        asked.append(len(queries))
    assert asked[0] == asked[1]
    assert month_budget(project).spent == 0
    assert LedgerEntry.objects.count() == 66


def test_the_ledger_is_append_only(project):
    shot = queued(project)
    entry = LedgerEntry.objects.get(generation=shot)
    with pytest.raises(TypeError):
        entry.save()
    with pytest.raises(TypeError):
        entry.delete()


def test_only_the_ledger_writes_entries():
    package = Path(ledger.__file__).parent
    writes = re.compile(r"LedgerEntry(?:\.objects\.\w*create)?\(|[Ee]ntries\.\w*create\(")
    guilty = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "migrations" not in path.parts and writes.search(path.read_text())
    }
    assert guilty == {"ledger.py", "models/money.py"}


def test_settling_twice_changes_nothing(project):
    shot = queued(project)
    run(shot, State.SUBMITTING, State.FAILED, charged="no", failure_text="No.")
    ledger.settle([shot.pk])
    ledger.settle([shot.pk])
    assert len(rows_of(shot)) == 2


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6))
def test_whatever_happens_the_sum_is_what_the_rows_say(project, seed):
    chance = random.Random(seed)
    shot = queued(project, cents=chance.randint(1, 90))
    for _ in range(8):
        state = Generation.objects.values_list("state", flat=True).get(pk=shot.pk)
        ways = sorted(lifecycle.MOVES[state])
        if not ways:
            break
        new = chance.choice(ways)
        changes = {"charged": chance.choice(["", "yes", "no", "unknown"])}
        if chance.random() < 0.5:
            changes["actual_microusd"] = chance.randint(0, 90) * CENT
        if new == State.RUNNING:
            changes["provider_job_id"] = f"job-{shot.pk}"
        if new == State.SUCCEEDED:
            changes["clip"] = "a.mp4"
        lifecycle.move(shot.pk, new, **changes)
        shot.refresh_from_db()
        total = LedgerEntry.objects.filter(generation=shot).aggregate(t=Sum("microusd"))["t"]
        assert total == ledger.due(shot), (state, new, changes)


def test_a_shot_counts_in_the_month_it_was_queued_in(project):
    shot = queued(project)
    assert LedgerEntry.objects.get(generation=shot).month == timezone.now().date().replace(day=1)
    assert ledger.month_of(shot.created_at) == LedgerEntry.objects.get(generation=shot).month
