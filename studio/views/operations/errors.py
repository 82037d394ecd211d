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
from studio.uploads import UnexpectedFile

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
TOO_MANY_DOWNLOADS = "As many downloads are under way as the studio makes at once. Try again in a minute: nothing is lost."
DOWNLOADS_FOR_S = 60
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
    if isinstance(exception, UnexpectedFile):
        return f"This page takes no files. {back}"
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


def too_many_downloads(request: HttpRequest) -> HttpResponse:
    """Answer 503: no thread is to spare for one more answer that is made while it is read."""
    response = _answer(request, "503.html", TOO_MANY_DOWNLOADS, 503, plain=True)
    response.headers["Retry-After"] = str(DOWNLOADS_FOR_S)
    return response


def too_often(request: HttpRequest, most: int, wait_s: int) -> HttpResponse:
    """Answer 429: one person or network asked this address more often than anybody at work does."""
    text = f"This was asked for more than {most} times within a minute. Try again in {wait_s} s. Nothing was done."
    response = _answer(request, "429.html", text, 429, plain=True)
    response.headers["Retry-After"] = str(wait_s)
    return response


def too_many_at_once(request: HttpRequest, most: int) -> HttpResponse:
    """Answer 503: so many of one person's or network's requests are being answered here already."""
    text = f"More than {most} of these were sent at the same moment. Try again in a second. Nothing was done."
    response = _answer(request, "503.html", text, 503, plain=True)
    response.headers["Retry-After"] = "1"
    return response


def too_large(request: HttpRequest, most: int) -> HttpResponse:
    """Answer 413, before anything of the body is read."""
    megabytes = f"{most // 2**20:,} MB" if most >= 2**20 else f"{most // 2**10} KB"
    text = (
        f"What was sent is longer than {megabytes}, the most that is taken here. Nothing was saved."
    )
    return _answer(request, "413.html", text, 413, plain=True)


def no_length(request: HttpRequest) -> HttpResponse:
    """Answer 411: a body of which nobody says how long it is."""
    text = "What was sent does not say how long it is (Content-Length). Nothing was saved."
    return _answer(request, "413.html", text, 411, plain=True)


def no_room(request: HttpRequest, sentence: str) -> HttpResponse:
    """Answer 507: the disk is nearly full, and nothing was done."""
    return _answer(request, "507.html", sentence, 507)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _answer(request, "403_csrf.html", STALE, 403)
