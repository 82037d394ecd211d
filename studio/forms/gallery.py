"""The gallery's filters as a page shows them: chips, menus, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from studio.folding import folded_name
from studio.models import Project, User
from studio.models.generation import GenerationQuerySet
from studio.services.gallery import filters, names, order
from studio.services.gallery.filters import ONE_ONLY, TITLES, Wanted
from studio.services.gallery.passing import rows_of

SORTS = order.SORTS
# Each menu with a button of its own where there is room; the others are under More.
FIRST_MENUS = ("state", "provider", "concept", "by", "rating")
MORE_MENUS = ("verdict", "shape", "length", "date", "chain", "tag", "collection", "archived")
MENUS = FIRST_MENUS + MORE_MENUS
ANY = {"archived": "Not archived"}


def whole_number(raw: str | None, *, most: int) -> int | None:
    """Read a whole number from 0 to `most` as it came from outside; None when it is not one."""
    if not raw or not raw.isascii() or not raw.isdigit() or len(raw) > 19 or int(raw) > most:
        return None
    return int(raw)


@dataclass(frozen=True, slots=True)
class Chip:
    """One active filter: its words, and the address without it."""

    label: str
    without: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a filter menu. `count` is what it would show; None is not counted yet."""

    name: str
    value: str
    label: str
    chosen: bool
    count: int | None = None
    sub: bool = False  # a part of the line before it


@dataclass(frozen=True, slots=True)
class Menu:
    """One filter's menu. `whole`: it lists every choice, not only those chosen."""

    kind: str
    title: str
    choices: tuple[Choice, ...]
    whole: bool
    any_label: str  # the way out of a menu where one is chosen; empty: several can be
    since: str = ""
    until: str = ""

    @property
    def is_date(self) -> bool:
        return self.kind == "date"

    @property
    def chosen(self) -> int:
        return sum(choice.chosen for choice in self.choices) + bool(self.since or self.until)

    @property
    def any_chosen(self) -> bool:
        return not self.chosen


class GalleryFilter:
    """What the address asks of the gallery, with the words for it."""

    def __init__(self, wanted: Wanted, project: Project, user: User) -> None:
        self.project, self.user = project, user
        self.names = names.chosen_names(project, wanted)
        missing = [
            (kind, value)
            for kind in names.OWN
            for value in wanted.chosen[kind]
            if (kind, value) not in self.names
        ]
        # A sentence for each value in the address that does not exist; it filters nothing.
        self.problems = [
            *wanted.problems,
            *(
                filters.unknown(kind, value if kind == "tag" else value[:8])
                for kind, value in missing
            ),
        ]
        self.wanted = wanted = wanted.leaving_out(missing)
        self.q, self.sort = wanted.q, wanted.order
        self.is_active = wanted.is_active

    def rows(self, project: Project, *, along_order: bool = False) -> GenerationQuerySet:
        """Return the project's rows that pass, unsorted; see `passing.rows_of`."""
        return rows_of(project, self.wanted, self.user, along_order=along_order)

    @property
    def count(self) -> int:
        """How many filters are on, the search left out."""
        wanted = self.wanted
        return sum(map(len, wanted.chosen.values())) + bool(wanted.since or wanted.until)

    def query(self, **changes: object) -> str:
        """Return the address's query string for these filters, with changes."""
        return self.wanted.query(**changes)

    def label(self, kind: str, value: str) -> str:
        if kind in names.OWN:
            return self.names.get((kind, value), value)
        return names.label_of(kind, value)

    def chips(self) -> Iterator[Chip]:
        """Yield each active filter with the address that leaves it out."""
        wanted = self.wanted
        if wanted.q:
            yield Chip(f"“{wanted.q}”", self._address(("q", wanted.q)))
        for kind in filters.KINDS:
            for value in wanted.chosen[kind]:
                yield Chip(self.label(kind, value), self._address((kind, value)))
        if wanted.since or wanted.until:
            ends = [
                (name, day.isoformat())
                for name, day in (("from", wanted.since), ("to", wanted.until))
                if day
            ]
            yield Chip(
                " ".join(
                    f"{name.capitalize() if not at else name} {value}"
                    for at, (name, value) in enumerate(ends)
                ),
                self._address(*ends),
            )

    def _address(self, *left_out: tuple[str, str]) -> str:
        # Nothing left is said in so many words: an address without a word opens the default view.
        return "?" + (self.wanted.without(*left_out) or "view=all")

    def menus(self) -> list[Menu]:
        """Return every menu without counts; of the project's own things only what is chosen."""
        return [self.menu(kind) for kind in MENUS]

    def menu(
        self,
        kind: str,
        counts: Mapping[tuple[str, str], int] | None = None,
        listed: list[tuple[str, str]] | None = None,
    ) -> Menu:
        """Return one menu, with counts and all of the project's own things where they are given."""
        wanted = self.wanted
        if kind in names.OWN:
            if listed is None:
                lines = [(kind, v, self.label(kind, v)) for v in wanted.chosen[kind]]
            else:
                lines = [(kind, value, label) for value, label in listed]
        elif kind == "provider":
            lines = _providers_and_models()
        else:
            lines = [(kind, value, label) for value, label in names.FIXED[kind].items()]
            lines += [
                (kind, value, names.label_of(kind, value))
                for value in wanted.chosen[kind]
                if value not in names.FIXED[kind]
            ]
        choices = tuple(
            Choice(
                name,
                value,
                label,
                value in wanted.chosen[name]
                or (kind == "tag" and folded_name(value) in map(folded_name, wanted.chosen[name])),
                None if counts is None else _counted(counts, name, value),
                name == "model",
            )
            for name, value, label in lines
        )
        return Menu(
            kind,
            TITLES[kind],
            choices,
            whole=kind not in names.OWN or listed is not None,
            any_label=ANY.get(kind, "Any") if kind in ONE_ONLY else "",
            since=wanted.since.isoformat() if wanted.since and kind == "date" else "",
            until=wanted.until.isoformat() if wanted.until and kind == "date" else "",
        )

    def sorts(self) -> list[tuple[str, str, bool]]:
        """Return (value, label, chosen) of each sort; the best match first only when searching."""
        offered = dict(SORTS)
        if self.q:
            offered = {order.RELEVANCE: order.RELEVANCE_LABEL} | offered
        return [(value, label, value == self.sort) for value, label in offered.items()]


def _counted(counts: Mapping[tuple[str, str], int], kind: str, value: str) -> int:
    values = filters.DIALECTS[value] if kind == "model" else [value]
    return sum(counts.get((kind, each), 0) for each in values)


def _providers_and_models() -> list[tuple[str, str, str]]:
    lines: list[tuple[str, str, str]] = []
    for provider, label in names.FIXED["provider"].items():
        lines.append(("provider", provider, label))
        models = [v for v in names.FIXED["model"] if v.startswith(f"{provider}:")]
        if len(models) > 1:
            lines += [("model", value, _model_label(value)) for value in models]
    return lines


def _model_label(value: str) -> str:
    return names.FIXED["model"][value].rpartition(", ")[2]
