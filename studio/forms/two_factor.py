"""Codes people type, and the password where it is asked once more."""

from __future__ import annotations

from typing import Any

from django import forms

from studio.forms.current_password import CurrentPasswordMixin
from studio.http import StudioRequest
from studio.services import sessions

NOT_FRESH = "Sign out, sign in again, and turn it on within ten minutes."


def _code(**attrs: Any) -> forms.TextInput:
    return forms.TextInput(
        attrs={
            "class": "input",
            "autocomplete": "one-time-code",
            "autocapitalize": "off",
            "spellcheck": "false",
            **attrs,
        }
    )


class CodeForm(forms.Form):
    """A code of the app, or a recovery code."""

    code = forms.CharField(
        label="Code",
        max_length=40,
        widget=_code(),
        help_text="Six digits from your authenticator app, or a recovery code.",
        error_messages={"required": "Write the code your app shows."},
    )


class PasswordForm(forms.Form):
    """The password of an account that is known already."""

    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"class": "input", "autocomplete": "current-password"}),
        error_messages={"required": "Write your password."},
    )


class TurnOnForm(CurrentPasswordMixin, PasswordForm):
    """The first code of the app, with the password: an open window is not enough."""

    code = forms.CharField(
        label="Code the app shows",
        max_length=40,
        widget=_code(inputmode="numeric"),
        help_text="Six digits. It proves that the app has it right.",
        error_messages={"required": "Write the code your app shows."},
    )
    field_order = ("code", "password")

    def __init__(self, request: StudioRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        if not request.user.has_usable_password():
            del self.fields["password"]

    def clean(self) -> dict[str, Any]:
        if "password" not in self.fields and not sessions.is_fresh(self.request):
            raise forms.ValidationError(NOT_FRESH)
        return super().clean() or {}

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        self.judge(password, wrong="That is not your password.")
        return password
