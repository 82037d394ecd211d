"""A manifest's JSON, read so that one value nobody can use spoils no other."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any

from studio.incoming_text import clean_tree

MAX_DEPTH = 40  # a manifest of ours has nine levels
# Lists, objects and what they hold: each takes some hundred bytes of memory, however short it is written.
MAX_VALUES = 1_500_000
_MAX_DIGITS = 30  # of a whole number
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


class TooManyValues(Exception):
    """More than MAX_VALUES."""


class Unusable:
    """A value that no column and no JSON column takes: NaN, 1e400, a thousand digits, a hundred levels."""

    def __init__(self, text: str) -> None:
        self._text = text if len(text) <= _MAX_DIGITS else f"{text[:_MAX_DIGITS]}…"

    def __repr__(self) -> str:
        return self._text


def read_json(data: bytes) -> Any:
    """Return what the JSON says, storable, its texts clean, with `Unusable` for each value that no column takes.

    Raises ValueError for what is no JSON, TooManyValues before it is read.
    """
    text = data.decode(json.detect_encoding(data), "surrogatepass")
    if sum(map(text.count, ",[{")) > MAX_VALUES:
        raise TooManyValues
    try:
        value = _loads(text)
    except RecursionError:
        value = _loads(_cut_deep(text))
    return clean_tree(_within(value, MAX_DEPTH))


def plain(value: Any) -> Any:
    """Return the value with a text in place of each one that is unusable: to be kept as JSON."""
    if isinstance(value, Unusable):
        return repr(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _loads(text: str) -> Any:
    return json.loads(text, parse_int=_whole, parse_float=_real, parse_constant=Unusable)


def _whole(text: str) -> int | Unusable:
    return int(text) if len(text) <= _MAX_DIGITS else Unusable(text)


def _real(text: str) -> float | Unusable:
    number = float(text)
    return number if isfinite(number) else Unusable(text)


def _within(value: Any, levels: int) -> Any:
    if not isinstance(value, list | dict):
        return value
    if not levels:
        return Unusable("nested too deep")
    # In place: a second copy would double what a large manifest takes.
    for key, item in enumerate(value) if isinstance(value, list) else list(value.items()):
        if isinstance(item, list | dict):
            value[key] = _within(item, levels - 1)
    return value


def _cut_deep(text: str) -> str:
    """Return the JSON with null for whatever lies deeper than anything that is read."""
    parts, depth, upto = [], 0, 0
    for token in _TOKENS.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == MAX_DEPTH + 2:
                parts.append(text[upto : token.start()])
        elif token[0] in "]}":
            if depth == MAX_DEPTH + 2:
                parts.append("null")
                upto = token.end()
            depth -= 1
    if depth > MAX_DEPTH + 1:
        raise ValueError("It ends within a list or an object.")
    return "".join([*parts, text[upto:]])
