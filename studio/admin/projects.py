"""Projects: who is in them, what they may spend, and what they hold."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.db.models import BigIntegerField, Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.safestring import SafeString

from studio.admin.base import (
    StudioAdmin,
    chip,
    dollars,
    filtered,
    link,
    signed_in_user,
    tell,
)
from studio.admin.filters import ProviderNames
from studio.admin.members import ProjectMembershipInline
from studio.ledger import month_of
from studio.models import Export, Generation, Keyframe, LedgerEntry, Membership, Project
from studio.models.generation import MOVING_STATES
from studio.services import projects
from studio.services.accounts import provider_label


def stored_bytes(model: type[Any], path: str) -> Coalesce:
    """Sum of a project's files of one kind, as a subquery."""
    total = (
        model.objects.filter(**{path: OuterRef("pk")})
        .order_by()
        .values(path)
        .annotate(total=Sum("size_bytes"))
        .values("total")
    )
    return Coalesce(Subquery(total, output_field=BigIntegerField()), 0)


class ArchivedFilter(admin.SimpleListFilter):
    title = "standing"
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Active"), ("yes", "Archived")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(archived_at__isnull=self.value() == "no")


@admin.register(Project)
class ProjectAdmin(StudioAdmin[Project]):
    title = "Projects"
    labels = {
        "budget_microusd": "Budget a month",
        "ask_above_microusd": "Shots dearer than this are asked for first",
        "all_accounts": "May use every paid account, later ones too",
        "accounts": "Or only these",
        "failover_microusd": "Another provider may take over",
        "aspect_ratio": "Shape",
        "duration_s": "Length",
    }
    help_texts = {
        "budget_microusd": "US dollars; empty = no limit",
        "ask_above_microusd": "US dollars; empty = only what goes over a budget",
        "all_accounts": "",
        "accounts": "Shots that are queued already are still sent",
        "failover_microusd": "After a failure, if it costs at most this much more in US dollars; "
        "empty = never by itself",
        "duration_s": "Seconds",
    }
    list_display = (
        "name", "standing", "clips", "in_flight", "people", "spent", "stored", "by", "created",
    )  # fmt: skip
    list_filter = (ArchivedFilter, ("provider", ProviderNames), "created_at")
    list_select_related = ("created_by",)
    search_fields = ("name", "description")
    code_columns = ("code",)
    date_hierarchy = "created_at"
    inlines = (ProjectMembershipInline,)
    actions = ("archive", "restore")
    page_actions = ("archive", "restore")
    fieldsets = (
        (None, {"fields": ("name", "description")}),
        (
            "Money",
            {
                "fields": (
                    "budget_microusd", "ask_above_microusd", "failover_microusd", "all_accounts",
                    "accounts",
                )
            },
        ),
        (
            "A new shot starts with",
            {"fields": ("aspect_ratio", "duration_s", "resolution", "offer")},
        ),
        (
            "Now",
            {
                "fields": (
                    "standing", "clips", "in_flight", "spent", "stored", "by", "made_at", "code",
                )
            },
        ),
    )  # fmt: skip
    readonly_fields = (
        "offer", "standing", "clips", "in_flight", "spent", "stored", "by", "made_at", "code",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        of_project = Generation.objects.filter(project=OuterRef("pk")).order_by().values("project")
        people = Membership.objects.filter(project=OuterRef("pk")).order_by().values("project")
        ledger = LedgerEntry.objects.filter(project=OuterRef("pk")).order_by().values("project")
        this_month = ledger.filter(month=month_of(timezone.now()))
        moving = Q(state__in=sorted(MOVING_STATES))

        def number(rows: Any) -> Coalesce:
            return Coalesce(Subquery(rows.values("n"), output_field=BigIntegerField()), 0)

        return (
            super()
            .get_queryset(request)
            .annotate(
                clip_count=number(of_project.annotate(n=Count("pk"))),
                moving_count=number(of_project.filter(moving).annotate(n=Count("pk"))),
                member_count=number(people.annotate(n=Count("pk"))),
                spent_microusd=number(this_month.annotate(n=Sum("microusd"))),
                stored_bytes=stored_bytes(Generation, "project")
                + stored_bytes(Keyframe, "project")
                + stored_bytes(Export, "chain__project"),
            )
        )

    # ---- Columns -----------------------------------------------------------------------
    @admin.display(description="Standing", ordering="archived_at")
    def standing(self, obj: Project) -> SafeString:
        return chip("Archived") if obj.archived_at else chip("Active", "ok")

    @admin.display(description="Clips", ordering="clip_count")
    def clips(self, obj: Project) -> SafeString:
        return filtered(Generation, _number(obj, "clip_count"), project__id__exact=obj.pk)

    @admin.display(description="In flight", ordering="moving_count")
    def in_flight(self, obj: Project) -> SafeString:
        count = _number(obj, "moving_count")
        return filtered(Generation, count, project__id__exact=obj.pk, stands="moving")

    @admin.display(description="People", ordering="member_count")
    def people(self, obj: Project) -> int:
        return _number(obj, "member_count")

    @admin.display(description="Spent this month", ordering="spent_microusd")
    def spent(self, obj: Project) -> str:
        spent = dollars(_number(obj, "spent_microusd"))
        limit = obj.budget_microusd
        return spent if limit is None else f"{spent} of {dollars(limit)}"

    @admin.display(description="Stored", ordering="stored_bytes")
    def stored(self, obj: Project) -> str:
        return filesizeformat(_number(obj, "stored_bytes"))

    @admin.display(description="Made by", ordering="created_by__name")
    def by(self, obj: Project) -> str | SafeString:
        return link(obj.created_by)

    @admin.display(description="Provider and model")
    def offer(self, obj: Project) -> str:
        return f"{provider_label(obj.provider)}, {obj.model}"

    # ---- The page ----------------------------------------------------------------------
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # made in the studio, where the maker becomes its owner

    def has_delete_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        return False  # archived, never deleted: its clips are what was paid for

    def offers(self, obj: Project, name: str) -> bool:
        return (obj.archived_at is None) == (name == "archive")

    @admin.action(description="Archive", permissions=["change"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        by = signed_in_user(request)
        done = [p for p in queryset if projects.archive_project(project=p, by=by)]
        for project in done:
            self.log_change(request, project, "Archived.")
        tell(request, done, "Archived")

    @admin.action(description="Bring back", permissions=["change"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        by = signed_in_user(request)
        done = [p for p in queryset if projects.restore_project(project=p, by=by)]
        for project in done:
            self.log_change(request, project, "Brought back.")
        tell(request, done, "Brought back")


def _number(obj: Project, annotation: str) -> int:
    return cast(int, getattr(obj, annotation))
