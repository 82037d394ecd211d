"""What an admin may do about a shot. What may cost money asks first, and says how much."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from studio.admin.base import ReadOnlyAdmin, signed_in_user, tell
from studio.admin.confirming import Question, ask, asked, is_confirmed
from studio.models import Generation
from studio.models.generation import Charged, State
from studio.services import shots
from studio.services.accounts import provider_label
from studio.services.errors import StudioError
from studio.services.work import reconcile
from studio.templatetags.studio_tags import money

RETRYABLE = frozenset({State.FAILED, State.CANCELLED, State.ABANDONED})
WATCHED = frozenset({State.RUNNING, State.STALLED, State.UNCERTAIN})
RETRY_SPACE = uuid.UUID("9d5b4c1e-6f3a-4d0f-8a77-2f1f6f7b0c55")
NAMES = (
    "look_now", "arrived", "send_again", "give_up", "fetch_again", "retry", "cancel", "archive",
    "restore",
)  # fmt: skip
CHARGED = {
    Charged.YES: "The first one was charged.",
    Charged.UNKNOWN: "Whether the first one was charged is not known.",
}


class ClipActions(ReadOnlyAdmin[Generation]):
    """The actions of the list of clips, and the buttons of a clip's page."""

    actions = NAMES
    page_actions = NAMES

    def offers(self, obj: Generation, name: str) -> bool:
        paid = obj.provider != "previs"
        return {
            "look_now": paid and obj.state in WATCHED,
            "arrived": obj.state == State.UNCERTAIN,
            "send_again": obj.state == State.UNCERTAIN,
            "give_up": paid and obj.state in WATCHED,
            "fetch_again": reconcile.can_fetch(obj),
            "retry": obj.state in RETRYABLE,
            "cancel": obj.state == State.QUEUED or (not paid and obj.state == State.RUNNING),
            "archive": obj.archived_at is None and not obj.is_moving,
            "restore": obj.archived_at is not None,
        }[name]

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[Generation],
        what: str,
        act: Callable[[Generation], object],
    ) -> None:
        """Do something to each, oldest first, and say what became of it."""
        done: list[Generation] = []
        refused: list[str] = []
        for row in queryset.select_related("account", "project").order_by("pk"):
            try:
                act(row)
            except StudioError as error:
                refused.append(f"Clip {row.number}: {error.message}")
            else:
                self.log_change(request, row, f"{what}.")
                done.append(row)
        tell(request, done, what, refused)

    def _asked(
        self, request: HttpRequest, queryset: QuerySet[Generation], name: str, question: Question
    ) -> HttpResponse | None:
        """Return the page that asks, or None where it was answered or nothing can be at stake."""
        rows = [row for row in queryset.order_by("pk") if self.offers(row, name)]
        return asked(self, request, rows, name, question)

    # ---- At the provider -------------------------------------------------------------------
    @admin.action(description="Ask the provider now", permissions=["act"])
    def look_now(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        self._each(
            request,
            queryset,
            "Being asked about",
            lambda row: reconcile.check_again(generation=row),
        )

    @admin.action(description="It arrived", permissions=["act"])
    def arrived(self, request: HttpRequest, queryset: QuerySet[Generation]) -> HttpResponse | None:
        rows = list(queryset.filter(state=State.UNCERTAIN)[:2])
        if len(rows) != 1:
            one = "Choose one clip that is unclear: each has a job id of its own."
            tell(request, [], "", [one])
            return None
        by, job_id, error = signed_in_user(request), request.POST.get("job_id", ""), ""
        if is_confirmed(request):
            try:
                reconcile.say_arrived(generation=rows[0], by=by, job_id=job_id)
            except StudioError as trouble:
                error = trouble.message
            else:
                self.log_change(request, rows[0], f"It arrived as {job_id.strip()}.")
                tell(request, rows, "Watched from now on")
                return None
        question = Question(
            "It arrived at the provider",
            "Watch it",
            lambda row: "It is watched as this job. Nothing is bought.",
            field="job_id",
            label="The job id, as the provider shows it",
            typed=job_id,
            error=error,
        )
        return ask(self, request, rows, "arrived", question)

    @admin.action(description="Send again", permissions=["act"])
    def send_again(
        self, request: HttpRequest, queryset: QuerySet[Generation]
    ) -> HttpResponse | None:
        question = Question(
            "Send again what nobody knows the fate of?",
            "Send again",
            lambda row: f"If it did arrive, {_price(row)} is paid a second time.",
        )
        if page := self._asked(request, queryset, "send_again", question):
            return page
        by = signed_in_user(request)
        self._each(
            request, queryset, "Sent again", lambda row: reconcile.send_again(generation=row, by=by)
        )
        return None

    @admin.action(description="Give up", permissions=["act"])
    def give_up(self, request: HttpRequest, queryset: QuerySet[Generation]) -> HttpResponse | None:
        question = Question(
            "Stop watching?",
            "Give up",
            lambda row: (
                f"{provider_label(row.provider)} may still render it and charge {_price(row)}."
            ),
        )
        if page := self._asked(request, queryset, "give_up", question):
            return page
        by = signed_in_user(request)
        self._each(
            request, queryset, "Given up", lambda row: reconcile.give_up(generation=row, by=by)
        )
        return None

    @admin.action(description="Fetch again", permissions=["act"])
    def fetch_again(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        by = signed_in_user(request)
        self._each(
            request,
            queryset,
            "Being fetched again",
            lambda row: reconcile.fetch_again(generation=row, by=by),
        )

    # ---- Here --------------------------------------------------------------------------------
    @admin.action(description="Try again", permissions=["act"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Generation]) -> HttpResponse | None:
        question = Question("Buy another take?", "Try again", _risk_of_retry)
        if page := self._asked(request, queryset, "retry", question):
            return page
        by = signed_in_user(request)

        def again(row: Generation) -> None:
            # The same press twice makes one new take; a later failure of the new one may be retried.
            token = uuid.uuid5(RETRY_SPACE, f"{row.code} {row.finished_at}")
            shots.retry(generation=row, by=by, request_token=token)

        self._each(request, queryset, "Tried again", again)
        return None

    @admin.action(description="Cancel", permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        by = signed_in_user(request)

        def stop(row: Generation) -> None:
            if not shots.cancel(generation=row, by=by):
                raise StudioError("It is with the provider or finished, so it cannot be cancelled.")

        self._each(request, queryset, "Cancelled", stop)

    @admin.action(description="Archive", permissions=["act"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        rows = queryset.filter(archived_at=None)
        self._each(request, rows, "Archived", lambda row: shots.archive(generations=[row]))

    @admin.action(description="Bring back", permissions=["act"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        rows = queryset.exclude(archived_at=None)
        self._each(request, rows, "Brought back", lambda row: shots.restore(generations=[row]))


def _price(row: Generation) -> str:
    known = row.estimated_microusd
    return money(known) if known is not None else "its price, which is not known,"


def _risk_of_retry(row: Generation) -> str:
    if row.estimated_microusd == 0:
        return ""
    return " ".join(
        filter(
            None,
            [f"Costs {_price(row)}.".replace(",.", "."), CHARGED.get(Charged(row.charged), "")],
        )
    )
