"""One line and one measurement for each request, and the id that ties its lines together."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from studio.operations.context import about
from studio.operations.request_counts import count_request

logger = logging.getLogger(__name__)

HEADER = "X-Request-ID"
_GIVEN = re.compile(r"[\w.-]{8,64}", re.ASCII)
# Asked for every few seconds by machines, or for each page a dozen times: they would bury the rest.
QUIET = frozenset({"healthz", "readyz", "metrics"})


class RequestMiddleware:
    """Stands outermost, so that it sees every answer and how long it took."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        code = request_id(request)
        with about(request=code):
            response = self.get_response(request)
            response.headers[HEADER] = code
            took_s = time.perf_counter() - began
            _tell(request, response, took_s)
            count_request(request, response.status_code, took_s)
        return response


def request_id(request: HttpRequest) -> str:
    """Return the id a trusted proxy gave this request, or a new one.

    A stranger's is not taken: it would put their words into our logs, and mix two requests up.
    """
    given = request.headers.get(HEADER, "") if settings.PROXIES else ""
    return given if _GIVEN.fullmatch(given) else uuid.uuid4().hex


def route_of(request: HttpRequest) -> str:
    """Return the address's pattern: what stands in its place may be a token, mistyped too."""
    match = request.resolver_match
    return f"/{match.route}" if match else "(no such address)"


def _tell(request: HttpRequest, response: HttpResponse, took_s: float) -> None:
    match = request.resolver_match
    quiet = request.path.startswith(settings.STATIC_URL) or (match and match.url_name in QUIET)
    if quiet or not logger.isEnabledFor(logging.INFO):
        return
    route, ms = route_of(request), round(took_s * 1000, 1)
    facts: dict[str, object] = {
        "method": request.method,
        "route": route,
        "status": response.status_code,
        "ms": ms,
    }
    # Not the session's: looking it up may cost a query, and most views have looked already.
    person = getattr(request, "_cached_user", None)
    if person is not None and person.pk:
        facts["person"] = person.pk
    if match and (code := match.kwargs.get("code")):
        facts["clip" if route.startswith(("/clips/", "/^media/clips/")) else "code"] = str(code)
    logger.info(
        "%s %s %s in %s ms", request.method, route, response.status_code, ms, extra={"facts": facts}
    )
