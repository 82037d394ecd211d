"""A project's month in money: by day, person, provider and result, and what a keeper costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, TruncDate
from django.utils import timezone

from studio import concepts as camera
from studio.amounts import Certainty, amount_text, certainty_of, least_certain, money
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
    certainty: Certainty = Certainty.EXACT

    @property
    def hit_percent(self) -> int:
        return round(100 * self.approved / self.clips) if self.clips else 0

    @property
    def second_microusd(self) -> int | None:
        """What one approved second cost, with everything that was not approved."""
        return round(self.microusd / self.approved_s) if self.approved_s else None

    @property
    def second_text(self) -> str:
        """What one approved second cost, in words."""
        return amount_text(self.second_microusd, self.certainty)


@dataclass(frozen=True, slots=True)
class Charge:
    """One shot of the month and what it counts for now."""

    generation: Generation
    microusd: int
    word: str
    tone: str

    @property
    def is_known(self) -> bool:
        return not self.generation.amount_unknown

    @property
    def text(self) -> str:
        """The amount in words; of one that was paid back $0.00."""
        certainty = self.generation.cost_certainty
        if self.generation.amount_unknown:
            certainty = self.generation.estimate_certainty
        return amount_text(self.microusd, certainty) if self.microusd else money(0)


@dataclass(frozen=True, slots=True)
class Month:
    """Everything the spend page shows. Money in micro-USD."""

    first: date
    spent: int  # with what is held
    held: int
    held_text: str  # the same in words
    held_shots: int
    unknown_shots: int  # charged, and nobody said how much
    unknown: int  # what counts for these
    unknown_text: str  # the same in words
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
    kinds = in_flight.values_list("generation__estimate_kind", flat=True).distinct()
    certainty = least_certain(certainty_of(kind) for kind in kinds)
    by_day: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for day, provider, total in entries.values_list(
        TruncDate("generation__created_at"), "account__provider"
    ).annotate(total=Sum("microusd")):
        by_day[day][provider] += total
    keepers, whole = _keepers(project, first)
    unknown = unknown_amounts(project, first)
    return Month(
        first=first,
        spent=spent,
        held=flight["total"] or 0,
        held_text=amount_text(flight["total"] or 0, certainty),
        held_shots=flight["shots"] if flight["total"] else 0,
        unknown_shots=unknown.shots,
        unknown=unknown.microusd,
        unknown_text=unknown.words,
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


@dataclass(frozen=True, slots=True)
class Unknown:
    """Shots that were charged without an amount, and what counts for them."""

    shots: int
    microusd: int
    ceilings: int = 0  # how many of them count for the most they can have cost

    @property
    def words(self) -> str:
        """What counts for them, in words: no estimate of a bill is exact."""
        certainty = Certainty.CEILING if self.ceilings else Certainty.ESTIMATE
        return amount_text(self.microusd, certainty)


def unknown_amounts(project: Project | None = None, first: date | None = None) -> Unknown:
    """Count what was charged without an amount: of a project, of a month, or of all; one query."""
    rows = Generation.objects.filter(charged=Charged.YES, actual_microusd=None)
    if project is not None:
        rows = rows.filter(project=project)
    if first is not None:
        rows = rows.filter(_asked_in(first))
    sums = rows.aggregate(
        shots=Count("pk"),
        held=Sum("estimated_microusd"),
        ceilings=Count("pk", filter=Q(estimate_kind="ceiling")),
    )
    return Unknown(sums["shots"], sums["held"] or 0, sums["ceilings"])


def _asked_in(first: date) -> Q:
    following = (first + timedelta(days=32)).replace(day=1)
    return Q(created_at__gte=_midnight(first), created_at__lt=_midnight(following))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def latest_charges(project: Project, first: date, most: int = LATEST) -> list[Charge]:
    """Return the month's newest shots that hold or cost something, or were paid back."""
    # One that was charged before anything was held for an unknown price has no row in the ledger.
    unbooked = Q(ledger=None, charged=Charged.YES, actual_microusd=None) & _asked_in(first)
    rows = (
        Generation.objects.filter(Q(ledger__month=first) | unbooked, project=project)
        .annotate(total=Coalesce(Sum("ledger__microusd"), 0))
        .order_by("-number")
        .select_related("by")
        .defer("raw_answer")[:most]
    )
    return [Charge(row, int(getattr(row, "total", 0)), *_word(row)) for row in rows]


