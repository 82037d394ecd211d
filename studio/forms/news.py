"""What people choose to be told, and what owners write about webhooks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone

from studio.models import Notification, User, Webhook
from studio.services.news.deliveries import PRICES
from studio.services.news.digest import OFF

REASONS = (
    ("mention", "Somebody mentions me"),
    ("reply", "Somebody replies to me"),
    ("comment", "Somebody comments on my clip"),
    ("verdict", "Somebody judges my clip"),
    ("finished", "My shot is ready"),
    ("failed", "My shot failed"),
    ("spend", "Spending: somebody asks, answers me, or a budget is nearly used"),
)
KINDS = (
    ("finished", "A clip is finished"),
    ("failed", "A shot failed"),
    ("verdict", "A verdict is given"),
    ("comment", "A comment is made"),
    ("spend", "80 % of a budget is used"),
    (PRICES, "With each clip, what it cost"),
)


class NewsForm(forms.Form):
    """What one person is told of, and how often by e-mail."""

    told = forms.MultipleChoiceField(
        label="Tell me when",
        choices=REASONS,
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "check"}),
        error_messages={"invalid_choice": "There is no news called “%(value)s”."},
    )
    digest = forms.ChoiceField(
        label="By e-mail",
        choices=User._meta.get_field("digest").choices or (),
        widget=forms.Select(attrs={"class": "input"}),
        error_messages={"invalid_choice": "Choose never, once a day or once a week."},
    )

    def __init__(self, data: Any = None, *, user: User) -> None:
        muted = set(user.muted or ())
        told = [value for value in Notification.Reason.values if value not in muted]
        super().__init__(data, initial={"told": told, "digest": user.digest}, prefix="news")
        self._user = user

    def save(self) -> None:
        told = set(self.cleaned_data["told"])
        changes: dict[str, Any] = {
            "muted": [value for value in Notification.Reason.values if value not in told],
            "digest": self.cleaned_data["digest"],
        }
        if self._user.digest == OFF and changes["digest"] != OFF:
            # The first one comes at the next hour for it, not at once.
            changes["digest_at"] = timezone.now()
        User.objects.filter(pk=self._user.pk).update(**changes)


class WebhookForm(forms.Form):
    url = forms.CharField(
        label="Address",
        max_length=500,
        widget=forms.URLInput(
            attrs={
                "class": "input",
                "autocomplete": "off",
                "placeholder": "https://hooks.example/ray",
            }
        ),
        error_messages={
            "required": "Write the address that is to be told.",
            "max_length": "The address has %(show_value)s characters; %(limit_value)s are allowed.",
        },
    )
    kinds = forms.MultipleChoiceField(
        label="Tell it when",
        choices=KINDS,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "check"}),
        error_messages={
            "required": "Choose at least one thing to be told of.",
            "invalid_choice": "There is no news called “%(value)s”.",
        },
    )

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookForm:
        return cls(initial={"url": webhook.url, "kinds": webhook.kinds})
