"""The door of the pages behind a share: what every one of them checks and says, each time."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from studio.models import Generation, Guest, Share
from studio.proxies import client_address, network_of
from studio.services.sharing import guests, limits
from studio.services.sharing.opening import opened

P = ParamSpec("P")
COOKIE_AGE_S = 365 * 24 * 3600
# Not "no-referrer", where a page has a form: with it browsers send "Origin: null" beside every
# form, which the check against forged requests must refuse. To other sites both send nothing.
HEADERS = {
    "Referrer-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow, noarchive, noimageindex",
    "Cache-Control": "private, no-store",
}


class GuestRequest(HttpRequest):
    """A request behind a share's door. `guest` is who this browser said to be, `home` its first page."""

    htmx: HtmxDetails
    share: Share
    token: str
    home: str
    guest: Guest | None


View = Callable[Concatenate[GuestRequest, P], HttpResponseBase]


def address_of(request: HttpRequest) -> str:
    """Return what a link's limits count: an IPv4 address, or the network of an IPv6 address."""
    return network_of(client_address(request))


def cookie_name(share: Share, kind: str) -> str:
    """One cookie a share and kind ("door", "guest", "visit"); it outlives a new link."""
    return f"share_{kind}_{share.code.hex}"


def set_cookie(
    response: HttpResponseBase, share: Share, kind: str, value: str, *, stays: bool
) -> None:
    response.set_cookie(
        cookie_name(share, kind),
        value,
        max_age=COOKIE_AGE_S if stays else None,
        path="/s/",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def hardened(response: HttpResponseBase) -> HttpResponseBase:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def behind_share(view: View[P]) -> Callable[..., HttpResponseBase]:
    """Let in who holds an open link and, where there is one, said its password."""

    @wraps(view)
    def inner(
        request: GuestRequest, token: str, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponseBase:
        share = guests.find_share(token)
        if share is None or not share.is_open:
            return hardened(closed(request, share, token))
        request.share, request.token, request.home = share, token, f"/s/{token}/"
        if not guests.may_enter(share, request.COOKIES.get(cookie_name(share, "door"), "")):
            return hardened(_to_the_door(request))
        request.guest = guests.find_guest(
            share, request.COOKIES.get(cookie_name(share, "guest"), "")
        )
        try:
            return hardened(view(request, *args, **kwargs))
        except Http404:
            return hardened(not_opened(request))
        except limits.TooMuch as error:
            return hardened(refused(request, error.message, 429))
        except PermissionDenied as error:
            return hardened(refused(request, str(error) or "This link does not allow that.", 403))

    return inner


def count_page(request: GuestRequest) -> None:
    """Count a page opened from this address. Raises limits.TooMuch, which becomes a page."""
    limits.count_visit(request.share, address_of(request))


def clip_behind(request: GuestRequest, code: UUID) -> Generation:
    """Return a clip this share opens at this moment. Raises Http404 for every other."""
    clip = opened(request.share).select_related("project", "by").filter(code=code).first()
    if clip is None:
        raise Http404("The share does not open it.")
    return clip


# ---- What is said in the place of a page ---------------------------------------------------------


def closed(request: HttpRequest, share: Share | None, token: str) -> HttpResponse:
    """Say that the link opens nothing (any more): 404 for one nobody made, 410 for one that ended."""
    if share is not None and request.headers.get("HX-Request"):
        # A page that is still open somewhere: it goes where the sentence is.
        return HttpResponseClientRedirect(f"/s/{token}/")
    ctx = {"was_open": share is not None}
    return render(request, "share/closed.html", ctx, status=410 if share else 404)


def not_opened(request: GuestRequest) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return HttpResponseClientRedirect(request.home)
    ctx = {"share": request.share, "home": request.home}
    return render(request, "share/not_here.html", ctx, status=404)


def refused(request: GuestRequest, text: str, status: int) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
    ctx: dict[str, Any] = {"share": request.share, "home": request.home, "text": text}
    return render(request, "share/refused.html", ctx, status=status)


def _to_the_door(request: GuestRequest) -> HttpResponse:
    door = f"/s/{request.token}/open/"
    if request.headers.get("HX-Request"):
        return HttpResponseClientRedirect(door)
    return HttpResponseRedirect(door)
