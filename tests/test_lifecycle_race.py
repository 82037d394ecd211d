from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models import Count

from studio import leases, lifecycle
from studio.models import GenerationEvent
from studio.models.generation import State
from studio.services import shots
from studio.services.shots import NewShot
from studio.services.work import submitting
from studio.sweep import _take_leases
from tests.factories import make_generation, make_previs, make_project
from tests.paid import again, queue_shots

pytestmark = pytest.mark.django_db(transaction=True)
RUNNERS = 4


def race(work: Callable[[int], object], runners: int = RUNNERS) -> list[object]:
    """Run this in several threads at the same moment, each on a connection of its own."""
    start = threading.Barrier(runners)
    results: list[object] = [None] * runners

    def run(number: int) -> None:
        start.wait()
        try:
            results[number] = work(number)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[number]) for number in range(runners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.fixture
def project():
    make_previs()
    return make_project()


def test_one_of_many_claims_of_one_shot_wins(project):
    for shot in queue_shots(project, make_previs(), 5):
        won = race(lambda _, pk=shot.pk: lifecycle.claim_submit(pk))
        assert sum(token is not None for token in won) == 1
    events = GenerationEvent.objects.filter(new=State.SUBMITTING)
    assert set(events.values_list("generation").annotate(n=Count("pk")).values_list("n")) == {(1,)}


def test_one_of_many_workers_takes_a_download(project):
    made = make_generation(project, state=State.STORING)
    won = race(lambda _: leases.claim_work(made.pk, state=State.STORING))
    assert sum(token is not None for token in won) == 1
    assert again(made).work_attempts == 1


def test_of_two_ends_only_one_is_written(project):
    made = make_generation(project, state=State.RUNNING)
    ends = [State.STORING, State.FAILED, State.STALLED, State.ABANDONED]
    won = race(lambda number: lifecycle.move(made.pk, ends[number], old=State.RUNNING))
    assert sum(map(bool, won)) == 1
    assert again(made).state == ends[won.index(True)]


def test_workers_never_take_more_places_than_the_account_has(project):
    account = make_previs()
    type(account).objects.filter(pk=account.pk).update(concurrent_limit=2)
    queue_shots(project, account, 8)
    won = race(lambda _: submitting._claim_next(account.pk, None, False))
    assert sum(claim is not None for claim in won) == 2


def test_one_sweep_gets_the_leases(project):
    tokens = [f"sweep-{number}" for number in range(RUNNERS)]
    got = race(lambda number: len(_take_leases(tokens[number])))
    assert sorted(got) == [0, 0, 0, 1]


def test_versions_become_visible_in_order(project):
    made = [make_generation(project, state=State.RUNNING) for _ in range(RUNNERS)]
    assert all(race(lambda number: lifecycle.touch(made[number].pk, title="Other")))
    versions = {again(one).version for one in made}
    assert len(versions) == RUNNERS


def test_two_tabs_that_press_generate_together_buy_once(project):
    new = NewShot(prompt="A ridge in the fog", account=make_previs(), model="previs-1", takes=2)
    made = race(
        lambda _: [
            g.pk for g in shots.create_shots(project=project, by=project.created_by, new=new)
        ]
    )
    assert made[0] and all(pks == made[0] for pks in made)
    assert project.generations.count() == 2


def test_shots_that_cost_more_now_are_held_outside_the_senders_transaction(project, monkeypatch):
    """In it, senders of two accounts wrote the rows of their shots' projects in two orders."""
    account = make_previs()
    queue_shots(project, account, 2)
    held_in_transaction = []

    def note(pks):
        held_in_transaction.append(connection.in_atomic_block)
        return pks

    monkeypatch.setattr(submitting, "hold_dearer", note)
    assert submitting._claim_next(account.pk, None, False) is not None
    assert held_in_transaction == [False]
