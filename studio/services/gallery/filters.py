"""The gallery's filters: what an address asks for, and the rows that pass.

`filtered(project, query, user)` is what everything that works on "all clips matching the filter"
calls. An address may name any number of these; values of one kind widen, kinds narrow together:

    q           words, "a phrase", -without
    state       ready active waiting failed cancelled
    provider    a provider's slug;  model  provider:model, such as luma:ray-2  (one kind together)
    concept     a concept's slug; several narrow: every one must be there
    by          a user's pk, or me
    rating      1 to 5 (so many and up), exactly-1 to exactly-4, 0 (unrated)
    verdict     approved needs_changes none
    shape       16:9 and so on;  length  whole seconds;  date  today week month, or from= and to=
    chain       a chain's code, or any, or none
    tag         a tag's name, in any case;  collection  a collection's code
    archived    only, or with (those too). What is in the bin never passes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Lower
from django.http import QueryDict
from django.utils import timezone

from studio import concepts
from studio.models import CollectionItem, Generation, Project, Segment, Tag, User
from studio.models.generation import MOVING_STATES, GenerationQuerySet, State, Verdict
from studio.models.project import ASPECT_RATIOS
from studio.providers.catalog import PROVIDER_LABELS, SPECS
from studio.services.gallery import order, search

STATES = {
    "ready": ("Ready", [State.SUCCEEDED]),
    "active": ("In flight", sorted(MOVING_STATES)),
    "waiting": ("Needs you", [State.STALLED, State.UNCERTAIN]),
    "failed": ("Failed", [State.FAILED]),
    "cancelled": ("Cancelled", [State.ABANDONED, State.CANCELLED]),
}
RATINGS = {
    "5": "5 stars",
    "4": "4 stars and up",
    "3": "3 stars and up",
    "2": "2 stars and up",
    "1": "1 star and up",
    "exactly-4": "Exactly 4 stars",
    "exactly-3": "Exactly 3 stars",
    "exactly-2": "Exactly 2 stars",
    "exactly-1": "Exactly 1 star",
    "0": "Unrated",
}
VERDICTS = {
    "approved": ("Approved", Verdict.APPROVED),
    "needs_changes": ("Needs changes", Verdict.NEEDS_CHANGES),
    "none": ("No verdict", Verdict.NONE),
}
DATES = {"today": "Today", "week": "Last 7 days", "month": "This month"}
CHAINS = {"any": "In a chain", "none": "In no chain"}
ARCHIVED = {"only": "Archived only", "with": "Archived too"}
MODELS = {f"{s.provider}:{s.id}": s.name for s in SPECS.values()}
LENGTHS = {str(n): f"{n} s" for n in sorted({n for s in SPECS.values() for n in s.durations_s})}
MAX_LENGTH_S = 600
MAX_QUERY_CHARS = 200
MAX_TAG_CHARS = 40
MAX_VALUES = 40  # of one kind in an address
KINDS = (
    "state",
    "provider",
    "model",
    "concept",
    "by",
    "rating",
    "verdict",
    "shape",
    "length",
    "date",
    "chain",
    "tag",
    "collection",
    "archived",
)
ONE_ONLY = frozenset({"rating", "date", "archived"})
TITLES = {
    "state": "Status",
    "provider": "Provider",
    "model": "Model",
    "concept": "Concept",
    "by": "Creator",
    "rating": "Rating",
    "verdict": "Verdict",
    "shape": "Shape",
    "length": "Length",
    "date": "Date",
    "chain": "Chain",
    "tag": "Tag",
    "collection": "Collection",
    "archived": "Archived",
}
# Addresses from before a verdict and the archive were filters of their own.
_MOVED = {
    "approved": ("verdict", "approved"),
    "changes": ("verdict", "needs_changes"),
    "archived": ("archived", "only"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an address asks of the gallery, read but not yet looked up.

    `chosen` holds each kind's values that could be; `problems` a sentence for each that could not.
    """

    q: str
    chosen: Mapping[str, tuple[str, ...]]
    sort: str  # empty: the usual one, newest first or, when searching, the best match
    since: date | None = None
    until: date | None = None  # the last day, itself included
    problems: tuple[str, ...] = ()

    @property
    def is_active(self) -> bool:
        return bool(self.q) or self.has_filters

    @property
    def gathers(self) -> bool:
        """Whether a filter's clips are listed beside them, however many: a tag, a collection."""
        return bool(self.chosen["tag"] or self.chosen["collection"])

    @property
    def has_filters(self) -> bool:
        """Whether more than a search and a sort is asked for."""
        return bool(self.since or self.until or any(self.chosen.values()))

    def pairs(self) -> list[tuple[str, str]]:
        """Return the address's parameters, in a fixed order."""
        pairs = [("q", self.q)] if self.q else []
        pairs += [(kind, value) for kind in KINDS for value in self.chosen.get(kind, ())]
        if self.since:
            pairs.append(("from", self.since.isoformat()))
        if self.until:
            pairs.append(("to", self.until.isoformat()))
        if self.sort:
            pairs.append(("sort", self.sort))
        return pairs

    def query(self, **changes: object) -> str:
        """Return the address's query string, without ?, with parameters put in another's place."""
        pairs = [(name, value) for name, value in self.pairs() if name not in changes]
        pairs += [(name, str(v)) for name, v in changes.items() if v not in (None, "")]
        return urlencode(pairs)

    def without(self, *left_out: tuple[str, str]) -> str:
        """Return the query string without these parameters, each a name and a value."""
        return urlencode([pair for pair in self.pairs() if pair not in left_out])

    def leaving_out(self, pairs: Collection[tuple[str, str]]) -> Wanted:
        """Return the same without these filters, each a kind and a value."""
        if not pairs:
            return self
        chosen = {
            kind: tuple(value for value in values if (kind, value) not in pairs)
            for kind, values in self.chosen.items()
        }
        return replace(self, chosen=chosen)

    @property
    def order(self) -> str:
        """The sort in use: the one asked for, else the usual one."""
        return self.sort or (order.RELEVANCE if self.q else order.DEFAULT)


