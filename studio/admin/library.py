"""Prompts people keep, presets, and blind tests."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from studio.admin.base import ReadOnlyAdmin, ReadOnlyInline, chip, link
from studio.admin.filters import when_empty
from studio.models import BlindPair, BlindTest, FavouritePrompt, Preset
from studio.services.library.blind import contender_name


@admin.register(FavouritePrompt)
class FavouritePromptAdmin(ReadOnlyAdmin[FavouritePrompt]):
    """Prompts that people keep at hand."""

    title = "Kept prompts"
    list_display = ("words", "user", "project", "created_at")
    list_filter = ("created_at",)
    search_fields = ("text", "user__name", "project__name")
    list_select_related = ("user", "project")
    fields = ("text", "user", "project", "created_at")

    @admin.display(description="Prompt", ordering="text")
    def words(self, obj: FavouritePrompt) -> str:
        return Truncator(obj.text).chars(90)


@admin.register(Preset)
class PresetAdmin(ReadOnlyAdmin[Preset]):
    """Settings of the compose form under a name."""

    title = "Presets"
    list_display = ("name", "owner", "project", "shared", "created_at")
    list_filter = ("shared", "created_at")
    search_fields = ("name", "owner__name", "project__name")
    list_select_related = ("owner", "project")
    code_columns = ("code",)
    fields = ("name", "owner", "project", "shared", "settings", "created_at")


class BlindPairInline(ReadOnlyInline[BlindPair, BlindTest]):
    model = BlindPair
    fields = readonly_fields = ("left_clip", "right_clip", "votes")
    verbose_name_plural = "Pairs"

    def get_queryset(self, request: HttpRequest) -> QuerySet[BlindPair]:
        rows = super().get_queryset(request).select_related("left", "right")
        return rows.annotate(votes_count=Count("votes"))

    @admin.display(description="Left")
    def left_clip(self, obj: BlindPair) -> str | SafeString:
        return contender_name(obj.left)

    @admin.display(description="Right")
    def right_clip(self, obj: BlindPair) -> str | SafeString:
        return contender_name(obj.right)

    @admin.display(description="Votes")
    def votes(self, obj: BlindPair) -> int:
        return int(getattr(obj, "votes_count", 0))


@admin.register(BlindTest)
class BlindTestAdmin(ReadOnlyAdmin[BlindTest]):
    """The same shot from two models, judged without their names."""

    title = "Blind tests"
    list_display = ("title_", "in_project", "created_by", "pairs", "state", "created_at")
    list_filter = (when_empty("closed_at", "standing", empty="Open", filled="Closed"), "created_at")
    search_fields = ("title", "project__name")
    code_columns = ("code",)
    list_select_related = ("project", "created_by")
    inlines = (BlindPairInline,)
    fields = ("title", "project", "created_by", "created_at", "closed_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[BlindTest]:
        return super().get_queryset(request).annotate(pair_count=Count("pairs"))

    @admin.display(description="Test", ordering="title")
    def title_(self, obj: BlindTest) -> str:
        return obj.title

    @admin.display(description="Project")
    def in_project(self, obj: BlindTest) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="Pairs", ordering="pair_count")
    def pairs(self, obj: BlindTest) -> int:
        return int(getattr(obj, "pair_count", 0))

    @admin.display(description="State")
    def state(self, obj: BlindTest) -> SafeString:
        return chip("Closed", "") if obj.closed_at else chip("Open", "run")
