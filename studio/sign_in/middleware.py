"""What stands around every view: the two-factor gate, and the cookie of known browsers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from studio.http import ask_for_two_factor
from studio.services import known_browsers, two_factor

# Open to somebody who still has to turn two-factor sign-in on. Everything else is closed, so a
# new address needs no thought; `tests/test_two_factor_required.py` walks the whole table.
EXEMPT_NAMES = frozenset(
    {
        # One's own account, as far as it takes to turn codes on or to shut a thief out.
        "account", "change-password", "confirm-email", "two-factor",
        "end-session", "end-other-sessions", "logout",
        # Asked by machines, or opened by a key of its own in the address, signed in or not.
        "healthz", "readyz", "metrics", "robots", "provider-hook", "picture-by-token", "digest-off",
    }
)  # fmt: skip
# Guests' links open the same pages to anybody who holds one.
GUESTS = "/s/"


class TwoFactorMiddleware:
    """Sends people of whom codes are required, and who came in without one, to where codes are turned on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        if not settings.REQUIRE_TWO_FACTOR or _is_exempt(request):
            return None
        return ask_for_two_factor(request) if two_factor.holds_back(request) else None


class KnownBrowserMiddleware:
    """Writes down, in the answer to a sign-in, that the account has signed in with this browser."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        known_browsers.set_cookie(request, response)
        return response


def _is_exempt(request: HttpRequest) -> bool:
    match = request.resolver_match
    named = match is not None and not match.namespaces and match.url_name in EXEMPT_NAMES
    return named or request.path_info.startswith(GUESTS)
