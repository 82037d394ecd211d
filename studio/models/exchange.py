"""Archives on their way into the studio."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone


class ImportRun(models.Model):
    """One uploaded archive being brought into one project. Written by studio.services.exchange."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Importing"
        DONE = "done", "Done"
        FAILED = "failed", "Stopped"

    GOING = frozenset({State.QUEUED, State.RUNNING})

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="import_runs")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="import_runs")
    file_name = models.CharField(max_length=120)  # what its file is called where it came from
    # Its name in the storage. No FileField: it is there until the run has ended, not longer.
    archive = models.CharField(max_length=200, editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED, editable=False)
    total = models.PositiveIntegerField(default=0)  # clips in the archive
    done = models.PositiveIntegerField(default=0)  # of these, dealt with, in the order of numbers
    clips = models.PositiveIntegerField(default=0)  # brought in
    known = models.PositiveIntegerField(default=0)  # clips that were here before
    stills = models.PositiveIntegerField(default=0)  # brought in
    left_out = models.PositiveIntegerField(default=0)
    problems = models.JSONField(default=list, blank=True)  # sentences about what was left out
    failure_text = models.CharField(max_length=300, blank=True)
    waiting_text = models.CharField(max_length=300, blank=True)  # why it does not go on now
    attempts = models.PositiveSmallIntegerField(default=0)  # tries since the last thing came in
    lease_token = models.CharField(max_length=32, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["queued", "running"], finished_at=None)
                | models.Q(state__in=["done", "failed"], finished_at__isnull=False),
                name="import_finished_when_over",
            ),
        ]

    def __str__(self) -> str:
        return f"Import of {self.file_name}"

    @property
    def is_going(self) -> bool:
        return self.state in self.GOING
