"""Archives on their way into projects: how far each is, and why one stopped."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from studio.admin.base import ReadOnlyAdmin, chip, link, moment, tell
from studio.admin.filters import ProjectFilter
from studio.models import ImportRun
from studio.services.exchange import import_runs
from studio.services.news.lines import clips_in_words

TONES = {"done": "ok", "running": "run", "queued": "wait", "failed": "bad"}


@admin.register(ImportRun)
class ImportRunAdmin(ReadOnlyAdmin[ImportRun]):
    title = "Imports"
    noun = "import"
    list_display = (
        "file_name",
        "standing",
        "project_link",
        "clips_of",
        "left_out",
        "who",
        "created",
        "says",
    )
    list_filter = ("state", ProjectFilter, "created_at")
    list_select_related = ("project", "by")
    search_fields = ("file_name", "by__name", "by__email", "project__name", "failure_text")
    code_columns = ("code",)
    ordering = ("-created_at", "-pk")
    fields = (
        "file_name", "standing", "says", "project_link", "clips_of", "came_in", "here_before",
        "left_out", "sentences", "who", "made_at", "ended", "attempts", "lease", "archive", "code",
    )  # fmt: skip
    actions = ("resume",)
    page_actions = ("resume",)

    @admin.display(description="State", ordering="state")
    def standing(self, obj: ImportRun) -> SafeString:
        return chip(obj.get_state_display(), TONES.get(obj.state, ""))

    @admin.display(description="Into", ordering="project__name")
    def project_link(self, obj: ImportRun) -> str | SafeString:
        return link(obj.project)

    @admin.display(description="Clips done", ordering="total")
    def clips_of(self, obj: ImportRun) -> str:
        return f"{obj.done} of {obj.total}"

    @admin.display(description="Came in")
    def came_in(self, obj: ImportRun) -> str:
        return f"{clips_in_words(obj.clips)}, {obj.stills} still{'' if obj.stills == 1 else 's'}"

    @admin.display(description="Here before")
    def here_before(self, obj: ImportRun) -> str:
        return clips_in_words(obj.known)

    @admin.display(description="By", ordering="by__name")
    def who(self, obj: ImportRun) -> str | SafeString:
        return link(obj.by)

    @admin.display(description="Says")
    def says(self, obj: ImportRun) -> str:
        return (obj.waiting_text if obj.is_going else import_runs.told(obj)) or "—"

    @admin.display(description="What was left out")
    def sentences(self, obj: ImportRun) -> str | SafeString:
        if not obj.problems:
            return "—"
        lines = format_html_join("", "<li>{}</li>", ((text,) for text in obj.problems))
        return format_html("<ul>{}</ul>", lines)

    @admin.display(description="Ended")
    def ended(self, obj: ImportRun) -> str:
        return moment(obj.finished_at)

    @admin.display(description="A worker has it until")
    def lease(self, obj: ImportRun) -> str:
        held = obj.lease_token and obj.lease_until
        return f"{obj.lease_until:%H:%M:%S} UTC" if held else "—"

    def offers(self, obj: ImportRun, name: str) -> bool:
        return obj.is_going

    @admin.action(description="Go on now", permissions=["act"])
    def resume(self, request: HttpRequest, queryset: QuerySet[ImportRun]) -> None:
        """Ask a worker to go on; one that has it already is not disturbed."""
        rows = list(queryset.filter(state__in=ImportRun.GOING))
        for row in rows:
            import_runs.ask(row.pk)
            self.log_change(request, row, "Asked to go on.")
        tell(request, rows, "Asked to go on")
