"""Comments on clips, and who gave which verdict."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from studio.models.generation import Verdict


class Comment(models.Model):
    """What somebody said about a clip, at a moment of it or about the whole."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    generation = models.ForeignKey("studio.Generation", models.CASCADE, related_name="comments")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="comments"
    )
    guest_name = models.CharField(max_length=60, blank=True)
    guest = models.ForeignKey(
        "studio.Guest", models.SET_NULL, null=True, blank=True, related_name="comments"
    )
    # Replies are one level deep: a reply's parent has none.
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="replies"
    )
    # What was drawn over the frame at `at_ms`: shapes as studio.services.drawing checks them,
    # coordinates from 0 to 1 of the frame's width and height.
    drawing = models.JSONField(default=list, blank=True)
    mentions = models.ManyToManyField(
        settings.AUTH_USER_MODEL, blank=True, related_name="mentioned_in"
    )
    at_ms = models.PositiveIntegerField(null=True, blank=True)
    text = models.TextField(max_length=2000)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(author__isnull=False, guest_name="")
                | (models.Q(author=None) & ~models.Q(guest_name="")),
                name="comment_has_one_voice",
            ),
        ]
        indexes = [
            # The clip page: a clip's comments in the order they were made.
            models.Index(fields=["generation", "created_at"], name="comment_of_clip"),
        ]

    def __str__(self) -> str:
        return self.text[:60]


class GivenVerdict(models.Model):
    """One person's verdict on one take. Kept for ever; the one that counts has `current`.

    `Generation.verdict` is these rolled up into one.
    """

    generation = models.ForeignKey("studio.Generation", models.CASCADE, related_name="verdicts")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="verdicts"
    )
    guest = models.ForeignKey(
        "studio.Guest", models.PROTECT, null=True, blank=True, related_name="verdicts"
    )
    verdict = models.CharField(max_length=14, choices=Verdict, blank=True)  # empty: taken back
    comment = models.ForeignKey(
        Comment, models.SET_NULL, null=True, blank=True, related_name="verdicts"
    )
    current = models.BooleanField(default=True)
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(by__isnull=False, guest=None)
                | models.Q(by=None, guest__isnull=False),
                name="verdict_has_one_voice",
            ),
            models.UniqueConstraint(
                fields=["generation", "by"],
                condition=models.Q(current=True, by__isnull=False),
                name="verdict_once_a_person",
            ),
            models.UniqueConstraint(
                fields=["generation", "guest"],
                condition=models.Q(current=True, guest__isnull=False),
                name="verdict_once_a_guest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.by or self.guest}: {self.get_verdict_display()}"


class Seen(models.Model):
    """When a person last looked at a clip: what was said since is marked unread."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    generation = models.ForeignKey("studio.Generation", models.CASCADE, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "generation"], name="seen_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} saw clip {self.generation_id}"
