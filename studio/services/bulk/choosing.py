"""Which clips were chosen: these ones, or all that match a filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import F, QuerySet

from studio.models import BulkItem, BulkRun, Generation, Project, User
from studio.services.errors import StudioError
from studio.services.gallery.passing import filtered

MOST_NAMED = 5000
MAX_QUERY_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose. By `codes`, in the order chosen; or by the gallery's `query`.

    A query stands for what matched it at the project's `version`: what arrived or was changed
    since then was never seen by the person, and is left out, and so is what they took out (`but`).
    """

    codes: Sequence[UUID] = ()
    query: str = ""
    version: int | None = None
    but: Sequence[UUID] = ()

    @property
    def by_filter(self) -> bool:
        return self.version is not None


def chosen(project: Project, user: User, choice: Choice) -> QuerySet[Generation]:
    """Return the chosen rows of this project, oldest first."""
    if not choice.by_filter:
        return Generation.objects.filter(project=project, code__in=choice.codes).order_by("number")
    rows = matching(project, user, choice.query).filter(version__lte=choice.version)
    return rows.exclude(code__in=choice.but) if choice.but else rows


def matching(project: Project, user: User, query: str) -> QuerySet[Generation]:
    """Return everything that matches the gallery's query now, oldest first."""
    return filtered(project, query, user).order_by("number")


def left_out(project: Project, user: User, choice: Choice) -> int:
    """Count what matches the query now but arrived or was changed after it was chosen."""
    if not choice.by_filter:
        return 0
    later = matching(project, user, choice.query).filter(version__gt=choice.version)
    return (later.exclude(code__in=choice.but) if choice.but else later).count()


def keep_choice(run: BulkRun, choice: Choice) -> int:
    """Write down the chosen clips as the run's items; return how many. Two statements at most."""
    if choice.by_filter:
        return _keep_matching(run, chosen(run.project, run.by, choice))
    if len(choice.codes) > MOST_NAMED:
        raise StudioError(
            f"{len(choice.codes):,} clips are chosen one by one; {MOST_NAMED:,} are allowed. "
            "Filter the gallery and choose all that match instead.",
            field="clip",
        )
    rows = chosen(run.project, run.by, choice).order_by()
    found: dict[UUID, int] = dict(rows.values_list("code", "pk"))
    items = [
        BulkItem(run=run, generation_id=found[code])
        for code in dict.fromkeys(choice.codes)
        if code in found
    ]
    BulkItem.objects.bulk_create(items)
    return len(items)


def _keep_matching(run: BulkRun, rows: QuerySet[Generation]) -> int:
    """Copy the keys inside the database: a hundred thousand take about a second, not a minute."""
    named = rows.annotate(chosen_pk=F("pk")).values_list("chosen_pk")
    sql, params = named.query.sql_with_params()
    table = connection.ops.quote_name(BulkItem._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (run_id, generation_id, before, outcome, reason) "  # noqa: S608 (names of our own)
            f"SELECT {int(run.pk)}, chosen.chosen_pk, '{{}}', '', '' FROM ({sql}) chosen",
            params,
        )
        return int(cursor.rowcount)