def balances() -> list[ProviderAccount]:
    """Return the accounts whose balance is known."""
    known = Q(balance_microusd__isnull=False) | Q(balance_credits__isnull=False)
    return list(ProviderAccount.objects.filter(known, enabled=True))


def ledger_rows(project: Project, first: date | None) -> Iterator[tuple[object, ...]]:
    """Yield the ledger of a month (None: of all time) as rows of a table, its header first."""
    rows = LedgerEntry.objects.filter(project=project).order_by("pk")
    if first is not None:
        rows = rows.filter(month=first)
    yield (
        "date", "month", "kind", "usd", "credits", "unit", "clip", "title", "take", "person",
        "provider", "model", "state", "charged", "verdict", "amount",
        "certainty",
    )  # fmt: skip
    wanted = rows.select_related("generation", "user").only(
        "at", "month", "kind", "microusd", "credits", "unit", "user__name", "generation__number",
        "generation__title", "generation__take", "generation__provider", "generation__model",
        "generation__state", "generation__charged", "generation__verdict",
        "generation__actual_microusd", "generation__estimate_kind",
    )  # fmt: skip
    for row in wanted.iterator(chunk_size=500):
        shot = row.generation
        yield (
            row.at.isoformat(timespec="seconds"), row.month.isoformat(), row.kind,
            f"{row.microusd / 1_000_000:.6f}", "" if row.credits is None else f"{row.credits:g}",
            row.unit, shot.number, shot.title, shot.take, row.user.name, shot.provider, shot.model,
            shot.state, shot.charged or "pending", shot.verdict, _amount_word(shot),
            _certainty(row),
        )  # fmt: skip
    for shot in _unbooked(project, first).select_related("by").iterator(chunk_size=500):
        yield (
            shot.created_at.isoformat(timespec="seconds"), month_of(shot.created_at).isoformat(),
            "charged", "unknown", "", "", shot.number, shot.title, shot.take, shot.by.name,
            shot.provider, shot.model, shot.state, shot.charged, shot.verdict, "unknown",
            "not known",
        )  # fmt: skip


def _amount_word(shot: Generation) -> str:
    """Say whether a shot's amounts are what was charged: told, held, or unknown (an estimate)."""
    if shot.state not in TERMINAL_STATES:
        return "held"
    known = shot.charged == Charged.NO or (shot.charged == Charged.YES and not shot.amount_unknown)
    return "told" if known else "unknown"


def _certainty(row: LedgerEntry) -> Certainty:
    """Return how well the amount of one row is known."""
    if row.kind in (LedgerEntry.Kind.RESERVED, LedgerEntry.Kind.RELEASED):
        return row.generation.estimate_certainty
    if row.generation.amount_unknown:
        return least_certain([row.generation.estimate_certainty, Certainty.ESTIMATE])
    return row.generation.cost_certainty


def _unbooked(project: Project, first: date | None) -> QuerySet[Generation]:
    """Return what was charged without an amount, and has no row: nothing was held for it."""
    rows = Generation.objects.filter(
        project=project, charged=Charged.YES, actual_microusd=None, ledger=None
    )
    if first is not None:
        rows = rows.filter(_asked_in(first))
    return rows.order_by("pk").defer("raw_answer")


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
    if row.amount_unknown:
        return "Amount unknown", "wait"
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
        .values_list(
            "provider",
            "model",
            "by__name",
            "concepts",
            "verdict",
            "duration_ms",
            "total",
            "actual_microusd",
        )  # fmt: skip
    )
    tables: dict[str, dict[str, list[float]]] = {
        name: defaultdict(lambda: [0, 0, 0.0, 0, 0]) for name in ("providers", "people", "concepts")
    }
    whole: list[float] = [0, 0, 0.0, 0, 0]
    for provider, model, person, words, verdict, length, total, actual in rows[:MOST_CONCEPT_ROWS]:
        kept = verdict == Verdict.APPROVED
        unbilled = int(bool(total) and actual is None)
        add = (1, int(kept), (length or 0) / 1000 if kept else 0.0, total or 0, unbilled)
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
    clips, approved, seconds, microusd, unbilled = values
    certainty = Certainty.ESTIMATE if unbilled else Certainty.EXACT
    return Keeper(name, int(clips), int(approved), seconds, int(microusd), certainty)


def _model_name(provider: str, model: str) -> str:
    try:
        return get_spec(provider, model).name
    except UnknownModel:
        return f"{PROVIDER_LABELS.get(provider, provider)}, {model}"
