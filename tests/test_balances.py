"""What is left at a provider is asked by workers, after charges and now and then."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from studio import tasks
from studio.models import ProviderAccount
from studio.services.work import balances
from studio.services.work.submitting import submit_next
from studio.sweep import run_slice
from tests.emulator import Scripted
from tests.factories import make_previs
from tests.paid import account_at, make_due, queue_shot

pytestmark = pytest.mark.django_db
TELLING = ("apiframe", "aimlapi", "legacy", "luma")


def known(account: ProviderAccount) -> ProviderAccount:
    return ProviderAccount.objects.get(pk=account.pk)


def tell(account: ProviderAccount, *, minutes_ago: float) -> None:
    at = timezone.now() - timedelta(minutes=minutes_ago)
    ProviderAccount.objects.filter(pk=account.pk).update(balance_at=at)


@pytest.mark.parametrize("dialect", TELLING)
def test_a_balance_is_asked_and_kept(emulator, dialect):
    account = account_at(emulator, dialect)
    assert tasks.refresh_balance(account.pk) == "refreshed"
    row = known(account)
    assert row.balance_at
    assert (row.balance_microusd or row.balance_credits or 0) > 0


@pytest.mark.parametrize("fault", ["error_500", "unauthorized", "html"])
def test_trouble_keeps_what_was_known(emulator, fault):
    account = account_at(emulator, "luma", balance_microusd=5)
    emulator.configure(script=[Scripted(fault, kind="balance")])
    assert tasks.refresh_balance(account.pk).startswith("not told")
    row = known(account)
    assert (row.balance_microusd, row.balance_at, row.trouble) == (5, None, "")


def test_only_accounts_that_can_tell_are_asked(emulator, asked):
    told = [account_at(emulator, name).pk for name in ("apiframe", "luma")]
    account_at(emulator, "gmicloud")
    account_at(emulator, "aimlapi", enabled=False)
    make_previs()
    assert tasks.refresh_balances() == "2 asked"
    # One task for all: side by side they would be in one another's way (rooms.ERRANDS).
    assert asked.tasks == [("refresh_balance", tuple(told))]
    asked.run("refresh_balance")
    assert all(known(account).balance_at for account in ProviderAccount.objects.filter(pk__in=told))


def test_a_sweep_that_saw_a_charge_asks_what_is_left(project, emulator, asked):
    account = account_at(emulator, "luma")
    tell(account, minutes_ago=1)
    emulator.configure(finish_after_s=600)
    shot = queue_shot(project, account)
    submit_next(account.pk)
    emulator.finish_all()
    make_due(shot)
    run_slice(0, linger_s=0.5)
    assert asked.count("refresh_balance") == 1


@pytest.mark.parametrize(("minutes_ago", "asks"), [(1, 0), (11, 1)])
def test_an_account_in_use_is_asked_now_and_then(project, emulator, asked, minutes_ago, asks):
    account = account_at(emulator, "apiframe")
    tell(account, minutes_ago=minutes_ago)
    emulator.configure(finish_after_s=600)
    shot = queue_shot(project, account)
    submit_next(account.pk)
    make_due(shot)
    run_slice(0, linger_s=0.5)
    assert asked.count("refresh_balance") == asks


def test_a_refusal_for_lack_of_credit_asks_what_is_left(project, emulator, asked):
    account = account_at(emulator, "luma")
    emulator.configure(script=[Scripted("out_of_credit")])
    queue_shot(project, account)
    submit_next(account.pk)
    assert ("refresh_balance", (account.pk,)) in asked


def test_what_is_known_of_an_account_grows_old():
    assert balances.is_stale(ProviderAccount(balance_at=None))
    assert not balances.is_stale(ProviderAccount(balance_at=timezone.now()))
