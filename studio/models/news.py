"""What happened in a project, who is told of it, and how."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.utils import timezone

from studio import vault


class Activity(models.Model):
    """One thing somebody did, or that happened to a clip. Append-only."""

    class Kind(models.TextChoices):
        QUEUED = "queued", "Queued"
        FINISHED = "finished", "Finished"
        FAILED = "failed", "Failed"
        COMMENT = "comment", "Comment"
        VERDICT = "verdict", "Verdict"
        SHARED = "shared", "Shared"
        VISITED = "visited", "Share opened"
        EXPORTED = "exported", "Exported"
        CHAINED = "chained", "Chain"
        MEMBER = "member", "Member"
        BULK = "bulk", "Bulk action"
        SPEND = "spend", "Spending"
        SETTINGS = "settings", "Settings"

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="activities")
    kind = models.CharField(max_length=10, choices=Kind)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    guest_name = models.CharField(max_length=60, blank=True)
    generation = models.ForeignKey(
        "studio.Generation", models.CASCADE, null=True, blank=True, related_name="activities"
    )
    chain = models.ForeignKey(
        "studio.Chain", models.CASCADE, null=True, blank=True, related_name="+"
    )
    comment = models.ForeignKey(
        "studio.Comment", models.CASCADE, null=True, blank=True, related_name="+"
    )
    text = models.CharField(max_length=300, blank=True)
    data = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            # The feed: a project's newest first, by key.
            models.Index(fields=["project", "-id"], name="activity_feed"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.text[:60]}"


class Notification(models.Model):
    """One activity that one person should know of."""

    class Reason(models.TextChoices):
        MENTION = "mention", "Mentioned you"
        REPLY = "reply", "Replied to you"
        COMMENT = "comment", "Commented on your clip"
        VERDICT = "verdict", "Judged your clip"
        FINISHED = "finished", "Your shot is ready"
        FAILED = "failed", "Your shot failed"
        SPEND = "spend", "Spending"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notifications")
    activity = models.ForeignKey(Activity, models.CASCADE, related_name="notifications")
    reason = models.CharField(max_length=10, choices=Reason)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    read_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["user", "activity"], name="notification_once"),
        ]
        indexes = [
            # The bell: what a person has not read.
            models.Index(
                fields=["user", "-id"],
                condition=models.Q(read_at=None),
                name="notification_unread",
            ),
            # The digest: what was neither read nor mailed.
            models.Index(
                fields=["user", "id"],
                condition=models.Q(read_at=None, mailed_at=None),
                name="notification_unmailed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_reason_display()} ({self.user})"


class Webhook(models.Model):
    """An address outside that is told what happens in a project."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="webhooks")
    url = models.URLField(max_length=500)
    secret_locked = models.TextField(editable=False)
    kinds = models.JSONField(default=list, help_text="finished, failed, verdict, comment")
    enabled = models.BooleanField(default=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return self.host

    @property
    def host(self) -> str:
        """The host and port alone: the rest of an address may be as secret as a password."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""

    def set_secret(self, secret: str) -> None:
        """Encrypt and keep the signing secret. The caller saves."""
        self.secret_locked = vault.lock(secret)

    def reveal_secret(self) -> str:
        """Decrypt the signing secret, for signing and for the page that shows it once."""
        return vault.unlock(self.secret_locked)


class WebhookDelivery(models.Model):
    """One message to one webhook, tried until it is taken or given up."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Given up"

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=10)
    payload = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(default=timezone.now)
    answer_status = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "webhook deliveries"
        indexes = [
            # The sender's claim: what is due.
            models.Index(
                fields=["next_at"], condition=models.Q(state="waiting"), name="delivery_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.webhook}"
