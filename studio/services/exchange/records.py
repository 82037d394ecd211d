"""One object of a manifest: each value is read on its own, and a bad one is named."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from studio.incoming_text import LINES, tidy_line
from studio.plain_text import one_line
from studio.services.errors import StudioError
from studio.services.exchange.manifest_json import plain

EARLIEST_YEAR = 2000
CLOCK_SLACK = timedelta(days=1)  # how far ahead the other studio's clock may be
MAX_LABEL_CHARS = 60
OF_MANY_LINES = LINES | {"sent_prompt"}

_values = reprlib.Repr()
_values.maxlevel, _values.maxlist, _values.maxdict, _values.maxstring = 2, 2, 2, 60
_values.maxother = 60


class Damaged(StudioError):
    """Something of the archive is not what it must be; it is left out, and the rest comes in."""


class BadValue(Damaged):
    """One value of the manifest. The message names its place, itself, and what it must be."""


class Record:
    """One object of a manifest. Each reader raises BadValue; what is absent is no bad value."""

    def __init__(self, where: str, data: dict[str, Any]) -> None:
        self._where = where
        self._data = data

    def label(self, noun: str) -> str:
        """Return what a sentence calls it: the noun with its title, name or file, else its place."""
        for key in ("title", "name", "file"):
            value = self._data.get(key)
            if isinstance(value, str) and (words := one_line(value, most=MAX_LABEL_CHARS)):
                return f"{noun} “{words}”"
        return f"{noun} {self._where}"

    # ---- Values --------------------------------------------------------------------------------

    def text(
        self, key: str, most: int, *, pattern: str | None = None, allowed: str | None = None
    ) -> str:
        """Return text of at most `most` characters, one tidy line but where a prompt or note has more.

        "" where there is none.
        """
        value = self._data.get(key)
        if value is None:
            return ""
        if isinstance(value, str) and key not in OF_MANY_LINES:
            value = tidy_line(value)
        fits = isinstance(value, str) and len(value) <= most
        if not fits or (pattern and value and not re.fullmatch(pattern, value)):
            self.refuse(key, allowed or f"text of at most {most:,} characters")
        return str(value)

    def choice(self, key: str, values: Collection[str]) -> str:
        """Return one of these texts; "" where there is none."""
        value = self._data.get(key) or ""
        if not isinstance(value, str) or (value and value not in values):
            self.refuse(key, f"one of {', '.join(filter(None, values))}")
        return value

    def number(self, key: str, least: int, most: int, default: int | None = None) -> int:
        value = self._data.get(key)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.refuse(key, f"a whole number from {least:,} to {most:,}")
        assert isinstance(value, int)
        return value

    def digest(self, key: str) -> str:
        """Return a SHA-256, which must be there."""
        allowed = "a SHA-256: 64 hexadecimal digits"
        return self.text(key, 64, pattern="[0-9a-f]{64}", allowed=allowed) or self.refuse(
            key, allowed
        )

    def has(self, key: str) -> bool:
        return self._data.get(key) is not None

    def flag(self, key: str) -> bool:
        value = self._data.get(key)
        if value is not None and not isinstance(value, bool):
            self.refuse(key, "true or false")
        return value is True

    def code(self, key: str) -> UUID | None:
        value = self._data.get(key)
        if value is None:
            return None
        try:
            return UUID(value)
        except (ValueError, AttributeError, TypeError):
            self.refuse(key, "a code")

    def moment(self, key: str) -> datetime:
        """Return a time, in UTC; now where there is none."""
        value = self._data.get(key)
        if value is None:
            return timezone.now()
        try:
            found = parse_datetime(value)
            at = found.astimezone(UTC) if found and found.tzinfo else None
        except OverflowError:
            self._refuse_time(key)
        except (ValueError, TypeError):
            at = None
        if at is None:
            self.refuse(key, "a time with its zone")
        if at.year < EARLIEST_YEAR or at > timezone.now() + CLOCK_SLACK:
            self._refuse_time(key)
        return at

    def words(self, key: str, most: int) -> list[str]:
        """Return a list of short names."""
        value = self._list(key, most)
        if not all(isinstance(w, str) and re.fullmatch(r"[a-z0-9_]{1,40}", w) for w in value):
            self.refuse(key, "a list of names")
        return list(value)

    def texts(self, key: str, most: int, longest: int) -> list[str]:
        """Return a list of texts of at most `longest` characters."""
        allowed = f"a list of at most {most:,} texts of {longest} characters"
        value = self._list(key, most, allowed)
        if not all(isinstance(text, str) and len(text) <= longest for text in value):
            self.refuse(key, allowed)
        return list(value)

    def codes(self, key: str, most: int) -> list[UUID]:
        """Return a list of codes."""
        try:
            return [UUID(text) for text in self.texts(key, most, 36)]
        except ValueError:
            self.refuse(key, "a list of codes")

    def value(self, key: str) -> Any:
        """Return the value as it came, for a reader of its own."""
        return self._data.get(key)

    # ---- Objects in it -------------------------------------------------------------------------

    def records(
        self, key: str, most: int, *, problem: Callable[[str], None] | None = None
    ) -> list[Record]:
        """Return a list of objects. With `problem` what is none is left out and said."""
        place, found = self._place(key), []
        for index, item in enumerate(self._list(key, most)):
            where = f"{place}[{index}]"
            if isinstance(item, dict):
                found.append(Record(where, item))
                continue
            sentence = f"{where} is {_values.repr(item)}; it must be an object."
            if problem is None:
                raise BadValue(sentence)
            problem(f"Left out: {sentence}")
        return found

    def record(self, key: str) -> Record:
        """Return an object; an empty one where there is none."""
        value = self._data.get(key)
        if value is not None and not isinstance(value, dict):
            self.refuse(key, "an object")
        return Record(self._place(key), value or {})

    def plain(self, *left_out: str) -> dict[str, Any]:
        """Return the object as it came, to be kept as JSON for reference."""
        return {key: plain(value) for key, value in self._data.items() if key not in left_out}

    def shown(self, key: str) -> str:
        """Return the place of a value and the value, shortened: for a sentence."""
        return f"{self._place(key)} ({_values.repr(self._data.get(key))})"

    def refuse(self, key: str, allowed: str) -> NoReturn:
        """Raise BadValue: the value of this key must be what `allowed` says."""
        shown = _values.repr(self._data.get(key))
        raise BadValue(f"{self._place(key)} is {shown}; it must be {allowed}.")

    def _refuse_time(self, key: str) -> NoReturn:
        self.refuse(key, f"a time from {EARLIEST_YEAR} until now")

    def _list(self, key: str, most: int, allowed: str | None = None) -> list[Any]:
        value = self._data.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > most:
            self.refuse(key, allowed or f"a list of at most {most:,}")
        return value

    def _place(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key
