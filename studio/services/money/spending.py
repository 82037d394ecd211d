"""A project's month in money: by day, person, provider and result, and what a keeper costs."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from io import StringIO

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from studio import concepts as camera
from studio.ledger import month_of
from studio.models import Generation, LedgerEntry, Project, ProviderAccount
from studio.models.generation import MOVING_STATES, TERMINAL_STATES, Charged, State, Verdict
from studio.providers.catalog import PROVIDER_LABELS, UnknownModel, get_spec

MOST_MONTHS = 12
LATEST = 12
MOST_CONCEPT_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Part:
    """One bar: a name and micro-USD."""

    name: str
    microusd: int
    tone: str = "is-money"


@dataclass(frozen=True, slots=True)
class Keeper:
    """What one provider, person or camera word turns into approved seconds."""

    name: str
    clips: int
    approved: int
    approved_s: float
    microusd: int

    @property
    def hit_percent(self) -> int:
        return round(100 * self.approved / self.clips) if self.clips else 0

    @property
    def second_microusd(self) -> int | None:
        """What one approved second cost, with everything that was not approved."""
        return round(self.microusd / self.approved_s) if self.approved_s else None


@dataclass(frozen=True, slots=True)
class Charge:
    """One shot of the month and what it counts for now."""

    generation: Generation
    microusd: int
    word: str
    tone: str


@dataclass(frozen=True, slots=True)
class Month:
    """Everything the spend page shows. Money in micro-USD."""

    first: date
    spent: int  # with what is held
    held: int
    held_shots: int
    pace: int | None  # what the month comes to if it goes on so; None for a past month
    days: list[tuple[date, dict[str, int]]]  # by provider
    providers: list[Part]
    people: list[Part]
    results: list[Part]
    charges: list[Charge]
    charge_count: int
    keepers: dict[str, list[Keeper]] = field(default_factory=dict)
    whole: Keeper | None = None


def months_of(project: Project) -> list[date]:
    """Return the months something was spent in, and this one, oldest first; at most a year of them."""
    rows = LedgerEntry.objects.filter(project=project).order_by("-month")
    found = set(rows.values_list("month", flat=True).distinct()[:MOST_MONTHS])
    return sorted(found | {month_of(timezone.now())})[-MOST_MONTHS:]


def month(project: Project, first: date) -> Month:
    """Add up one month of a project; a constant number of queries."""
    entries = LedgerEntry.objects.filter(project=project, month=first).order_by()
    in_flight = entries.exclude(generation__state__in=sorted(TERMINAL_STATES))
    spent = _sum(entries)
    flight = in_flight.aggregate(total=Sum("microusd"), shots=Count("generation", distinct=True))
    by_day: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for day, provider, total in entries.values_list(
        TruncDate("generation__created_at"), "account__provider"
    ).annotate(total=Sum("microusd")):
        by_day[day][provider] += total
    keepers, whole = _keepers(project, first)
    return Month(
        first=first,
        spent=spent,
        held=flight["total"] or 0,
        held_shots=flight["shots"] if flight["total"] else 0,
        pace=_pace(first, spent),
        days=[(day, dict(by_day.get(day, {}))) for day in _days(first)],
        providers=_parts(
            (PROVIDER_LABELS.get(name, name), total)
            for name, total in entries.values_list("account__provider").annotate(
                total=Sum("microusd")
            )
        ),
        people=_parts(entries.values_list("user__name").annotate(total=Sum("microusd"))),
        results=_results(entries),
        charges=latest_charges(project, first)[:LATEST],
        charge_count=entries.aggregate(n=Count("generation", distinct=True))["n"],
        keepers=keepers,
        whole=whole,
    )


def latest_charges(project: Project, first: date, most: int = LATEST) -> list[Charge]:
    """Return the month's newest shots that hold or cost something, or were paid back."""
    rows = (
        Generation.objects.filter(project=project, ledger__month=first)
        .annotate(total=Sum("ledger__microusd"))
        .order_by("-number")
        .select_related("by")
        .defer("raw_answer")[:most]
    )
    return [Charge(row, int(getattr(row, "total", 0)), *_word(row)) for row in rows]


def balances() -> list[ProviderAccount]:
    """Return the accounts whose balance is known."""
    known = Q(balance_microusd__isnull=False) | Q(balance_credits__isnull=False)
    return list(ProviderAccount.objects.filter(known, enabled=True))


def csv_lines(project: Project, first: date | None) -> Iterator[str]:
    """Yield the ledger of a month (None: of all time) as CSV, a line at a time, its header first."""
    rows = LedgerEntry.objects.filter(project=project).order_by("pk")
    if first is not None:
        rows = rows.filter(month=first)
    yield _line(
        "date", "month", "kind", "usd", "credits", "unit", "clip", "title", "take", "person",
        "provider", "model", "state", "charged", "verdict",
    )  # fmt: skip
    wanted = rows.select_related("generation", "user").only(
        "at", "month", "kind", "microusd", "credits", "unit", "user__name", "generation__number",
        "generation__title", "generation__take", "generation__provider", "generation__model",
        "generation__state", "generation__charged", "generation__verdict",
    )  # fmt: skip
    for row in wanted.iterator(chunk_size=500):
        shot = row.generation
        yield _line(
            row.at.isoformat(timespec="seconds"), row.month.isoformat(), row.kind,
            f"{row.microusd / 1_000_000:.6f}", "" if row.credits is None else f"{row.credits:g}",
            row.unit, shot.number, shot.title, shot.take, row.user.name, shot.provider, shot.model,
            shot.state, shot.charged or "pending", shot.verdict,
        )  # fmt: skip


