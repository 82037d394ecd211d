"""What a provider's row on the compose page says about money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from studio.models import ProviderAccount
from studio.services.money.offers import Offer
from studio.templatetags.studio_tags import ago, money

LEAST_DRIFT = 0.005  # under half a percent a charge is the list price, rounded


@dataclass(frozen=True, slots=True)
class OfferRow:
    """One offer with its sentences about money; each empty where nothing is known."""

    offer: Offer
    credits: str  # beside the money: "158 credits"
    balance: str  # what is left at the provider, and when it said so
    short: bool  # that does not cover the shot
    drift: str
    source: str  # where the price is from, and when

    @property
    def money(self) -> bool:
        """Whether there is anything to say about money beside the price."""
        return bool(self.credits or self.balance or self.drift)


def offer_rows(offers: Sequence[Offer], *, takes: int) -> list[OfferRow]:
    """Return a row for each offer, in the same order. No query."""
    return [
        OfferRow(
            offer,
            amount(offer.credits, offer.unit) if offer.microusd and offer.credits else "",
            _balance(offer.account, short := _falls_short(offer, takes)),
            short,
            _drift(offer.drift),
            _source(offer),
        )
        for offer in offers
    ]


def amount(credits: float | None, unit: str) -> str:
    """Return credits in words: 1,204 credits, or 1 credit."""
    if credits is None:
        return ""
    word = unit or "credits"
    return f"{credits:,.10g} {word.removesuffix('s') if credits == 1 else word}"


def _falls_short(offer: Offer, takes: int) -> bool:
    account = offer.account
    if account is None or offer.spec.free:
        return False
    if account.balance_microusd is not None and offer.microusd is not None:
        return offer.microusd * takes > account.balance_microusd
    left, unit = account.balance_credits, account.balance_unit
    if left is None or offer.credits is None or (unit or "credits") != (offer.unit or "credits"):
        return False
    return offer.credits * takes > left


def _balance(account: ProviderAccount | None, short: bool) -> str:
    if account is None or account.balance_at is None:
        return ""
    left = [money(account.balance_microusd), amount(account.balance_credits, account.balance_unit)]
    said = ", ".join(filter(None, left))
    if not said:
        return ""
    since = ago(account.balance_at)
    if since != "now":
        recent = (timezone.now() - account.balance_at).days < 7
        since = f"{since} ago" if recent else f"on {since}"
    return f"{said} left {since}" + (": not enough for this shot." if short else ".")


def _source(offer: Offer) -> str:
    if not offer.source or offer.spec.free:
        return ""
    return f"{offer.source[0].upper()}{offer.source[1:]}."


def _drift(drift: float | None) -> str:
    if drift is None or abs(drift) < LEAST_DRIFT:
        return ""
    way = "dearer" if drift > 0 else "cheaper"
    return f"The last charge was {abs(drift):.0%} {way} than its list price.".replace("%", " %")
