"""One form, every account: what each model would make of this shot, and its price."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.conf import settings

from studio.models import Generation, Price, ProviderAccount
from studio.providers.catalog import (
    PREVIS,
    PROVIDER_LABELS,
    REFUSE,
    SPECS,
    ModelSpec,
    Problem,
    Wish,
    adapt,
    hint,
    problems,
)


@dataclass(frozen=True, slots=True)
class Offer:
    """One model on one account beside one wish. Prices are for one take, of the adapted wish."""

    account: ProviderAccount | None
    spec: ModelSpec
    hint: str
    warn: bool
    problems: tuple[Problem, ...]
    microusd: int | None = None
    credits: float | None = None
    unit: str = ""
    unavailable: str = ""  # why it cannot be chosen at all, with the way out
    cheapest: bool = False
    drift: float | None = None  # how far the last charge was from the list: 0.1 is 10 % dearer
    source: str = ""  # where the price is from, and when it was checked

    @property
    def value(self) -> str:
        """The radio's value: account and model."""
        return offer_value(self.account, self.spec.id) if self.account else ""

    @property
    def able(self) -> bool:
        """Can render exactly this wish, unchanged."""
        return not self.unavailable and not any(p.severity == REFUSE for p in self.problems)

    @property
    def name(self) -> str:
        label = self.account.label if self.account else ""
        shown = label and label != "from the environment"
        return f"{self.spec.name} ({label})" if shown else self.spec.name


def offer_value(account: ProviderAccount, model: str) -> str:
    return f"{account.pk}:{model}"


def pictures_reachable() -> bool:
    """Whether a provider can fetch pictures from this studio."""
    return bool(settings.PUBLIC_URL) or settings.STUDIO_STORAGE.startswith("s3://")


def wish_at(
    account: ProviderAccount,
    wish: Wish,
    *,
    start: Generation | None = None,
    end: Generation | None = None,
) -> Wish:
    """Return the wish with what depends on the account: ends by id, and reachable pictures."""
    return replace(
        wish,
        start_by_id=_by_id(account, start),
        end_by_id=_by_id(account, end),
        public_url_available=pictures_reachable(),
    )


def _by_id(account: ProviderAccount, generation: Generation | None) -> bool:
    return (
        generation is not None
        and generation.account_id == account.pk
        and (bool(generation.provider_job_id) if generation.is_clip else not generation.is_terminal)
    )


def price_of(
    spec: ModelSpec, wish: Wish, prices: dict[tuple[str, str, int, str], Price]
) -> Price | None:
    """Return the price row for this wish as this model would make it, or None when unknown."""
    near = adapt(spec, wish)
    return prices.get((spec.provider, spec.id, near.duration_s, near.resolution))


def all_prices() -> dict[tuple[str, str, int, str], Price]:
    """Every price row by (provider, model, seconds, resolution); one query."""
    return {(p.provider, p.model, p.duration_s, p.resolution): p for p in Price.objects.all()}


def price_of_take(generation: Generation) -> int | None:
    """What one more take would cost, in micro-USD, or None if that is not known; one query at most."""
    if generation.provider == PREVIS.provider:
        return 0
    asked = Price.objects.filter(
        provider=generation.provider,
        model=generation.model,
        duration_s=generation.duration_s,
        resolution=generation.resolution,
    )
    return asked.values_list("microusd", flat=True).first()


def list_offers(
    *, wish: Wish, start: Generation | None = None, end: Generation | None = None
) -> list[Offer]:
    """Return every account's offers: able ones first and cheapest first; two queries.

    A provider with no usable account gets one row that says how to add a key.
    """
    prices = all_prices()
    accounts = list(ProviderAccount.objects.all())
    offers = [
        _offer(account, spec, wish_at(account, wish, start=start, end=end), prices)
        for account in accounts
        if account.enabled and (account.has_key or account.provider == PREVIS.provider)
        for spec in SPECS.values()
        if spec.provider == account.provider and spec.dialect in ("", account.dialect)
    ]
    with_account = {offer.spec.provider for offer in offers}
    known = {account.provider for account in accounts}
    for provider, label in PROVIDER_LABELS.items():
        if provider not in with_account:
            spec = next(spec for spec in SPECS.values() if spec.provider == provider)
            why = "Switched off." if provider in known else "No key yet."
            offers.append(
                Offer(
                    None,
                    replace(spec, label=label, provider_label=label),
                    "",
                    False,
                    (),
                    unavailable=why,
                )
            )
    return _marked(offers)


def _offer(
    account: ProviderAccount,
    spec: ModelSpec,
    wish: Wish,
    prices: dict[tuple[str, str, int, str], Price],
) -> Offer:
    caption, warn = hint(spec, wish)
    row = price_of(spec, wish, prices)
    if spec.free:
        microusd: int | None = 0
    else:
        microusd = row.best_microusd if row else None
    return Offer(
        account,
        spec,
        caption,
        warn,
        tuple(problems(spec, wish)),
        microusd=microusd,
        credits=row.credits if row else None,
        unit=row.unit if row else "",
        drift=row.drift if row else None,
        source=_source(row),
    )


def _source(row: Price | None) -> str:
    if row is None:
        return ""
    if row.charged_at and not row.edited:
        return f"charged on {row.charged_at:%d %b %Y}"
    return f"{row.source}, {row.checked_on:%d %b %Y}" if row.checked_on else row.source


def _marked(offers: list[Offer]) -> list[Offer]:
    offers.sort(
        key=lambda o: (
            bool(o.unavailable),
            not o.able,
            o.spec.deprecated,
            o.microusd is None,
            o.microusd or 0,
            o.name,
        )
    )
    paid = [o for o in offers if o.able and o.microusd and not o.spec.deprecated]
    if len(paid) > 1:
        least = min(paid, key=lambda o: o.microusd or 0)
        offers[offers.index(least)] = replace(least, cheapest=True)
    return offers
