"""The price of one clip at one account: the one place that every quote and every purchase asks.

A price is *published* (a list, or a person's entry), *estimated* (nobody published it, or nobody
set what the account pays for a credit), *learned* from charges, or a *ceiling*: where nobody knows
the price, the most it can reasonably cost, so that a budget has something to hold.

Where nobody published a price, it is learned once three of the last charges agree. Until then the
highest of them is held, and half the ceiling at least: the next shot may be dearer than the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import ceil
from statistics import median

from studio.amounts import Certainty, amount_text, certainty_of
from studio.amounts import rate as in_words
from studio.models import Generation, Price, ProviderAccount
from studio.providers.catalog import SPECS, ModelSpec, UnknownModel, Wish, adapt, get_spec
from studio.providers.prices import (
    CREDIT_RATES,
    PRICES,
    credit_rate,
    credits_in_microusd,
    pixel_count,
    price_for,
    shape_factor,
)

CEILING_MARGIN = 1.25
AGREEING_CHARGES = 3  # so many make a price,
AGREEMENT = 1.1  # where the highest of them is no more than this times the lowest
UNSETTLED_PART = 0.5  # of the ceiling, held until then

Key = tuple[str, str, int, str]  # provider, model, seconds, resolution


class Kind(StrEnum):
    """How a price is known."""

    PUBLISHED = "published"
    ESTIMATED = "estimated"
    LEARNED = "learned"
    CEILING = "ceiling"


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of one clip in micro-USD, and how it is known."""

    microusd: int
    kind: Kind = Kind.PUBLISHED
    credits: float | None = None
    unit: str = ""
    drift: float | None = None  # how far the charges are from the list: 0.1 is 10 % dearer
    charge_count: int = 1  # how many charges the drift is the median of
    source: str = ""  # where the price is from, and when it was checked
    rate_note: str = ""  # that its credits count at the usual rate, for nobody has set the own one

    @property
    def is_ceiling(self) -> bool:
        return self.kind is Kind.CEILING

    @property
    def certainty(self) -> Certainty:
        return certainty_of(self.kind)

    @property
    def words(self) -> str:
        """The price in words: $0.71, about $0.71, at most $1.27, free."""
        return amount_text(self.microusd, self.certainty)


FREE = Quote(0)


@dataclass(frozen=True)
class PriceTable:
    """Every price row, read once."""

    rows: dict[Key, Price]

    @classmethod
    def load(cls) -> PriceTable:
        """Read the rows; one query."""
        return cls(
            {(p.provider, p.model, p.duration_s, p.resolution): p for p in Price.objects.all()}
        )

    def quote(
        self,
        spec: ModelSpec,
        own_rate: int | None,
        *,
        duration_s: int,
        resolution: str,
        aspect_ratio: str,
    ) -> Quote:
        """Return the price of this clip at an account with this rate (nano-USD a credit) of its own."""
        if spec.free:
            return FREE
        row = self.rows.get((spec.provider, spec.id, duration_s, resolution))
        amount = _amount(row, own_rate) if row else None
        factor = shape_factor(spec.provider, aspect_ratio, resolution)
        if row is None or amount is None:
            most: float = self.ceiling(spec, duration_s, resolution, aspect_ratio)
            charges = _charges(row, own_rate) if row else []
            if charges:
                most = max(most * UNSETTLED_PART, float(max(charges) * factor))
            return Quote(ceil(most), Kind.CEILING, source=_ceiling_source(len(charges)))
        base, kind = amount
        return Quote(
            round(base * factor),
            kind,
            credits=row.credits,
            unit=row.unit,
            drift=_drift(row, own_rate),
            charge_count=len(row.charges or []) or 1,
            source=_source(row, kind),
            rate_note=_rate_note(row, own_rate),
        )

    def ceiling(self, spec: ModelSpec, duration_s: int, resolution: str, aspect_ratio: str) -> int:
        """Return the most that a clip without a known price is expected to cost, in micro-USD.

        From the highest price known anywhere for this family of models at this length and size;
        where there is none, from the family's others and from any model at this length and size;
        where that is nothing either, from the family's others (or all), by length and pixels.
        Charges that are no price yet raise it, but never lower it.
        """
        same = [
            one
            for one in self._known
            if (one.duration_s, one.resolution) == (duration_s, resolution)
        ]
        family = [one for one in self._known if one.family == spec.label]
        highest: float
        if same:
            nearest = [one for one in same if one.family == spec.label] or family + same
            highest = max(one.microusd for one in nearest)
        else:
            highest = max(one.scaled(duration_s, resolution) for one in family or self._known)
        charged = [
            one.microusd
            for one in self._unsettled
            if (one.family, one.duration_s, one.resolution) == (spec.label, duration_s, resolution)
        ]
        highest = max(highest, *charged, 0)
        # A frame with more pixels than 16:9 may cost more; one with fewer is not taken off.
        factor = max(pixel_count(aspect_ratio, resolution) / pixel_count("16:9", resolution), 1)
        return ceil(highest * CEILING_MARGIN * factor)

    @cached_property
    def _known(self) -> list[_Known]:
        """Every price that is known of a paid model: the rows, and what the catalogue has besides."""
        listed = {(p.provider, p.model, p.duration_s, p.resolution): p.microusd for p in PRICES}
        for key, row in self.rows.items():
            amount = _amount(row, None)
            if amount is not None:
                listed[key] = amount[0]
        return _known_of(listed)

    @cached_property
    def _unsettled(self) -> list[_Known]:
        """The highest charge of every row whose price is not known yet."""
        rows = {key: row for key, row in self.rows.items() if _amount(row, None) is None}
        charges = {key: _charges(row, None) for key, row in rows.items()}
        return _known_of({key: max(amounts) for key, amounts in charges.items() if amounts})


