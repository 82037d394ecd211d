"""What Prometheus asks for."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from studio.operations.metrics import exposition

CLOSED = (
    "Metrics open for whoever sends the token of STUDIO_METRICS_TOKEN as “Authorization: Bearer”; "
    "without one, for this machine alone, while the studio has no public address."
)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    if not _may(request):
        return _plain(CLOSED, 403)
    try:
        return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
    except DatabaseError:
        return _plain("The database does not answer.", 503)


def _may(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        return constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}")
    # Through a proxy on this machine, everybody comes from here.
    if settings.PROXIES or settings.PUBLIC_URL or "X-Forwarded-For" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.META["REMOTE_ADDR"]).is_loopback
    except ValueError:  # a socket file has no address
        return False


def _plain(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
