"""From a provider account to its adapter, its pauses and its balance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from studio.models import ProviderAccount
from studio.providers.base import Balance, Provider, ProviderError
from studio.providers.registry import make_provider
from studio.services import holds


def make_door(account: ProviderAccount, dialect: str = "") -> Provider:
    """Return the adapter for this account. The caller closes it; `dialect` is the model's."""
    return make_provider(
        account.provider, api_key=account.reveal_key(), base_url=account.base_url, dialect=dialect
    )


@contextmanager
def open_door(account: ProviderAccount, dialect: str = "") -> Iterator[Provider]:
    """Yield the adapter for this account, and let go of its connections afterwards."""
    provider = make_door(account, dialect)
    try:
        yield provider
    finally:
        provider.close()


def pause(account: ProviderAccount, *, seconds: float, trouble: str) -> None:
    """Send nothing more to this account for a while; cards that wait on it say why.

    A pause that ends later already stays.
    """
    until = timezone.now() + timedelta(seconds=seconds)
    ProviderAccount.objects.filter(
        Q(paused_until=None) | Q(paused_until__lt=until), pk=account.pk
    ).update(paused_until=until, trouble=trouble[:200])


def clear_trouble(account: ProviderAccount) -> None:
    """Forget the trouble this account had when it was read: the provider answers again.

    A pause made since then is somebody else's newer knowledge, and stays.
    """
    if account.trouble or account.paused_until:
        ProviderAccount.objects.filter(pk=account.pk, paused_until=account.paused_until).update(
            paused_until=None, trouble=""
        )


def refresh_balance(account: ProviderAccount) -> Balance:
    """Ask what is left on an account and keep the answer. Free; doubles as the test of a key.

    Raises ProviderError with a sentence for people.
    """
    with open_door(account, account.dialect) as provider:
        try:
            balance = provider.balance()
        except NotImplementedError:
            raise ProviderError("This provider has no call for the balance.") from None
    ProviderAccount.objects.filter(pk=account.pk).update(
        balance_microusd=balance.microusd,
        balance_credits=balance.credits,
        balance_unit=balance.unit,
        balance_at=timezone.now(),
    )
    holds.note_balance(account.pk, balance)
    return balance
