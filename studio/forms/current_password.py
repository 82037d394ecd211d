"""Forms that ask who is signed in for their current password."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from studio.services.errors import StudioError
from studio.services.signing_in import TooManyTries, check_own_password


class CurrentPasswordMixin:
    """Judges the current password by the rule of every password, and remembers that tries are used up."""

    request: HttpRequest
    too_many: TooManyTries | None = None

    @sensitive_variables("password")
    def judge(self, password: str, *, wrong: str) -> None:
        """Raise ValidationError unless it is the password of who is signed in."""
        try:
            check_own_password(self.request, password=password, wrong=wrong)
        except StudioError as error:
            if isinstance(error, TooManyTries):
                self.too_many = error
            raise forms.ValidationError(error.message) from error
