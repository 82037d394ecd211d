"""What the gallery's filters are called: the words on chips and in menus."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from studio import concepts
from studio.models import Chain, Collection, Generation, Project, Tag, User
from studio.models.project import ASPECT_RATIOS
from studio.providers.catalog import PROVIDER_LABELS
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


def label_of(kind: str, value: str) -> str:
    """Return what a fixed value is called."""
    if kind == "length" and value not in FIXED[kind]:
        return f"{value} s"
    return FIXED[kind].get(value, value)


def chosen_names(project: Project, wanted: Wanted) -> dict[tuple[str, str], str]:
    """Return what the project's own chosen values are called; one query for each kind chosen.

    What is not there is left out: a tag that was deleted, a chain of another project.
    """
    names: dict[tuple[str, str], str] = {}
    for kind in OWN:
        if values := wanted.chosen[kind]:
            names |= {
                (kind, value): name
                for value, name in own_values(kind, project, values)
                if value in values
            }
    return names


def own_values(
    kind: str, project: Project, only: Iterable[str] | None = None
) -> list[tuple[str, str]]:
    """Return (value, name) of a project's own things, all or only these; at most one query."""
    if kind == "by":
        return _people(project, only)
    if kind == "tag":
        tags = Tag.objects.filter(project=project).order_by(Lower("name"))
        if only is None:
            return [(name, name) for name in tags.values_list("name", flat=True)[:MOST_LISTED]]
        wanted = {value.lower(): value for value in only}
        found = tags.annotate(lower=Lower("name")).filter(lower__in=list(wanted))
        return [(wanted[lower], name) for lower, name in found.values_list("lower", "name")]
    if kind == "chain":
        first = [(value, label) for value, label in filters.CHAINS.items()]
        chains = Chain.objects.filter(project=project, archived_at=None)
        return first + _titled(chains, only)
    return _titled(Collection.objects.filter(project=project, archived_at=None), only)


def _titled(
    rows: QuerySet[Chain] | QuerySet[Collection], only: Iterable[str] | None
) -> list[tuple[str, str]]:
    if only is not None:
        codes = [value for value in only if value not in filters.CHAINS]
        if not codes:
            return []
        rows = rows.filter(code__in=codes)
    found = rows.order_by("-created_at").values_list("code", "title")[:MOST_LISTED]
    return [(str(code), title) for code, title in found]


def _people(project: Project, only: Iterable[str] | None) -> list[tuple[str, str]]:
    """Members, and whoever made clips and has left."""
    first = [("me", ME)]
    if only is not None and not (pks := [int(v) for v in only if v != "me"]):
        return first
    made = Exists(Generation.objects.filter(project=project, by=OuterRef("pk")).order_by())
    member = Exists(project.memberships.filter(user=OuterRef("pk")).order_by())
    people = User.objects.filter(Q(member) | Q(made)).order_by(Lower("name"), "pk")
    if only is not None:
        people = people.filter(pk__in=pks)
    return first + [(str(pk), name) for pk, name in people.values_list("pk", "name")]
