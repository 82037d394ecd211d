"""Asking a provider whether a key works and what is left: its free calls, nothing else."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from studio.admin.base import account_name
from studio.amounts import money
from studio.models import ProviderAccount
from studio.providers.base import Balance, ProviderError
from studio.providers.catalog import specs_for
from studio.services import holds
from studio.services.accounts import provider_label
from studio.services.doors import clear_trouble, open_door, refresh_balance
from studio.services.errors import StudioError


def ask_provider(account: ProviderAccount) -> str:
    """Make the provider's free call, keep the balance it tells, and return a sentence.

    One or two GETs, outside any transaction; an answer also ends a pause. Raises StudioError with
    the sentence to show when the key or the provider does not answer as it should; what the row
    says of the balance then stays.
    """
    if account.provider == "previs":
        return "Previs renders on this machine and needs no key."
    if not account.has_key:
        raise StudioError(
            f"{account_name(account)}: there is no key yet. Enter one, save, and test again."
        )
    try:
        left = _ask(account)
    except ProviderError as error:
        raise StudioError(f"{account_name(account)}: {error.message}") from error
    except (ValueError, ImproperlyConfigured) as error:
        raise StudioError(f"{account_name(account)}: {error}") from error
    clear_trouble(account)
    holds.lift(account.pk)
    return f"{account_name(account)}: the key works. {left}"


def _ask(account: ProviderAccount) -> str:
    name = provider_label(account.provider)
    if any(spec.has_balance for spec in specs_for(account.provider)):
        left = amount(refresh_balance(account))
        return f"Balance: {left}." if left else f"{name} did not say what is left."
    with open_door(account, account.dialect) as provider:
        provider.check_key()
    return f"{name} does not tell what is left."


def amount(balance: Balance) -> str:
    """Return money and credits in words: $12.40, or 1,204 credits; empty when neither is told."""
    credits = balance.credits
    parts = (
        money(balance.microusd),
        "" if credits is None else f"{credits:,.10g} {balance.unit or 'credits'}",
    )
    return ", ".join(filter(None, parts))
