"""A request described and an answer read: the plain values between adapters and the network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Generic, TypeVar

from studio.providers.clock import Clock, read_clock, read_http_date

T = TypeVar("T")

MAX_RETRY_AFTER_S = 3600.0
MAX_WHOLE_DIGITS = 100  # more digits are no amount, but may be an id


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer read whole. `headers` may be asked for in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def data(self) -> Any:
        """Return the JSON body, as `read_json`. Raises ValueError when it is not JSON."""
        return read_json(self.body)

    def data_or_none(self) -> Any:
        """Return the JSON body, or None when it is not JSON."""
        try:
            return self.data()
        except ValueError:
            return None

    @property
    def is_web_page(self) -> bool:
        """Whether this is HTML: what a proxy, a login page or a wrong address answers with."""
        if self.data_or_none() is not None:
            return False
        html = "text/html" in self.headers.get("content-type", "").lower()
        return html or self.text.lstrip("\ufeff \t\r\n").startswith("<")

    @property
    def text(self) -> str:
        """Return the body as text, at most 4,000 bytes of it."""
        return self.body[:4000].decode("utf-8", "replace")

    @property
    def clock(self) -> Clock:
        """Return the clock this answer was dated by."""
        return read_clock(self.headers.get("date", ""))


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, described. `path` is joined to the door's base URL.

    `parse` gets the JSON; where the call is `dated`, also the clock of the machine that answered.
    """

    method: str
    path: str
    parse: Callable[..., T]
    params: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    files: Mapping[str, tuple[str, bytes, str]] | None = None  # field -> (name, data, type)
    headers: Mapping[str, str] = field(default_factory=dict)
    paid: bool = False
    timeout_s: float = 30.0  # for each read, and half of what the whole answer may take
    empty_ok: bool = False  # a 2xx without a body is parsed as None
    dated: bool = False

    def read(self, answer: Answer) -> T:
        """Return what the parser makes of an answer. Raises ValueError when it is not JSON."""
        data = None if self.empty_ok and not answer.body.strip() else answer.data()
        return self.parse(data, answer.clock) if self.dated else self.parse(data)


def read_json(body: bytes) -> Any:
    """Return JSON without numbers that no column holds: NaN and Infinity are None, others text.

    Bytes that are no text become replacement characters: one of them in an error text must not
    cost the job id beside it. Raises ValueError when it is not JSON or is nested too deeply.
    """
    text = body.decode(json.detect_encoding(body), "replace")
    try:
        return json.loads(
            text, parse_constant=lambda _: None, parse_float=_finite, parse_int=_whole
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _finite(digits: str) -> float | str:
    number = float(digits)
    return number if isfinite(number) else digits


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_WHOLE_DIGITS else digits


def read_retry_after(value: str, clock: Clock | None = None) -> float | None:
    """Return Retry-After in seconds (0 to 3600) from a number or an HTTP date, or None."""
    text = value.strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        moment = read_http_date(text)
        if moment is None:
            return None
        seconds = -(clock or Clock()).age_s(moment)
    # A NaN compares false with everything and falls out here too.
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if seconds == seconds else None
