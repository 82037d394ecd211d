"""People, the keys the studio pays with, and prices."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from studio import vault


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """One person. Signs in by e-mail; made by the welcome link, an invite or an admin."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=80)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May use the admin")
    # Single-letter shortcuts can be switched off (WCAG 2.1.4).
    shortcuts = models.BooleanField(default=True)
    digest = models.CharField(
        max_length=6,
        default="off",
        choices=[("off", "Never"), ("daily", "Once a day"), ("weekly", "Once a week")],
        help_text="What you have not read, by e-mail",
    )
    digest_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Reasons this person does not want to be told of; see Notification.Reason.
    muted = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_once",
                violation_error_message="This e-mail address is already in use.",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name.split(" ")[0]

    @property
    def initials(self) -> str:
        """One or two capital letters for the avatar."""
        words = [word for word in self.name.split() if word[0].isalnum()] or [self.email]
        return (words[0][0] + (words[-1][0] if len(words) > 1 else words[0][1:2])).upper()

    @property
    def hue(self) -> int:
        """1 to 4: which of the four avatar greys this person gets."""
        return (self.pk or 0) % 4 + 1


class ProviderAccount(models.Model):
    """One key (or, for Previs, this machine) at one provider, with its limits."""

    class Origin(models.TextChoices):
        BUILT_IN = "built-in", "Built in"
        ENVIRONMENT = "environment", "Environment"
        ADMIN = "admin", "Admin"

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    provider = models.CharField(max_length=20)
    label = models.CharField(max_length=60, blank=True)
    key_locked = models.TextField(blank=True, editable=False)
    base_url = models.URLField(blank=True, help_text="Empty = the provider's own address")
    dialect = models.CharField(
        max_length=20, blank=True, help_text="'legacy' = AI/ML API's older Luma endpoint"
    )
    origin = models.CharField(max_length=12, choices=Origin, default=Origin.ADMIN, editable=False)
    enabled = models.BooleanField(default=True)
    concurrent_limit = models.PositiveIntegerField(
        default=3, help_text="Shots at the provider at once"
    )
    monthly_limit_microusd = models.BigIntegerField(
        null=True, blank=True, help_text="Micro-USD; empty = no limit"
    )
    balance_microusd = models.BigIntegerField(null=True, blank=True, editable=False)
    balance_credits = models.FloatField(null=True, blank=True, editable=False)
    balance_unit = models.CharField(max_length=20, blank=True, editable=False)
    balance_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Provider trouble: submits wait until then, and cards say why.
    paused_until = models.DateTimeField(null=True, blank=True, editable=False)
    trouble = models.CharField(max_length=200, blank=True, editable=False)
    # The sweep's lease: one sweeper at a time per account.
    sweep_token = models.CharField(max_length=32, blank=True, editable=False)
    sweep_until = models.DateTimeField(null=True, blank=True, editable=False)
    swept_at = models.DateTimeField(null=True, blank=True, editable=False)
    webhook_token = models.UUIDField(default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["provider", "label"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "label"], name="account_label_once"),
            models.CheckConstraint(
                condition=models.Q(concurrent_limit__gte=1), name="account_limit_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} ({self.label})" if self.label else self.provider

    def set_key(self, key: str) -> None:
        """Encrypt and keep a provider key. The caller saves."""
        self.key_locked = vault.lock(key.strip())

    def reveal_key(self) -> str:
        """Decrypt the key, for an adapter only. Never log it, never put it on a page."""
        return vault.unlock(self.key_locked)

    @property
    def has_key(self) -> bool:
        return bool(self.key_locked)


class Price(models.Model):
    """What one provider asks for one kind of shot. Seeded from the catalogue, edited in the admin."""

    provider = models.CharField(max_length=20)
    model = models.CharField(max_length=60)
    duration_s = models.PositiveSmallIntegerField()
    resolution = models.CharField(max_length=5)
    microusd = models.BigIntegerField(null=True, blank=True)
    credits = models.FloatField(null=True, blank=True)
    unit = models.CharField(max_length=20, blank=True)
    source = models.CharField(max_length=200, blank=True)
    checked_on = models.DateField(null=True, blank=True)
    # What was really charged the last time, where the provider says so; newer than any list.
    charged_microusd = models.BigIntegerField(null=True, blank=True, editable=False)
    charged_at = models.DateTimeField(null=True, blank=True, editable=False)
    edited = models.BooleanField(
        default=False, help_text="Changed by hand: a new catalogue does not overwrite it"
    )

    class Meta:
        ordering = ["provider", "model", "duration_s", "resolution"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "model", "duration_s", "resolution"], name="price_once"
            ),
            models.CheckConstraint(
                condition=models.Q(microusd=None) | models.Q(microusd__gte=0),
                name="price_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.model} {self.duration_s} s {self.resolution}"

    @property
    def best_microusd(self) -> int | None:
        """What to expect: what was charged last, unless a person has set the price since."""
        if self.charged_microusd is not None and not self.edited:
            return self.charged_microusd
        return self.microusd

    @property
    def drift(self) -> float | None:
        """How far the last charge was from the list: 0.1 is 10 % dearer. None when not known."""
        if self.charged_microusd is None or not self.microusd:
            return None
        return self.charged_microusd / self.microusd - 1


class Orphan(models.Model):
    """A job a provider knows and no generation here does: perhaps a clip that was paid for and lost."""

    account = models.ForeignKey(ProviderAccount, models.CASCADE, related_name="orphans")
    job_id = models.CharField(max_length=255)
    model = models.CharField(max_length=60, blank=True)
    prompt = models.TextField(blank=True)
    status = models.CharField(max_length=10)
    result_url = models.TextField(blank=True)
    error = models.CharField(max_length=300, blank=True)
    microusd = models.BigIntegerField(null=True, blank=True)
    credits = models.FloatField(null=True, blank=True)
    unit = models.CharField(max_length=20, blank=True)
    created_at_provider = models.DateTimeField(null=True, blank=True)
    found_at = models.DateTimeField(default=timezone.now)
    generation = models.ForeignKey(
        "studio.Generation", models.SET_NULL, null=True, blank=True, related_name="+"
    )
    dismissed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-found_at"]
        constraints = [
            models.UniqueConstraint(fields=["account", "job_id"], name="orphan_job_once"),
        ]

    def __str__(self) -> str:
        return f"{self.account.provider} job {self.job_id}"
