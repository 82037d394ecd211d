"""Amounts that people set, and prices that a page showed."""

from __future__ import annotations

from collections.abc import Mapping

from django import forms

from studio.forms.gallery import whole_number
from studio.forms.project import dollars_field, microusd_of
from studio.providers.prices import MAX_MICROUSD

QUOTED = "quoted"  # the field with the price of one take that was shown, in micro-USD


class PersonBudgetForm(forms.Form):
    """What one person may spend in a project each month, in US dollars; empty = no limit."""

    budget = dollars_field("Limit a month", "The limit", "50 or 12.50")

    def microusd(self) -> int | None:
        """Return the amount once the form is valid."""
        return microusd_of(self.cleaned_data["budget"])


def quoted_in(data: Mapping[str, str]) -> int | None:
    """Return the price that the form showed, or None where it showed none."""
    return whole_number(data.get(QUOTED), most=MAX_MICROUSD)


def quotes_in(data: Mapping[str, str]) -> dict[str, int]:
    """Return the prices that a form with several offers showed, by the offer's value."""
    found = {}
    for name in data:
        if name.startswith(f"{QUOTED}-"):
            amount = whole_number(data.get(name), most=MAX_MICROUSD)
            if amount is not None:
                found[name.removeprefix(f"{QUOTED}-")] = amount
    return found
