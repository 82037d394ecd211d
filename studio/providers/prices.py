"""What a clip is expected to cost: seed rows with source and date. Admin edits them later.

`microusd` is money in millionths of a US dollar; `credits` is the provider's own amount. Where
nothing is published there is no row. Luma's rows follow its published formula: pixels of the
16:9 frame x 24 fps x seconds x price per megapixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from studio.providers.specs import FOUR_SIZES, PREVIS

CHECKED = date(2026, 11, 20)
FPS = 24
PIXELS_16_9 = {
    "540p": 960 * 540,
    "720p": 1280 * 720,
    "1080p": 1920 * 1080,
    "4k": 3840 * 2160,
}


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
            amount = Decimal(PIXELS_16_9[size] * FPS * duration_s) * Decimal(usd_per_megapixel)
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


def _apiframe(model: str, credits: dict[int, int], why: str) -> list[PriceRow]:
    return [
        PriceRow(
            "apiframe",
            model,
            duration_s,
            "720p",
            amount * 10_000,
            amount,
            "credits",
            f"{why}; money estimated at about $0.01 a credit",
            CHECKED,
            estimated=True,
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
