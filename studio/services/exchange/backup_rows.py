"""The rows of a backup: one line of JSON each, written from any models and read into any.

Lines are pure ASCII and end with a line feed alone. Backups of earlier versions hold characters
that some readers take for the end of a line (U+2028, U+2029, U+0085).
Foreign keys are kept as keys. Earlier versions kept people as their e-mail addresses.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models
from django.utils.encoding import is_protected_type

from studio.services.errors import StudioError
from studio.services.exchange.backup_format import BATCH
from studio.services.exchange.folded_names import FOLDED, FoldedNames
from studio.services.exchange.schema_state import Models
from studio.services.exchange.storable import NUL, storable

PERMISSION = "auth.permission"  # its keys differ between databases
NATURAL = {"studio.user": "email", "auth.group": "name"}  # how earlier versions named them
SHOWN_CHARS = 60
CUT_AT = "\u2028".encode()


class _Exact(DjangoJSONEncoder):
    """Django's encoder cuts times to milliseconds; a backup keeps them whole."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


# ---- Writing ------------------------------------------------------------------------------


def lines_of(model: type[models.Model]) -> Iterator[bytes]:
    """Yield each row of a table as one line of JSON, in the order of their keys."""
    batch: list[models.Model] = []
    for row in model._base_manager.order_by("pk").iterator(chunk_size=BATCH):
        batch.append(row)
        if len(batch) == BATCH:
            yield from _serialised(model, batch)
            batch = []
    yield from _serialised(model, batch)


def _serialised(model: type[models.Model], batch: Sequence[models.Model]) -> Iterator[bytes]:
    links = {many.name: _links(many, [row.pk for row in batch]) for many in _many_to_many(model)}
    for row in batch:
        fields = {
            one.name: _value(row, one) for one in model._meta.concrete_fields if not one.primary_key
        } | {name: found.get(row.pk, []) for name, found in links.items()}
        # Sorted, because models of an earlier version have their columns in another order.
        named = dict(sorted(fields.items()))
        record = {"model": model._meta.label_lower, "pk": row.pk, "fields": named}
        yield f"{json.dumps(record, cls=_Exact)}\n".encode("ascii")


def _many_to_many(model: type[models.Model]) -> list[Any]:
    return [many for many in model._meta.many_to_many if through_of(many)._meta.auto_created]


def through_of(many: Any) -> type[models.Model]:
    through: type[models.Model] = many.remote_field.through
    return through


def _links(many: Any, pks: Sequence[Any]) -> dict[Any, list[Any]]:
    """Return what each of these rows is linked to, by its key; permissions by their names."""
    found: dict[Any, list[Any]] = defaultdict(list)
    source, target = many.m2m_field_name(), many.m2m_reverse_field_name()
    rows = through_of(many)._base_manager.filter(**{f"{source}__in": pks}).order_by(f"{target}_id")
    if many.related_model._meta.label_lower == PERMISSION:
        names = ("codename", "content_type__app_label", "content_type__model")
        for pk, *natural in rows.values_list(source, *(f"{target}__{name}" for name in names)):
            found[pk].append(natural)
        return found
    for pk, other in rows.values_list(source, target):
        found[pk].append(other)
    return found


def _value(row: models.Model, one: Any) -> Any:
    value = one.value_from_object(row)
    if one.is_relation or is_protected_type(value):
        return value
    return one.value_to_string(row)


# ---- Reading ------------------------------------------------------------------------------


@dataclass(slots=True)
class Row:
    """One row as it would be stored. `links`: keys of other rows by the name of a many-to-many field."""

    object: models.Model
    links: dict[str, list[Any]] = field(default_factory=dict)


