"""The ledger, and asking before spending."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from studio.amounts import Certainty, amount_text


class LedgerEntry(models.Model):
    """One movement of money for one generation. Append-only; a month's spend is the sum of these.

    A shot reserves its estimate when it is queued (+), and when it ends the reservation is given
    back (-) and what was really charged is written (+).
    """

    class Kind(models.TextChoices):
        RESERVED = "reserved", "Reserved"
        RELEASED = "released", "Released"
        CHARGED = "charged", "Charged"
        CORRECTED = "corrected", "Corrected"

    kind = models.CharField(max_length=10, choices=Kind)
    generation = models.ForeignKey("studio.Generation", models.PROTECT, related_name="ledger")
    project = models.ForeignKey("studio.Project", models.PROTECT, related_name="ledger")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="ledger")
    account = models.ForeignKey("studio.ProviderAccount", models.PROTECT, related_name="ledger")
    # The month it counts in: the first day of the month in which the shot was queued (UTC).
    month = models.DateField()
    microusd = models.BigIntegerField()  # signed
    credits = models.FloatField(null=True, blank=True)
    unit = models.CharField(max_length=20, blank=True)
    note = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "ledger entries"
        constraints = [
            # A shot reserves once and is released once.
            models.UniqueConstraint(
                fields=["generation", "kind"],
                condition=models.Q(kind__in=["reserved", "released", "charged"]),
                name="ledger_once",
            ),
            # Nobody is paid for rendering: what is held or charged is never less than nothing.
            models.CheckConstraint(
                condition=~models.Q(kind__in=["reserved", "charged"]) | models.Q(microusd__gte=0),
                name="ledger_charge_not_negative",
            ),
        ]
        indexes = [
            # A month of a project, of a person, of an account: added up without reading the rows.
            models.Index(fields=["project", "month", "user", "microusd"], name="ledger_project"),
            models.Index(fields=["user", "month", "microusd"], name="ledger_user"),
            models.Index(fields=["account", "month", "microusd"], name="ledger_account"),
            models.Index(fields=["month", "microusd"], name="ledger_month"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.microusd}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk:
            raise TypeError("The ledger is append-only.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("The ledger is append-only.")


class StudioSettings(models.Model):
    """What counts for the whole studio: one row. Staff change it in the control room."""

    ONLY = 1  # the row's key

    class Makers(models.TextChoices):
        """Who may make projects, by hand, as the sample or by import. Staff always may."""

        EVERYBODY = "everybody", "Everybody with an account"
        CHOSEN = "chosen", "Staff, and people they allow it"
        STAFF = "staff", "Staff"

    class Offered(models.TextChoices):
        """Which paid accounts a new project may use that somebody who is not staff makes."""

        NONE = "none", "None: staff add them in the project"
        CHOSEN = "chosen", "The ones chosen below"
        ALL = "all", "All"

    monthly_limit_microusd = models.BigIntegerField(null=True, blank=True)
    project_makers = models.CharField(
        max_length=10, choices=Makers, default=Makers.CHOSEN, db_default=Makers.CHOSEN
    )
    # What every new project starts with. Owners who are not staff raise no budget above it.
    new_budget_microusd = models.BigIntegerField(
        null=True, blank=True, default=100_000_000, db_default=100_000_000
    )
    new_ask_above_microusd = models.BigIntegerField(
        null=True, blank=True, default=10_000_000, db_default=10_000_000
    )
    new_offered = models.CharField(
        max_length=10, choices=Offered, default=Offered.NONE, db_default=Offered.NONE
    )
    new_accounts = models.ManyToManyField("studio.ProviderAccount", blank=True, related_name="+")
    # The control room's first page says what changed for new projects, until staff have read it.
    announces_defaults = models.BooleanField(default=False, db_default=False, editable=False)
    # When a backup was put back last. What was asked for before may have been bought since it was made.
    restored_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name_plural = "studio settings"
        constraints = [
            models.CheckConstraint(condition=models.Q(pk=1), name="studio_settings_once"),
            models.CheckConstraint(
                condition=models.Q(monthly_limit_microusd=None)
                | models.Q(monthly_limit_microusd__gte=0),
                name="studio_limit_not_negative",
            ),
            models.CheckConstraint(
                condition=models.Q(new_budget_microusd=None) | models.Q(new_budget_microusd__gte=0),
                name="studio_new_budget_not_negative",
            ),
            models.CheckConstraint(
                condition=models.Q(new_ask_above_microusd=None)
                | models.Q(new_ask_above_microusd__gte=0),
                name="studio_new_ask_above_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return "Studio settings"

    @classmethod
    def current(cls) -> StudioSettings:
        """Return the row, or its defaults while nobody has changed them: a page writes nothing."""
        return cls.objects.filter(pk=cls.ONLY).first() or cls(pk=cls.ONLY)

    @classmethod
    def load(cls) -> StudioSettings:
        """Return the row, made if it is missing."""
        found = cls.objects.filter(pk=cls.ONLY).first()
        return found or cls.objects.get_or_create(pk=cls.ONLY)[0]


class SpendRequest(models.Model):
    """A shot somebody wants and may not pay for alone. Approving it queues the shot as asked."""

    class State(models.TextChoices):
        OPEN = "open", "Waiting"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "Withdrawn"

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="spend_requests")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="spend_requests")
    # The form's one-time token: a form sent twice asks once, and an approval queues once.
    request_token = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    shot = models.JSONField(default=dict)  # the compose form's fields, checked
    start_keyframe = models.ForeignKey(
        "studio.Keyframe", models.PROTECT, null=True, blank=True, related_name="+"
    )
    end_keyframe = models.ForeignKey(
        "studio.Keyframe", models.PROTECT, null=True, blank=True, related_name="+"
    )
    estimated_microusd = models.BigIntegerField()
    rule = models.CharField(max_length=200)  # why it must be asked for
    reason = models.CharField(max_length=500, blank=True)  # why it is wanted
    state = models.CharField(max_length=10, choices=State, default=State.OPEN, editable=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_note = models.CharField(max_length=500, blank=True)
    generations = models.ManyToManyField("studio.Generation", blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.by} asks for {self.estimated_microusd} micro-USD"

    @property
    def price_text(self) -> str:
        """The price when it was asked for, in words: $0.71, about $0.71, at most $1.27."""
        certainty = next(iter(self.shot.get("certainty", ())), Certainty.EXACT)
        return amount_text(self.estimated_microusd, certainty)
