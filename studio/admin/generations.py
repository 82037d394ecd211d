"""Generations and their events: everything to see, nothing to write but through the services."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from studio.admin.base import (
    ReadOnlyAdmin,
    account_name,
    chip,
    dollars,
    file_view,
    link,
    moment,
    picture,
)
from studio.admin.clip_actions import ClipActions
from studio.admin.clip_filters import (
    AgeFilter,
    ArchivedFilter,
    ChargedFilter,
    ProviderFilter,
    StandsFilter,
)
from studio.admin.events import TONES, EventInline
from studio.admin.filters import AccountNames, ProjectFilter
from studio.amounts import Certainty
from studio.amounts import rate as rate_in_words
from studio.models import Generation
from studio.models.generation import Charged, State
from studio.services.accounts import provider_label
from studio.templatetags.studio_tags import concept_labels, rendering_time, timecode, took

FILES = {"poster": ("poster", "image/webp"), "clip": ("clip", "video/mp4")}


@admin.register(Generation)
class GenerationAdmin(ClipActions, ReadOnlyAdmin[Generation]):
    title = "Clips"
    noun = "clip"
    list_display = (
        "thumb",
        "clip_name",
        "state_now",
        "says",
        "project_link",
        "made_with",
        "cost",
        "by_link",
        "created",
    )
    list_display_links = ("clip_name",)
    list_filter = (
        StandsFilter, ("state", admin.ChoicesFieldListFilter), ChargedFilter, ProviderFilter,
        "model", ("account", AccountNames), ProjectFilter, AgeFilter, ArchivedFilter,
    )  # fmt: skip
    list_select_related = ("project", "by")
    search_fields = ("title", "prompt", "provider_job_id")
    search_help_text = "Title, prompt, the provider’s job id, or a clip’s whole code"
    code_columns = ("code", "shot", "idempotency_key")
    # Newest first, as the key has it: pages far back need no sort of the whole table.
    ordering = ("-pk",)
    inlines = (EventInline,)
    fieldsets = (
        (
            None,
            {"fields": ("player", "state_now", "says", "project_link", "by_link", "take_of", "code")},
        ),
        (
            "Asked for",
            {
                "fields": (
                    "prompt", "sent_prompt", "concept_names", "shape", "start", "end",
                    "made_with", "account_link",
                )
            },
        ),
        ("Money", {"fields": ("charged_text", "estimate", "actual")}),
        (
            "Its life",
            {
                "fields": (
                    "made_at", "sent_at", "ended_at", "time_taken", "progress", "next_look",
                    "deadline", "attempts", "work_attempts", "retry_link", "later_tries",
                )
            },
        ),
        ("The file", {"fields": ("measured", "stored", "sha256")}),
        (
            "For support",
            {
                "fields": (
                    "provider_job_id", "raw_status", "idempotency_key", "failure_code", "answer",
                )
            },
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Generation]:
        rows = super().get_queryset(request)
        match = request.resolver_match
        if match and str(match.url_name).endswith("_changelist"):
            return rows.defer("raw_answer", "sent_prompt", "result_url")
        return rows.select_related(
            "project", "by", "account", "start_keyframe", "start_generation", "end_keyframe",
            "end_generation", "retry_of",
        )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(file_view(self, FILES), cacheable=True)
        own = path("<path:object_id>/file/<str:kind>/", view, name="studio_generation_file")
        return [own, *super().get_urls()]

    # ---- Columns -----------------------------------------------------------------------
    def _file(self, obj: Generation, kind: str) -> str:
        name = "admin:studio_generation_file"
        return f"{reverse(name, args=[obj.pk, kind])}?v={obj.sha256[:8]}"

    @admin.display(description="")
    def thumb(self, obj: Generation) -> SafeString:
        if obj.poster:
            return picture(self._file(obj, "poster"))
        return format_html(
            '<span class="thumb none"></span><span class="visually-hidden">{}</span>', "No picture"
        )

    @admin.display(description="Clip", ordering="title")
    def clip_name(self, obj: Generation) -> str:
        return f"{obj.number}. {obj.title or 'Untitled'}, take {obj.take}"

    @admin.display(description="State", ordering="state")
    def state_now(self, obj: Generation) -> SafeString:
        moving = obj.state in (State.RUNNING, State.STORING) and obj.progress
        text = f"{obj.get_state_display()} {obj.progress}%" if moving else obj.get_state_display()
        shown = chip(text, TONES.get(State(obj.state), ""))
        return format_html("{} {}", shown, chip("Archived")) if obj.archived_at else shown

    @admin.display(description="Project", ordering="project__name")
    def project_link(self, obj: Generation) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="Made with", ordering="provider")
    def made_with(self, obj: Generation) -> str:
        return f"{provider_label(obj.provider)}, {obj.model}"

    @admin.display(description="Cost", ordering="estimated_microusd")
    def cost(self, obj: Generation) -> str:
        cost = "—" if obj.estimated_microusd is None else obj.amount_text
        if obj.amount_unknown:
            cost = "unknown"
        elif obj.actual_microusd is not None:
            cost = dollars(obj.actual_microusd)
        return f"{cost}, {self.charged_text(obj).lower()}"

    @admin.display(description="Charged", ordering="charged")
    def charged_text(self, obj: Generation) -> str:
        return str(Charged(obj.charged).label)

    @admin.display(description="By", ordering="by__name")
    def by_link(self, obj: Generation) -> str | SafeString:
        return link(obj.by)

    @admin.display(description="Says")
    def says(self, obj: Generation) -> str:
        return obj.failure_text or obj.waiting_text or "—"

    # ---- The page ----------------------------------------------------------------------
    @admin.display(description="Clip")
    def player(self, obj: Generation) -> str | SafeString:
        if not obj.clip:
            return picture(self._file(obj, "poster"), "big") if obj.poster else "not rendered"
        return format_html(
            '<video class="thumb big" controls preload="none" src="{}" poster="{}" '
            'aria-label="{}"></video>',
            self._file(obj, "clip"),
            self._file(obj, "poster") if obj.poster else "",
            obj.title or "Clip",
        )

    @admin.display(description="Shot")
    def take_of(self, obj: Generation) -> SafeString:
        name = "admin:studio_generation_changelist"
        return format_html(
            'take {}, <a href="{}?q={}">all takes</a>', obj.take, reverse(name), obj.shot
        )

    @admin.display(description="Concepts")
    def concept_names(self, obj: Generation) -> str:
        return concept_labels(obj.concepts) or "—"

    @admin.display(description="Shape")
    def shape(self, obj: Generation) -> str:
        loop = ", loops" if obj.loop else ""
        return f"{obj.aspect_ratio}, {obj.resolution}, {obj.duration_s} s{loop}"

    @admin.display(description="Starts from")
    def start(self, obj: Generation) -> str | SafeString:
        return _ends(obj.start_keyframe, obj.start_generation)

    @admin.display(description="Ends on")
    def end(self, obj: Generation) -> str | SafeString:
        return _ends(obj.end_keyframe, obj.end_generation)

    @admin.display(description="Account")
    def account_link(self, obj: Generation) -> str | SafeString:
        return link(obj.account, account_name(obj.account))

    @admin.display(description="Estimate")
    def estimate(self, obj: Generation) -> str:
        amount = _amount(obj.estimated_microusd, obj.estimated_credits, obj.credit_unit)
        known = obj.estimate_certainty
        return amount if known is Certainty.EXACT else f"{known} {amount}"

    @admin.display(description="In the end")
    def actual(self, obj: Generation) -> str:
        if obj.amount_unknown and obj.actual_credits is None:
            return "charged, the amount is unknown"
        amount = _amount(obj.actual_microusd, obj.actual_credits, obj.credit_unit)
        rate = obj.credit_nanousd
        return amount if rate is None else f"{amount}, booked at {rate_in_words(rate)} a credit"

    @admin.display(description="Sent")
    def sent_at(self, obj: Generation) -> str:
        return moment(obj.submitted_at)

    @admin.display(description="Finished")
    def ended_at(self, obj: Generation) -> str:
        return moment(obj.finished_at)

    @admin.display(description="Took")
    def time_taken(self, obj: Generation) -> str:
        return took(rendering_time(obj)) or "—"

    @admin.display(description="Next look")
    def next_look(self, obj: Generation) -> str:
        return "—" if obj.is_terminal else moment(obj.next_poll_at)

    @admin.display(description="Stalled after")
    def deadline(self, obj: Generation) -> str:
        return moment(obj.deadline_at)

    @admin.display(description="Another try of")
    def retry_link(self, obj: Generation) -> str | SafeString:
        return link(obj.retry_of)

    @admin.display(description="Tried again as")
    def later_tries(self, obj: Generation) -> str | SafeString:
        return format_html_join(", ", "{}", ((link(row),) for row in obj.retries.all())) or "—"

    @admin.display(description="As measured")
    def measured(self, obj: Generation) -> str:
        if not obj.width:
            return "—"
        return f"{obj.width} × {obj.height}, {timecode(obj.duration_ms)}, {obj.fps:g} fps"

    @admin.display(description="Stored")
    def stored(self, obj: Generation) -> str:
        return f"{obj.clip.name} ({filesizeformat(obj.size_bytes or 0)})" if obj.clip else "—"

    @admin.display(description="The provider’s last answer")
    def answer(self, obj: Generation) -> str | SafeString:
        if not obj.raw_answer:
            return "none yet"
        text = json.dumps(obj.raw_answer, indent=2, ensure_ascii=False, sort_keys=True)
        return format_html('<pre class="raw" tabindex="0">{}</pre>', text)


def _ends(keyframe: Any, generation: Any) -> str | SafeString:
    parts = [("still", keyframe), ("clip", generation)]
    return format_html_join(", ", "{} {}", ((k, link(row)) for k, row in parts if row)) or "—"


def _amount(microusd: int | None, credits: float | None, unit: str) -> str:
    shown = [dollars(microusd)] if microusd is not None else []
    shown += [f"{credits:,.10g} {unit or 'credits'}"] if credits is not None else []
    return ", ".join(shown) or "—"
