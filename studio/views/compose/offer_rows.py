"""What a provider's row on the compose page says about money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from studio.amounts import money
from studio.models import ProviderAccount
from studio.services import holds
from studio.services.money.offers import Offer
from studio.templatetags.studio_tags import ago

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
    rate: str = ""  # that its credits are money at an estimated rate

    @property
    def money(self) -> bool:
        """Whether there is anything to say about money beside the price."""
        return bool(self.credits or self.balance or self.drift)


def offer_rows(offers: Sequence[Offer], *, takes: int, for_staff: bool = True) -> list[OfferRow]:
    """Return a row for each offer, in the same order. No query.

    What is left on an account, and that it does not cover the shot, is for staff.
    """
    return [
        OfferRow(
            offer,
            amount(offer.credits, offer.unit) if offer.microusd and offer.credits else "",
            _balance(offer.account, short := for_staff and _falls_short(offer, takes), for_staff),
            short,
            _drift(offer.drift, offer.charge_count),
            _source(offer),
            f"{offer.rate_note[0].upper()}{offer.rate_note[1:]}; an admin can set what you pay."
            if offer.rate_note
            else "",
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


def _balance(account: ProviderAccount | None, short: bool, for_staff: bool) -> str:
    if account is not None and account.hold_reason:
        return f"{account.hold_text} New shots wait. {holds.what_helps(account)}"
    if account is None or account.balance_at is None or not for_staff:
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


def _drift(drift: float | None, charges: int) -> str:
    if drift is None or abs(drift) < LEAST_DRIFT:
        return ""
    way = "dearer" if drift > 0 else "cheaper"
    lately = "The last charge was" if charges == 1 else f"The last {charges} charges were"
    return f"{lately} {abs(drift):.0%} {way} than its list price.".replace("%", " %")
