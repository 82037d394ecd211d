"""The ledger and spend requests, which are only read here, and the limit of the whole studio."""

from __future__ import annotations

import json

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from studio.admin.base import ReadOnlyAdmin, StudioAdmin, account_name, chip, dollars, link
from studio.admin.filters import AccountNames, ProjectFilter
from studio.models import LedgerEntry, SpendRequest, StudioSettings
from studio.services.money.budgets import studio_spent

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


@admin.register(StudioSettings)
class StudioSettingsAdmin(StudioAdmin[StudioSettings]):
    """One row: what the whole studio may spend in a month, and what new projects start with."""

    title = "Studio settings"
    labels = {
        "monthly_limit_microusd": "Limit a month",
        "project_makers": "Who may make projects",
        "new_budget_microusd": "Budget a month",
        "new_ask_above_microusd": "Shots dearer than this are asked for first",
        "new_offered": "Paid accounts",
        "new_accounts": "Chosen accounts",
    }
    help_texts = {
        "monthly_limit_microusd": "US dollars for all projects together; empty = no limit. "
        "Nobody can waive it",
        "project_makers": "By hand, as the sample or by import. People are allowed it on their page "
        "under People",
        "new_budget_microusd": "US dollars; empty = no limit. Owners who are not staff cannot raise "
        "a project’s budget above it",
        "new_ask_above_microusd": "US dollars; empty = only what goes over a budget",
        "new_offered": "Of projects made by people who are not staff. Staff’s own may use all. "
        "Changed later on each project’s page",
    }
    list_display = ("name", "limit", "spent")
    fieldsets = (
        (None, {"fields": ("monthly_limit_microusd", "spent")}),
        (
            "New projects",
            {
                "fields": (
                    "project_makers", "new_budget_microusd", "new_ask_above_microusd", "new_offered",
                    "new_accounts",
                )
            },
        ),
    )  # fmt: skip
    readonly_fields = ("spent",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StudioSettings]:
        StudioSettings.load()
        return super().get_queryset(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: StudioSettings | None = None
    ) -> bool:
        return False

    @admin.display(description="For")
    def name(self, obj: StudioSettings) -> str:
        return "The whole studio"

    @admin.display(description="Limit a month")
    def limit(self, obj: StudioSettings) -> str:
        limit = obj.monthly_limit_microusd
        return "no limit" if limit is None else f"up to {dollars(limit)}"

    @admin.display(description="Spent and held this month")
    def spent(self, obj: StudioSettings) -> str:
        return dollars(studio_spent())


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
        return obj.price_text

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
        return f"{obj.by.name} asks for {obj.price_text}"
