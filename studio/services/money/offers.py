"""One form, every account: what each model would make of this shot, and its price."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.conf import settings

from studio.amounts import Certainty, amount_text, certainty_of
from studio.models import Generation, ProviderAccount
from studio.providers.catalog import (
    PREVIS,
    PROVIDER_LABELS,
    REFUSE,
    SPECS,
    ModelSpec,
    Problem,
    Wish,
    hint,
    problems,
)
from studio.services.money.quotes import (
    FREE,
    Kind,
    PriceTable,
    Quote,
    own_rates,
    quote_again,
    quote_for,
)
from studio.services.project_rights import EVERY_ACCOUNT, OfferedAccounts


@dataclass(frozen=True, slots=True)
class Offer:
    """One model on one account beside one wish. Prices are for one take, of the adapted wish.

    `kind` says how the price is known. Without an account there is no price.
    """

    account: ProviderAccount | None
    spec: ModelSpec
    hint: str
    warn: bool
    problems: tuple[Problem, ...]
    microusd: int | None = None
    credits: float | None = None
    unit: str = ""
    kind: Kind = Kind.PUBLISHED
    unavailable: str = ""  # why it cannot be chosen at all, with the way out
    cheapest: bool = False
    drift: float | None = None  # how far the last charge was from the list: 0.1 is 10 % dearer
    charge_count: int = 1  # how many charges the drift is the median of
    source: str = ""  # where the price is from, and when it was checked
    rate_note: str = ""  # that its credits count at the usual rate
    number: int = 0  # of its account, where the provider has several here

    @property
    def value(self) -> str:
        """The radio's value: account and model."""
        return offer_value(self.account, self.spec.id) if self.account else ""

    @property
    def is_ceiling(self) -> bool:
        """Whether nobody knows the price, and it is the most to expect."""
        return self.kind is Kind.CEILING

    @property
    def certainty(self) -> Certainty:
        return certainty_of(self.kind)

    @property
    def price_text(self) -> str:
        """The price of one take in words: $0.71, about $0.71, at most $1.27, free."""
        return amount_text(self.microusd, self.certainty)

    @property
    def able(self) -> bool:
        """Can render exactly this wish, unchanged."""
        return not self.unavailable and not any(p.severity == REFUSE for p in self.problems)

    @property
    def name(self) -> str:
        """The model, with the account's number where there are several: their labels are for staff."""
        return f"{self.spec.name} (account {self.number})" if self.number else self.spec.name

    @property
    def account_label(self) -> str:
        """What staff call the account; empty where it says nothing."""
        label = self.account.label if self.account else ""
        return "" if label == "from the environment" else label


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


def quote_of_take(generation: Generation) -> Quote | None:
    """Return what one more take would cost; two queries. None for a model that is gone."""
    if generation.provider == PREVIS.provider:
        return FREE
    return quote_again(generation, own_rates().get(generation.account_id), PriceTable.load())


def list_offers(
    *,
    wish: Wish,
    start: Generation | None = None,
    end: Generation | None = None,
    offered: OfferedAccounts = EVERY_ACCOUNT,
) -> list[Offer]:
    """Return the offers of every account in `offered`: able ones first and cheapest first; two queries.

    A provider with no usable account gets one row that says how to add a key, where all are offered.
    """
    prices = PriceTable.load()
    accounts = [account for account in ProviderAccount.objects.all() if account in offered]
    offers = [
        _offer(account, spec, wish_at(account, wish, start=start, end=end), prices)
        for account in accounts
        if account.enabled and (account.has_key or account.provider == PREVIS.provider)
        for spec in SPECS.values()
        if spec.provider == account.provider
        and spec.dialect in ("", account.dialect)
        and not spec.gone
    ]
    offers = _numbered(offers)
    with_account = {offer.spec.provider for offer in offers}
    known = {account.provider for account in accounts}
    for provider, label in PROVIDER_LABELS.items() if offered.all else ():
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
    prices: PriceTable,
) -> Offer:
    caption, warn = hint(spec, wish)
    quote = quote_for(spec, wish, account, prices)
    return Offer(
        account,
        spec,
        caption,
        warn,
        tuple(problems(spec, wish)),
        microusd=quote.microusd,
        credits=quote.credits,
        unit=quote.unit,
        kind=quote.kind,
        drift=quote.drift,
        charge_count=quote.charge_count,
        source=quote.source,
        rate_note=quote.rate_note,
    )


def _numbered(offers: list[Offer]) -> list[Offer]:
    """Number the accounts of a provider that has several of them, in the order they were made."""
    accounts: dict[str, set[int]] = {}
    for offer in offers:
        if offer.account is not None:
            accounts.setdefault(offer.spec.provider, set()).add(offer.account.pk)
    numbers = {
        pk: number
        for pks in accounts.values()
        if len(pks) > 1
        for number, pk in enumerate(sorted(pks), start=1)
    }
    return [
        replace(offer, number=numbers.get(offer.account.pk, 0)) if offer.account else offer
        for offer in offers
    ]


def _marked(offers: list[Offer]) -> list[Offer]:
    offers.sort(
        key=lambda o: (
            bool(o.unavailable),
            not o.able,
            o.spec.deprecated,
            o.is_ceiling,
            o.microusd or 0,
            o.name,
        )
    )
    paid = [
        o for o in offers if o.able and o.microusd and not o.is_ceiling and not o.spec.deprecated
    ]
    if len(paid) > 1:
        least = min(paid, key=lambda o: o.microusd or 0)
        offers[offers.index(least)] = replace(least, cheapest=True)
    return offers
