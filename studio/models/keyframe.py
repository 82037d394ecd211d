"""Keyframes: the images a project keeps ("stills" on screen)."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone


def keyframe_path(keyframe: Keyframe, filename: str) -> str:
    return f"projects/{keyframe.project.code}/stills/{keyframe.code}.{filename.rsplit('.', 1)[-1]}"


def thumbnail_path(keyframe: Keyframe, filename: str) -> str:
    return f"projects/{keyframe.project.code}/stills/{keyframe.code}-thumb.webp"


class Keyframe(models.Model):
    """An image kept in a project: uploaded, pasted, cropped, or grabbed from a clip.

    Pixels are normalised on the way in (studio.media.images), so `sha256` names the picture.
    """

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="keyframes")
    name = models.CharField(max_length=120, blank=True)
    file = models.FileField(upload_to=keyframe_path, max_length=200)
    thumbnail = models.FileField(upload_to=thumbnail_path, max_length=200)
    content_type = models.CharField(max_length=40)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    cropped_from = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="crops"
    )
    grabbed_from = models.ForeignKey(
        "studio.Generation",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="grabbed_keyframes",
    )
    grabbed_at_ms = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["project", "sha256"], name="keyframe_stored_once"),
            models.CheckConstraint(
                condition=models.Q(width__gt=0) & models.Q(height__gt=0), name="keyframe_has_pixels"
            ),
        ]
        indexes = [
            # The stills page and the picker: newest first within a project.
            models.Index(fields=["project", "-created_at"], name="keyframe_newest"),
        ]

    def __str__(self) -> str:
        return self.name or str(self.code)

    @property
    def url(self) -> str:
        return f"/media/stills/{self.code}"

    @property
    def thumbnail_url(self) -> str:
        return f"/media/stills/{self.code}/thumbnail"
