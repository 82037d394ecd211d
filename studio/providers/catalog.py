"""The capability catalogue: what each model can do, what a wish would meet there, what it costs.

This is the name the rest of the studio imports; the parts live in specs.py (facts), wishes.py
(the one answer to "may I?"), hints.py (captions) and prices.py (seed prices).
"""

from __future__ import annotations

from studio.providers.hints import hint
from studio.providers.prices import PRICES, PriceRow, price_for
from studio.providers.specs import (
    PREVIS,
    PROVIDER_LABELS,
    SPECS,
    SUBMITS_PER_MINUTE,
    ModelSpec,
    UnknownModel,
    get_spec,
    specs_for,
)
from studio.providers.wishes import (
    ADAPT,
    REFUSE,
    EndKind,
    Problem,
    Wish,
    adapt,
    allowed_durations,
    listed,
    problems,
    refusals,
    resolve_ends,
    sent_prompt,
    size_label,
)

__all__ = [
    "ADAPT",
    "PREVIS",
    "PRICES",
    "PROVIDER_LABELS",
    "REFUSE",
    "SPECS",
    "SUBMITS_PER_MINUTE",
    "EndKind",
    "ModelSpec",
    "PriceRow",
    "Problem",
    "UnknownModel",
    "Wish",
    "adapt",
    "allowed_durations",
    "get_spec",
    "hint",
    "listed",
    "price_for",
    "problems",
    "refusals",
    "resolve_ends",
    "sent_prompt",
    "size_label",
    "specs_for",
]
