"""Keyframes, with the pictures themselves and where each is used."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from studio.admin.base import ReadOnlyAdmin, file_view, link, picture
from studio.admin.filters import ProjectFilter
from studio.models import Generation, Keyframe
from studio.templatetags.studio_tags import timecode

SHOWN_CLIPS = 50


@admin.register(Keyframe)
class KeyframeAdmin(ReadOnlyAdmin[Keyframe]):
    title = "Stills"
    list_display = (
        "thumb", "called", "project_link", "size", "weight", "uses", "source", "by", "created",
    )  # fmt: skip
    list_display_links = ("called",)
    list_filter = (ProjectFilter, "content_type", "created_at")
    search_fields = ("name", "project__name", "sha256")
    code_columns = ("code",)
    date_hierarchy = "created_at"
    fields = (
        "large", "called", "project_link", "size", "weight", "content_type", "source",
        "used_by", "by", "made_at", "file_name", "sha256", "code",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Keyframe]:
        rows = super().get_queryset(request)
        rows = rows.select_related("project", "uploaded_by", "grabbed_from", "cropped_from")
        return rows.defer("grabbed_from__raw_answer").annotate(
            start_count=Count("starts", distinct=True), end_count=Count("ends", distinct=True)
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self._picture, cacheable=True)
        own = path("<path:object_id>/file/<str:kind>/", view, name="studio_keyframe_file")
        return [own, *super().get_urls()]

    def _picture(self, request: HttpRequest, object_id: str, kind: str) -> HttpResponseBase:
        obj = self.get_object(request, object_id)
        full = obj.content_type if obj else ""
        files = {"thumbnail": ("thumbnail", "image/webp"), "full": ("file", full)}
        return file_view(self, files)(request, object_id, kind)

    def _file(self, obj: Keyframe, kind: str) -> str:
        name = "admin:studio_keyframe_file"
        return f"{reverse(name, args=[obj.pk, kind])}?v={obj.sha256[:8]}"

    @admin.display(description="")
    def thumb(self, obj: Keyframe) -> SafeString:
        return picture(self._file(obj, "thumbnail"))

    @admin.display(description="Picture")
    def large(self, obj: Keyframe) -> SafeString:
        return picture(self._file(obj, "full"), "big")

    @admin.display(description="Still", ordering="name")
    def called(self, obj: Keyframe) -> str:
        return obj.name or "Without a name"

    @admin.display(description="Project", ordering="project__name")
    def project_link(self, obj: Keyframe) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="Pixels", ordering="width")
    def size(self, obj: Keyframe) -> str:
        return f"{obj.width} × {obj.height}"

    @admin.display(description="Size", ordering="size_bytes")
    def weight(self, obj: Keyframe) -> str:
        return filesizeformat(obj.size_bytes)

    @admin.display(description="Used")
    def uses(self, obj: Keyframe) -> str:
        counts: Any = obj
        parts = [("start", counts.start_count), ("end", counts.end_count)]
        return ", ".join(f"{n} as {what}" for what, n in parts if n) or "—"

    @admin.display(description="From")
    def source(self, obj: Keyframe) -> str | SafeString:
        if obj.grabbed_from is not None:
            return link(obj.grabbed_from, f"{obj.grabbed_from}, at {timecode(obj.grabbed_at_ms)}")
        if obj.cropped_from is not None:
            return link(obj.cropped_from, f"cropped from {obj.cropped_from}")
        return "uploaded"

    @admin.display(description="Used by")
    def used_by(self, obj: Keyframe) -> str | SafeString:
        rows = Generation.objects.filter(start_keyframe=obj) | Generation.objects.filter(
            end_keyframe=obj
        )
        clips = rows.defer("raw_answer").order_by("-pk")[:SHOWN_CLIPS]
        return format_html_join(", ", "{}", ((link(row),) for row in clips)) or "—"

    @admin.display(description="By", ordering="uploaded_by__name")
    def by(self, obj: Keyframe) -> str | SafeString:
        return link(obj.uploaded_by)

    @admin.display(description="File")
    def file_name(self, obj: Keyframe) -> str:
        return obj.file.name or "—"
