"""What an admin may do about a shot. What may cost money asks first, and says how much."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from studio.admin.base import ReadOnlyAdmin, signed_in_user, tell
from studio.admin.confirming import Question, ask, asked, is_confirmed
from studio.amounts import Certainty, amount_text
from studio.forms.money import quotes_in
from studio.models import Generation
from studio.models.generation import Charged, State
from studio.services import shots
from studio.services.accounts import provider_label
from studio.services.errors import StudioError
from studio.services.money.quotes import PriceTable, own_rates, quote_again
from studio.services.work import reconcile

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

    @admin.action(description="Track a job ID", permissions=["act"])
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
                tell(request, rows, "Tracked from now on")
                return None
        question = Question(
            "It arrived at the provider",
            "Track it",
            lambda row: "It is tracked as this job. Nothing is bought.",
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

    @admin.action(description="Stop tracking", permissions=["act"])
    def give_up(self, request: HttpRequest, queryset: QuerySet[Generation]) -> HttpResponse | None:
        question = Question(
            "Stop tracking?",
            "Stop tracking",
            lambda row: (
                f"{provider_label(row.provider)} may still render it and charge {_price(row)}."
            ),
        )
        if page := self._asked(request, queryset, "give_up", question):
            return page
        by = signed_in_user(request)
        self._each(
            request,
            queryset,
            "No longer tracked",
            lambda row: reconcile.give_up(generation=row, by=by),
        )
        return None

    @admin.action(description="Download again", permissions=["act"])
    def fetch_again(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        by = signed_in_user(request)
        self._each(
            request,
            queryset,
            "Being downloaded again",
            lambda row: reconcile.fetch_again(generation=row, by=by),
        )

    # ---- Here --------------------------------------------------------------------------------
    @admin.action(description="Try again", permissions=["act"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Generation]) -> HttpResponse | None:
        table, rates = PriceTable.load(), own_rates()

        def price(row: Generation) -> tuple[int | None, Certainty]:
            """What it cost the first time; the price now, where that is more; and how well known."""
            now = quote_again(row, rates.get(row.account_id), table)
            first = row.estimated_microusd
            if now is not None and (first is None or now.microusd >= first):
                return now.microusd, now.certainty
            return first, row.estimate_certainty

        question = Question(
            "Buy another take?",
            "Try again",
            lambda row: _risk_of_retry(row, *price(row)),
            price=lambda row: price(row)[0],
        )
        if page := self._asked(request, queryset, "retry", question):
            return page
        by, quotes = signed_in_user(request), quotes_in(request.POST)

        def again(row: Generation) -> None:
            # The same press twice makes one new take; a later failure of the new one may be retried.
            token = uuid.uuid5(RETRY_SPACE, f"{row.code} {row.finished_at}")
            quoted = quotes.get(str(row.pk))
            shots.retry(generation=row, by=by, request_token=token, quoted_microusd=quoted)

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
    if row.estimated_microusd is None:
        return "its price, which is not known,"
    return row.estimate_text


def _risk_of_retry(row: Generation, microusd: int | None, certainty: Certainty) -> str:
    if microusd == 0:
        return ""
    price = amount_text(microusd, certainty)
    cost = "Its price is not known." if microusd is None else f"Costs {price}."
    return f"{cost} {CHARGED.get(Charged(row.charged), '')}".strip()
