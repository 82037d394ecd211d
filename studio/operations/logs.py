"""How log lines look: one line of text for people, or one JSON object for programs. Never a key.

Both go through the same mask: the secrets of the settings, keys in headers and addresses, the
tokens that stand in the paths of links, and the query of every address.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

from studio.operations.context import facts
from studio.plain_text import escaped
from studio.providers.masking import HIDDEN, mask_text

_SHORT = 8  # characters; hiding shorter ones would hide words
# The addresses that open something for whoever holds them.
_TOKEN_PATHS = re.compile(r"(/(?:s|join|hooks/[\w-]+|media/fetch|digest/off)/)[^\s/\"'<>?#]+")
_TOKEN_FIELDS = re.compile(
    r"(?i)\b(bearer|token|api[_-]?key|x-api-key|secret|password)(\"?'?\s*[=:]\s*\"?'?|\s+)[\w.~+/=-]{8,}"
)
_MADE_SECRETS = re.compile(r"\bwhsec_[\w+/=-]{8,}")


@cache
def secrets() -> tuple[str, ...]:
    """Return every secret of the settings, longest first."""
    return tuple(sorted({s for s in _secrets() if len(s) >= _SHORT}, key=len, reverse=True))


def _secrets() -> Iterator[str]:
    yield settings.SECRET_KEY
    yield from settings.ENCRYPTION_KEYS
    yield from (key for key, _ in settings.PROVIDER_ENVIRONMENT.values())
    yield settings.METRICS_TOKEN
    yield settings.SENTRY_DSN
    yield settings.EMAIL_HOST_PASSWORD
    yield str(settings.DATABASES["default"].get("PASSWORD") or "")
    yield unquote(urlsplit(settings.REDIS_URL).password or "")


def masked(text: str) -> str:
    """Return the text without anything secret that is known here or looks it."""
    text = mask_text(text, secrets())
    text = _MADE_SECRETS.sub(HIDDEN, _TOKEN_PATHS.sub(rf"\1{HIDDEN}", text))
    return _TOKEN_FIELDS.sub(rf"\1\2{HIDDEN}", text)


def written_at(record: logging.LogRecord) -> str:
    """Return the time of a line in UTC, as ISO 8601."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class TextFormatter(logging.Formatter):
    """The line people read."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return escaped(masked(super().format(record)), lines=True)

    def formatMessage(self, record: logging.LogRecord) -> str:
        # A message is one line: what it quotes begins none. A traceback has several.
        return escaped(super().formatMessage(record))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return written_at(record)


class JsonFormatter(logging.Formatter):
    """One object a line: at, level, logger, message, what it is about, and the traceback if any.

    A record's `facts` (a dict given as `extra`) stand beside them.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": written_at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": masked(record.getMessage()),
        }
        line |= facts()
        for name, value in getattr(record, "facts", {}).items():
            line[name] = masked(value) if isinstance(value, str) else value
        if record.exc_info:
            line["error"] = masked(self.formatException(record.exc_info))
        return escaped(json.dumps(line, ensure_ascii=False, default=str), how=_json_escape)


def _json_escape(character: str) -> str:
    return json.dumps(character)[1:-1]
