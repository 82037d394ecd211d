"""What the studio's cookies are called, and the change from the names they had.

A cookie knows no port: two programs at one address with cookies of one name sign each other out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, MutableMapping

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

_LENGTH = 8  # hexadecimal digits; they tell studios apart and nothing of the key


def named_for(kind: str, secret: str, *, behind_tls: bool) -> str:
    """Return a cookie's name that no other studio and no other program has.

    With the prefix, a browser takes it from this very host and by TLS only.
    """
    own = hashlib.sha256(f"studio cookie names {secret}".encode()).hexdigest()[:_LENGTH]
    return f"{'__Host-' if behind_tls else ''}ray-{kind}-{own}"


def carry_earlier(cookies: MutableMapping[str, str]) -> dict[str, str]:
    """Give cookies that have an earlier version's names today's too; return those, by new name."""
    carried = {}
    prefix = "__Host-" if settings.BEHIND_TLS else ""
    for name, earlier in (
        (settings.SESSION_COOKIE_NAME, f"{prefix}sessionid"),
        (settings.CSRF_COOKIE_NAME, f"{prefix}csrftoken"),
    ):
        if name not in cookies and earlier in cookies:
            carried[name] = cookies[name] = cookies[earlier]
    return carried


class CookieNamesMiddleware:
    """Nobody is signed out by an upgrade: a session under its earlier name goes on under the new.

    The earlier cookie stays: it may be another program's at this address.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        carried = carry_earlier(request.COOKIES)
        response = self.get_response(request)
        name = settings.SESSION_COOKIE_NAME
        if name not in carried:
            return response
        if name in response.cookies:
            if not response.cookies[
                name
            ].value:  # what this browser never had need not be taken away
                del response.cookies[name]
            return response
        session = request.session
        # Where it is not a session of this studio, reading it forgets its key.
        if session.keys() and session.session_key == carried[name]:
            for each, value in carried.items():
                response.set_cookie(
                    each,
                    value,
                    max_age=session.get_expiry_age(),
                    secure=settings.SESSION_COOKIE_SECURE,
                    httponly=True,
                    samesite="Lax",
                )
        return response
