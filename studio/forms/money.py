"""Amounts that people set."""

from __future__ import annotations

from django import forms

from studio.forms.project import dollars_field, microusd_of


class PersonBudgetForm(forms.Form):
    """What one person may spend in a project each month, in US dollars; empty = no limit."""

    budget = dollars_field("Limit a month", "The limit", "50 or 12.50")

    def microusd(self) -> int | None:
        """Return the amount once the form is valid."""
        return microusd_of(self.cleaned_data["budget"])
