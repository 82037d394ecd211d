"""Who could render the drafts of a shot, at which size and price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from studio.amounts import Certainty, amount_text
from studio.models import Generation
from studio.providers.catalog import Wish, refusals, size_label
from studio.services.money.offers import Offer, wish_at
from studio.services.money.quotes import PriceTable, quote_for


@dataclass(frozen=True, slots=True)
class DraftOffer:
    """One model on one account at one size. The price is for one draft."""

    offer: Offer
    resolution: str
    microusd: int
    certainty: Certainty = Certainty.EXACT

    @property
    def value(self) -> str:
        """The option's value: account, model and size."""
        return f"{self.offer.value}@{self.resolution}"

    @property
    def is_ceiling(self) -> bool:
        """Whether nobody knows the price, and it is the most to expect."""
        return self.certainty is Certainty.CEILING

    @property
    def label(self) -> str:
        each = "" if self.offer.spec.free else " each"
        price = amount_text(self.microusd, self.certainty)
        return f"{self.offer.name}, {size_label(self.resolution)}, {price}{each}"


def list_draft_offers(
    *,
    offers: Sequence[Offer],
    wish: Wish,
    start: Generation | None = None,
    end: Generation | None = None,
) -> list[DraftOffer]:
    """Return what can render this wish at any size, one camera word each, cheapest first; one query.

    Length, shape and frames stay as they are, so that a draft stands for its master.
    """
    prices = PriceTable.load()
    found = []
    for offer in offers:
        if offer.unavailable or offer.account is None or offer.spec.deprecated:
            continue
        here = wish_at(offer.account, wish, start=start, end=end)
        for resolution in offer.spec.resolutions:
            at = replace(here, resolution=resolution, concepts=wish.concepts[:1])
            if refusals(offer.spec, at):
                continue
            quote = quote_for(offer.spec, at, offer.account, prices)
            found.append(DraftOffer(offer, resolution, quote.microusd, quote.certainty))
    return sorted(found, key=lambda d: (d.is_ceiling, d.microusd))


def usual_draft_offer(choices: Sequence[DraftOffer], *, master: Offer) -> DraftOffer | None:
    """Return the cheapest paid choice that undercuts the master, else the cheapest of all.

    A free draft shows the camera alone; who pays for a master wants to see the picture move.
    """
    under = [
        d
        for d in choices
        if d.microusd
        and not d.is_ceiling
        and master.microusd is not None
        and d.microusd < master.microusd
    ]
    return next(iter(under or choices), None)
