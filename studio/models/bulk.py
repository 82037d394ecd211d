"""One action on many clips, done in the background and undone as one."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

# Up to so many clips, everybody concerned is told of each verdict; of more, of the run as a whole.
TELL_OF_EACH = 50


class BulkRun(models.Model):
    """One press of a button in the selection bar."""

    class Action(models.TextChoices):
        RATE = "rate", "Rate"
        VERDICT = "verdict", "Verdict"
        TAG = "tag", "Tag"
        UNTAG = "untag", "Remove tag"
        CHAIN = "chain", "Move to chain"
        COLLECT = "collect", "Add to collection"
        ARCHIVE = "archive", "Archive"
        RESTORE = "restore", "Restore"
        DELETE = "delete", "Delete"
        RETRY = "retry", "Retry failed"

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Working"
        DONE = "done", "Done"
        UNDOING = "undoing", "Undoing"
        UNDONE = "undone", "Undone"
        FAILED = "failed", "Failed"

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="bulk_runs")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="bulk_runs")
    # The form's one-time token: a form sent twice is one run.
    request_token = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    action = models.CharField(max_length=10, choices=Action)
    params = models.JSONField(default=dict, blank=True)
    # Chosen by filter: the gallery's query and the version it was chosen at. Else items were given.
    query = models.CharField(max_length=2000, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED, editable=False)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    failure_text = models.CharField(max_length=300, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.total} clips"

    @property
    def tells_of_each(self) -> bool:
        return self.total <= TELL_OF_EACH


class BulkItem(models.Model):
    """One clip of one run: what it was before, so that the run can be undone."""

    class Outcome(models.TextChoices):
        WAITING = "", "Waiting"
        DONE = "done", "Done"
        SKIPPED = "skipped", "Skipped"
        UNDONE = "undone", "Undone"

    run = models.ForeignKey(BulkRun, models.CASCADE, related_name="items")
    generation = models.ForeignKey("studio.Generation", models.CASCADE, related_name="+")
    before = models.JSONField(default=dict, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.WAITING, blank=True)
    reason = models.CharField(max_length=200, blank=True)  # why it was skipped

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["run", "generation"], name="bulk_clip_once"),
        ]
        indexes = [
            # The worker's next batch, and what an undo has left to do.
            models.Index(fields=["run", "outcome", "id"], name="bulk_next"),
        ]

    def __str__(self) -> str:
        return f"{self.run}: clip {self.generation_id}"
