"""Chains, their segments and exports."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.safestring import SafeString

from studio.admin.base import (
    ReadOnlyAdmin,
    ReadOnlyInline,
    StudioAdmin,
    chip,
    filtered,
    link,
    moment,
)
from studio.admin.filters import ProjectFilter
from studio.models import Chain, Export, Segment
from studio.templatetags.studio_tags import timecode

TONES = {
    Export.State.QUEUED: "run",
    Export.State.RUNNING: "run",
    Export.State.SUCCEEDED: "ok",
    Export.State.FAILED: "bad",
}


class SegmentInline(ReadOnlyInline[Segment, Chain]):
    model = Segment
    fields = readonly_fields = ("position", "clip", "state")
    verbose_name_plural = "Clips in order"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Segment]:
        return super().get_queryset(request).select_related("generation")

    @admin.display(description="Clip")
    def clip(self, obj: Segment) -> str | SafeString:
        return link(obj.generation)

    @admin.display(description="State")
    def state(self, obj: Segment) -> str:
        return str(obj.generation.get_state_display())


class ExportInline(ReadOnlyInline[Export, Chain]):
    model = Export
    fields = readonly_fields = ("made", "standing", "note", "size")
    verbose_name_plural = "Exports"

    @admin.display(description="Made")
    def made(self, obj: Export) -> str | SafeString:
        return link(obj, moment(obj.created_at))

    @admin.display(description="State")
    def standing(self, obj: Export) -> SafeString:
        return export_chip(obj)

    @admin.display(description="Size")
    def size(self, obj: Export) -> str:
        return filesizeformat(obj.size_bytes) if obj.size_bytes else "—"


def export_chip(export: Export) -> SafeString:
    text = export.get_state_display()
    if export.state == Export.State.RUNNING:
        text = f"{text} {export.progress}%"
    return chip(text, TONES.get(Export.State(export.state), ""))


@admin.register(Chain)
class ChainAdmin(StudioAdmin[Chain]):
    title = "Chains"
    list_display = ("title", "project_link", "clips", "films", "branch", "by", "created")
    list_filter = (ProjectFilter, "created_at")
    list_select_related = ("project", "created_by", "branched_from")
    search_fields = ("title", "project__name")
    code_columns = ("code",)
    date_hierarchy = "created_at"
    inlines = (SegmentInline, ExportInline)
    readonly_fields = ("project_link", "branch", "by", "made_at", "archived_at", "code")
    fields = ("title", *readonly_fields)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Chain]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                clip_count=Count("segments", distinct=True),
                export_count=Count("exports", distinct=True),
            )
        )

    @admin.display(description="Project", ordering="project__name")
    def project_link(self, obj: Chain) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="Clips", ordering="clip_count")
    def clips(self, obj: Chain) -> int:
        return int(obj.clip_count)  # type: ignore[attr-defined]  # annotated

    @admin.display(description="Exports", ordering="export_count")
    def films(self, obj: Chain) -> SafeString:
        return filtered(Export, obj.export_count, chain__id__exact=obj.pk)  # type: ignore[attr-defined]  # annotated

    @admin.display(description="Branch of")
    def branch(self, obj: Chain) -> str | SafeString:
        if obj.branched_from is None:
            return "—"
        return format_html("{}, after clip {}", link(obj.branched_from), obj.branched_position)

    @admin.display(description="Made by", ordering="created_by__name")
    def by(self, obj: Chain) -> str | SafeString:
        return link(obj.created_by)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Chain | None = None) -> bool:
        return False


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin[Export]):
    title = "Exports"
    list_display = (
        "film",
        "standing",
        "project_link",
        "note",
        "size",
        "length",
        "by",
        "created",
        "says",
    )
    list_filter = ("state", "created_at")
    list_select_related = ("chain__project", "created_by")
    search_fields = ("chain__title", "chain__project__name", "note", "failure_text")
    code_columns = ("code",)
    date_hierarchy = "created_at"
    fields = (
        "chain_link", "project_link", "standing", "says", "note", "how", "file_name", "size",
        "length", "attempts", "by", "made_at", "ended_at", "code",
    )  # fmt: skip

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        return lookup == "chain__id__exact" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="Film of", ordering="chain__title")
    def film(self, obj: Export) -> str:
        return obj.chain.title

    @admin.display(description="Chain")
    def chain_link(self, obj: Export) -> str | SafeString:
        return link(obj.chain)

    @admin.display(description="Project", ordering="chain__project__name")
    def project_link(self, obj: Export) -> str | SafeString:
        return link(obj.chain.project)

    @admin.display(description="State", ordering="state")
    def standing(self, obj: Export) -> SafeString:
        return export_chip(obj)

    @admin.display(description="Size", ordering="size_bytes")
    def size(self, obj: Export) -> str:
        return filesizeformat(obj.size_bytes) if obj.size_bytes else "—"

    @admin.display(description="Length", ordering="duration_ms")
    def length(self, obj: Export) -> str:
        return timecode(obj.duration_ms) or "—"

    @admin.display(description="By", ordering="created_by__name")
    def by(self, obj: Export) -> str | SafeString:
        return link(obj.created_by)

    @admin.display(description="Finished")
    def ended_at(self, obj: Export) -> str:
        return moment(obj.finished_at)

    @admin.display(description="Says")
    def says(self, obj: Export) -> str:
        return obj.failure_text or "—"

    @admin.display(description="File")
    def file_name(self, obj: Export) -> str:
        return obj.file.name or "—"

    @admin.display(description="Options")
    def how(self, obj: Export) -> str | SafeString:
        if not obj.options:
            return "—"
        text = json.dumps(obj.options, indent=2, ensure_ascii=False, sort_keys=True)
        return format_html('<pre class="raw" tabindex="0">{}</pre>', text)
