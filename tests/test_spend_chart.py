"""The chart of each day: a colour for each provider, told apart by everybody, and a true legend."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from itertools import combinations
from pathlib import Path

import pytest
from django.utils import timezone

from studio.providers.catalog import PREVIS, PROVIDER_LABELS
from studio.services.money import spending
from studio.views.money.spend import chart
from tests.factories import make_project

CSS = Path(__file__).parent.parent / "static/studio/css"
PAID = [name for name in PROVIDER_LABELS if name != PREVIS.provider]
# How colours look to eyes without one kind of cone (Machado, Oliveira and Fernandes, 2009).
SEEN_AS = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no blue": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
APART = 30  # CIE 1976; about 2 is the least that eyes tell apart side by side


def linear(colour):
    """Return a colour such as #f6b75a as linear red, green and blue, 0 to 1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def luminance(colour):
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lab(rgb):
    """Return linear red, green and blue as CIE L*a*b*."""
    red, green, blue = (min(max(part, 0), 1) for part in rgb)
    xyz = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505,
        0.2126 * red + 0.7152 * green + 0.0722 * blue,
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089,
    )
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def seen(colour, eyes):
    rgb = linear(colour)
    return lab([sum(f * part for f, part in zip(row, rgb, strict=True)) for row in SEEN_AS[eyes]])


def colours():
    """Return the colour of each provider as the style sheet has it."""
    rules = re.findall(r"\.legend \.of-(\w+) \{ --c: (#\w{6}); \}", (CSS / "spend.css").read_text())
    return dict(rules)


@pytest.fixture
def drawn(db):
    """Return the chart of a month in which every provider was paid on one day."""
    month = spending.month(make_project(), date(2026, 11, 1))
    paid = {name: (n + 1) * 1_000_000 for n, name in enumerate(PAID)}
    month.days[2][1].update(paid)
    return chart(month)


@pytest.mark.parametrize(
    ("today", "opens_at_end"),
    [
        ((2026, 11, 1), False),
        ((2026, 11, 15), False),
        ((2026, 11, 16), True),
        ((2026, 12, 1), True),
    ],
)
def test_a_phone_shows_the_half_of_the_month_that_is_lived_in(db, monkeypatch, today, opens_at_end):
    monkeypatch.setattr(timezone, "now", lambda: datetime(*today, 12, tzinfo=UTC))
    assert chart(spending.month(make_project(), date(2026, 11, 1))).opens_at_end is opens_at_end


def test_every_paid_provider_has_a_colour_of_its_own(drawn):
    assert colours().keys() == set(PAID)
    assert len({bar.css for bar in drawn.bars}) == len(PAID) == 4


def test_the_legend_names_the_colours_that_are_drawn(drawn):
    legend = dict(drawn.legend)
    assert len(drawn.bars) == len(legend) == len(PAID)
    for bar in drawn.bars:
        assert f": {legend[bar.css]} $" in bar.title
        assert bar.css.removeprefix("of-") in colours()


def test_the_colours_stand_out_from_the_card():
    tokens = (CSS / "tokens.css").read_text()
    panel = re.search(r"--panel:\s*(#\w{6});", tokens)[1]
    assert len(colours()) == len(PAID)
    assert all(contrast(colour, panel) >= 3 for colour in colours().values())


@pytest.mark.parametrize("eyes", SEEN_AS)
def test_everybody_tells_the_colours_apart(eyes):
    pairs = list(combinations(colours().values(), 2))
    assert len(pairs) == 6
    near = [pair for pair in pairs if math.dist(*(seen(one, eyes) for one in pair)) < APART]
    assert near == []
