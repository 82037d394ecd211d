"""Errors reported to Sentry, where SENTRY_DSN is set: where and why, never what somebody wrote.

No request body, no cookie, no header, no query, no local variable, no person leaves; addresses are
their patterns, and every text goes through the same mask as the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from studio.operations.context import facts
from studio.operations.logs import masked

# PostgreSQL quotes the row after it: prompts, names.
_DETAIL = "\nDETAIL:"
_LEFT_OUT = ("user", "breadcrumbs", "server_name", "modules", "extra")


def begin(**options: Any) -> None:
    """Report errors from now on; nothing is imported or done without SENTRY_DSN.

    Raises ImproperlyConfigured where the address is none.
    """
    if not settings.SENTRY_DSN:
        return
    import sentry_sdk

    try:
        sentry_sdk.init(
            dsn=settings.SENTRY_DSN,
            environment=settings.SENTRY_ENVIRONMENT,
            data_collection={
                "user_info": False,
                "http_bodies": [],
                "database_query_data": False,
                "queues": False,
                "stack_frame_variables": False,
                "frame_context_lines": 0,
            },
            max_breadcrumbs=0,
            before_send=scrubbed,
            **options,
        )
    except ValueError as error:
        # Not the address itself: it has a key in it.
        raise ImproperlyConfigured(
            "SENTRY_DSN cannot be read; it must look like https://key@sentry.example/1."
        ) from error


def scrubbed(event: Any, hint: Any) -> Any:
    """Return the event without anything that is somebody's."""
    for name in _LEFT_OUT:
        event.pop(name, None)
    method = event.pop("request", {}).get("method", "")
    event["tags"] = {**event.get("tags", {}), **facts(), **({"method": method} if method else {})}
    return _each_text(event, lambda text: masked(text.split(_DETAIL)[0]))


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _each_text(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_each_text(item, change) for item in value]
    return value
