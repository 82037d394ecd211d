"""Shares and who came through them."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from studio.admin.base import ReadOnlyAdmin, chip, link, tell
from studio.admin.confirming import Question, asked
from studio.admin.filters import ProjectFilter, ShareProjectFilter, when_empty
from studio.models import Guest, Share
from studio.services.sharing import making
from studio.services.sharing.listing import standing

SHOWN_CLIPS = 50
RIGHTS = {"may_comment": "comment", "may_decide": "decide", "may_download": "download"}
SHOWS = {"shows_prompts": "prompts", "shows_costs": "costs", "shows_names": "the team"}


@admin.register(Share)
class ShareAdmin(ReadOnlyAdmin[Share]):
    title = "Shares"
    list_display = (
        "name", "standing", "project_link", "opens", "may", "sees", "visits", "by", "created",
        "expires",
    )  # fmt: skip
    list_filter = (
        when_empty("revoked_at", "standing", empty="Not revoked", filled="Revoked"),
        *RIGHTS,
        *SHOWS,
        ProjectFilter,
    )
    list_select_related = ("project", "chain", "saved_view", "created_by")
    search_fields = ("title", "project__name", "created_by__name")
    code_columns = ("code",)
    date_hierarchy = "created_at"
    fields = (
        "name", "note", "standing", "project_link", "opens", "clips", "may", "sees", "has_password",
        "visits", "last_visit_at", "people", "by", "made_at", "expires_at", "revoked_at", "code",
    )  # fmt: skip
    actions = ("revoke",)
    page_actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Share]:
        return super().get_queryset(request).annotate(clip_count=Count("generations"))

    @admin.display(description="Share", ordering="title")
    def name(self, obj: Share) -> str:
        return str(obj)

    @admin.display(description="Standing")
    def standing(self, obj: Share) -> SafeString:
        said = {
            "revoked": ("Revoked", "bad"),
            "ended": ("Out of date", ""),
            "archived": ("Project archived", ""),
            "open": ("Open", "ok"),
        }
        return chip(*said[standing(obj)])

    @admin.display(description="Project", ordering="project__name")
    def project_link(self, obj: Share) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="Opens")
    def opens(self, obj: Share) -> str | SafeString:
        if obj.chain is not None:
            return link(obj.chain)
        if obj.saved_view is not None:
            return f"Saved view “{obj.saved_view}”"
        count = int(obj.clip_count)  # type: ignore[attr-defined]  # annotated
        return f"{count} clip{'' if count == 1 else 's'}"

    @admin.display(description="Clips")
    def clips(self, obj: Share) -> str | SafeString:
        rows = obj.generations.defer("raw_answer")[:SHOWN_CLIPS]
        return format_html_join(", ", "{}", ((link(row),) for row in rows)) or "—"

    @admin.display(description="A guest may")
    def may(self, obj: Share) -> str:
        return ", ".join(["watch", *(word for name, word in RIGHTS.items() if getattr(obj, name))])

    @admin.display(description="A guest sees also")
    def sees(self, obj: Share) -> str:
        return ", ".join(word for name, word in SHOWS.items() if getattr(obj, name)) or "—"

    @admin.display(description="Password")
    def has_password(self, obj: Share) -> str:
        return "asked for" if obj.password else "none"

    @admin.display(description="Guests")
    def people(self, obj: Share) -> str:
        return ", ".join(obj.guests.values_list("name", flat=True)[:SHOWN_CLIPS]) or "—"

    @admin.display(description="Made by", ordering="created_by__name")
    def by(self, obj: Share) -> str | SafeString:
        return link(obj.created_by)

    @admin.display(description="Ends", ordering="expires_at")
    def expires(self, obj: Share) -> str:
        return f"{obj.expires_at:%Y-%m-%d %H:%M} UTC" if obj.expires_at else "never"

    def offers(self, obj: Share, name: str) -> bool:
        return obj.revoked_at is None

    @admin.action(description="Revoke", permissions=["act"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Share]) -> HttpResponse | None:
        open_ones = list(queryset.filter(revoked_at=None))
        question = Question(
            "Close these links for good?",
            "Revoke",
            lambda row: "Whoever has the link sees nothing from now on. It cannot be taken back.",
            column="What it does",
        )
        if page := asked(self, request, open_ones, "revoke", question):
            return page
        rows = [row for row in open_ones if making.revoke_share(share=row)]
        for row in rows:
            self.log_change(request, row, "Revoked.")
        tell(request, rows, "Revoked")
        return None


@admin.register(Guest)
class GuestAdmin(ReadOnlyAdmin[Guest]):
    """Names said behind a link; what they said stands among the comments and verdicts."""

    title = "Guests"
    list_display = ("name", "share_link", "project_link", "comment_count", "seen_at", "created_at")
    list_filter = (ShareProjectFilter, "created_at")
    list_select_related = ("share__project",)
    search_fields = ("name", "share__title", "share__project__name")
    fields = ("name", "share_link", "project_link", "seen_at", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Guest]:
        return super().get_queryset(request).annotate(said=Count("comments"))

    @admin.display(description="Share", ordering="share__title")
    def share_link(self, obj: Guest) -> str | SafeString:
        return link(obj.share)

    @admin.display(description="Project", ordering="share__project__name")
    def project_link(self, obj: Guest) -> str | SafeString:
        return link(obj.share.project)

    @admin.display(description="Comments", ordering="said")
    def comment_count(self, obj: Guest) -> int:
        return int(obj.said)  # type: ignore[attr-defined]  # annotated
