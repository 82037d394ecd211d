"""The icon that browsers and monitors ask for by the name every site has."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

DAY_S = 24 * 3600


@cache_control(public=True, max_age=DAY_S)
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_mark(), content_type="image/svg+xml")


@cache
def _mark() -> bytes:
    path = settings.BASE_DIR / "static" / "studio" / "icons" / "mark.svg"
    return bytes(path.read_bytes())
