"""Whose request it is, where proxies stand in front of the studio."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the address of whoever asks.

    Each of the STUDIO_PROXIES proxies wrote down, at the end of X-Forwarded-For, whom it was asked
    by. What stands before those, anybody may have written.
    """
    direct: str = request.META.get("REMOTE_ADDR", "")
    said = request.headers.get("X-Forwarded-For", "")
    hops = [hop.strip() for hop in said.split(",") if hop.strip()]
    count = settings.PROXIES
    return hops[-count] if 0 < count <= len(hops) else direct
