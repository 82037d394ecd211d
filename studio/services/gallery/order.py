"""The gallery's sort orders, and a place in each of them as a key for an address.

A key is the values a row was sorted by, such as 4-31. The last value is the clip's number, which
is unique in a project, so that a page that goes on from a key neither repeats nor skips a clip
while others arrive.
"""

from __future__ import annotations

from django.db.models import Q

from studio.models import Generation
from studio.models.generation import Cost, GenerationQuerySet

SORTS = {
    "newest": "Newest first",
    "oldest": "Oldest first",
    "rating": "Best rated first",
    "changed": "Recently changed",
    "longest": "Longest first",
    "cost": "Dearest first",
}
RELEVANCE, RELEVANCE_LABEL = "relevance", "Best match first"
DEFAULT = "newest"
# What each sort orders by. A leading minus is from high to low.
ORDERS: dict[str, tuple[str, ...]] = {
    "newest": ("-number",),
    "oldest": ("number",),
    "rating": ("-rating", "-number"),
    "changed": ("-version", "-number"),
    "longest": ("-duration_s", "-number"),
    "cost": ("-cost", "-number"),
}
Key = tuple[int, ...]
MAX_KEY_VALUE = 2**63 - 1


def order_of(sort: str) -> tuple[str, ...]:
    """Return the fields of a sort; an unknown one and "relevance" go by number."""
    return ORDERS.get(sort, ORDERS[DEFAULT])


def ordered(rows: GenerationQuerySet, sort: str, *, backwards: bool = False) -> GenerationQuerySet:
    """Return the rows in this sort order, or in its opposite."""
    order = order_of(sort)
    return _with_keys(rows, sort).order_by(*(_reversed(order) if backwards else order))


def beyond(rows: GenerationQuerySet, sort: str, key: Key) -> GenerationQuerySet:
    """Return the rows that follow the key, in order."""
    order = order_of(sort)
    return _with_keys(rows, sort).filter(_past(order, key)).order_by(*order)


def up_to(rows: GenerationQuerySet, sort: str, key: Key) -> GenerationQuerySet:
    """Return the rows up to the key and the one at it, in order."""
    order = order_of(sort)
    at = Q(**{name.lstrip("-"): value for name, value in zip(order, key, strict=True)})
    return _with_keys(rows, sort).filter(_past(_reversed(order), key) | at).order_by(*order)


def ahead_of(rows: GenerationQuerySet, sort: str, key: Key) -> GenerationQuerySet:
    """Return the rows that come before the key, nearest first."""
    order = _reversed(order_of(sort))
    return _with_keys(rows, sort).filter(_past(order, key)).order_by(*order)


def key_of(generation: Generation, sort: str) -> str:
    """Return where a clip stands in this sort, for an address."""
    return "-".join(str(_value(generation, name.lstrip("-"))) for name in order_of(sort))


def read_key(raw: str, sort: str) -> Key | None:
    """Read a key that came from outside; None when it is not one of this sort."""
    return read_numbers(raw, len(order_of(sort)))


def read_numbers(raw: str, count: int) -> Key | None:
    """Read so many whole numbers joined by dashes; None when that is not what it is."""
    parts = raw.split("-")
    if len(parts) != count:
        return None
    if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
        return None
    key = tuple(int(part) for part in parts)
    return key if max(key) <= MAX_KEY_VALUE else None


def _value(generation: Generation, name: str) -> int:
    if name == "cost":
        return generation.expected_microusd or 0
    value: int = getattr(generation, name)
    return value


def _with_keys(rows: GenerationQuerySet, sort: str) -> GenerationQuerySet:
    return rows.alias(cost=Cost()) if sort == "cost" else rows


def _reversed(order: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name[1:] if name.startswith("-") else f"-{name}" for name in order)


def _past(order: tuple[str, ...], key: Key) -> Q:
    """Return what comes after the key: beyond in the first field, or equal in it and beyond in the next."""
    first = order[0].lstrip("-")
    step = "lt" if order[0].startswith("-") else "gt"
    if len(order) == 1:
        return Q(**{f"{first}__{step}": key[0]})
    # The first part alone bounds the scan of an index; databases do not see that in an OR.
    within = Q(**{f"{first}__{step}e": key[0]})
    return within & (Q(**{f"{first}__{step}": key[0]}) | _past(order[1:], key[1:]))
