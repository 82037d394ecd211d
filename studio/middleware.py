"""What every answer has, and what a full disk is answered with."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.messages import get_messages
from django.contrib.messages.storage.base import BaseStorage
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    QueryDict,
    StreamingHttpResponse,
    UnreadablePostError,
)
from django.http.response import HttpResponseBase
from django.utils import timezone

from studio.address_rules import Pace, Rule, Who, rule_of
from studio.http import StudioRequest, ask_to_sign_in, is_safe, is_shown
from studio.incoming_text import LINES, clean, clean_line
from studio.proxies import client_address, network_of
from studio.services import disk, sessions, tally
from studio.services.errors import StudioError
from studio.services.outage import is_outage
from studio.services.places import Places
from studio.uploads import NoFiles
from studio.views.operations.errors import (
    away,
    forbidden,
    no_length,
    no_room,
    too_large,
    too_many_at_once,
    too_often,
)

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
        # A page is of one person and one moment: asked for anew, and by no proxy for another. All else
        # is kept by nobody, unless whoever answers says otherwise: media and static files do.
        page = kind.startswith("text/html")
        kept = "private, no-cache" if page else "private, no-store"
        response.headers.setdefault("Cache-Control", kept)
        return response


class AddressRuleMiddleware:
    """Holds every request to the rule of its address, before anything of its body is read.

    Stands before the check against forged requests, which reads the body.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self.get_response(request)
        finally:
            held = getattr(request, "held_place", None)
            if held is not None:
                _at_once.give_back(held)

    def process_view(
        self, request: StudioRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        rule = rule_of(request.resolver_match)
        looks = is_safe(request) or request.method == "OPTIONS"
        refusal = _body_refused(request, rule)
        if refusal is not None:
            return refusal
        if (
            request.method == "POST"
            and rule.who not in OPEN_TO_STRANGERS
            and not bool(request.user.is_authenticated)
        ):
            return ask_to_sign_in(request)
        if request.method == "POST" and rule.check is not None:
            try:
                rule.check(request.user)
            except StudioError as refused:
                return forbidden(request, PermissionDenied(refused.message))
        pace = rule.asks if looks else rule.sends
        return None if pace is None else _counted(request, rule, pace, looks=looks)


class CleanTextMiddleware:
    """Cleans what people type and what their files are called, before any view reads it.

    Stands after the check against forged requests, which reads the body. Passwords are left as
    typed: what was set before must go on fitting.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.GET = _cleaned(request.GET)  # type: ignore[assignment]  # Django sets it so too
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        # Who is sent here by a program, and signed, is read as bytes.
        if request.method != "POST" or getattr(view, "csrf_exempt", False):
            return
        try:
            request.POST = _cleaned(request.POST)  # type: ignore[assignment]  # Django sets it so too
        except UnreadablePostError:
            return  # the view meets it as well, and answers
        for _, files in request.FILES.lists():
            for file in files:
                file.name = clean_line(file.name or "")


def _cleaned(sent: QueryDict) -> QueryDict:
    """Return what was sent with clean text; the very same where it was clean, as it nearly always is."""
    changed: QueryDict | None = None
    for name, values in sent.lists():
        if "password" in name:
            continue
        how = clean if name.rpartition("-")[2] in LINES else clean_line
        kept = [how(value) for value in values]
        if kept != values:
            changed = changed or sent.copy()
            changed.setlist(name, kept)
    if changed is None:
        return sent
    changed._mutable = False
    return changed


# What is being computed in this process: "sends p/<uuid:code>/sketch/ person 7".
_at_once = Places()
# Strangers' forms are read at no other address. The control room has its own way to the sign-in page.
OPEN_TO_STRANGERS = (Who.PUBLIC, Who.STAFF)
MAX_DIGITS = 15  # of a length that is read as a number


def _body_refused(request: HttpRequest, rule: Rule) -> HttpResponse | None:
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        return no_length(request)
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or len(length) > MAX_DIGITS or int(length) > rule.max_body:
        return too_large(request, rule.max_body)
    if not rule.files:
        request.upload_handlers = [NoFiles(request)]
    return None


def _counted(request: StudioRequest, rule: Rule, pace: Pace, *, looks: bool) -> HttpResponse | None:
    """Count this request of its person, or of a stranger's network; answer one too many.

    The place it takes among those computed at the same moment is given back with its answer.
    """
    # Guests' pages ask for no session.
    person = None if rule.who is Who.PUBLIC else request.user.pk
    whose = f"person {person}" if person else f"network {network_of(client_address(request))}"
    most = pace.person if person else pace.network
    match = request.resolver_match
    what = f"{'asks' if looks else 'sends'} {match and match.route} {whose}"
    if tally.count_this_minute(what) > most:
        return too_often(request, most, 60 - int(timezone.now().timestamp()) % 60)
    if pace.at_once is not None:
        if not _at_once.take(what, pace.at_once):
            return too_many_at_once(request, pace.at_once)
        request.held_place = what
    return None


class HeadMiddleware:
    """Answers HEAD with the headers GET would have, and no body; stands outside what measures it.

    The web server would drop the body too, and log a warning for each.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.method == "HEAD":
            if isinstance(response, StreamingHttpResponse):
                response.streaming_content = []
            elif isinstance(response, HttpResponse):
                response.content = b""
        return response


class OptionsMiddleware:
    """Answers OPTIONS with the methods an address takes, where its view refuses by naming them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.method == "OPTIONS" and isinstance(response, HttpResponseNotAllowed):
            allowed = {"Allow": f"{response.headers['Allow']}, OPTIONS"}
            return HttpResponse(status=204, headers=allowed)
        return response


class UnseenMessagesMiddleware:
    """Keeps the messages on a page that nobody sees, an answer to HEAD, for the next page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not is_shown(request):
            messages = get_messages(request)
            if isinstance(messages, BaseStorage):
                messages.used = False
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
