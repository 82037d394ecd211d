"""The ledger, and asking before spending."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone


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
        ]
        indexes = [
            # A month of a project, of a person, of an account: added up without reading the rows.
            models.Index(fields=["project", "month", "user", "microusd"], name="ledger_project"),
            models.Index(fields=["user", "month", "microusd"], name="ledger_user"),
            models.Index(fields=["account", "month", "microusd"], name="ledger_account"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.microusd}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk:
            raise TypeError("The ledger is append-only.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("The ledger is append-only.")


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