class RowReader:
    """Turns lines of a backup into rows of these models, each checked as a restore needs it.

    `renamed`: media files that are stored under another name for now. Afterwards `cleaned` says how many
    rows had characters that this database cannot store, `names` which rows got another name, and
    `unresolved` names a row that points at one that the backup does not hold.
    """

    def __init__(self, found: Models, *, renamed: dict[str, str] | None = None) -> None:
        self._models = found
        self._renamed = renamed or {}
        self._strict = connection.vendor == "postgresql"
        self._keys: dict[str, dict[str, Any]] = {label: {} for label in NATURAL}
        self._pks: dict[str, set[Any]] = {label: set() for label in self._referenced()}
        self._wanted: dict[tuple[str, str, str], set[Any]] = defaultdict(set)
        self.cleaned = 0
        self.names = FoldedNames()

    def _referenced(self) -> set[str]:
        return {
            one.related_model._meta.label_lower
            for model in self._models.values()
            for one in (*model._meta.concrete_fields, *_many_to_many(model))
            if one.is_relation and one.related_model
        } & set(self._models)

    def learn_names(self, label: str, lines: Iterable[bytes]) -> None:
        """Read by which key each person or group is known: earlier versions refer to them by name."""
        name = NATURAL[label]
        for _, record in _records(label, lines):
            key = record["fields"].get(name)
            if isinstance(key, str):
                self._keys[label][key] = record["pk"]

    def rows(self, label: str, lines: Iterable[bytes]) -> Iterator[Row]:
        """Yield the rows of a table. Raises StudioError naming the row, the field and the value."""
        model = self._models[label]
        fields: dict[str, Any] = {one.name: one for one in model._meta.concrete_fields}
        fields |= {many.name: many for many in _many_to_many(model)}
        for number, record in _records(label, lines):
            try:
                yield self._row(model, fields, record)
            except (ValidationError, ValueError, TypeError, OverflowError) as error:
                raise StudioError(
                    f"Row {number} of {label} in the backup cannot be read: {_plain(error)}."
                ) from error

    def _row(
        self, model: type[models.Model], fields: dict[str, Any], record: dict[str, Any]
    ) -> Row:
        key = model._meta.pk
        assert key is not None
        values: dict[str, Any] = {key.attname: self._checked(key, record["pk"])}
        links: dict[str, list[Any]] = {}
        clean = record["fields"]
        if self._strict and (clean := _without_unstorable(clean)) != record["fields"]:
            self.cleaned += 1
        for name, value in clean.items():
            one = fields.get(name)
            if one is None:
                raise ValueError(f"it has a field “{name}” that this table does not have")
            if one.many_to_many:
                links[name] = self._linked(one, value)
            elif one.is_relation:
                values[one.attname] = self._pointed_at(one, value)
            else:
                values[one.attname] = self._checked(one, value)
        label = model._meta.label_lower
        if label in FOLDED and (self._strict or "folded" in fields):
            self.names.settle(label, values, fields[FOLDED[label][0]].max_length)
        if label in self._pks:
            self._pks[label].add(values[key.attname])
        return Row(model(**values), links)

    def _checked(self, one: Any, value: Any) -> Any:
        """Return the value as the column takes it."""
        if value is None:
            if not one.null:
                raise ValueError(f"“{one.name}” is empty and must not be")
            return None
        value = one.to_python(value)
        if isinstance(value, str):
            value.encode()  # raises UnicodeEncodeError, a ValueError, for half a character
            if isinstance(one, models.FileField):
                value = self._renamed.get(value, value)
            longest = one.max_length
            if self._strict and longest and len(value) > longest and _has_width(one):
                raise ValueError(
                    f"“{one.name}” is {len(value):,} characters long; PostgreSQL takes {longest:,}"
                )
        if self._strict and isinstance(one, models.IntegerField):
            least, most = connection.ops.integer_field_range(one.get_internal_type())
            if not least <= value <= most:
                raise ValueError(f"“{one.name}” is {value}; PostgreSQL takes {least} to {most}")
        return value

    def _pointed_at(self, one: Any, value: Any) -> Any:
        label = one.related_model._meta.label_lower
        if isinstance(value, list):
            value = self._key(label, value)
        value = self._checked(one.target_field, value) if value is not None else None
        if value is None:
            return self._checked(one, None)
        if label in self._pks:
            self._wanted[one.model._meta.label_lower, one.name, label].add(value)
        return value

    def _linked(self, many: Any, values: Any) -> list[Any]:
        if not isinstance(values, list):
            raise TypeError(f"“{many.name}” must be a list")
        label = many.related_model._meta.label_lower
        if label == PERMISSION:
            if not all(isinstance(v, list) and len(v) == 3 for v in values):
                raise TypeError(f"“{many.name}” must be a list of permissions")
            return values
        keys = [self._key(label, v) if isinstance(v, list) else v for v in values]
        target = many.related_model._meta.pk
        found = [self._checked(target, key) for key in keys]
        if label in self._pks:
            self._wanted[many.model._meta.label_lower, many.name, label].update(found)
        return found

    def _key(self, label: str, natural: list[Any]) -> Any:
        names = self._keys.get(label, {})
        if len(natural) != 1 or natural[0] not in names:
            raise ValueError(
                f"it refers to {label} {str(natural)[:SHOWN_CHARS]}, which is not there"
            )
        return names[natural[0]]

    def check_references(self) -> None:
        """Raise StudioError where a row points at one that the backup does not hold."""
        for (label, name, other), wanted in self._wanted.items():
            if gone := wanted - self._pks[other]:
                raise StudioError(
                    f"The backup is incomplete: “{name}” of {label} refers to {other} "
                    f"{min(gone, key=str)}, which is not in it."
                )


def _records(label: str, lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each row's number and JSON, whole.

    Versions up to November 2026 cut a row in two at each U+2028, U+2029 and U+0085 in its texts.
    Its pieces are joined with U+2028; which of the three it was is not kept.
    """
    number, pieces = 0, b""
    for line in lines:
        pieces = pieces + CUT_AT + line if pieces else line
        if not pieces.rstrip(b"\n").endswith(b"}"):
            pieces = pieces.rstrip(b"\n")
            continue
        try:
            record = json.loads(pieces)
        except (ValueError, RecursionError):
            pieces = pieces.rstrip(b"\n")
            continue
        number, pieces = number + 1, b""
        fits = isinstance(record, dict) and record.get("model") == label
        if not fits or "pk" not in record or not isinstance(record.get("fields"), dict):
            raise StudioError(
                f"Row {number} of {label} in the backup cannot be read: it is not a row of {label}."
            )
        yield number, record
    if pieces:
        raise StudioError(
            f"Row {number + 1} of {label} in the backup cannot be read: it is not JSON."
        )


def _has_width(one: Any) -> bool:
    return isinstance(one, models.CharField | models.FileField)


def _plain(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "a text holds half a character (a lone surrogate)"
    texts = error.messages if isinstance(error, ValidationError) else [str(error)]
    return " ".join(texts).strip().rstrip(".")[:300]


def _without_unstorable(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields without what PostgreSQL cannot store: NUL, and in JSON halves of characters."""
    return {
        name: storable(value)
        if isinstance(value, list | dict)
        else (value.replace(NUL, "") if isinstance(value, str) else value)
        for name, value in fields.items()
    }
