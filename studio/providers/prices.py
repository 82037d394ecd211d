"""What a clip is expected to cost: seed rows with source and date. Admin edits them later.

`microusd` is money in millionths of a US dollar; `credits` is the provider's own amount. Where
nothing is published there is no row. Luma's rows follow its published formula: pixels of the
frame x 24 fps x seconds x price per megapixel. They are written for 16:9; `shape_factor` brings
them to another shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import isfinite

from studio.providers.specs import FOUR_SIZES, PREVIS
from studio.providers.wishes import frame_size

CHECKED = date(2026, 11, 20)
FPS = 24
PRICED_BY_PIXELS = frozenset({"luma"})
BASE_SHAPE = "16:9"  # the shape that price rows are written for
MAX_MICROUSD = 10**15  # a billion dollars: no amount above it is meant as one


@dataclass(frozen=True, slots=True)
class CreditRate:
    """What one of a provider's credits costs, by its public plans. In nano-USD: AI/ML API's is 500."""

    nanousd: int
    source: str


CREDIT_RATES: dict[str, CreditRate] = {
    "apiframe": CreditRate(10_000_000, "Apiframe’s plans, about $0.01 a credit"),
    "aimlapi": CreditRate(500, "AI/ML API’s 2,000,000 credits a dollar"),
}


def credit_rate(provider: str, own_nanousd: int | None) -> int | None:
    """Return what a credit costs an account in nano-USD: its own rate, else the public plans'."""
    if own_nanousd is not None:
        return own_nanousd
    usual = CREDIT_RATES.get(provider)
    return usual.nanousd if usual else None


def credits_in_microusd(credits: float | None, nanousd: int | None) -> int | None:
    """Return what so many credits cost in micro-USD; None where that cannot be said."""
    if credits is None or nanousd is None or not isfinite(credits) or credits < 0:
        return None
    amount = Decimal(str(credits)) * nanousd / 1000
    if amount > MAX_MICROUSD:
        return None
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def pixel_count(aspect_ratio: str, resolution: str) -> int:
    """Return how many pixels a frame of this shape and size has."""
    width, height = frame_size(aspect_ratio, resolution)
    return width * height


def shape_factor(provider: str, aspect_ratio: str, resolution: str) -> Fraction:
    """Return how much dearer than 16:9 this shape is: 1 where pixels do not count."""
    if provider not in PRICED_BY_PIXELS:
        return Fraction(1)
    return Fraction(pixel_count(aspect_ratio, resolution), pixel_count(BASE_SHAPE, resolution))


@dataclass(frozen=True, slots=True)
class PriceRow:
    """The price of one clip. None = not known in that currency. `estimated` = nobody published it."""

    provider: str
    model: str
    duration_s: int
    resolution: str
    microusd: int | None
    credits: float | None
    unit: str  # the word for `credits`, or an empty string
    source: str
    checked: date
    estimated: bool = False


def _luma(
    model: str, usd_per_megapixel: str, durations: tuple[int, ...], sizes: tuple[str, ...], why: str
) -> list[PriceRow]:
    rows = []
    for size in sizes:
        for duration_s in durations:
            amount = Decimal(pixel_count(BASE_SHAPE, size) * FPS * duration_s) * Decimal(
                usd_per_megapixel
            )
            rows.append(
                PriceRow(
                    "luma",
                    model,
                    duration_s,
                    size,
                    # Pixels x dollars a million pixels is already millionths of a dollar.
                    int(amount.quantize(Decimal(1), ROUND_HALF_UP)),
                    None,
                    "",
                    why,
                    CHECKED,
                    estimated=True,
                )
            )
    return rows


def _apiframe(
    model: str, credits: dict[int, int], why: str, *, estimated: bool = False
) -> list[PriceRow]:
    return [
        PriceRow(
            "apiframe",
            model,
            duration_s,
            "720p",
            amount * 10_000,
            amount,
            "credits",
            why,
            CHECKED,
            estimated,
        )
        for duration_s, amount in credits.items()
    ]


def _aimlapi_ray_1_6(model: str) -> PriceRow:
    return PriceRow(
        "aimlapi",
        model,
        5,
        "720p",
        250_000,
        500_000,
        "credits",
        "estimated: AI/ML API's older Luma page, 500,000 credits a clip at 2,000,000 credits a dollar",
        CHECKED,
        estimated=True,
    )


PRICES: tuple[PriceRow, ...] = (
    *(
        PriceRow("previs", PREVIS.id, duration_s, size, 0, None, "", "rendered here", CHECKED)
        for size in PREVIS.resolutions
        for duration_s in PREVIS.durations_s
    ),
    *_apiframe("luma-ray-flash-2", {5: 51, 9: 92}, "Apiframe's Ray 2 Flash page"),
    *_apiframe(
        "luma-ray-2",
        {5: 102, 9: 184},
        "estimated: twice Ray 2 Flash, as in Apiframe's older price list",
        estimated=True,
    ),
    *_luma("ray-2", "0.0064", (5, 9), FOUR_SIZES, "estimated: Luma's formula at $0.0064/MP"),
    *_luma("ray-flash-2", "0.0022", (5, 9), FOUR_SIZES, "estimated: Luma's formula at $0.0022/MP"),
    *_luma("ray-1-6", "0.0032", (5,), ("720p",), "estimated: Luma's formula at $0.0032/MP"),
    _aimlapi_ray_1_6("luma/ray-1-6"),
    _aimlapi_ray_1_6("ray-1-6"),
)

_INDEX = {(row.provider, row.model, row.duration_s, row.resolution): row for row in PRICES}


def price_for(provider: str, model: str, duration_s: int, resolution: str) -> PriceRow | None:
    """Return the seed row for one clip, or None where no price is known."""
    return _INDEX.get((provider, model, duration_s, resolution))
