"""Provider accounts and seed prices that exist without anybody making them."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from studio.models import Price, ProviderAccount
from studio.providers.catalog import PRICES, PROVIDER_LABELS
from studio.services import holds


def ensure_accounts(*, starting: bool = True) -> None:
    """Make Previs's account, one for each key in the environment, and the seed prices.

    Safe to run at every start and from several machines. Accounts made in the admin and prices
    edited there are left alone; an environment account whose key is gone is switched off. Not
    `starting`, for a command that may run beside a studio: its environment adds, and takes away
    nothing that the studio was started with.
    """
    with transaction.atomic():
        previs, made = ProviderAccount.objects.get_or_create(
            provider="previs",
            label="",
            defaults={
                "origin": ProviderAccount.Origin.BUILT_IN,
                "concurrent_limit": settings.WORKERS,
            },
        )
        embedded = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
        if starting and not made and embedded and previs.concurrent_limit != settings.WORKERS:
            # One machine: as many renders side by side as there are workers for them.
            ProviderAccount.objects.filter(pk=previs.pk).update(concurrent_limit=settings.WORKERS)
        rows = ProviderAccount.objects.filter(origin=ProviderAccount.Origin.ENVIRONMENT)
        accounts = {account.provider: account for account in rows}
        for provider, (key, base_url) in settings.PROVIDER_ENVIRONMENT.items():
            if key or starting:
                _ensure_environment_account(provider, key, base_url, accounts.get(provider))
        _seed_prices()


def _ensure_environment_account(
    provider: str, key: str, base_url: str, account: ProviderAccount | None
) -> None:
    label = "from the environment"
    if not key:
        if account and account.enabled:
            ProviderAccount.objects.filter(pk=account.pk).update(enabled=False, key_locked="")
        return
    if account is None:
        account = ProviderAccount(
            provider=provider, label=label, origin=ProviderAccount.Origin.ENVIRONMENT
        )
    elif account.has_key and account.reveal_key() == key and account.base_url == base_url:
        return
    account.set_key(key)
    account.base_url = base_url
    account.enabled = True
    account.save()
    holds.lift(account.pk)


def _seed_prices() -> None:
    have = {
        (price.provider, price.model, price.duration_s, price.resolution): price
        for price in Price.objects.all()
    }
    fresh, changed = [], []
    for row in PRICES:
        values = {
            "microusd": row.microusd,
            "credits": row.credits,
            "unit": row.unit,
            "source": row.source,
            "checked_on": row.checked,
        }
        price = have.get((row.provider, row.model, row.duration_s, row.resolution))
        if price is None:
            fresh.append(
                Price(
                    provider=row.provider,
                    model=row.model,
                    duration_s=row.duration_s,
                    resolution=row.resolution,
                    **values,
                )
            )
        elif not price.edited and any(getattr(price, k) != v for k, v in values.items()):
            for name, value in values.items():
                setattr(price, name, value)
            changed.append(price)
    Price.objects.bulk_create(fresh, ignore_conflicts=True)
    Price.objects.bulk_update(changed, ["microusd", "credits", "unit", "source", "checked_on"])


def provider_label(provider: str) -> str:
    """Return a provider's name for people."""
    return PROVIDER_LABELS.get(provider, provider)
