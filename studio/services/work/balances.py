"""What is left at the providers, asked by workers: free calls, never part of a request."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from studio.models import ProviderAccount
from studio.providers.base import ProviderError
from studio.providers.catalog import specs_for
from studio.queue import enqueue
from studio.services.apart import Apart
from studio.services.doors import refresh_balance

logger = logging.getLogger(__name__)

STALE = timedelta(minutes=10)  # of an account that is in use


def tells_balance(account: ProviderAccount) -> bool:
    """Whether this account can be asked what is left on it."""
    usable = account.enabled and account.has_key
    return usable and any(spec.has_balance for spec in specs_for(account.provider))


def is_stale(account: ProviderAccount) -> bool:
    """Whether what is known of an account in use is too old to be trusted."""
    return account.balance_at is None or account.balance_at < timezone.now() - STALE


def ask_balances() -> int:
    """Ask for a fresh balance of every account that tells one. Returns how many."""
    asked = [account.pk for account in ProviderAccount.objects.all() if tells_balance(account)]
    if asked:
        enqueue("refresh_balance", *asked)
    return len(asked)


def refresh_each(account_pks: Iterable[int]) -> str:
    """Ask these accounts, one after the other; return what became of each."""
    said, apart = [], Apart()
    for pk in account_pks:
        with apart.one(f"the balance of account {pk}"):
            said.append(refresh(pk))
    return "; ".join(said) + str(apart)


def refresh(account_pk: int) -> str:
    """Ask one account what is left, and keep it. Trouble changes nothing but the log."""
    account = ProviderAccount.objects.get(pk=account_pk)
    if not tells_balance(account):
        return "skipped: it does not tell"
    try:
        refresh_balance(account)
    except ProviderError as error:
        logger.info("balance of account %s: %s", account_pk, error.message)
        return f"not told: {error.message}"
    except (ImproperlyConfigured, ValueError) as error:
        return f"not told: {error}"
    return "refreshed"
