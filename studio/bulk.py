"""Many rows of one table written in one go: each with values of its own, or all in a fixed order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, models, transaction


def update_rows(model: type[models.Model], rows: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """Write the columns of each (pk, columns). Plain values, no expressions.

    An UPDATE of the ORM for each row costs thirty times as much, nearly all of it in making the
    same statement again. Call inside a transaction that holds the rows.
    """
    meta = model._meta
    quote = connection.ops.quote_name
    assert meta.pk is not None
    alike: dict[tuple[str, ...], list[list[Any]]] = {}
    for pk, columns in rows:
        values = [
            meta.get_field(name).get_db_prep_save(value, connection)  # type: ignore[union-attr]  # own columns
            for name, value in columns.items()
        ]
        alike.setdefault(tuple(columns), []).append([*values, pk])
    with connection.cursor() as cursor:
        for names, parameters in alike.items():
            settings = ", ".join(f"{quote(str(meta.get_field(n).column))} = %s" for n in names)  # type: ignore[union-attr]
            cursor.executemany(
                f"UPDATE {quote(meta.db_table)} SET {settings} WHERE {quote(str(meta.pk.column))} = %s",  # noqa: S608 (names of our own columns)
                parameters,
            )


def update_in_order(rows: models.QuerySet[Any], **columns: Any) -> int:
    """Update several rows, locked by their keys' order first. Returns how many.

    PostgreSQL locks the rows of an UPDATE as it comes upon them: two that meet the same rows in
    different orders would wait for each other in a ring.
    """
    with transaction.atomic():
        locked = rows.select_for_update(no_key=True).order_by("pk")
        pks = list(locked.values_list("pk", flat=True))
        changed: int = rows.model._default_manager.filter(pk__in=pks).update(**columns)
        return changed


def update_alike(model: type[models.Model], rows: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """Do as `update_rows` where many rows get the same values: one statement for all of those.

    A statement a row costs PostgreSQL three times as much.
    """
    alike: dict[str, tuple[Mapping[str, Any], list[int]]] = {}
    for pk, columns in rows:
        key = json.dumps(columns, default=str, sort_keys=True)
        alike.setdefault(key, (columns, []))[1].append(pk)
    single = []
    for columns, pks in alike.values():
        if len(pks) > 1:
            model._default_manager.filter(pk__in=pks).update(**columns)
        else:
            single.append((pks[0], columns))
    update_rows(model, single)
