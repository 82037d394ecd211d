"""Read what providers answer, tolerantly: status words, dates, numbers, error texts.

Nothing here raises on odd input: an unreadable part is an empty string or None.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from studio.providers.base import Status
from studio.providers.masking import tidy

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


def read_status(word: object) -> Status:
    """Return the status a word stands for; an unknown word counts as running."""
    return STATUS_WORDS.get(str(word or "").strip().lower(), Status.RUNNING)


def settle(
    word: object, result_url: str, *, finished_at: datetime | None, expired: bool = False
) -> tuple[Status, str]:
    """Return (status, error) for a word beside the media that came with it.

    Done without media counts as running, until 180 s after `finished_at` where that is known:
    then the job failed and the error says so. An expired result is a success without media.
    """
    status = read_status(word)
    if status is not Status.SUCCEEDED or result_url or expired:
        return status, ""
    if finished_at and (datetime.now(UTC) - finished_at).total_seconds() > MEDIA_GRACE_S:
        return Status.FAILED, NO_MEDIA
    return Status.RUNNING, ""


def dig(value: Any, *path: str | int) -> Any:
    """Return what lies at this path of keys and positions, or None."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def text_at(value: Any, *path: str | int) -> str:
    """Return the string at this path, trimmed; empty when it is missing or no string."""
    found = dig(value, *path)
    return tidy(found).strip() if isinstance(found, str) else ""


def id_at(value: Any, *keys: str) -> str:
    """Return the first of these keys that holds an id: text, or a whole number as text."""
    for key in keys:
        found = dig(value, key)
        if isinstance(found, str) and found.strip():
            return tidy(found).strip()
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
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
    """Return the http(s) URL at this path: a string, or an object's `url`; else empty."""
    found = dig(value, *path)
    if isinstance(found, Mapping):
        found = found.get("url")
    if isinstance(found, str) and found.strip().lower().startswith(("https://", "http://")):
        return tidy(found).strip()
    return ""


def time_at(value: Any, *path: str | int) -> datetime | None:
    """Return the UTC time at this path, from ISO text or unix seconds (or milliseconds)."""
    found = dig(value, *path)
    try:
        if isinstance(found, bool):
            return None
        if isinstance(found, int | float):
            seconds = found / 1000 if found > 1e11 else found
            return datetime.fromtimestamp(seconds, UTC)
        if isinstance(found, str) and found.strip():
            moment = datetime.fromisoformat(found.strip())
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
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
    return str(error)
