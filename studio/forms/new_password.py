"""Passwords that are set: measured, and compared with each other, in the form that is kept.

A keyboard that writes an accent as a sign of its own makes no password longer.
"""

from __future__ import annotations

from typing import Any

from django import forms

from studio.passwords import normalized


class NewPasswordField(forms.CharField):
    def to_python(self, value: Any) -> str:
        return normalized(super().to_python(value) or "")


class NewPasswordMixin:
    """For Django's own forms, which make their fields themselves."""

    cleaned_data: dict[str, Any]

    def clean_password1(self) -> str:
        return normalized(self.cleaned_data["password1"])

    def clean_password2(self) -> str:
        return normalized(self.cleaned_data["password2"])

    def clean_new_password1(self) -> str:
        return normalized(self.cleaned_data["new_password1"])

    def clean_new_password2(self) -> str:
        return normalized(self.cleaned_data["new_password2"])
