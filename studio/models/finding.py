"""How a team keeps order and finds things: tags, collections, saved views, the words searched."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from studio.folding import FoldedField


class Tag(models.Model):
    """A word put on clips of one project."""

    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="tags")
    name = models.CharField(max_length=40)
    folded = FoldedField()
    generations = models.ManyToManyField("studio.Generation", blank=True, related_name="tags")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "folded"], name="tag_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Collection(models.Model):
    """Chosen clips of one project in a chosen order, such as a client's shortlist."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="collections")
    title = models.CharField(max_length=120)
    note = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.title


class CollectionItem(models.Model):
    """One clip's place in one collection."""

    collection = models.ForeignKey(Collection, models.CASCADE, related_name="items")
    generation = models.ForeignKey(
        "studio.Generation", models.CASCADE, related_name="collection_items"
    )
    position = models.PositiveIntegerField()

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "generation"], name="collection_clip_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.collection} #{self.position}"


class SavedView(models.Model):
    """A filter and a sort order of the gallery under a name: one person's, or the project's."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("studio.Project", models.CASCADE, related_name="saved_views")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=60)
    folded = FoldedField()
    query = models.CharField(max_length=2000, help_text="As in the gallery's address, without ?")
    shared = models.BooleanField(default=False, help_text="Everybody in the project sees it")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "owner", "folded"], name="view_once"),
        ]

    def __str__(self) -> str:
        return self.name


class SearchText(models.Model):
    """The words a clip is found by. Written by triggers of the database alone, see studio.search.

    `place` is the project's pk in the upper and the clip's number in the lower 32 bits: one project
    is one range, and its newest clips have the highest places.
    """

    place = models.BigIntegerField(primary_key=True)
    generation = models.OneToOneField(
        "studio.Generation", models.DO_NOTHING, db_constraint=False, related_name="search_text"
    )
    title = models.TextField()
    prompt = models.TextField()
    comments = models.TextField()
    concepts = models.TextField()  # as JSON

    class Meta:
        ordering = ["-place"]

    def __str__(self) -> str:
        return self.title
