"""Links that open clips without an account, and who came through them."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone


class Share(models.Model):
    """A link that opens chosen clips, a chain or a saved view without an account. Only the token's hash is kept."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="shares")
    title = models.CharField(max_length=120, blank=True)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    generations = models.ManyToManyField("studio.Generation", blank=True, related_name="shares")
    chain = models.ForeignKey(
        "studio.Chain", models.CASCADE, null=True, blank=True, related_name="shares"
    )
    saved_view = models.ForeignKey(
        "studio.SavedView", models.CASCADE, null=True, blank=True, related_name="shares"
    )
    note = models.CharField(max_length=500, blank=True, help_text="Shown to guests on top")
    may_comment = models.BooleanField(default=True)
    may_decide = models.BooleanField(default=False)
    may_download = models.BooleanField(default=False)
    # A guest sees none of these unless the link says so.
    shows_prompts = models.BooleanField(default=False)
    shows_costs = models.BooleanField(default=False)
    shows_names = models.BooleanField(default=False)
    password = models.CharField(max_length=128, blank=True, editable=False)  # hashed
    visits = models.PositiveIntegerField(default=0, editable=False)
    last_visit_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.title or f"Share of {self.project}"

    @property
    def is_open(self) -> bool:
        """Whether it opens anything now. While its project is archived no link does."""
        closed = self.revoked_at or self.project.archived_at
        return not closed and self.ends_after(timezone.now())

    def ends_after(self, moment: datetime) -> bool:
        return self.expires_at is None or self.expires_at > moment


class Guest(models.Model):
    """Somebody who came through a share and said their name. Their browser holds the token."""

    share = models.ForeignKey(Share, models.CASCADE, related_name="guests")
    name = models.CharField(max_length=60)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    seen_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return f"{self.name} (guest)"
