"""Orphans: jobs a provider knows and no generation here does."""

from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.views.decorators.http import require_POST

from studio.admin.base import (
    ReadOnlyAdmin,
    account_name,
    chip,
    dollars,
    link,
    moment,
    signed_in_user,
    tell,
    when,
)
from studio.admin.filters import AccountNames, when_empty
from studio.forms.gallery import whole_number
from studio.http import MAX_PK
from studio.models import Orphan, Project
from studio.services.errors import StudioError
from studio.services.work import orphans


class IntoProjectForm(ActionForm):
    project = forms.ModelChoiceField(
        Project.objects.active(), label="Project", required=False, empty_label="Into project"
    )


@admin.register(Orphan)
class OrphanAdmin(ReadOnlyAdmin[Orphan]):
    title = "Unknown jobs"
    noun = "unknown job"
    list_display = ("job_id", "at_account", "said", "standing", "price", "asked", "found", "clip")
    list_filter = (
        ("account", AccountNames),
        "status",
        when_empty("dismissed_at", "standing", empty="Open", filled="Dismissed"),
    )
    list_select_related = ("account", "generation")
    search_fields = ("job_id", "prompt")
    date_hierarchy = "found_at"
    fields = (
        "job_id", "at_account", "model", "prompt", "standing", "error", "price", "asked_at",
        "found_at", "clip", "dismissed_at",
    )  # fmt: skip
    change_list_template = "admin/orphan_list.html"
    action_form = IntoProjectForm
    actions = ("adopt", "dismiss", "recall")
    page_actions = ("dismiss", "recall")

    @admin.display(description="Account", ordering="account")
    def at_account(self, obj: Orphan) -> str:
        return account_name(obj.account)

    @admin.display(description="Prompt")
    def said(self, obj: Orphan) -> str:
        return Truncator(obj.prompt).chars(80) or "—"

    @admin.display(description="Standing", ordering="status")
    def standing(self, obj: Orphan) -> SafeString:
        if obj.generation_id:
            return chip("Brought in", "ok")
        return chip("Dismissed") if obj.dismissed_at else chip(obj.status, "wait")

    @admin.display(description="Cost", ordering="microusd")
    def price(self, obj: Orphan) -> str:
        if obj.microusd is None and obj.credits is not None:
            return f"{obj.credits:,.10g} {obj.unit or 'credits'}"
        return dollars(obj.microusd)

    @admin.display(description="Asked", ordering="created_at_provider")
    def asked(self, obj: Orphan) -> str | SafeString:
        return when(obj.created_at_provider)

    @admin.display(description="Asked")
    def asked_at(self, obj: Orphan) -> str:
        return moment(obj.created_at_provider)

    @admin.display(description="Found", ordering="found_at")
    def found(self, obj: Orphan) -> str | SafeString:
        return when(obj.found_at)

    @admin.display(description="Clip")
    def clip(self, obj: Orphan) -> str | SafeString:
        return link(obj.generation)

    def get_urls(self) -> list[URLPattern]:
        look = self.admin_site.admin_view(require_POST(self.look))
        return [path("look/", look, name="studio_orphan_look"), *super().get_urls()]

    def look(self, request: HttpRequest) -> HttpResponse:
        """Ask the providers now; the daily sweep does the same."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        found = orphans.sweep_orphans()
        for trouble in found.troubles:
            messages.warning(request, trouble)
        messages.success(
            request,
            f"{found.seen} jobs seen, {found.fetched} being fetched, {found.orphans} not known here.",
        )
        return HttpResponseRedirect(reverse("admin:studio_orphan_changelist"))

    def offers(self, obj: Orphan, name: str) -> bool:
        return not obj.generation_id and (obj.dismissed_at is None) == (name == "dismiss")

    @admin.action(description="Bring the clips into the project", permissions=["act"])
    def adopt(self, request: HttpRequest, queryset: QuerySet[Orphan]) -> None:
        known = whole_number(request.POST.get("project"), most=MAX_PK) or 0
        project = Project.objects.active().filter(pk=known).first()
        if project is None:
            messages.error(request, "Choose the project to bring the clips into.")
            return
        done, refused = [], []
        for orphan in queryset.filter(generation=None):
            try:
                done.append(
                    orphans.adopt(orphan=orphan, project=project, by=signed_in_user(request))
                )
            except StudioError as error:
                refused.append(f"{orphan.job_id}: {error.message}")
            else:
                self.log_change(request, orphan, f"Brought into {project}.")
        tell(request, done, f"Being fetched into {project}", refused)

    @admin.action(description="Dismiss", permissions=["act"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[Orphan]) -> None:
        rows = list(queryset.filter(dismissed_at=None, generation=None))
        Orphan.objects.filter(pk__in=[row.pk for row in rows]).update(dismissed_at=timezone.now())
        tell(request, rows, "Dismissed")

    @admin.action(description="Bring back to the list", permissions=["act"])
    def recall(self, request: HttpRequest, queryset: QuerySet[Orphan]) -> None:
        rows = list(queryset.exclude(dismissed_at=None))
        Orphan.objects.filter(pk__in=[row.pk for row in rows]).update(dismissed_at=None)
        tell(request, rows, "Brought back")
