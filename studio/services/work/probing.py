"""Probes of held accounts: a free call says whether they can be used again."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ImproperlyConfigured
from django.db.models import F
from django.utils import timezone

from studio.models import Generation, ProviderAccount
from studio.providers.base import ProviderError
from studio.queue import enqueue
from studio.services import holds
from studio.services.doors import open_door
from studio.services.work import balances
from studio.services.work.line import in_line
from studio.services.work.submitting import submit_next

TRIES_ANYWAY = 4  # probes without a price to compare the balance with, before one shot is tried


def ask_for_probes(now: datetime) -> int:
    """Put in the queue the probes that are due. Returns how many."""
    due = holds.due_for_probe(now)
    for account in due:
        enqueue("probe_account", account.pk)
    return len(due)


def probe(account_pk: int) -> str:
    """Ask whether a held account can be used again. Safe to call at any time."""
    account = ProviderAccount.objects.get(pk=account_pk)
    if account.hold_reason == "" or not account.enabled:
        return "skipped: it is not held"
    if account.hold_reason == ProviderAccount.Hold.CREDIT:
        return _probe_credit(account)
    try:
        with open_door(account, account.dialect) as provider:
            provider.check_key()
    except NotImplementedError:
        return _try_one(account)
    except (ProviderError, ImproperlyConfigured, ValueError) as error:
        return f"still held: {error}"
    holds.lift(account.pk, probed=True)
    return "lifted: the key works"


def _probe_credit(account: ProviderAccount) -> str:
    if not balances.tells_balance(account):
        return _try_one(account)
    said = balances.refresh(account.pk)
    account.refresh_from_db()
    if not account.hold_reason:
        return "lifted: the balance rose"
    if said != "refreshed":
        return f"still held: {said}"
    if account.balance_microusd is None and account.balance_credits is None:
        return _try_one(account)
    covers = _covers(account, _cheapest(account))
    if covers or (covers is None and account.probes >= TRIES_ANYWAY):
        return _try_one(account)
    return "still held: the balance has not risen"


def _covers(account: ProviderAccount, shot: Generation | None) -> bool | None:
    """Whether what is left covers a shot by its estimate; None where that is not known."""
    if shot is None:
        return None
    for left, price in (
        (account.balance_microusd, shot.estimated_microusd),
        (account.balance_credits, shot.estimated_credits),
    ):
        if left is not None and price is not None:
            return left >= price
    return None


def _cheapest(account: ProviderAccount) -> Generation | None:
    """Return the waiting shot that the account is likeliest to pay for: the cheapest, the first of like ones."""
    rows = in_line().filter(account=account).filter(holds.is_sendable(account, timezone.now()))
    cheapest = F("estimated_microusd").asc(nulls_last=True)
    return rows.order_by(cheapest, F("next_poll_at").asc(nulls_first=True), "pk").first()


def _try_one(account: ProviderAccount) -> str:
    """Send one shot: if it is taken the hold is over, if not nothing was bought."""
    shot = _cheapest(account)
    if shot is None:
        return "skipped: nothing waits"
    holds.bring_forward(account, [shot.pk])
    return submit_next(account.pk, only=[shot.pk], despite_hold=True)
