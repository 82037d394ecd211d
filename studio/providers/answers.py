"""Read what providers answer, tolerantly: status words, ids, dates, numbers, error texts.

Nothing here raises on odd input, and nothing returns what a database column cannot hold: an
unreadable part is an empty string or None.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from studio.incoming_text import clean
from studio.providers.base import Status
from studio.providers.clock import Clock
from studio.providers.masking import MAX_TEXT

# Words of all dialects together, lower case; docs/providers.md says which provider says which.
STATUS_WORDS: dict[str, Status] = {
    **dict.fromkeys(("queued", "created", "dispatched", "waiting", "pending"), Status.QUEUED),
    **dict.fromkeys(
        ("processing", "generating", "active", "dreaming", "streaming", "running", "in_progress"),
        Status.RUNNING,
    ),
    **dict.fromkeys(
        ("completed", "complete", "success", "succeeded", "finished", "done", "ready"),
        Status.SUCCEEDED,
    ),
    **dict.fromkeys(("failed", "error", "timeout", "timed_out", "expired"), Status.FAILED),
    **dict.fromkeys(("cancelled", "canceled"), Status.CANCELLED),
}
# A job said to be done brings its clip at once or shortly after.
MEDIA_GRACE_S = 180
NO_MEDIA = "The job is finished but the answer holds no video."
MAX_ERROR = 1000
MAX_STATUS_CHARS = 60
MAX_JOB_ID_CHARS = 1000
MAX_JOB_ID_BYTES = 2000  # what an index of PostgreSQL takes, with room for the account beside it
YEARS = range(2000, 2200)


def read_status(word: object) -> Status:
    """Return the status a word stands for; an unknown word counts as running."""
    return STATUS_WORDS.get(str(word or "").strip().lower(), Status.RUNNING)


def settle(
    word: object,
    result_url: str,
    *,
    finished_at: datetime | None,
    expired: bool = False,
    clock: Clock | None = None,
) -> tuple[Status, str]:
    """Return (status, error) for a word beside the media that came with it.

    Done without media counts as running, until 180 s after `finished_at`, by the provider's clock,
    where that is known: then the job failed and the error says so. An expired result is a success
    without media.
    """
    status = read_status(word)
    if status is not Status.SUCCEEDED or result_url or expired:
        return status, ""
    if finished_at and (clock or Clock()).age_s(finished_at) > MEDIA_GRACE_S:
        return Status.FAILED, NO_MEDIA
    return Status.RUNNING, ""


def dig(value: Any, *path: str | int) -> Any:
    """Return what lies at this path of keys and positions, or None."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and 0 <= step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def text_at(value: Any, *path: str | int) -> str:
    """Return the string at this path, trimmed; empty when it is missing or no string."""
    found = dig(value, *path)
    return clean(found[:MAX_TEXT]).strip() if isinstance(found, str) else ""


def word_at(value: Any, *keys: str) -> str:
    """Return the first of these keys that holds a word, as the status column takes it."""
    words = (text_at(value, key) for key in keys)
    return next((word[:MAX_STATUS_CHARS].strip() for word in words if word), "")


def id_at(value: Any, *keys: str) -> str:
    """Return the first of these keys that holds an id: text, or a whole number as text.

    An id too long for its column counts as unreadable: half an id would ask for another job.
    """
    for key in keys:
        found = dig(value, key)
        if isinstance(found, int) and not isinstance(found, bool):
            found = str(found)
        text = clean(found).strip() if isinstance(found, str) else ""
        if text and len(text) <= MAX_JOB_ID_CHARS and len(text.encode()) <= MAX_JOB_ID_BYTES:
            return text
    return ""


def number_at(value: Any, *path: str | int) -> float | None:
    """Return the finite number at this path, also from a numeric string, or None."""
    found = dig(value, *path)
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return None
    try:
        number = float(found)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def url_at(value: Any, *path: str | int) -> str:
    """Return the http(s) URL at this path: a string, or an object's `url`; else empty.

    Taken as it is: another form of its letters would be another address. One without a scheme,
    "//host/path", is meant to be https.
    """
    found = dig(value, *path)
    if isinstance(found, Mapping):
        found = found.get("url")
    text = found.strip() if isinstance(found, str) and len(found) <= MAX_TEXT else ""
    if text.startswith("//") and text[2:3].isalnum():
        text = f"https:{text}"
    return text if text.lower().startswith(("https://", "http://")) and text.isprintable() else ""


def percent_at(value: Any, *path: str | int) -> int | None:
    """Return the progress at this path, from 0 to 100, or None."""
    number = number_at(value, *path)
    return None if number is None else int(min(100, max(0, number)))


def time_at(value: Any, *path: str | int) -> datetime | None:
    """Return the UTC time at this path, from ISO text or unix seconds (or finer), or None.

    Years far from ours are unreadable: they overflow when a time zone is applied.
    """
    found = dig(value, *path)
    if isinstance(found, str) and not found.strip().isdecimal():
        moment = _iso_time(found)
    else:
        moment = _unix_time(number_at(value, *path))
    return moment if moment is not None and moment.year in YEARS else None


def _iso_time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _unix_time(seconds: float | None) -> datetime | None:
    for _ in range(3):  # milliseconds, microseconds, nanoseconds
        if seconds is not None and seconds > 1e11:
            seconds /= 1000
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def flatten_error(error: Any) -> str:
    """Return the words of an error of any shape: text, {name, message}, {detail: [...]}, lists."""
    return _flatten(error, 0)[:MAX_ERROR]


def _flatten(error: Any, depth: int) -> str:
    if error is None or error is False or depth > 6:
        return ""
    if isinstance(error, str):
        return error.strip()
    if isinstance(error, Mapping):
        for key in ("message", "msg", "detail", "error", "reason", "description"):
            words = _flatten(error.get(key), depth + 1)
            if words:
                name = text_at(error, "name") or text_at(error, "code")
                return f"{name}: {words}" if name and name not in words else words
        parts = (_flatten(item, depth + 1) for item in error.values())
        return "; ".join(part for part in parts if part)
    if isinstance(error, list | tuple):
        return "; ".join(part for part in (_flatten(item, depth + 1) for item in error) if part)
    return str(error)[:MAX_ERROR]
