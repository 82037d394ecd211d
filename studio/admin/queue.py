"""Background work: what failed and why, what waits, and what runs by itself."""

from __future__ import annotations

import inspect

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_q.models import Failure, OrmQ, Schedule, Success

from studio import tasks
from studio.admin.base import ReadOnlyAdmin, chip, moment, tell, when
from studio.admin.confirming import Question, asked
from studio.queue import enqueue
from studio.templatetags.studio_tags import took

for model in (Success, Failure, Schedule, OrmQ):
    if admin.site.is_registered(model):
        admin.site.unregister(model)

OURS = "studio.tasks."
# What each task does, from its first line.
WORDS = {
    name: (inspect.getdoc(task) or name).splitlines()[0].rstrip(".")
    for name, task in inspect.getmembers(tasks, inspect.isfunction)
    if task.__module__ == tasks.__name__
}


def task_words(func: str) -> str:
    """Say what a task does; one that is not ours keeps its dotted path."""
    return WORDS.get(func.removeprefix(OURS), func)


def last_line_of(failure: Failure) -> str:
    """Return the last line of its traceback: the error itself."""
    lines = [line for line in str(failure.result or "").splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "no reason was kept"


@admin.register(Failure)
class FailureAdmin(ReadOnlyAdmin[Failure]):
    title = "Failed tasks"
    noun = "task"
    list_display = ("what", "with_what", "last_line", "ended", "time_taken", "attempt_count")
    list_filter = ("func", "started")
    search_fields = ("name", "func")
    date_hierarchy = "started"
    ordering = ("-stopped",)
    fields = (
        "what", "func", "with_what", "traceback", "started_at", "ended_at", "time_taken",
        "attempt_count", "id",
    )  # fmt: skip
    actions = ("run_again", "forget")
    page_actions = ("run_again",)

    @admin.display(description="Task", ordering="func")
    def what(self, obj: Failure) -> str:
        return task_words(obj.func)

    @admin.display(description="With")
    def with_what(self, obj: Failure) -> str:
        return ", ".join(map(str, obj.args or ())) or "—"

    @admin.display(description="What went wrong")
    def last_line(self, obj: Failure) -> str:
        return last_line_of(obj)

    @admin.display(description="Traceback")
    def traceback(self, obj: Failure) -> SafeString:
        return format_html('<pre class="raw" tabindex="0">{}</pre>', str(obj.result or "—"))

    @admin.display(description="Ended", ordering="stopped")
    def ended(self, obj: Failure) -> str | SafeString:
        return when(obj.stopped)

    @admin.display(description="Started")
    def started_at(self, obj: Failure) -> str:
        return moment(obj.started)

    @admin.display(description="Ended")
    def ended_at(self, obj: Failure) -> str:
        return moment(obj.stopped)

    @admin.display(description="Took")
    def time_taken(self, obj: Failure) -> str:
        return took((obj.stopped - obj.started).total_seconds())

    def heading(self, obj: Failure) -> str:
        return f"{task_words(obj.func)}: {self.with_what(obj)}"

    def has_act_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("django_q.change_failure"))

    @admin.action(description="Run again", permissions=["act"])
    def run_again(self, request: HttpRequest, queryset: QuerySet[Failure]) -> None:
        """Every task claims its work first, so a second run finds it done and returns."""
        done, refused = [], []
        for row in queryset:
            name = row.func.removeprefix(OURS)
            if name not in WORDS or row.kwargs:
                refused.append(f"{row.name}: {row.func} is not a task of the studio.")
                continue
            enqueue(name, *(row.args or ()))
            done.append(row)
        tell(request, done, "In the queue again", refused)

    @admin.action(description="Take off this list", permissions=["act"])
    def forget(self, request: HttpRequest, queryset: QuerySet[Failure]) -> HttpResponse | None:
        rows = list(queryset)
        question = Question(
            "Forget these failures?",
            "Take off this list",
            lambda row: "Its traceback is deleted. The work itself is not touched.",
            column="What it does",
        )
        if page := asked(self, request, rows, "forget", question):
            return page
        Failure.objects.filter(pk__in=[row.pk for row in rows]).delete()
        tell(request, rows, "Taken off the list")
        return None


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin[Schedule]):
    title = "Schedules"
    list_display = ("name", "what", "every", "next_one", "standing")
    fields = ("name", "what", "func", "every", "next_one", "standing")
    ordering = ("name",)

    @admin.display(description="Task")
    def what(self, obj: Schedule) -> str:
        return task_words(obj.func)

    @admin.display(description="Every")
    def every(self, obj: Schedule) -> str:
        if obj.schedule_type == Schedule.MINUTES:
            return "minute" if obj.minutes == 1 else f"{obj.minutes} minutes"
        return str(obj.get_schedule_type_display()).lower()

    @admin.display(description="Next", ordering="next_run")
    def next_one(self, obj: Schedule) -> str:
        return f"{obj.next_run:%Y-%m-%d %H:%M:%S} UTC" if obj.next_run else "—"

    @admin.display(description="Standing")
    def standing(self, obj: Schedule) -> SafeString:
        if obj.next_run is None:
            return chip("Off")
        late_s = (timezone.now() - obj.next_run).total_seconds()
        # The scheduler looks about every 30 s.
        return chip(f"Late by {took(late_s)}", "bad") if late_s > 90 else chip("On time", "ok")


@admin.register(OrmQ)
class QueuedAdmin(ReadOnlyAdmin[OrmQ]):
    """The queue where the database is the broker; with Redis it stays empty."""

    title = "Queued tasks"
    list_display = ("what", "with_what", "standing", "free_at")
    list_display_links = None
    ordering = ("pk",)
    fields = ("what", "with_what", "standing", "free_at")

    @admin.display(description="Task")
    def what(self, obj: OrmQ) -> str:
        return task_words(str(obj.task.get("func") or "cannot be read"))

    @admin.display(description="With")
    def with_what(self, obj: OrmQ) -> str:
        return ", ".join(map(str, obj.task.get("args") or ())) or "—"

    @admin.display(description="Standing")
    def standing(self, obj: OrmQ) -> SafeString:
        taken = obj.lock and obj.lock > timezone.now()
        return chip("Taken by a worker", "run") if taken else chip("Waits", "wait")

    @admin.display(description="Free since, or again at", ordering="lock")
    def free_at(self, obj: OrmQ) -> str:
        return f"{obj.lock:%Y-%m-%d %H:%M:%S} UTC" if obj.lock else "—"
