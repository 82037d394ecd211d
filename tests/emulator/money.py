"""What a job costs in its provider's own unit, and what its answers say about that."""

from __future__ import annotations

from typing import Any

from tests.emulator.config import Config

UNITS = {"apiframe": "credits"}  # elsewhere US dollars
CREDITS_PER_DOLLAR = 2_000_000  # AI/ML API's
PIXELS_OF_720P = 1280 * 720
SHORT_SIDES = {"360p": 360, "540p": 540, "720p": 720, "1080p": 1080, "4k": 2160}
ABSURD = 1e12
# JSON writes no number beyond 1.8e308: this text stands for it until the answer is written.
OVERFLOW = "@1e400@"


def unit_of(dialect: str) -> str:
    return UNITS.get(dialect, "USD")


def price_of(
    config: Config,
    dialect: str,
    account: str,
    *,
    duration_s: int,
    aspect_ratio: str,
    resolution: str,
) -> float:
    """Return what a job of this kind costs now, in the provider's own unit."""
    per_s = config.credits_per_s if dialect == "apiframe" else config.dollars_per_s
    amount = duration_s * per_s * config.price_factors.get(account, 1.0)
    if config.priced_by_size:
        amount *= pixels(aspect_ratio, resolution) / PIXELS_OF_720P
    return float(round(amount)) if unit_of(dialect) == "credits" else round(amount, 6)


def pixels(aspect_ratio: str, resolution: str) -> int:
    """Return the pixels of one frame."""
    wide, high = (int(part) for part in aspect_ratio.split(":"))
    short = SHORT_SIDES.get(resolution, 720)
    return round(short * short * max(wide, high) / min(wide, high))


def amount_in_answers(charged: float, amount: str) -> Any:
    """Return the number that answers give for a charge, odd as `amount` (a fault) has it.

    None where they give none.
    """
    match amount:
        case "amount_negative":
            return -(charged or 1.0)
        case "amount_absurd":
            return ABSURD
        case "amount_missing":
            return None
        case "amount_text":
            return f"{charged:.6f}".rstrip("0").rstrip(".")
        case "amount_overflow":
            return OVERFLOW
    return int(charged) if charged == int(charged) else charged


def is_readable(amount: str) -> bool:
    """Whether answers about a job with this fault give its true charge."""
    return amount in ("", "amount_zero", "amount_text")
