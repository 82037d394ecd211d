"""The ledger and spend requests; both are read here, never written."""

from __future__ import annotations

import json

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from studio.admin.base import ReadOnlyAdmin, account_name, chip, dollars, link
from studio.admin.filters import AccountNames, ProjectFilter
from studio.models import LedgerEntry, SpendRequest

TONES = {
    SpendRequest.State.OPEN: "run",
    SpendRequest.State.APPROVED: "ok",
    SpendRequest.State.REFUSED: "bad",
}
KIND_TONES = {
    LedgerEntry.Kind.RESERVED: "run",
    LedgerEntry.Kind.CHARGED: "ok",
    LedgerEntry.Kind.CORRECTED: "wait",
}


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin[LedgerEntry]):
    """Every movement of money, in the order it was written; the sums of the spend pages."""

    title = "Ledger"
    list_display = ("at", "what", "amount", "clip", "who", "in_project", "paid_from", "in_month")
    list_filter = ("kind", "month", ("account", AccountNames), ProjectFilter)
    search_fields = ("generation__title", "user__name", "project__name", "note")
    list_select_related = ("generation", "user", "project", "account")
    ordering = ("-pk",)
    fields = ("at", "what", "amount", "credits", "unit", "clip", "who", "in_project", "paid_from", "in_month", "note")  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerEntry]:
        rows = super().get_queryset(request)
        return rows.defer("generation__raw_answer", "generation__prompt", "generation__sent_prompt")

    @admin.display(description="Kind", ordering="kind")
    def what(self, obj: LedgerEntry) -> SafeString:
        return chip(obj.get_kind_display(), KIND_TONES.get(LedgerEntry.Kind(obj.kind), ""))

    @admin.display(description="Amount", ordering="microusd")
    def amount(self, obj: LedgerEntry) -> str:
        return dollars(obj.microusd)

    @admin.display(description="Clip")
    def clip(self, obj: LedgerEntry) -> str | SafeString:
        return link(obj.generation)

    @admin.display(description="Person", ordering="user__name")
    def who(self, obj: LedgerEntry) -> str | SafeString:
        return link(obj.user)

    @admin.display(description="Project", ordering="project__name")
    def in_project(self, obj: LedgerEntry) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="Account", ordering="account")
    def paid_from(self, obj: LedgerEntry) -> str:
        return account_name(obj.account)

    @admin.display(description="Month", ordering="month")
    def in_month(self, obj: LedgerEntry) -> str:
        return f"{obj.month:%B %Y}"


@admin.register(SpendRequest)
class SpendRequestAdmin(ReadOnlyAdmin[SpendRequest]):
    """Shots that somebody asked an owner for; answered on the project's spend page."""

    title = "Spend requests"
    list_display = ("asked_by", "in_project", "amount", "answer", "decided_by", "created")
    list_filter = ("state", "created_at", ProjectFilter)
    search_fields = ("by__name", "project__name", "reason", "decision_note")
    list_select_related = ("by", "project", "decided_by")
    code_columns = ("code",)
    fields = ("asked_by", "in_project", "amount", "rule", "reason", "as_asked", "answer", "decided_by", "decided_at", "decision_note", "made_at")  # fmt: skip

    @admin.display(description="Asked by", ordering="by__name")
    def asked_by(self, obj: SpendRequest) -> str | SafeString:
        return link(obj.by)

    @admin.display(description="Project", ordering="project__name")
    def in_project(self, obj: SpendRequest) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="Amount", ordering="estimated_microusd")
    def amount(self, obj: SpendRequest) -> str:
        return dollars(obj.estimated_microusd)

    @admin.display(description="Answer", ordering="state")
    def answer(self, obj: SpendRequest) -> SafeString:
        return chip(obj.get_state_display(), TONES.get(SpendRequest.State(obj.state), ""))

    @admin.display(description="Shot")
    def as_asked(self, obj: SpendRequest) -> SafeString:
        # One value of a field is the usual thing; several are its choices.
        shot = {name: said[0] if len(said) == 1 else said for name, said in obj.shot.items()}
        text = json.dumps({k: v for k, v in shot.items() if v}, indent=2, ensure_ascii=False)
        return format_html('<pre class="raw" tabindex="0">{}</pre>', text)

    def heading(self, obj: SpendRequest) -> str:
        return f"{obj.by.name} asks for {dollars(obj.estimated_microusd)}"
