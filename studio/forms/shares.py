"""What people say about a link they make: what guests may do and see, and how long it is open."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from studio.forms.new_password import NewPasswordField
from studio.models import Share
from studio.services.sharing.making import Options

PRESETS = {"7": "7 days", "30": "30 days", "90": "90 days", "never": "No end", "date": "A day"}
MAX_YEARS = 5
MIN_PASSWORD_CHARS = 6
SWITCHES = {
    "may_comment": ("Comment on the frame", ""),
    "may_decide": ("Approve or ask for changes", ""),
    "may_download": ("Download clips", "As files that say no more than this page does."),
    "shows_prompts": ("Prompts", "And titles that are the beginning of one."),
    "shows_costs": ("What each clip cost", ""),
    "shows_names": ("The team", "Names, and what members say about the clips."),
}


def _input(**attrs: Any) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "input", "autocomplete": "off", **attrs})


def _switch(name: str) -> forms.BooleanField:
    label, help_text = SWITCHES[name]
    return forms.BooleanField(
        label=label,
        help_text=help_text,
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "check"}),
    )


class ShareForm(forms.Form):
    title = forms.CharField(
        max_length=120,
        required=False,
        widget=_input(),
        help_text="Guests see it on top. Empty: “Clips for you”.",
        error_messages={
            "max_length": "The title has %(show_value)s characters; %(limit_value)s are allowed."
        },
    )
    note = forms.CharField(
        label="Note for whoever opens it",
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"class": "area", "rows": 2, "autocomplete": "off"}),
        error_messages={
            "max_length": "The note has %(show_value)s characters; %(limit_value)s are allowed."
        },
    )
    may_comment = _switch("may_comment")
    may_decide = _switch("may_decide")
    may_download = _switch("may_download")
    shows_prompts = _switch("shows_prompts")
    shows_costs = _switch("shows_costs")
    shows_names = _switch("shows_names")
    expires = forms.ChoiceField(
        label="Open for",
        choices=list(PRESETS.items()),
        widget=forms.RadioSelect,
        error_messages={
            "required": "Say how long the link is open.",
            "invalid_choice": "Open for is “%(value)s”; choose one of the lengths.",
        },
    )
    expires_on = forms.DateField(
        label="The last day",
        required=False,
        widget=forms.DateInput(attrs={"class": "input", "type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": "The last day must be a date, such as 2026-12-31."},
    )
    password = NewPasswordField(
        required=False,
        min_length=MIN_PASSWORD_CHARS,
        max_length=128,
        strip=False,
        widget=_input(autocomplete="new-password", spellcheck="false", autocapitalize="none"),
        error_messages={
            "min_length": "The password has %(show_value)s characters; at least %(limit_value)s are needed.",
            "max_length": "The password has %(show_value)s characters; %(limit_value)s are allowed.",
        },
    )
    no_password = forms.BooleanField(
        label="Take the password away",
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "check"}),
    )

    def __init__(
        self, *args: Any, share: Share | None = None, title: str = "", **kwargs: Any
    ) -> None:
        self.share = share
        super().__init__(*args, **kwargs)
        password = self.fields["password"]
        if share is None:
            self.initial = {"title": title, "may_comment": True, "expires": "30"} | dict(
                self.initial
            )
            password.help_text = "Optional. Tell it on another way than the link."
        else:
            self.initial = _as_typed(share) | dict(self.initial)
            password.help_text = (
                "It has one, which nobody can read. Type another to change it."
                if share.password
                else "It has none. Type one to add it."
            )

    @property
    def has_password(self) -> bool:
        return self.share is not None and bool(self.share.password)

    @property
    def allows(self) -> list[forms.BoundField]:
        return [self[name] for name in SWITCHES if name.startswith("may_")]

    @property
    def shows(self) -> list[forms.BoundField]:
        return [self[name] for name in SWITCHES if name.startswith("shows_")]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("expires") == "date" and "expires_on" not in self.errors:
            self._check_day(data.get("expires_on"))
        return data

    def _check_day(self, day: date | None) -> None:
        today = timezone.now().date()
        if day is None:
            self.add_error("expires_on", "Say the last day, or choose a length.")
        elif not today <= day <= today + timedelta(days=366 * MAX_YEARS):
            self.add_error(
                "expires_on",
                f"The last day is {day:%-d %B %Y}; it must be today or later, "
                f"and at most {MAX_YEARS} years from now.",
            )

    @property
    def options(self) -> Options:
        """What was chosen; valid once `is_valid` said so."""
        data = self.cleaned_data
        password = data["password"] or ("" if data["no_password"] else None)
        return Options(
            title=data["title"],
            note=data["note"],
            **{name: data[name] for name in SWITCHES},
            password=password,
            expires_at=self._end(),
        )

    def _end(self) -> datetime | None:
        chosen = self.cleaned_data["expires"]
        if chosen == "never":
            return None
        if chosen == "date":
            return datetime.combine(self.cleaned_data["expires_on"], time(23, 59, 59), tzinfo=UTC)
        return timezone.now() + timedelta(days=int(chosen))


def _as_typed(share: Share) -> dict[str, Any]:
    """The form as it would be typed for a share that exists."""
    return {
        "title": share.title,
        "note": share.note,
        **{name: getattr(share, name) for name in SWITCHES},
        "expires": "never" if share.expires_at is None else "date",
        "expires_on": share.expires_at.date() if share.expires_at else None,
    }
