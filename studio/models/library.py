"""What a team writes again and again: prompts and settings. And blind tests of what came of them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone


class FavouritePrompt(models.Model):
    """A prompt a person keeps at hand in a project."""

    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="favourite_prompts")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="favourite_prompts"
    )
    text = models.TextField()
    text_hash = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "user", "text_hash"], name="favourite_prompt_once"
            ),
        ]

    def __str__(self) -> str:
        return self.text[:60]


class Preset(models.Model):
    """Settings of the compose form under a name: one person's, or the project's."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="presets")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="presets")
    name = models.CharField(max_length=60)
    # Form fields by name: concepts, aspect_ratio, duration_s, resolution, takes, loop, account, model.
    settings = models.JSONField(default=dict)
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "owner", "name"], name="preset_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class BlindTest(models.Model):
    """Pairs of clips of the same shot from two providers or models, judged without their labels."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="blind_tests")
    title = models.CharField(max_length=120)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.title


class BlindPair(models.Model):
    """Two clips to be told apart by eye alone; which is left and which right is drawn once."""

    test = models.ForeignKey(BlindTest, models.CASCADE, related_name="pairs")
    left = models.ForeignKey("studio.Generation", models.PROTECT, related_name="+")
    right = models.ForeignKey("studio.Generation", models.PROTECT, related_name="+")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(left=models.F("right")), name="blind_pair_differs"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.test} #{self.pk}"


class BlindVote(models.Model):
    """Which of a pair one person prefers; none is a tie."""

    pair = models.ForeignKey(BlindPair, models.CASCADE, related_name="votes")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    winner = models.ForeignKey(
        "studio.Generation", models.PROTECT, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pair", "by"], name="blind_vote_once"),
        ]

    def __str__(self) -> str:
        return f"{self.by}: {self.winner_id or 'tie'}"
