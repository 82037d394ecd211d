"""Several accounts' rows are locked in the order of their keys, so that nobody waits in a ring."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, transaction
from django.utils import timezone

from studio import leases, sweep
from studio.models import Generation, Project, ProviderAccount
from studio.services import holds
from studio.services.work import clock
from tests.paid import queue_shot

TOKEN = "us-1-a"
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL locks rows"),
]


@pytest.fixture
def accounts() -> tuple[ProviderAccount, ProviderAccount]:
    """Two accounts that lie in the table the other way around."""
    first, second = (
        ProviderAccount.objects.create(
            provider="luma", label=label, sweep_token=TOKEN, swept_at=timezone.now()
        )
        for label in ("first", "second")
    )
    # A row that is written anew moves to the end: a scan comes upon the second one first.
    ProviderAccount.objects.filter(pk=first.pk).update(label="first, moved")
    return first, second


def slice_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "_take_leases", lambda token: list(ProviderAccount.objects.all()))
    monkeypatch.setattr(sweep._Slice, "run", lambda self, *seconds: "done")
    monkeypatch.setattr(sweep, "follow_clock", lambda: None)
    sweep.run_slice(0, linger_s=0)


def clock_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    later = timezone.now() - clock.SLACK * 10
    monkeypatch.setattr(clock.timezone, "now", lambda: later)
    clock.follow_clock()


def leases_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "follow_clock", lambda: None)
    part = sweep._Slice(TOKEN, [], None)
    part._leaving = True
    part._care()


def leases_of_the_dead_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_machine", lambda: TOKEN.split("-")[0])
    monkeypatch.setattr(leases, "_lives", lambda pid: False)
    leases.free_leases_of_the_dead()


@pytest.mark.parametrize(
    "write",
    [
        slice_of_nothing,
        leases_renewed,
        leases_of_the_dead_freed,
        clock_set_back,
        lambda monkeypatch: sweep._drop_leases(TOKEN),
    ],
    ids=[
        "a slice ends",
        "leases are renewed",
        "leases of the dead are freed",
        "the clock was set back",
        "the leases are dropped",
    ],
)
def test_two_that_write_several_accounts_never_wait_in_a_ring(accounts, write, monkeypatch):
    first, second = accounts
    errors: list[Exception] = []

    def other() -> None:
        try:
            write(monkeypatch)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=other)
    with transaction.atomic():
        ProviderAccount.objects.select_for_update(no_key=True).get(pk=first.pk)
        thread.start()
        _wait_until_somebody_waits()
        ProviderAccount.objects.select_for_update(no_key=True).get(pk=second.pk)
    thread.join(10)
    assert not thread.is_alive() and errors == []


def test_a_hold_that_ends_locks_a_project_before_its_shots(accounts, project):
    """Whoever writes on the cards of a project holds it, and then its shots."""
    account, _ = accounts
    shot = queue_shot(project, account, waiting_text="Luma is out of credit. 1 shot waits.")
    ProviderAccount.objects.filter(pk=account.pk).update(
        hold_reason="credit", hold_text="Luma is out of credit."
    )
    errors: list[Exception] = []

    def other() -> None:
        try:
            holds.lift(account.pk)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=other)
    with transaction.atomic():
        Project.bump(project.pk)
        thread.start()
        _wait_until_somebody_waits()
        Generation.objects.filter(pk=shot.pk).update(waiting_text="Something else.")
    thread.join(10)
    assert not thread.is_alive() and errors == []


def _wait_until_somebody_waits() -> None:
    for _ in range(500):
        with connection.cursor() as cursor:
            # Within a transaction it would show what it showed the first time.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits for the first account")
