"""Chains of clips that continue one another, and the films rendered from them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone


class Chain(models.Model):
    """Ordered clips that continue one another. A chain that shares another's beginning is a branch."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="chains")
    title = models.CharField(max_length=120)
    branched_from = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="branches"
    )
    # The position in `branched_from` of the last segment both share.
    branched_position = models.PositiveIntegerField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(branched_from=None) | models.Q(branched_position__isnull=False),
                name="chain_branch_has_position",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Segment(models.Model):
    """One clip's place in one chain."""

    chain = models.ForeignKey(Chain, models.CASCADE, related_name="segments")
    position = models.PositiveIntegerField()
    generation = models.ForeignKey("studio.Generation", models.PROTECT, related_name="segments")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["chain", "position"], name="segment_position_once"),
        ]

    def __str__(self) -> str:
        return f"{self.chain} #{self.position}"


def export_path(export: Export, filename: str) -> str:
    return (
        f"projects/{export.chain.project.code}/exports/{export.code}.{filename.rsplit('.', 1)[-1]}"
    )


class Export(models.Model):
    """A file rendered from a chain. `state` is written by studio.export_lifecycle only."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Stitching"
        SUCCEEDED = "succeeded", "Ready"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    chain = models.ForeignKey(Chain, models.CASCADE, related_name="exports")
    options = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED, editable=False)
    progress = models.PositiveSmallIntegerField(default=0)
    note = models.CharField(max_length=200, blank=True)  # copied or re-encoded, and why
    failure_text = models.CharField(max_length=300, blank=True)
    file = models.FileField(upload_to=export_path, max_length=200, blank=True)
    size_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    lease_token = models.CharField(max_length=32, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)
    # Deleted by a person; the file goes a day later, so that it can be undone.
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["queued", "running"], finished_at=None)
                | models.Q(
                    state__in=["succeeded", "failed", "cancelled"], finished_at__isnull=False
                ),
                name="export_finished_when_terminal",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="succeeded") | ~models.Q(file=""),
                name="export_succeeded_has_file",
            ),
        ]

    def __str__(self) -> str:
        return f"Export of {self.chain}"