def filtered(project: Project, query: str | QueryDict, user: User | None) -> GenerationQuerySet:
    """Return the project's rows that pass, unsorted; makes no query itself.

    `query` is as in the gallery's address, with or without the question mark. Its sort order is
    `sort_of(query)`, for studio.services.gallery.order. Values that cannot be are passed over.
    """
    return rows_of(project, read(query), user)


def sort_of(query: str | QueryDict) -> str:
    """Return the sort an address asks for, as `order` takes it."""
    return read(query).sort or order.DEFAULT


def read(query: str | QueryDict) -> Wanted:
    """Read an address's parameters."""
    if isinstance(query, str):
        query = QueryDict(query.lstrip("?"))
    problems: list[str] = []
    chosen: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for kind in KINDS:
        for raw in query.getlist(kind)[:MAX_VALUES]:
            value = raw.strip()
            if not value:
                continue
            where, value = _MOVED[value] if kind == "state" and value in _MOVED else (kind, value)
            known = _known(where, value)
            if known is None:
                problems.append(_refusal(where, value))
            elif known not in chosen[where]:
                chosen[where].append(known)
    for kind in ONE_ONLY:
        del chosen[kind][1:]
    since, until = _day(query, "from", problems), _day(query, "to", problems)
    if since and until and since > until:
        problems.append(f"Date runs from {since} to {until}: the first day must not be the later.")
        since = until = None
    if since or until:
        chosen["date"] = []
    q = " ".join(query.get("q", "").replace("\0", " ").split())[:MAX_QUERY_CHARS].strip()
    sort = query.get("sort", "").strip()
    if sort and sort != order.RELEVANCE and sort not in order.SORTS:
        names = ", ".join([*order.SORTS, order.RELEVANCE])
        problems.append(f"There is no sort “{sort[:40]}”; it can be {names}.")
        sort = ""
    if sort == (order.RELEVANCE if q else order.DEFAULT) or (sort == order.RELEVANCE and not q):
        sort = ""
    return Wanted(
        q, {kind: tuple(v) for kind, v in chosen.items()}, sort, since, until, tuple(problems)
    )


