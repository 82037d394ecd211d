"""The spend page: a month of a project in money, and its ledger as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import ceil, log10
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from studio.amounts import money
from studio.file_names import file_stem
from studio.forms.money import PersonBudgetForm
from studio.http import StudioRequest, project_for, signed_in
from studio.ledger import month_of
from studio.media.serve import attachment
from studio.models import Membership, Project, SpendRequest
from studio.providers.catalog import PROVIDER_LABELS
from studio.services.csv_text import CONTENT_TYPE, csv_lines
from studio.services.money import asking, spending
from studio.services.money.budgets import month_budget, person_budget, studio_budget
from studio.views.streaming import streamed

# The chart, in the units of its view box.
LEFT, RIGHT, TOP, BASE = 40.0, 720.0, 20.0, 170.0
GAP = 2.0
LINES = 3
HALF = 15  # days of a month: a phone has room for half the chart


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle of the chart. Its `title` is read out and shown on hover."""

    css: str
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    bars: list[Bar]
    lines: list[tuple[float, str]]  # y, what it stands for
    days: list[tuple[float, int]]  # x of the middle, day
    legend: list[tuple[str, str]]  # class, provider
    says: str
    opens_at_end: bool  # where there is no room for all of it: what is newest is seen first


@require_safe
@signed_in
def spend(request: StudioRequest, code: UUID) -> HttpResponse:
    project = project_for(request, code, may="create")
    first = _month(request)
    found = spending.month(project, first)
    is_now = first == month_of(timezone.now())
    mine = person_budget(request.membership)
    ctx = {
        "here": "spend",
        "month": found,
        "is_now": is_now,
        "months": spending.months_of(project),
        "budget": month_budget(project) if is_now else None,
        "studio_budget": studio_budget() if is_now and request.user.is_staff else None,
        "mine": mine if is_now and mine.limit is not None else None,
        "chart": chart(found),
        "most": max([part.microusd for part in found.people], default=1),
        "most_provider": max([part.microusd for part in found.providers], default=1),
        "keeper_tables": [
            (title, found.keepers[name])
            for title, name in (
                ("Model", "providers"),
                ("Person", "people"),
                ("Camera word", "concepts"),
            )
        ],
        "most_result": max([part.microusd for part in found.results], default=1),
        "balances": spending.balances() if request.user.is_staff else [],
        "waiting": asking.waiting(project),
        "decided": _decided(project),
        "can_manage": request.membership.can_manage,
        "limits": _limits(project) if request.membership.can_manage and is_now else [],
    }
    return render(request, "spend.html", ctx)


@require_POST
@signed_in
def limit_person(request: StudioRequest, code: UUID, pk: int) -> HttpResponse:
    """Set what one member may spend here each month."""
    project = project_for(request, code, may="manage")
    member = project.memberships.select_related("user").filter(pk=pk).first()
    if member is None:
        raise Http404("No such member.")
    form = PersonBudgetForm(request.POST)
    if form.is_valid():
        member.budget_microusd = form.microusd()
        member.save(update_fields=["budget_microusd"])
        said = "has no limit of their own now"
        if member.budget_microusd is not None:
            said = f"may spend {money(member.budget_microusd)} a month here"
        messages.success(request, f"{member.user.name} {said}.")
    else:
        words = " ".join(map(str, form.errors["budget"]))
        messages.error(
            request,
            f"{member.user.name}: {words} You typed “{request.POST.get('budget', '')[:20]}”.",
        )
    return HttpResponseRedirect(f"/p/{project.code}/spend/#limits")


@require_safe
@signed_in
def spend_csv(request: StudioRequest, code: UUID) -> HttpResponseBase:
    """The ledger of a month, or with `month=all` of all time."""
    project = project_for(request, code, may="create")
    first = None if request.GET.get("month") == "all" else _month(request)
    name = f"{file_stem(project.name, otherwise='project')}-spend"
    name += f"-{first:%Y-%m}" if first else ""
    return streamed(
        request,
        csv_lines(spending.ledger_rows(project, first)),
        content_type=CONTENT_TYPE,
        headers={"Content-Disposition": attachment(f"{name}.csv")},
    )


