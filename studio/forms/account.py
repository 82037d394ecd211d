"""What people type about themselves."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import password_validation
from django.contrib.auth.forms import PasswordChangeForm

from studio.forms.current_password import CurrentPasswordMixin
from studio.forms.new_password import NewPasswordField, NewPasswordMixin
from studio.http import StudioRequest
from studio.incoming_text import tidy_line
from studio.models import User
from studio.services import email_address, sessions, two_factor
from studio.services.errors import StudioError

AT_LEAST = f"At least {settings.PASSWORD_CHARS} characters."
WITHOUT_MAIL = "You sign in with it. Whoever runs this studio can change it."
NOT_FRESH = "Sign out, sign in again, and change the email within ten minutes."
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
    password = NewPasswordField(
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


class AccountForm(CurrentPasswordMixin, forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when run
    """What people change about themselves. A new email is only asked for: see services/email_address.py."""

    class Meta:
        model = User
        fields = ("name", "email", "shortcuts")
        labels = {"name": "Name", "email": "Email", "shortcuts": "Single-letter shortcuts"}
        help_texts = {
            "email": "You sign in with it. A new one is confirmed by a link mailed to it.",
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

    def __init__(self, request: StudioRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.before: str = self.instance.email
        self.proof = email_address.proof_of(request.user) if email_address.can_change() else ""
        if not self.proof:
            self.fields["email"].disabled = True
            self.fields["email"].help_text = WITHOUT_MAIL
        elif self.proof == email_address.PASSWORD:
            self.fields["password"] = forms.CharField(
                label="Password now", strip=False, max_length=4096, required=False,
                widget=_password("current-password"), help_text="Only to change the email.",
            )  # fmt: skip
        elif self.proof == email_address.CODE:
            self.fields["code"] = forms.CharField(
                label="Code", max_length=40, required=False, widget=_text("one-time-code"),
                help_text="Of your authenticator app. Only to change the email.",
            )  # fmt: skip

    @property
    def new_email(self) -> str:
        """The address that is asked for; empty where it stays."""
        email = str(self.cleaned_data.get("email", self.before))
        return email if email != self.before else ""

    def clean_name(self) -> str:
        return tidy_line(str(self.cleaned_data["name"]))

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and self.new_email:
            self._prove(data)
        return data

    def _prove(self, data: dict[str, Any]) -> None:
        """Ask for more than an open window, by what this account has."""
        if self.proof == email_address.FRESH_SIGN_IN:
            if not sessions.is_fresh(self.request):
                self.add_error("email", NOT_FRESH)
            return
        written = str(data.get(self.proof) or "")
        if not written:
            self.add_error(self.proof, f"Write your {self.proof} to change the email.")
            return
        try:
            if self.proof == email_address.PASSWORD:
                self.judge(written, wrong="That is not your password.")
            else:
                two_factor.check(user=self.instance, code=written)
        except forms.ValidationError as error:
            self.add_error(self.proof, error)
        except StudioError as error:
            self.add_error(self.proof, error.message)

    def save(self, commit: bool = True) -> User:
        self.instance.email = self.before
        person: User = super().save(commit)
        return person


class ChangePasswordForm(NewPasswordMixin, CurrentPasswordMixin, PasswordChangeForm):
    error_messages = {
        "password_mismatch": "The two new passwords are not the same.",
    }

    def __init__(self, request: StudioRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request.user, *args, **kwargs)
        self.request = request
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

    def clean_old_password(self) -> str:
        password = str(self.cleaned_data["old_password"])
        self.judge(password, wrong="That is not your password now.")
        return password
