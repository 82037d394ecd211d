"""What people type about themselves."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import password_validation
from django.contrib.auth.forms import PasswordChangeForm

from studio.models import User

AT_LEAST = f"At least {settings.PASSWORD_CHARS} characters."
EMAIL_WORDS = {
    "required": "Write your email.",
    "invalid": "This does not look like an email. It should read like name@example.com.",
}


def _text(autocomplete: str, **attrs: Any) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "input", "autocomplete": autocomplete, **attrs})


def _email() -> forms.EmailInput:
    return forms.EmailInput(attrs={"class": "input", "autocomplete": "username"})


def _password(autocomplete: str) -> forms.PasswordInput:
    return forms.PasswordInput(attrs={"class": "input", "autocomplete": autocomplete})


class SignInForm(forms.Form):
    # The field's name is what django-axes reads: settings.AXES_USERNAME_FORM_FIELD.
    username = forms.EmailField(
        label="Email", max_length=254, widget=_email(), error_messages=EMAIL_WORDS
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=4096,
        widget=_password("current-password"),
        error_messages={"required": "Write your password."},
    )

    def clean_username(self) -> str:
        return str(self.cleaned_data["username"]).lower()


class NewAccountForm(forms.Form):
    """A new person: the first owner, or somebody with an invite."""

    name = forms.CharField(
        label="Your name",
        max_length=80,
        widget=_text("name"),
        error_messages={"required": "Write the name your team knows you by."},
    )
    email = forms.EmailField(
        label="Email", max_length=254, widget=_email(), error_messages=EMAIL_WORDS
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=4096,
        widget=_password("new-password"),
        help_text=AT_LEAST,
        error_messages={
            "required": f"Choose a password of at least {settings.PASSWORD_CHARS} characters."
        },
    )

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "password" in data:
            person = User(name=data.get("name", ""), email=data.get("email", ""))
            try:
                password_validation.validate_password(data["password"], person)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return data


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when run
    class Meta:
        model = User
        fields = ("name", "email", "shortcuts")
        labels = {"name": "Name", "email": "Email", "shortcuts": "Single-letter shortcuts"}
        help_texts = {
            "email": "You sign in with it.",
            "shortcuts": "N for a new shot, / to search, 1 to 5 to rate. Off = only combinations "
            "such as Ctrl+Enter.",
        }
        widgets = {
            "name": _text("name"),
            "email": _email(),
            "shortcuts": forms.CheckboxInput(attrs={"class": "check"}),
        }
        error_messages = {
            "name": {"required": "Write the name your team knows you by."},
            "email": {**EMAIL_WORDS, "unique": "This email already has an account."},
        }

    def clean_name(self) -> str:
        return " ".join(str(self.cleaned_data["name"]).split())

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class ChangePasswordForm(PasswordChangeForm):
    error_messages = {
        "password_mismatch": "The two new passwords are not the same.",
        "password_incorrect": "That is not your password now.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in {
            "old_password": "Password now",
            "new_password1": "New password",
            "new_password2": "New password again",
        }.items():
            field = self.fields[name]
            field.label = label
            field.help_text = ""
            field.widget.attrs["class"] = "input"
            field.error_messages["required"] = "Fill this in."
        self.fields["new_password1"].help_text = AT_LEAST
