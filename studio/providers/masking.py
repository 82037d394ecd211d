"""Keep keys and signatures out of everything that is stored, shown or logged."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from math import isfinite
from typing import Any

from studio.incoming_text import clean

HIDDEN = "(hidden)"
SECRET_FIELDS = frozenset(
    {"authorization", "x-api-key", "api_key", "apikey", "callback_url", "webhookurl", "webhook_url"}
)
MAX_DEPTH = 20
MAX_TEXT = 20_000
MAX_ITEMS = 500  # of one list or object
MAX_WHOLE_BITS = 400
# A key of few letters stands in many words: it is hidden where it is a word of its own, and one or
# two letters not at all.
MIN_ANYWHERE_CHARS = 8
MIN_WORD_CHARS = 3
# A query may be a signature, a fragment never helps: both go, wherever a URL stands in a text.
_URL_TAIL = re.compile(r"(https?://[^\s\"'<>?#]+)[?#][^\s\"'<>]*")
_URL_USER = re.compile(r"(https?://)[^\s/@\"'<>]+@")


def mask_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text with every secret, URL query and URL user name hidden, at most 20,000 long."""
    for secret in secrets:
        if len(secret) >= MIN_ANYWHERE_CHARS:
            text = text.replace(secret, HIDDEN)
        elif len(secret) >= MIN_WORD_CHARS and secret in text:
            text = re.sub(rf"(?<![\w-]){re.escape(secret)}(?![\w-])", HIDDEN, text)
    if "://" in text:
        text = _URL_TAIL.sub(r"\1?…", _URL_USER.sub(r"\1", text))
    return text[:MAX_TEXT]


def scrub(raw: Any, secrets: Iterable[str] = ()) -> Any:
    """Return a JSON value with the same shape, nothing secret in it, that any JSON column can hold.

    Values of secret-looking fields are hidden whole; every string is masked and clean, keys
    of objects too. Deeper than 20 levels and longer than 500 items is cut; a number that a
    database has no room for is None.
    """
    return _scrub(raw, tuple(secrets), 0)


def _scrub(value: Any, secrets: tuple[str, ...], depth: int) -> Any:
    if depth > MAX_DEPTH:
        return "…"
    if isinstance(value, str):
        return clean(mask_text(value, secrets))
    if isinstance(value, dict):
        return {
            clean(mask_text(str(key), secrets)): HIDDEN
            if item is not None and str(key).lower() in SECRET_FIELDS
            else _scrub(item, secrets, depth + 1)
            for key, item in islice(value.items(), MAX_ITEMS)
        }
    if isinstance(value, list | tuple):
        return [_scrub(item, secrets, depth + 1) for item in value[:MAX_ITEMS]]
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, int):
        return value if value.bit_length() <= MAX_WHOLE_BITS else None
    return value
