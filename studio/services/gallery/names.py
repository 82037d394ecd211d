"""What the gallery's filters are called: the words on chips and in menus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import CharField, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast

from studio import concepts
from studio.folding import folded_name
from studio.models import Chain, Collection, Generation, Project, Tag, User
from studio.models.project import ASPECT_RATIOS
from studio.providers.catalog import PROVIDER_LABELS
from studio.search.looking_through import Folded
from studio.services.gallery import filters
from studio.services.gallery.filters import Wanted

FIXED: dict[str, dict[str, str]] = {
    "state": {value: label for value, (label, _) in filters.STATES.items()},
    "provider": PROVIDER_LABELS,
    "model": filters.MODELS,
    "concept": {c.slug: c.label for c in concepts.CONCEPTS.values()},
    "rating": filters.RATINGS,
    "verdict": {value: label for value, (label, _) in filters.VERDICTS.items()},
    "shape": {value: value for value in ASPECT_RATIOS},
    "length": filters.LENGTHS,
    "date": filters.DATES,
    "archived": filters.ARCHIVED,
}
# What a project has of its own: looked up when it is chosen, listed when its menu is opened.
OWN = ("by", "chain", "tag", "collection")
MOST_LISTED = 200
ME = "Me"
SAID = {"by": {"me": ME}, "chain": filters.CHAINS}


def label_of(kind: str, value: str) -> str:
    """Return what a fixed value is called."""
    if kind == "length" and value not in FIXED[kind]:
        return f"{value} s"
    return FIXED[kind].get(value, value)


def chosen_names(project: Project, wanted: Wanted) -> dict[tuple[str, str], str]:
    """Return what the project's own chosen values are called; one query if any is chosen.

    What is not there is left out: a tag that was deleted, a chain of another project.
    """
    names: dict[tuple[str, str], str] = {}
    asked = []
    for kind in OWN:
        fixed = SAID.get(kind, {})
        names |= {(kind, value): fixed[value] for value in wanted.chosen[kind] if value in fixed}
        if values := [value for value in wanted.chosen[kind] if value not in fixed]:
            asked.append(_named(kind, project, values))
    if not asked:
        return names
    spelt = {
        (kind, filters.compared(kind, value)): value
        for kind in OWN
        for value in wanted.chosen[kind]
    }
    for kind, value, name in asked[0].union(*asked[1:], all=True):
        names[kind, spelt[kind, filters.compared(kind, value)]] = name
    return names


def _named(kind: str, project: Project, values: list[str]) -> QuerySet[Any]:
    """Return (kind, value, name) of these, in the same columns for every kind."""
    rows: QuerySet[Any]
    if kind == "by":
        rows, key, name = _people(project).filter(pk__in=values), "pk", "name"
    elif kind == "tag":
        rows, key, name = _tags(project).filter(folded__in=_folded(values)), "folded", "name"
    else:
        rows = _chains(project) if kind == "chain" else _collections(project)
        rows, key, name = rows.filter(code__in=values), "code", "title"
    text = CharField()
    return rows.order_by().values_list(Value(kind, text), Cast(key, text), Cast(name, text))


def own_values(kind: str, project: Project) -> list[tuple[str, str]]:
    """Return (value, name) of a project's own things, as a menu lists them; one query."""
    if kind == "by":
        people = _people(project).order_by(Folded("name"), "pk").values_list("pk", "name")
        return [("me", ME), *((str(pk), name) for pk, name in people)]
    if kind == "tag":
        tags = _tags(project).order_by("folded").values_list("name", flat=True)
        return [(name, name) for name in tags[:MOST_LISTED]]
    if kind == "chain":
        return [*filters.CHAINS.items(), *_titled(_chains(project))]
    return _titled(_collections(project))


def _titled(rows: QuerySet[Chain] | QuerySet[Collection]) -> list[tuple[str, str]]:
    found = rows.order_by("-created_at").values_list("code", "title")[:MOST_LISTED]
    return [(str(code), title) for code, title in found]


def _people(project: Project) -> QuerySet[User]:
    """Members, and whoever made clips and has left."""
    made = Exists(Generation.objects.filter(project=project, by=OuterRef("pk")).order_by())
    member = Exists(project.memberships.filter(user=OuterRef("pk")).order_by())
    return User.objects.filter(Q(member) | Q(made))


def _tags(project: Project) -> QuerySet[Any]:
    return Tag.objects.filter(project=project)


def _folded(names: Iterable[str]) -> list[str]:
    return [folded_name(name) for name in names]


def _chains(project: Project) -> QuerySet[Chain]:
    return Chain.objects.filter(project=project, archived_at=None)


def _collections(project: Project) -> QuerySet[Collection]:
    return Collection.objects.filter(project=project, archived_at=None)
