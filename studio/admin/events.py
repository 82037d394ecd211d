"""Events: every move of every generation, as the lifecycle wrote it."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from studio.admin.base import ReadOnlyAdmin, ReadOnlyInline, chip, link, moment, when
from studio.models import Generation, GenerationEvent
from studio.models.generation import State

TONES = {
    State.SUCCEEDED: "ok",
    State.FAILED: "bad",
    State.STALLED: "wait",
    State.UNCERTAIN: "wait",
    State.QUEUED: "run",
    State.SUBMITTING: "run",
    State.RUNNING: "run",
    State.STORING: "run",
}


def state_chip(state: str) -> SafeString:
    if state not in State.values:
        return chip(state or "New")
    return chip(str(State(state).label), TONES.get(State(state), ""))


class EventInline(ReadOnlyInline[GenerationEvent, Generation]):
    model = GenerationEvent
    fields = readonly_fields = ("at_full", "move", "reason", "who")
    verbose_name_plural = "What happened"

    def get_queryset(self, request: HttpRequest) -> QuerySet[GenerationEvent]:
        return super().get_queryset(request).select_related("actor")

    @admin.display(description="At")
    def at_full(self, obj: GenerationEvent) -> str:
        return moment(obj.at)

    @admin.display(description="Move")
    def move(self, obj: GenerationEvent) -> SafeString:
        return state_chip(obj.new)

    @admin.display(description="By")
    def who(self, obj: GenerationEvent) -> str | SafeString:
        return link(obj.actor) if obj.actor_id else "worker"


@admin.register(GenerationEvent)
class GenerationEventAdmin(ReadOnlyAdmin[GenerationEvent]):
    title = "Events"
    list_display = ("created", "clip", "before", "after", "reason", "who")
    list_display_links = ("created",)
    list_filter = ("new", "old", "at")
    search_fields = ("reason", "generation__title", "generation__provider_job_id")
    code_columns = ("generation__code",)
    ordering = ("-pk",)
    fields = ("at_full", "clip", "before", "after", "reason", "who")

    def get_queryset(self, request: HttpRequest) -> QuerySet[GenerationEvent]:
        rows = super().get_queryset(request).select_related("generation", "actor")
        return rows.defer("generation__raw_answer", "generation__prompt", "generation__sent_prompt")

    @admin.display(description="At", ordering="at")
    def created(self, obj: GenerationEvent) -> str | SafeString:
        return when(obj.at)

    @admin.display(description="At")
    def at_full(self, obj: GenerationEvent) -> str:
        return moment(obj.at)

    @admin.display(description="Clip")
    def clip(self, obj: GenerationEvent) -> str | SafeString:
        return link(obj.generation)

    @admin.display(description="From", ordering="old")
    def before(self, obj: GenerationEvent) -> SafeString:
        return state_chip(obj.old)

    @admin.display(description="To", ordering="new")
    def after(self, obj: GenerationEvent) -> SafeString:
        return state_chip(obj.new)

    @admin.display(description="By", ordering="actor__name")
    def who(self, obj: GenerationEvent) -> str | SafeString:
        return link(obj.actor) if obj.actor_id else "worker"