def chart(month: spending.Month) -> Chart:
    """Lay out the month's days as stacked bars, the dearest provider at the bottom."""
    totals: dict[str, int] = {}
    for _, parts in month.days:
        for provider, microusd in parts.items():
            totals[provider] = totals.get(provider, 0) + max(microusd, 0)
    order = sorted((name for name in totals if totals[name]), key=lambda name: -totals[name])
    highest = max((sum(max(v, 0) for v in parts.values()) for _, parts in month.days), default=0)
    top = _round_up(highest)
    step = (RIGHT - LEFT) / len(month.days)
    bars: list[Bar] = []
    for n, (day, parts) in enumerate(month.days):
        y = BASE
        for name in order:
            height = round(max(parts.get(name, 0), 0) / top * (BASE - TOP), 2)
            if height < 0.5:
                continue
            y -= height
            label = PROVIDER_LABELS.get(name, name)
            title = f"{day:%-d %B}: {label} {money(parts[name])}"
            x = round(LEFT + n * step, 2)
            bars.append(
                Bar(
                    _colour(name),
                    x,
                    round(y, 2),
                    round(step * 0.62, 2),
                    max(height - GAP, 0.5),
                    title,
                )
            )
    busiest = max(month.days, key=lambda one: sum(one[1].values()), default=None)
    says = f"Daily spend in {month.first:%B}: nothing yet."
    if highest and busiest:
        says = f"Daily spend in {month.first:%B}, highest on the {busiest[0].day}. at {money(highest)}."
    return Chart(
        bars=bars,
        lines=[
            (
                BASE - (BASE - TOP) * n / LINES,
                money(round(top * n / LINES)).removesuffix(".00") if n else "",
            )
            for n in range(LINES, -1, -1)
        ],
        days=[
            (round(LEFT + (n + 0.31) * step, 2), day.day)
            for n, (day, _) in enumerate(month.days)
            if day.day == 1 or day.day % 5 == 0
        ],
        legend=[(_colour(name), PROVIDER_LABELS.get(name, name)) for name in order],
        says=says,
        opens_at_end=_opens_at_end(month.first),
    )


def _opens_at_end(first: date) -> bool:
    now = timezone.now()
    return first != month_of(now) or now.day > HALF


def _colour(provider: str) -> str:
    """Return the class that colours a provider, in static/studio/css/spend.css."""
    return f"of-{provider}"


def _round_up(microusd: int) -> int:
    """Return a round amount for the top line: 3, 6, 15, 30, 60 ... so that thirds are round too."""
    if microusd <= 0:
        return 3_000_000
    scale: int = 10 ** int(log10(microusd))
    for factor in (1.5, 3, 6, 9, 12, 15):
        if microusd <= factor * scale:
            return int(factor * scale)
    return ceil(microusd / scale) * scale


def _month(request: StudioRequest) -> date:
    raw, now = request.GET.get("month", ""), month_of(timezone.now())
    if not raw:
        return now
    try:
        first = date.fromisoformat(f"{raw}-01")
    except ValueError:
        raise Http404("No such month.") from None
    # Nothing is booked in months to come, and the last of all has no next one to end at.
    if first > now:
        raise Http404("No such month.")
    return first


def _limits(project: Project) -> list[Membership]:
    """Return the members who may spend and are not owners: those whom a limit stops."""
    rows = project.memberships.filter(role=Membership.Role.EDITOR)
    return list(rows.select_related("user").order_by("user__name"))


def _decided(project: Project) -> list[SpendRequest]:
    rows = SpendRequest.objects.filter(project=project).exclude(state=SpendRequest.State.OPEN)
    return list(rows.select_related("by", "decided_by").order_by("-decided_at")[:5])
