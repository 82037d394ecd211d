"""How teams keep order: actions on many clips, tags, collections, saved views."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from studio.admin.base import ReadOnlyAdmin, ReadOnlyInline, chip, link, tell, when
from studio.admin.filters import ProjectFilter, when_empty
from studio.models import (
    BulkItem,
    BulkRun,
    Collection,
    CollectionItem,
    SavedView,
    Tag,
)
from studio.services.bulk import runs, words

TONES = {"done": "ok", "running": "run", "undoing": "run", "queued": "wait", "failed": "bad"}


class BulkItemInline(ReadOnlyInline[BulkItem, BulkRun]):
    """What was not done, and why; the rest is in the run's own numbers."""

    model = BulkItem
    verbose_name_plural = "clips left as they were, or kept when it was undone"
    fields = ("clip", "outcome", "reason")
    readonly_fields = fields
    max_num = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[BulkItem]:
        rows = super().get_queryset(request).exclude(reason="").select_related("generation")
        return rows.defer("generation__raw_answer", "generation__prompt", "generation__sent_prompt")

    @admin.display(description="Clip")
    def clip(self, obj: BulkItem) -> str | SafeString:
        return link(obj.generation)


@admin.register(BulkRun)
class BulkRunAdmin(ReadOnlyAdmin[BulkRun]):
    title = "Bulk actions"
    list_display = (
        "what",
        "standing",
        "project_link",
        "total",
        "done",
        "skipped",
        "who",
        "created",
    )
    list_filter = ("state", "action", ProjectFilter)
    list_select_related = ("project", "by")
    search_fields = ("by__name", "by__email", "project__name", "failure_text")
    code_columns = ("code",)
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    fields = (
        "what", "standing", "project_link", "total", "done", "skipped", "who", "made_at", "ended",
        "query", "params", "failure_text", "lease", "code",
    )  # fmt: skip
    inlines = (BulkItemInline,)
    actions = ("resume",)
    page_actions = ("resume",)

    @admin.display(description="Action", ordering="action")
    def what(self, obj: BulkRun) -> str:
        return words.title(obj)

    @admin.display(description="State", ordering="state")
    def standing(self, obj: BulkRun) -> SafeString:
        return chip(obj.get_state_display(), TONES.get(obj.state, ""))

    @admin.display(description="Project", ordering="project__name")
    def project_link(self, obj: BulkRun) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="By", ordering="by__name")
    def who(self, obj: BulkRun) -> str | SafeString:
        return link(obj.by)

    @admin.display(description="Ended")
    def ended(self, obj: BulkRun) -> str | SafeString:
        return when(obj.finished_at)

    @admin.display(description="A worker has it until")
    def lease(self, obj: BulkRun) -> str | SafeString:
        return f"{obj.lease_until:%H:%M:%S} UTC" if obj.lease_until else "—"

    def heading(self, obj: BulkRun) -> str:
        return words.title(obj)

    def offers(self, obj: BulkRun, name: str) -> bool:
        return obj.state in runs.GOING

    @admin.action(description="Go on now", permissions=["act"])
    def resume(self, request: HttpRequest, queryset: QuerySet[BulkRun]) -> None:
        """Ask a worker to go on; one that has it already is not disturbed."""
        rows = list(queryset.filter(state__in=runs.GOING))
        for row in rows:
            runs.ask(row.pk)
            self.log_change(request, row, "Asked to go on.")
        tell(request, rows, "Asked to go on")


@admin.register(Tag)
class TagAdmin(ReadOnlyAdmin[Tag]):
    title = "Tags"
    list_display = ("name", "project_link", "clips", "created")
    list_filter = (ProjectFilter,)
    list_select_related = ("project",)
    search_fields = ("name", "project__name")
    ordering = ("name", "pk")
    fields = ("name", "project_link", "clips", "made_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tag]:
        return super().get_queryset(request).annotate(clip_count=Count("generations"))

    @admin.display(description="Project", ordering="project__name")
    def project_link(self, obj: Tag) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="Clips", ordering="clip_count")
    def clips(self, obj: Tag) -> int:
        return int(obj.clip_count)  # type: ignore[attr-defined]  # annotated


class CollectionItemInline(ReadOnlyInline[CollectionItem, Collection]):
    model = CollectionItem
    verbose_name_plural = "clips in order"
    fields = ("position", "clip")
    readonly_fields = fields
    ordering = ("position", "pk")
    max_num = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[CollectionItem]:
        rows = super().get_queryset(request).select_related("generation")
        return rows.defer("generation__raw_answer", "generation__prompt", "generation__sent_prompt")

    @admin.display(description="Clip")
    def clip(self, obj: CollectionItem) -> str | SafeString:
        return link(obj.generation)


@admin.register(Collection)
class CollectionAdmin(ReadOnlyAdmin[Collection]):
    title = "Collections"
    list_display = ("title_shown", "standing", "project_link", "clips", "who", "created")
    list_filter = (
        when_empty("archived_at", "standing", empty="Open", filled="Deleted"),
        ProjectFilter,
    )
    list_select_related = ("project", "created_by")
    search_fields = ("title", "note", "project__name", "created_by__name")
    code_columns = ("code",)
    ordering = ("-created_at", "-pk")
    fields = ("title_shown", "note", "standing", "project_link", "clips", "who", "made_at", "code")
    inlines = (CollectionItemInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Collection]:
        return super().get_queryset(request).annotate(clip_count=Count("items"))

    @admin.display(description="Collection", ordering="title")
    def title_shown(self, obj: Collection) -> str:
        return obj.title

    @admin.display(description="Standing", ordering="archived_at")
    def standing(self, obj: Collection) -> SafeString:
        return chip("Deleted") if obj.archived_at else chip("Open", "ok")

    @admin.display(description="Project", ordering="project__name")
    def project_link(self, obj: Collection) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="Clips", ordering="clip_count")
    def clips(self, obj: Collection) -> int:
        return int(obj.clip_count)  # type: ignore[attr-defined]  # annotated

    @admin.display(description="Made by", ordering="created_by__name")
    def who(self, obj: Collection) -> str | SafeString:
        return link(obj.created_by)


@admin.register(SavedView)
class SavedViewAdmin(ReadOnlyAdmin[SavedView]):
    title = "Saved views"
    list_display = ("name", "project_link", "who", "seen_by", "query", "created")
    list_filter = ("shared", ProjectFilter)
    list_select_related = ("project", "owner")
    search_fields = ("name", "query", "project__name", "owner__name")
    code_columns = ("code",)
    ordering = ("name", "pk")
    fields = ("name", "project_link", "who", "seen_by", "query", "made_at", "code")

    @admin.display(description="Project", ordering="project__name")
    def project_link(self, obj: SavedView) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="Owner", ordering="owner__name")
    def who(self, obj: SavedView) -> str | SafeString:
        return link(obj.owner)

    @admin.display(description="Seen by", ordering="shared")
    def seen_by(self, obj: SavedView) -> str:
        return "everybody in the project" if obj.shared else "its owner"
