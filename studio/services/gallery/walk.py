"""Going through the gallery one clip at a time, in its own filter and sort order.

A place in the order is a key, see studio.services.gallery.order. Neighbours are found from the
key, not from the row: a clip that is rated on the way may leave the filter or move within the
order, and the walk goes on from where it stood.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q

from studio.models import Generation
from studio.models.generation import GenerationQuerySet, State
from studio.services.gallery.order import Key, ahead_of, beyond, ordered


@dataclass(frozen=True, slots=True)
class Tally:
    """How many clips a walk has, and how many of them have no rating."""

    total: int
    unrated: int


def playable(rows: GenerationQuerySet) -> GenerationQuerySet:
    """Return the rows that can be looked at: clips, not what is still being made, failed or binned."""
    return rows.filter(state=State.SUCCEEDED, deleted_at=None)


def after(rows: GenerationQuerySet, sort: str, key: Key, most: int) -> list[Generation]:
    """Return up to `most` rows that follow the key, nearest first; one query."""
    return list(beyond(rows, sort, key)[:most])


def before(rows: GenerationQuerySet, sort: str, key: Key, most: int) -> list[Generation]:
    """Return up to `most` rows that come before the key, in the order's own sequence; one query."""
    return list(ahead_of(rows, sort, key)[:most])[::-1]


def first(rows: GenerationQuerySet, sort: str) -> Generation | None:
    return ordered(rows, sort).first()


def next_unrated(rows: GenerationQuerySet, sort: str, key: Key | None) -> Generation | None:
    """Return the next clip without a rating, from the beginning again if none follows."""
    unrated = rows.filter(rating=0)
    following = after(unrated, sort, key, 1) if key else []
    return following[0] if following else first(unrated, sort)


def place_of(rows: GenerationQuerySet, sort: str, key: Key) -> int:
    """Return how many rows come before the key; one query."""
    return ahead_of(rows, sort, key).order_by().count()


def tally(rows: GenerationQuerySet) -> Tally:
    """Count the walk; one query."""
    return Tally(
        **rows.order_by().aggregate(total=Count("pk"), unrated=Count("pk", filter=Q(rating=0)))
    )
