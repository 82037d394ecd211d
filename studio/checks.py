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
def tls_is_told_by_a_proxy(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Without its header the studio cannot send those who come by plain http to https."""
    if not settings.BEHIND_TLS or settings.PROXIES:
        return []
    return [
        Warning(
            "STUDIO_PUBLIC_URL is https, and no proxy is believed: plain http is not sent on to "
            "https, and everybody who signs in seems to come from the proxy's address.",
            hint="Set STUDIO_PROXIES to the number of proxies in front, such as 1.",
            id="studio.W002",
        )
    ]


@register(Tags.security, deploy=True)
def several_machines_share_a_cache(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Without Redis each machine counts a link's visits for itself, and each process caches for itself.

    Sign-in attempts are counted in the database either way.
    """
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3") or settings.REDIS_URL:
        return []
    return [
        Warning(
            "PostgreSQL is used without Redis: the queue runs on the database.",
            hint="Set REDIS_URL when more than one worker machine runs.",
            id="studio.W001",
        )
    ]
