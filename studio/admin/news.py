"""What happened, who was told, and webhooks."""

from __future__ import annotations

import json

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from studio.admin.base import ReadOnlyAdmin, chip, link, moment, tell, when
from studio.admin.filters import ProjectFilter, when_empty
from studio.models import Activity, Notification, Webhook, WebhookDelivery
from studio.services.news import deliveries
from studio.services.news.lines import line_of
from studio.services.news.lines import with_all as with_whole_activity
from studio.services.news.notifications import with_all as with_whole_note

TONES = {"waiting": "wait", "delivered": "ok", "failed": "bad"}


@admin.register(Activity)
class ActivityAdmin(ReadOnlyAdmin[Activity]):
    """The feeds of all projects. Append-only."""

    title = "Activity"
    list_display = ("said", "kind", "project_link", "who", "clip", "happened")
    list_filter = ("kind", ProjectFilter, "at")
    search_fields = ("text", "guest_name", "actor__name", "project__name", "generation__title")
    code_columns = ("code",)
    fields = ("said", "kind", "project_link", "who", "clip", "text", "details", "at", "code")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Activity]:
        return with_whole_activity(super().get_queryset(request))

    @admin.display(description="What", ordering="text")
    def said(self, obj: Activity) -> str:
        return line_of([obj]).sentence

    @admin.display(description="Project", ordering="project__name")
    def project_link(self, obj: Activity) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="By", ordering="actor__name")
    def who(self, obj: Activity) -> str | SafeString:
        if obj.actor is None and obj.guest_name:
            return f"{obj.guest_name} (guest)"
        return link(obj.actor)

    @admin.display(description="Clip", ordering="generation__number")
    def clip(self, obj: Activity) -> str | SafeString:
        return link(obj.generation)

    @admin.display(description="Details")
    def details(self, obj: Activity) -> str:
        return json.dumps(obj.data, ensure_ascii=False) if obj.data else "—"

    @admin.display(description="When", ordering="at")
    def happened(self, obj: Activity) -> str | SafeString:
        return when(obj.at)


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin[Notification]):
    title = "Notifications"
    list_display = ("person", "said", "reason", "standing", "created")
    list_filter = (
        "reason",
        when_empty("read_at", "read", empty="Unread", filled="Read"),
        when_empty("mailed_at", "mailed", empty="Not mailed", filled="Mailed"),
        "created_at",
    )
    search_fields = ("user__name", "user__email", "activity__text")
    fields = ("person", "said", "reason", "standing", "made_at", "read", "mailed")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        return with_whole_note(super().get_queryset(request)).select_related("user")

    @admin.display(description="Told", ordering="user__name")
    def person(self, obj: Notification) -> str | SafeString:
        return link(obj.user)

    @admin.display(description="Of", ordering="activity__text")
    def said(self, obj: Notification) -> str:
        return line_of([obj.activity]).sentence

    @admin.display(description="Standing", ordering="read_at")
    def standing(self, obj: Notification) -> SafeString:
        if obj.read_at:
            return chip("Read", "ok")
        return chip("Mailed", "run") if obj.mailed_at else chip("Unread", "wait")

    @admin.display(description="Read")
    def read(self, obj: Notification) -> str:
        return moment(obj.read_at) if obj.read_at else "—"

    @admin.display(description="Mailed")
    def mailed(self, obj: Notification) -> str:
        return moment(obj.mailed_at) if obj.mailed_at else "—"


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin[Webhook]):
    """Owners make and change them; staff may switch one off. Its secret is shown nowhere."""

    title = "Webhooks"
    list_display = ("host", "standing", "project_link", "kinds_said", "by", "unsent", "created")
    list_filter = (
        "enabled",
        when_empty("failing_since", "answers", empty="Answers", filled="Does not answer"),
        ProjectFilter,
    )
    list_select_related = ("project", "created_by")
    search_fields = ("url", "project__name", "created_by__name")
    code_columns = ("code",)
    date_hierarchy = "created_at"
    fields = ("host", "standing", "project_link", "kinds_said", "by", "made_at", "code")
    actions = ("switch_off",)
    page_actions = ("switch_off",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Webhook]:
        waiting = Q(deliveries__state=WebhookDelivery.State.WAITING)
        return super().get_queryset(request).annotate(waiting=Count("deliveries", filter=waiting))

    def heading(self, obj: Webhook) -> str:
        return obj.host

    @admin.display(description="To", ordering="url")
    def host(self, obj: Webhook) -> str:
        return obj.host

    @admin.display(description="Standing", ordering="failing_since")
    def standing(self, obj: Webhook) -> SafeString:
        if not obj.enabled:
            return chip("Switched off", "bad")
        return chip("Not answering", "wait") if obj.failing_since else chip("On", "ok")

    @admin.display(description="Project", ordering="project__name")
    def project_link(self, obj: Webhook) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="Is told of")
    def kinds_said(self, obj: Webhook) -> str:
        return ", ".join(obj.kinds)

    @admin.display(description="Made by", ordering="created_by__name")
    def by(self, obj: Webhook) -> str | SafeString:
        return link(obj.created_by)

    @admin.display(description="Waiting", ordering="waiting")
    def unsent(self, obj: Webhook) -> int:
        return int(obj.waiting)  # type: ignore[attr-defined]  # annotated

    def offers(self, obj: Webhook, name: str) -> bool:
        return obj.enabled

    @admin.action(description="Switch off", permissions=["act"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        rows = list(queryset.filter(enabled=True))
        for row in rows:
            deliveries.switch_off(row, "an admin did it.")
            self.log_change(request, row, "Switched off.")
        tell(request, rows, "Switched off")


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin[WebhookDelivery]):
    title = "Messages to webhooks"
    list_display = (
        "kind",
        "standing",
        "to",
        "project_link",
        "attempts",
        "answer",
        "next",
        "created",
    )
    list_filter = ("state", "kind", "answer_status", "created_at")
    list_select_related = ("webhook__project",)
    search_fields = ("webhook__url", "webhook__project__name", "error")
    code_columns = ("code", "webhook__code")
    fields = (
        "kind", "standing", "to", "project_link", "attempts", "answer", "error", "message",
        "made_at", "next_at", "finished_at", "code",
    )  # fmt: skip
    actions = ("send_again",)
    page_actions = ("send_again",)

    @admin.display(description="State", ordering="state")
    def standing(self, obj: WebhookDelivery) -> SafeString:
        return chip(obj.get_state_display(), TONES[obj.state])

    @admin.display(description="To", ordering="webhook__url")
    def to(self, obj: WebhookDelivery) -> str | SafeString:
        return link(obj.webhook, obj.webhook.host)

    @admin.display(description="Project", ordering="webhook__project__name")
    def project_link(self, obj: WebhookDelivery) -> str | SafeString:
        return link(obj.webhook.project)

    @admin.display(description="Answered", ordering="answer_status")
    def answer(self, obj: WebhookDelivery) -> str:
        return str(obj.answer_status or obj.error or "—")

    @admin.display(description="Next try", ordering="next_at")
    def next(self, obj: WebhookDelivery) -> str | SafeString:
        if obj.state != WebhookDelivery.State.WAITING:
            return "—"
        return "now" if obj.next_at <= timezone.now() else f"{obj.next_at:%Y-%m-%d %H:%M} UTC"

    @admin.display(description="Message")
    def message(self, obj: WebhookDelivery) -> str:
        return json.dumps(obj.payload, ensure_ascii=False, indent=1)

    @admin.action(description="Send again", permissions=["act"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        rows = list(queryset)
        for row in rows:
            deliveries.send_again(row)
        tell(request, rows, "In line once more")