def _line(*cells: object) -> str:
    out = StringIO()
    csv.writer(out).writerow([_harmless(str(cell)) for cell in cells])
    return out.getvalue()


def _harmless(cell: str) -> str:
    """A cell that a spreadsheet would run as a formula becomes text; numbers stay numbers."""
    if cell[:1] in ("=", "+", "@", "\t", "\r") or cell[:1] == "-" and not _is_number(cell):
        return f"'{cell}"
    return cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


# ---- Parts of the month -----------------------------------------------------------------


def _sum(rows: QuerySet[LedgerEntry]) -> int:
    return rows.aggregate(total=Sum("microusd"))["total"] or 0


def _parts(rows: object, tone: str = "is-money") -> list[Part]:
    found = [Part(name, total, tone) for name, total in rows if total]  # type: ignore[attr-defined]  # any iterable of pairs
    return sorted(found, key=lambda part: (-part.microusd, part.name))


def _days(first: date) -> list[date]:
    following = (first + timedelta(days=32)).replace(day=1)
    return [first + timedelta(days=n) for n in range((following - first).days)]


def _pace(first: date, spent: int) -> int | None:
    now = timezone.now()
    if first != month_of(now) or not spent:
        return None
    begun = datetime(first.year, first.month, 1, tzinfo=now.tzinfo)
    gone = (now - begun) / timedelta(days=1)
    return round(spent * len(_days(first)) / max(gone, 1.0))


def _results(entries: QuerySet[LedgerEntry]) -> list[Part]:
    ended = {"generation__state__in": sorted(TERMINAL_STATES)}
    clip = Q(generation__state=State.SUCCEEDED)
    wanted = (
        ("Approved", clip & Q(generation__verdict=Verdict.APPROVED), "is-ok"),
        ("Needs changes", clip & Q(generation__verdict=Verdict.NEEDS_CHANGES), "is-money"),
        ("Not judged yet", clip & Q(generation__verdict=""), "is-money"),
        ("No clip came of it", Q(**ended) & ~clip, "is-bad"),
        ("In flight", ~Q(**ended), "is-money"),
    )
    sums = entries.aggregate(
        **{f"r{n}": Sum("microusd", filter=rule) for n, (_, rule, _) in enumerate(wanted)}
    )
    return [
        Part(name, sums[f"r{n}"], tone) for n, (name, _, tone) in enumerate(wanted) if sums[f"r{n}"]
    ]


def _word(row: Generation) -> tuple[str, str]:
    if row.state in MOVING_STATES or row.state not in TERMINAL_STATES:
        return "Held", "run"
    return {
        Charged.YES: ("Charged", "ok"),
        Charged.NO: ("Paid back", ""),
    }.get(Charged(row.charged), ("Charge not known", "wait"))


def _keepers(project: Project, first: date) -> tuple[dict[str, list[Keeper]], Keeper | None]:
    """Count clips, approved ones and their seconds by provider, person and camera word."""
    rows = (
        Generation.objects.filter(project=project, ledger__month=first, state=State.SUCCEEDED)
        .annotate(total=Sum("ledger__microusd"))
        .order_by()
        .values_list("provider", "model", "by__name", "concepts", "verdict", "duration_ms", "total")
    )
    tables: dict[str, dict[str, list[float]]] = {
        name: defaultdict(lambda: [0, 0, 0.0, 0]) for name in ("providers", "people", "concepts")
    }
    whole: list[float] = [0, 0, 0.0, 0]
    for provider, model, person, words, verdict, length, total in rows[:MOST_CONCEPT_ROWS]:
        kept = verdict == Verdict.APPROVED
        add = (1, int(kept), (length or 0) / 1000 if kept else 0.0, total or 0)
        labels = [camera.CONCEPTS[word].label for word in words if word in camera.CONCEPTS]
        names = [("providers", _model_name(provider, model)), ("people", person)]
        names += [("concepts", label) for label in labels or ["No camera word"]]
        for place in [tables[table][name] for table, name in names] + [whole]:
            for n, value in enumerate(add):
                place[n] += value
    found = {
        table: sorted(
            (_keeper(name, values) for name, values in rows_.items()),
            key=lambda one: (-one.hit_percent, -one.clips, one.name),
        )
        for table, rows_ in tables.items()
    }
    return found, _keeper("", whole) if whole[0] else None


def _keeper(name: str, values: list[float]) -> Keeper:
    clips, approved, seconds, microusd = values
    return Keeper(name, int(clips), int(approved), seconds, int(microusd))


def _model_name(provider: str, model: str) -> str:
    try:
        return get_spec(provider, model).name
    except UnknownModel:
        return f"{PROVIDER_LABELS.get(provider, provider)}, {model}"
