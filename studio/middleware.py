"""What every answer has, and what a full disk is answered with."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from studio.services import disk, sessions
from studio.services.outage import is_outage
from studio.views.operations.errors import away, no_room

logger = logging.getLogger(__name__)

# Parts of a page do nothing by themselves: the page's own policies hold, and of its twenty parts each
# would carry a kilobyte of them.
PARTS = ("text/css", "text/javascript", "font/")


class ContentSecurityPolicyMiddleware:
    """The content security policy, from settings.SECURE_CSP, and what else browsers are told.

    The setting has the form Django 6 reads, so that its own middleware can take over.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.policy = "; ".join(
            f"{key} {' '.join(value)}" for key, value in settings.SECURE_CSP.items()
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        kind = response.headers.get("Content-Type", "")
        if not kind.startswith(PARTS):
            response.headers.setdefault("Content-Security-Policy", self.policy)
            response.headers.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
        # No other site shows our pictures, clips or answers within its own pages.
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if kind.startswith("text/html"):
            # A page is of one person and one moment: asked for anew, and by no proxy for another.
            response.headers.setdefault("Cache-Control", "private, no-cache")
        return response


class TroubleMiddleware:
    """Answers with a sentence where a page does not say by itself that the disk is full, or that the
    database does not answer: neither is an error of the studio's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, disk.NoRoom):
            return no_room(request, error.message)
        if disk.ran_out(error):
            logger.error("the disk is full", exc_info=error)
            return no_room(request, disk.shortage() or disk.WAS_FULL)
        if is_outage(error):
            logger.error("%s cannot be answered: %s", request.path, error)
            return away(request)
        return None


class SignedInMiddleware:
    """Notes that a signed-in browser is used: it stays signed in by that.

    Use is opening a page or sending something. What an open page asks for by itself, fragments and
    media, is not: a gallery left on a screen is not used.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # An answer that never looked at the session is not made to.
        if request.session.accessed and is_use(request, response):
            sessions.note_use(request)
        return response


def is_use(request: HttpRequest, response: HttpResponse) -> bool:
    if request.method == "POST":
        return True
    page = response.headers.get("Content-Type", "").startswith("text/html")
    return request.method == "GET" and page and "HX-Request" not in request.headers
