"""A request described and an answer read: the plain values between adapters and the network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar

T = TypeVar("T")

MAX_RETRY_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer read whole. `headers` may be asked for in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def data(self) -> Any:
        """Return the JSON body, NaN and Infinity as None. Raises ValueError when it is not JSON."""
        try:
            return json.loads(self.body, parse_constant=lambda _: None)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error

    def data_or_none(self) -> Any:
        """Return the JSON body, or None when it is not JSON."""
        try:
            return self.data()
        except ValueError:
            return None

    @property
    def text(self) -> str:
        """Return the body as text, at most 4,000 bytes of it."""
        return self.body[:4000].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, described. `path` is joined to the door's base URL; `parse` gets the JSON."""

    method: str
    path: str
    parse: Callable[[Any], T]
    params: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    files: Mapping[str, tuple[str, bytes, str]] | None = None  # field -> (name, data, type)
    headers: Mapping[str, str] = field(default_factory=dict)
    paid: bool = False
    timeout_s: float = 30.0  # for each read, and half of what the whole answer may take
    empty_ok: bool = False  # a 2xx without a body is parsed as None


def read_retry_after(value: str) -> float | None:
    """Return Retry-After in seconds (0 to 3600) from a number or an HTTP date, or None."""
    text = value.strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    # A NaN compares false with everything and falls out here too.
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if seconds == seconds else None
