"""Prices learn from what was really charged."""

from __future__ import annotations

import logging
from datetime import date
from statistics import median

from django.db import transaction
from django.utils import timezone

from studio import ledger
from studio.models import Generation, Price
from studio.models.generation import Charged
from studio.providers.catalog import UnknownModel, get_spec
from studio.providers.prices import shape_factor
from studio.services.money.quotes import PriceTable, learned

logger = logging.getLogger(__name__)

MAX_CHARGES = 5  # kept with a price; their median is what is learned
ABSURD_FACTOR = 100  # so many times the most to expect, or so small a part of it: no price


def learn_price(generation: Generation) -> bool:
    """Note what this clip cost beside the list price. Returns whether there was anything to learn.

    Nothing is learned from amounts of nothing, nor from one that no price of any model explains:
    that one is flagged for the control room.
    """
    if generation.charged != Charged.YES:
        return False
    for name, value in ledger.read_bill(generation).items():
        setattr(generation, name, value)
    amount = generation.actual_microusd
    if amount is None or amount <= 0:
        return False
    with transaction.atomic():
        price = _row(generation)
        if _is_absurd(generation, amount):
            logger.warning("clip %s was charged %s micro-USD", generation.code, amount)
            Price.objects.filter(pk=price.pk).update(odd_microusd=amount, odd_at=timezone.now())
            return False
        _add(price, generation, amount)
    return True


def _row(generation: Generation) -> Price:
    """Return the price row of what was really bought, locked, made if there is none."""
    what = {
        "provider": generation.provider,
        "model": generation.model,
        "duration_s": generation.duration_s,
        "resolution": generation.resolution,
    }
    first = {"source": "first charge seen here", "checked_on": date.today()}  # noqa: DTZ011 (a date for people)
    Price.objects.get_or_create(**what, defaults=first)
    return Price.objects.select_for_update().get(**what)


def _add(price: Price, generation: Generation, amount: int) -> None:
    # Rows are written for 16:9: what a wider frame cost is brought to that.
    factor = shape_factor(generation.provider, generation.aspect_ratio, generation.resolution)
    converted = generation.credit_nanousd is not None
    charge = {
        "microusd": round(amount / factor),
        "credits": generation.actual_credits if converted else None,
    }
    price.charges = [*(price.charges or []), charge][-MAX_CHARGES:]
    price.charged_microusd = learned(price, None)
    price.charged_at = timezone.now()
    price.save(update_fields=["charges", "charged_microusd", "charged_at"])


def _is_absurd(generation: Generation, amount: int) -> bool:
    try:
        spec = get_spec(generation.provider, generation.model)
    except UnknownModel:
        return False
    most = PriceTable.load().ceiling(
        spec, generation.duration_s, generation.resolution, generation.aspect_ratio
    )
    return not most / ABSURD_FACTOR <= amount <= most * ABSURD_FACTOR


def take_charges(price: Price) -> None:
    """Make what is charged the price of this row: a person has accepted it, cheaper or not.

    What was charged in credits stays in credits, so that each account's rate counts.
    """
    charges = price.charges or []
    credits = [charge["credits"] for charge in charges if charge.get("credits") is not None]
    if charges and len(credits) == len(charges):
        price.credits, price.microusd = median(credits), None
    else:
        price.credits, price.microusd = None, price.charged_microusd
    price.edited = True
    price.source = "the last charges, accepted by a person"
    price.checked_on = timezone.now().date()
    price.save(update_fields=["credits", "microusd", "edited", "source", "checked_on"])