def _known(kind: str, value: str) -> str | None:
    """Return the value as it is written in addresses, or None when there can be no such."""
    if kind == "by":
        return value if value == "me" or _is_pk(value) else None
    if kind == "length":
        return value if _is_pk(value) and 0 < int(value) <= MAX_LENGTH_S else None
    if kind == "tag":
        return value if len(value) <= MAX_TAG_CHARS else None
    if kind in ("chain", "collection") and not (kind == "chain" and value in CHAINS):
        try:
            return str(UUID(value))
        except ValueError:
            return None
    return value if value in ALLOWED[kind] else None


ALLOWED: dict[str, Mapping[str, object]] = {
    "state": STATES,
    "provider": PROVIDER_LABELS,
    "model": MODELS,
    "concept": concepts.CONCEPTS,
    "rating": RATINGS,
    "verdict": VERDICTS,
    "shape": dict.fromkeys(ASPECT_RATIOS),
    "date": DATES,
    "chain": CHAINS,
    "archived": ARCHIVED,
}


def _is_pk(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 19


def _refusal(kind: str, value: str) -> str:
    title, shown = TITLES[kind], value if len(value) <= 40 else value[:39] + "…"
    if kind == "length":
        return f"Length is “{shown}”; it must be whole seconds from 1 to {MAX_LENGTH_S}."
    if kind == "concept":
        return f"There is no concept “{shown}”; the Concept menu lists all {len(ALLOWED[kind])}."
    if kind in ALLOWED and kind not in ("model", "chain"):
        return f"{title} is “{shown}”; it can be {', '.join(ALLOWED[kind])}."
    return unknown(kind, shown)


def unknown(kind: str, shown: str) -> str:
    """Say that this project has no such creator, tag, collection, chain or model."""
    return f"There is no {TITLES[kind].lower()} “{shown}” in this project; that filter is left out."


def _day(query: QueryDict, name: str, problems: list[str]) -> date | None:
    raw = query.get(name, "").strip()
    if not raw:
        return None
    try:
        return date.fromisoformat(raw)
    except ValueError:
        problems.append(f"Date “{name}” is “{raw[:20]}”; write a day as 2026-11-21.")
        return None


# ---- The rows that pass ---------------------------------------------------------------------


def rows_of(
    project: Project, wanted: Wanted, user: User | None, *, along_order: bool = False
) -> GenerationQuerySet:
    """Return the project's rows that pass, unsorted; makes no query itself.

    `along_order`: very many pass, and only the first few in some order are wanted.
    """
    rows = without_search(project, wanted, user, along_order=along_order)
    if wanted.q:
        rows = search.matches(rows, project, wanted.q)
    return rows


def without_search(
    project: Project,
    wanted: Wanted,
    user: User | None,
    *,
    but: str = "",
    along_order: bool = False,
) -> GenerationQuerySet:
    """Return what passes every filter but the words searched for, and but the one kind named."""
    rows = Generation.objects.filter(project=project)
    archived = wanted.chosen["archived"] if but != "archived" else ("with",)
    if not archived:
        rows = rows.filter(archived_at=None)
    else:
        rows = rows.filter(deleted_at=None)
        if "only" in archived:
            rows = rows.filter(archived_at__isnull=False)
    for kind, condition in _CONDITIONS.items():
        values = wanted.chosen[kind]
        if values and kind != but:
            rows = condition(rows, values, project, user)
    for kind, listed in _LISTED.items():
        values = wanted.chosen[kind]
        if values and kind != but:
            rows = _among(rows, listed(project, values), along_order)
    if but not in ("provider", "model"):
        rows = _made_with(rows, wanted.chosen["provider"], wanted.chosen["model"])
    if but != "date":
        rows = _between(rows, *span(wanted))
    return rows


def span(wanted: Wanted) -> tuple[datetime | None, datetime | None]:
    """Return from when and until when (not included) clips must have been asked for."""
    today = timezone.now().astimezone(UTC).date()
    since, until = wanted.since, wanted.until
    for preset in wanted.chosen["date"]:
        since = {
            "today": today,
            "week": today - timedelta(days=6),
            "month": today.replace(day=1),
        }[preset]
    return (
        datetime.combine(since, time.min, UTC) if since else None,
        datetime.combine(until, time.min, UTC) + timedelta(days=1)
        if until and until < date.max
        else None,
    )


def _between(
    rows: GenerationQuerySet, since: datetime | None, until: datetime | None
) -> GenerationQuerySet:
    if since:
        rows = rows.filter(created_at__gte=since)
    return rows.filter(created_at__lt=until) if until else rows


def _made_with(
    rows: GenerationQuerySet, providers: tuple[str, ...], models: tuple[str, ...]
) -> GenerationQuerySet:
    if not providers and not models:
        return rows
    passing = Q(provider__in=providers) if providers else Q()
    for value in models:
        provider, _, model = value.partition(":")
        passing |= Q(provider=provider, model=model)
    return rows.filter(passing)


Values = tuple[str, ...]


def _by_state(
    rows: GenerationQuerySet, values: Values, project: Project, user: User | None
) -> GenerationQuerySet:
    return rows.filter(state__in=[state for value in values for state in STATES[value][1]])


def _by_concept(
    rows: GenerationQuerySet, values: Values, project: Project, user: User | None
) -> GenerationQuerySet:
    return search.with_concepts(rows, project, values)


def _by_creator(
    rows: GenerationQuerySet, values: Values, project: Project, user: User | None
) -> GenerationQuerySet:
    mine = user.pk if user else 0
    return rows.filter(by__in=[mine if value == "me" else int(value) for value in values])


def _by_rating(
    rows: GenerationQuerySet, values: Values, project: Project, user: User | None
) -> GenerationQuerySet:
    value = values[0]
    if value.startswith("exactly-"):
        return rows.filter(rating=int(value.removeprefix("exactly-")))
    return rows.filter(rating=0) if value == "0" else rows.filter(rating__gte=int(value))


def _by_verdict(
    rows: GenerationQuerySet, values: Values, project: Project, user: User | None
) -> GenerationQuerySet:
    return rows.filter(verdict__in=[VERDICTS[value][1] for value in values])


def _by_shape(
    rows: GenerationQuerySet, values: Values, project: Project, user: User | None
) -> GenerationQuerySet:
    return rows.filter(aspect_ratio__in=values)


def _by_length(
    rows: GenerationQuerySet, values: Values, project: Project, user: User | None
) -> GenerationQuerySet:
    return rows.filter(duration_s__in=[int(value) for value in values])


def _by_chain(
    rows: GenerationQuerySet, values: Values, project: Project, user: User | None
) -> GenerationQuerySet:
    here = Segment.objects.filter(chain__project=project, chain__archived_at=None).order_by()
    passing = Q()
    for value in values:
        if value == "any":
            passing |= Q(pk__in=here.values("generation"))
        elif value == "none":
            passing |= ~Q(Exists(here.filter(generation=OuterRef("pk"))))
        else:
            passing |= Q(pk__in=here.filter(chain__code=value).values("generation"))
    return rows.filter(passing)


_CONDITIONS = {
    "state": _by_state,
    "concept": _by_concept,
    "by": _by_creator,
    "rating": _by_rating,
    "verdict": _by_verdict,
    "shape": _by_shape,
    "length": _by_length,
    "chain": _by_chain,
}


def _tagged(project: Project, values: Values) -> QuerySet[Any, Any]:
    tags = Tag.objects.annotate(lower=Lower("name")).filter(
        project=project, lower__in=[value.lower() for value in values]
    )
    worn = Tag.generations.through.objects.filter(tag__in=tags.values("pk"))
    return worn.values("generation")


def _collected(project: Project, values: Values) -> QuerySet[Any, Any]:
    items = CollectionItem.objects.filter(
        collection__project=project, collection__code__in=values, collection__archived_at=None
    )
    return items.order_by().values("generation")


_LISTED = {"tag": _tagged, "collection": _collected}


def _among(
    rows: GenerationQuerySet, pks: QuerySet[Any, Any], along_order: bool
) -> GenerationQuerySet:
    """Return the rows with these pks.

    SQLite gathers and sorts them all, which is quickest for a few and slow for thousands. With
    "+ 0" it has to walk along the index of the rows' order instead. PostgreSQL knows by itself.
    """
    if along_order and connection.vendor == "sqlite":
        return rows.alias(own_pk=F("pk") + 0).filter(own_pk__in=pks)
    return rows.filter(pk__in=pks)
