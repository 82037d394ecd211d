"""Keep keys and signatures out of everything that is stored, shown or logged."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

HIDDEN = "(hidden)"
SECRET_FIELDS = frozenset(
    {"authorization", "x-api-key", "api_key", "apikey", "callback_url", "webhookurl", "webhook_url"}
)
MAX_DEPTH = 20
MAX_TEXT = 20_000
# A query may be a signature, a fragment never helps: both go, wherever a URL stands in a text.
_URL_TAIL = re.compile(r"(https?://[^\s\"'<>?#]+)[?#][^\s\"'<>]*")
_URL_USER = re.compile(r"(https?://)[^\s/@\"'<>]+@")


def tidy(text: str) -> str:
    """Return the text without what a database cannot store: NUL and lone surrogates."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def mask_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text with every secret, URL query and URL user name hidden, at most 20,000 long."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    if "://" in text:
        text = _URL_TAIL.sub(r"\1?…", _URL_USER.sub(r"\1", text))
    return tidy(text)[:MAX_TEXT]


def scrub(raw: Any, secrets: Iterable[str] = ()) -> Any:
    """Return a JSON value with the same shape and nothing secret in it.

    Values of secret-looking fields are hidden whole; every string goes through `mask_text`, keys
    of objects too. Deeper than 20 levels is cut.
    """
    return _scrub(raw, tuple(secrets), 0)


def _scrub(value: Any, secrets: tuple[str, ...], depth: int) -> Any:
    if depth > MAX_DEPTH:
        return "…"
    if isinstance(value, str):
        return mask_text(value, secrets)
    if isinstance(value, dict):
        return {
            mask_text(str(key), secrets): HIDDEN
            if item is not None and str(key).lower() in SECRET_FIELDS
            else _scrub(item, secrets, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_scrub(item, secrets, depth + 1) for item in value]
    return value
