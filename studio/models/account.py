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
from studio.models.defaults import EMPTY_OBJECT
from studio.passwords import forms_of, normalized


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
    # Whether the address is known to be this person's: the issuer of single sign-on vouched for it,
    # they opened a link mailed to it, or staff allowed it. One that was only typed links nothing.
    email_confirmed = models.BooleanField(default=False, db_default=False, editable=False)
    name = models.CharField(max_length=80)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May use the admin")
    # Counts while the studio's settings leave making projects to staff and chosen people.
    may_make_projects = models.BooleanField(default=False, db_default=False)
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

    # Whether the password that was right last was hashed in another Unicode form than today's.
    has_old_password_form = False

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

    def set_password(self, raw_password: str | None) -> None:
        super().set_password(None if raw_password is None else normalized(raw_password))

    def check_password(self, raw_password: str | None) -> bool:
        """Compare in every normal form: hashes of before were made of what was typed.

        Sets `has_old_password_form`, for a sign-in to hash it anew.
        """
        for form in forms_of(raw_password or ""):
            if super().check_password(form):
                self.has_old_password_form = form != normalized(form)
                return True
        return False

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

    class Hold(models.TextChoices):
        """Why nothing is sent here until a person or a probe lifts it. Empty = not held."""

        CREDIT = "credit", "Out of credit"
        KEY = "key", "Key not accepted"
        ENDPOINT = "endpoint", "Wrong endpoint"

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
    # What this account pays for one of the provider's credits, in nano-USD; empty = the provider's
    # public plans. A shot's rate is fixed when its charge is booked.
    credit_nanousd = models.BigIntegerField(null=True, blank=True)
    balance_microusd = models.BigIntegerField(null=True, blank=True, editable=False)
    balance_credits = models.FloatField(null=True, blank=True, editable=False)
    balance_unit = models.CharField(max_length=20, blank=True, editable=False)
    balance_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Provider trouble: submits wait until then, and cards say why.
    paused_until = models.DateTimeField(null=True, blank=True, editable=False)
    trouble = models.CharField(max_length=200, blank=True, editable=False)
    # A hold: nothing is sent until a free probe, or an admin, says that it can be paid again.
    hold_reason = models.CharField(
        max_length=10, choices=Hold, blank=True, default="", db_default="", editable=False
    )
    # What cards say of it. It stays when the hold is lifted: cards written meanwhile are found by it.
    hold_text = models.CharField(
        max_length=200, blank=True, default="", db_default="", editable=False
    )
    # What was left then.
    hold_balance = models.JSONField(
        default=dict, db_default=EMPTY_OBJECT, blank=True, editable=False
    )
    held_at = models.DateTimeField(null=True, blank=True, editable=False)
    next_probe_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Probes since a shot was last taken: the next one waits longer.
    probes = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    # The sweep's lease: one sweeper at a time per account.
    sweep_token = models.CharField(max_length=32, blank=True, editable=False)
    sweep_until = models.DateTimeField(null=True, blank=True, editable=False)
    swept_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Since when no poll there has brought an answer, and what the cards of its shots say about it.
    polls_failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    polls_trouble = models.CharField(
        max_length=300, blank=True, default="", db_default="", editable=False
    )
    # When a sweep of it last came to its end, and when one last stopped with an error.
    sweep_finished_at = models.DateTimeField(null=True, blank=True, editable=False)
    sweep_failed_at = models.DateTimeField(null=True, blank=True, editable=False)
    webhook_token = models.UUIDField(default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["provider", "label"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "label"], name="account_label_once"),
            models.CheckConstraint(
                condition=models.Q(concurrent_limit__gte=1), name="account_limit_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(credit_nanousd=None) | models.Q(credit_nanousd__gt=0),
                name="account_credit_rate_positive",
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
    # What was really charged, where the provider says so: the last five charges, the newest last, as
    # {"microusd", "credits" (None where money was told)}, for 16:9; and their median. None: none yet.
    charges = models.JSONField(null=True, blank=True, editable=False)
    charged_microusd = models.BigIntegerField(null=True, blank=True, editable=False)
    charged_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The last charge that was booked but is too far above every known price to learn from.
    odd_microusd = models.BigIntegerField(null=True, blank=True, editable=False)
    odd_at = models.DateTimeField(null=True, blank=True, editable=False)
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
    def drift(self) -> float | None:
        """How far the charges are from the list: 0.1 is 10 % dearer. None when not known."""
        if self.charged_microusd is None or not self.microusd:
            return None
        return self.charged_microusd / self.microusd - 1


class Orphan(models.Model):
    """A job a provider knows and no generation here does: perhaps a clip that was paid for and lost."""

    account = models.ForeignKey(ProviderAccount, models.CASCADE, related_name="orphans")
    job_id = models.CharField(max_length=1000)
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