@dataclass(frozen=True, slots=True)
class _Known:
    """A known price of a family of models, such as Ray 2, wherever it is sold."""

    family: str
    duration_s: int
    resolution: str
    microusd: int

    def scaled(self, duration_s: int, resolution: str) -> float:
        """Return this price for a longer or larger clip; never less than it is."""
        longer = max(duration_s / self.duration_s, 1)
        return self.microusd * longer * max(_pixels(resolution) / _pixels(self.resolution), 1)


def _known_of(amounts: Mapping[Key, int | None]) -> list[_Known]:
    return [
        _Known(SPECS[provider, model].label, duration_s, resolution, microusd)
        for (provider, model, duration_s, resolution), microusd in amounts.items()
        if microusd and (provider, model) in SPECS
    ]


def quote_for(spec: ModelSpec, wish: Wish, account: ProviderAccount, table: PriceTable) -> Quote:
    """Return what this wish costs as this model would make it, at this account."""
    near = adapt(spec, wish)
    return table.quote(
        spec,
        account.credit_nanousd,
        duration_s=near.duration_s,
        resolution=near.resolution,
        aspect_ratio=near.aspect_ratio,
    )


def quote_again(generation: Generation, own_rate: int | None, table: PriceTable) -> Quote | None:
    """Return what this very shot costs if asked for again now; None for a model that is gone."""
    try:
        spec = get_spec(generation.provider, generation.model)
    except UnknownModel:
        return None
    return table.quote(
        spec,
        own_rate,
        duration_s=generation.duration_s,
        resolution=generation.resolution,
        aspect_ratio=generation.aspect_ratio,
    )


def own_rates() -> dict[int, int | None]:
    """Return each account's own rate for credits, nano-USD; one query."""
    return dict(ProviderAccount.objects.values_list("pk", "credit_nanousd"))


def published(row: Price, own_rate: int | None) -> int | None:
    """Return a row's list price at an account. Credits count at its own rate, where it has one.

    A person's dollars stand. Without dollars the credits count at the provider's usual rate.
    """
    if row.microusd is not None and (row.edited or own_rate is None or row.credits is None):
        return row.microusd
    return credits_in_microusd(row.credits, credit_rate(row.provider, own_rate))


def learned(row: Price, own_rate: int | None) -> int | None:
    """Return the median of a row's last charges at an account's rate; None before the first."""
    charges = _charges(row, own_rate)
    return ceil(median(charges)) if charges else None


def is_settled(row: Price, own_rate: int | None) -> bool:
    """Whether enough of a row's last charges agree to be a price."""
    charges = sorted(_charges(row, own_rate))
    ends = zip(charges, charges[AGREEING_CHARGES - 1 :], strict=False)
    return any(high <= low * AGREEMENT for low, high in ends)


def _charges(row: Price, own_rate: int | None) -> list[int]:
    """Return a row's last charges at an account's rate, in micro-USD."""
    if not row.charges:
        return [] if row.charged_microusd is None else [row.charged_microusd]
    rate = credit_rate(row.provider, own_rate)
    amounts = []
    for charge in row.charges:
        converted = credits_in_microusd(charge.get("credits"), rate)
        amounts.append(charge["microusd"] if converted is None else converted)
    return amounts


def _amount(row: Price, own_rate: int | None) -> tuple[int, Kind] | None:
    """Return what to expect by this row, or None where that is not known.

    Never less than the list says, unless a person said so.
    """
    listed, charged = published(row, own_rate), learned(row, own_rate)
    if listed is None:
        if charged is None or not is_settled(row, own_rate):
            return None
        return charged, Kind.LEARNED
    if charged is not None and charged > listed and not row.edited:
        return charged, Kind.LEARNED
    return listed, _listed_kind(row, own_rate)


def _listed_kind(row: Price, own_rate: int | None) -> Kind:
    """Return whether what a row lists is published, or only estimated."""
    seed = price_for(row.provider, row.model, row.duration_s, row.resolution)
    guessed = seed is not None and seed.estimated and not row.edited
    return Kind.ESTIMATED if guessed or _rate_note(row, own_rate) else Kind.PUBLISHED


def _drift(row: Price, own_rate: int | None) -> float | None:
    listed, charged = published(row, own_rate), learned(row, own_rate)
    return charged / listed - 1 if listed and charged is not None else None


def _ceiling_source(charges: int) -> str:
    if not charges:
        return "no price is known; this is the most to expect"
    so_far = "one charge" if charges == 1 else f"{charges} charges"
    return f"the most to expect after {so_far}; {AGREEING_CHARGES} that agree make a price"


def _source(row: Price, kind: Kind) -> str:
    if kind is Kind.LEARNED:
        return f"charged on {row.charged_at:%d %b %Y}" if row.charged_at else "charged before"
    return f"{row.source}, {row.checked_on:%d %b %Y}" if row.checked_on else row.source


def _rate_note(row: Price, own_rate: int | None) -> str:
    usual = CREDIT_RATES.get(row.provider)
    if usual is None or own_rate is not None or row.credits is None or row.edited:
        return ""
    return f"estimated at {in_words(usual.nanousd)} a credit"


def _pixels(resolution: str) -> int:
    return pixel_count("16:9", resolution)
