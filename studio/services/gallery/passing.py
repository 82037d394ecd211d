"""The gallery's rows that pass the filters of an address, as `filters` reads it.

`filtered(project, query, user)` is what everything that works on "all clips matching the filter"
calls. Nothing here makes a query: the rows come unsorted and unread, for the caller to go on with.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from studio.folding import folded_name
from studio.models import CollectionItem, Generation, Project, Segment, Tag, User
from studio.models.generation import GenerationQuerySet
from studio.services.gallery import search
from studio.services.gallery.filters import DIALECTS, STATES, VERDICTS, Wanted, read

Values = tuple[str, ...]  # of one kind, as an address has them


def filtered(project: Project, query: str | QueryDict, user: User | None) -> GenerationQuerySet:
    """Return the project's rows that pass, unsorted; makes no query itself.

    `query` is as in the gallery's address, with or without the question mark. Values that
    cannot be are passed over.
    """
    return rows_of(project, read(query), user)


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


def _made_with(rows: GenerationQuerySet, providers: Values, models: Values) -> GenerationQuerySet:
    if not providers and not models:
        return rows
    passing = Q(provider__in=providers) if providers else Q()
    for value in models:
        for dialect in DIALECTS[value]:
            provider, _, model = dialect.partition(":")
            passing |= Q(provider=provider, model=model)
    return rows.filter(passing)


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
    tags = Tag.objects.filter(project=project, folded__in=map(folded_name, values))
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
