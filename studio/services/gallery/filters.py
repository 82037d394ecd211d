"""The gallery's filters: reading what an address asks for; `passing` finds the rows.

An address may name any number of these; values of one kind widen, kinds narrow together:

    q           words, "a phrase", -without
    state       ready active waiting failed cancelled
    provider    a provider's slug;  model  provider:model, such as luma:ray-2  (one kind together);
                a model is found in all its dialects, whichever is named
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
from datetime import date
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict

from studio import concepts
from studio.folding import folded_name
from studio.models.generation import MOVING_STATES, State, Verdict
from studio.models.project import ASPECT_RATIOS
from studio.providers.catalog import PROVIDER_LABELS, SPECS
from studio.services.gallery import order

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
# Each model's name, by the value its choice has; and all the values it has at its provider, where
# every dialect calls it by an id of its own. An address may name it by any of them.
MODELS: dict[str, str] = {}
DIALECTS: dict[str, list[str]] = {}
_MODEL_OF: dict[str, str] = {}
for _spec in SPECS.values():
    _value = f"{_spec.provider}:{_spec.id}"
    _MODEL_OF[_value] = next((v for v, name in MODELS.items() if name == _spec.name), _value)
    MODELS.setdefault(_MODEL_OF[_value], _spec.name)
    DIALECTS.setdefault(_MODEL_OF[_value], []).append(_value)
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
            elif all(compared(where, known) != compared(where, one) for one in chosen[where]):
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


def compared(kind: str, value: str) -> str:
    """Return a value as it is compared with another: a tag folded, a code without dashes."""
    if kind == "tag":
        return folded_name(value)
    return value.replace("-", "") if kind in ("chain", "collection") else value


def _known(kind: str, value: str) -> str | None:
    """Return the value as it is written in addresses, or None when there can be no such."""
    if kind == "model":
        return _MODEL_OF.get(value)
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
