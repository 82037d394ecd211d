"""What people set about a project."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms

from studio.amounts import money
from studio.models import Membership, Project
from studio.providers.catalog import SPECS

MICROUSD = 1_000_000
MAX_BUDGET_USD = 1_000_000
LENGTHS_S = tuple(sorted({length for spec in SPECS.values() for length in spec.durations_s}))
NAME_WORDS = {
    "required": "Give the project a name.",
    "max_length": "The name has %(show_value)s characters; %(limit_value)s are allowed.",
}
DESCRIPTION_WORDS = {
    "max_length": "The description has %(show_value)s characters; %(limit_value)s are allowed."
}

STYLE_WORDS = {
    "max_length": "The style has %(show_value)s characters; %(limit_value)s are allowed."
}


def _input(**attrs: Any) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "input", "autocomplete": "off", **attrs})


def dollars_field(
    label: str, subject: str, examples: str, help_text: str = ""
) -> forms.DecimalField:
    """Return an optional field for an amount in US dollars; `subject` begins its sentences."""
    return forms.DecimalField(
        label=label,
        required=False,
        min_value=0,
        max_value=MAX_BUDGET_USD,
        decimal_places=2,
        widget=_input(inputmode="decimal"),
        help_text=help_text,
        error_messages={
            "invalid": f"{subject} must be a number of dollars, such as {examples}.",
            "min_value": f"{subject} must be 0 or more.",
            "max_value": f"{subject} must be at most {MAX_BUDGET_USD:,} dollars.",
            "max_decimal_places": f"{subject} can have cents, not smaller parts.",
        },
    )


def microusd_of(amount: Decimal | None) -> int | None:
    """Return a field's dollars in micro-USD; None stays None."""
    return None if amount is None else int(amount * MICROUSD)


class NewProjectForm(forms.Form):
    name = forms.CharField(max_length=80, widget=_input(autofocus=True), error_messages=NAME_WORDS)
    description = forms.CharField(
        label="What it is",
        max_length=200,
        required=False,
        widget=_input(),
        help_text="Optional. One line for the project’s card.",
        error_messages=DESCRIPTION_WORDS,
    )


class ProjectSettingsForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when run
    duration_s = forms.TypedChoiceField(
        label="Length",
        coerce=int,
        choices=[(length, f"{length} s") for length in LENGTHS_S],
        widget=forms.RadioSelect,
    )
    budget = dollars_field(
        "Budget per month, in US dollars",
        "The budget",
        "150 or 99.50",
        "Shots that would go over it are refused, or asked for. Empty = no limit.",
    )
    ask_above = dollars_field(
        "Shots dearer than this are asked for first, in US dollars",
        "The amount",
        "5 or 2.50",
        "An owner sees frame, move, price, who and why, and approves with one tap. "
        "Owners need not ask. Empty = only what would go over a budget is asked for.",
    )
    failover = dollars_field(
        "Let another provider take over by itself, for at most this many dollars more",
        "The difference",
        "0.50",
        "Only after a failure that was certainly not charged. 0 = never dearer; "
        "empty = never by itself, the card offers it.",
    )

    class Meta:
        model = Project
        fields = (
            "name",
            "description",
            "aspect_ratio",
            "resolution",
            "style_notes",
            "embed_provenance",
            "slate",
        )
        labels = {
            "description": "What it is",
            "aspect_ratio": "Shape",
            "style_notes": "Style, added to every prompt",
        }
        help_texts = {
            "style_notes": "Such as “Shot on 35 mm, soft grain, muted blues.” The compose page shows it, "
            "and a shot can go without."
        }
        widgets = {
            "name": _input(),
            "description": _input(),
            "aspect_ratio": forms.RadioSelect,
            "resolution": forms.RadioSelect,
            "embed_provenance": forms.CheckboxInput(attrs={"class": "check"}),
            "slate": forms.CheckboxInput(attrs={"class": "check"}),
            "style_notes": forms.Textarea(attrs={"class": "area", "rows": 2}),
        }
        error_messages = {
            "name": NAME_WORDS,
            "description": DESCRIPTION_WORDS,
            "style_notes": STYLE_WORDS,
        }

    def __init__(self, *args: Any, highest_budget: int | None = None, **kwargs: Any) -> None:
        """`highest_budget`: what this person may raise the budget to, in micro-USD; None = any."""
        super().__init__(*args, **kwargs)
        project = self.instance
        self._highest_budget = highest_budget
        if highest_budget is not None:
            self.fields["budget"].help_text = (
                "Shots that would go over it are refused, or asked for. "
                f"You can set up to {money(highest_budget)}; an admin can set more."
            )
        self.initial["duration_s"] = project.duration_s
        self.initial["budget"] = _dollars(project.budget_microusd)
        self.initial["ask_above"] = _dollars(project.ask_above_microusd)
        self.initial["failover"] = _dollars(project.failover_microusd)

    def clean_budget(self) -> Decimal | None:
        amount: Decimal | None = self.cleaned_data["budget"]
        wanted, highest = microusd_of(amount), self._highest_budget
        if highest is not None and (wanted is None or wanted > highest):
            said = "No limit" if wanted is None else f"The budget of {money(wanted)}"
            raise forms.ValidationError(
                f"{said} is more than you can set: up to {money(highest)}. Ask an admin for more."
            )
        return amount

    def save(self, commit: bool = True) -> Project:
        project: Project = self.instance
        project.duration_s = self.cleaned_data["duration_s"]
        for name in ("budget", "ask_above", "failover"):
            amount = self.cleaned_data[name]
            setattr(project, f"{name}_microusd", microusd_of(amount))
        if commit:
            # Not the whole row: shots made meanwhile have raised its version and numbers.
            own = (
                "duration_s",
                "budget_microusd",
                "ask_above_microusd",
                "failover_microusd",
            )
            project.save(update_fields=[*self.Meta.fields, *own])
        return project


def _dollars(microusd: int | None) -> str:
    """An amount as people type it: 150, 99.50; empty for none."""
    if microusd is None:
        return ""
    amount = Decimal(microusd) / MICROUSD
    return f"{amount:.2f}" if amount % 1 else f"{amount:.0f}"


class InviteForm(forms.Form):
    role = forms.ChoiceField(
        choices=Membership.Role.choices,
        initial=Membership.Role.EDITOR,
        widget=forms.Select(attrs={"class": "input"}),
        error_messages={"invalid_choice": "Role must be owner, editor or reviewer."},
    )
    note = forms.CharField(
        label="Who it is for",
        max_length=80,
        required=False,
        widget=_input(),
        error_messages={
            "max_length": "The note has %(show_value)s characters; %(limit_value)s are allowed."
        },
    )
