"""Start-up checks with stable ids; each hint is the exact fix."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.compatibility)
def queue_retry_is_above_timeout(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A task longer than `retry` would be started again while it still runs."""
    if settings.Q_CLUSTER["retry"] > settings.Q_CLUSTER["timeout"]:
        return []
    return [
        Error(
            "Q_CLUSTER's retry is not above its timeout, so a long render would run twice.",
            hint="Set retry in settings.Q_CLUSTER to more than timeout.",
            id="studio.E001",
        )
    ]


@register(Tags.security, deploy=True)
def several_machines_share_a_cache(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """PostgreSQL without Redis means each process counts sign-in attempts for itself."""
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3") or settings.REDIS_URL:
        return []
    return [
        Warning(
            "PostgreSQL is used without Redis: the queue runs on the database.",
            hint="Set REDIS_URL when more than one worker machine runs.",
            id="studio.W001",
        )
    ]
