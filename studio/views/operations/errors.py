"""What a person sees when a page cannot be shown: what happened, and one way on."""

from __future__ import annotations

import logging
import sys

from django.conf import settings
from django.core.exceptions import (
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from studio.services.outage import is_outage

logger = logging.getLogger(__name__)

NOT_HERE = "This is not here any more, or you are not a member of its project."
FORBIDDEN = "Your role in this project does not reach this far. Ask an owner of it."
BROKEN = "Something went wrong here. Nothing was lost; try again in a moment."
UNREADABLE = "What was sent was incomplete or garbled. Nothing was saved; go back and try again."
AWAY = (
    "The studio’s database does not answer just now. Try again in a moment: nothing is sent to a "
    "provider twice by that."
)
AWAY_FOR_S = 5
STALE = "This page was open too long. Reload it and try again."


def _answer(
    request: HttpRequest, template: str, text: str, status: int, *, plain: bool = False
) -> HttpResponse:
    """Answer a page, or a fragment's caller the sentence. `plain`: a page that asks the database for
    nothing, not even for the top bar."""
    # A page inside a card would help nobody: a fragment's caller shows the sentence as a toast.
    if request.headers.get("HX-Request") and not request.headers.get("HX-Boosted"):
        return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
    if plain:
        return HttpResponse(render_to_string(template, {"text": text}), status=status)
    return render(request, template, {"text": text}, status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, "400.html", _unreadable(exception), 400)


def _unreadable(exception: Exception | None) -> str:
    """Say what is wrong with a request that no view has seen, and what is allowed."""
    back = (
        "Nothing was saved. Your browser’s Back button brings back what you wrote; send less of it."
    )
    if isinstance(exception, RequestDataTooBig):
        megabytes = (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0) // 2**20
        return f"The form is longer than {megabytes} MB, the most that is taken beside its files. {back}"
    if isinstance(exception, TooManyFilesSent):
        return f"At most {settings.DATA_UPLOAD_MAX_NUMBER_FILES} files are taken at once. {back}"
    if isinstance(exception, TooManyFieldsSent):
        return f"At most {settings.DATA_UPLOAD_MAX_NUMBER_FIELDS} fields are taken at once. {back}"
    if isinstance(exception, DisallowedHost):
        return (
            "The studio does not answer under this address. Whoever runs it can add the host’s name "
            "to STUDIO_HOSTS."
        )
    return UNREADABLE


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    said = str(exception) if isinstance(exception, PermissionDenied) else ""
    return _answer(request, "403.html", said or FORBIDDEN, 403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, "404.html", NOT_HERE, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    if is_outage(sys.exc_info()[1]):
        return away(request)
    return _answer(request, "500.html", BROKEN, 500, plain=True)


def away(request: HttpRequest) -> HttpResponse:
    """Answer 503: the database or Redis does not answer, as while it is started again."""
    response = _answer(request, "503.html", AWAY, 503, plain=True)
    response.headers["Retry-After"] = str(AWAY_FOR_S)
    return response


def no_room(request: HttpRequest, sentence: str) -> HttpResponse:
    """Answer 507: the disk is nearly full, and nothing was done."""
    return _answer(request, "507.html", sentence, 507)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _answer(request, "403_csrf.html", STALE, 403)
