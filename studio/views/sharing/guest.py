"""What guests of a share see and do: its clips, one clip, a comment, a verdict, a name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from studio.forms.gallery import whole_number
from studio.http import is_safe, is_shown, require_safe_or_post
from studio.models import Generation, Guest, Membership, Share
from studio.models.generation import Verdict
from studio.services.errors import StudioError
from studio.services.sharing import guests, limits, speaking
from studio.services.sharing.opening import (
    Listing,
    SharedClip,
    comments_on,
    listing,
    opened,
    verdicts_on,
)
from studio.views.sharing.guest_access import (
    GuestRequest,
    address_of,
    behind_share,
    clip_behind,
    closed,
    cookie_name,
    count_page,
    hardened,
    refused,
    set_cookie,
)

MAX_AT_MS = 2**31 - 1
PAGE_SIZE = 60  # clips on one page of the contact sheet, and in the strip beside a clip
MOST_PAGES = 10_000  # no share has so many: a larger number is a typing error
# Programs that open links to show a preview of them are no visitors.
PREVIEWERS = re.compile(
    r"bot\b|bot/|crawl|spider|preview|facebookexternalhit|whatsapp|slack|embed|fetch|curl|wget|python",
    re.I,
)
# Search engines that take "noindex" for an answer may read it; nobody else needs to come at all.
# Keeping those away too would let a link that was posted somewhere stand in their lists by its name.
ROBOTS = """User-agent: Googlebot
User-agent: Bingbot
User-agent: DuckDuckBot
User-agent: Applebot
User-agent: YandexBot
Disallow: /
Allow: /s/

User-agent: *
Disallow: /
"""
SPAM = "That looked like a message sent by a program, so it was not kept. Empty the hidden field."


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse(ROBOTS, content_type="text/plain; charset=utf-8")


def with_a_slash(request: HttpRequest, token: str) -> HttpResponse:
    """Links are copied without their last character now and then."""
    return HttpResponseRedirect(f"/s/{token}/")


def nothing_here(request: HttpRequest) -> HttpResponseBase:
    return hardened(closed(request, None, ""))


# ---- The door ----------------------------------------------------------------------------------


@sensitive_post_parameters("password")
@require_safe_or_post
def open_share(request: GuestRequest, token: str) -> HttpResponseBase:
    """Ask for a share's password, and let in who knows it."""
    share = guests.find_share(token)
    if share is None or not share.is_open:
        return hardened(closed(request, share, token))
    home = f"/s/{token}/"
    key = request.COOKIES.get(cookie_name(share, "door"), "")
    if guests.may_enter(share, key):
        return hardened(HttpResponseRedirect(home))
    if is_safe(request):
        return hardened(render(request, "share/door.html", {}))
    try:
        key = guests.open_door(
            share=share,
            password=request.POST.get("password", "")[:200],
            address=address_of(request),
        )
    except StudioError as error:
        status = 429 if isinstance(error, limits.TooMuch) else 422
        return hardened(render(request, "share/door.html", {"error": error}, status=status))
    response = HttpResponseRedirect(home)
    set_cookie(response, share, "door", key, stays=True)
    return hardened(response)


# ---- Looking -----------------------------------------------------------------------------------


@require_safe
@behind_share
def share_home(request: GuestRequest) -> HttpResponseBase:
    """Show the clips of a share as a contact sheet; a share of one clip is that clip's page."""
    count_page(request)
    listed = listing(request.share, request.token)
    ctx = _sheet_context(request, listed)
    if len(listed) == 1 and ctx["clips"]:
        return HttpResponseRedirect(ctx["clips"][0].url)
    return _visited(request, render(request, "share/home.html", ctx))


@require_safe
@behind_share
def home_changes(request: GuestRequest) -> HttpResponseBase:
    """Answer 204 while this page of the contact sheet is as it was, else the page."""
    ctx = _sheet_context(request, listing(request.share, request.token))
    if request.GET.get("since") == ctx["cursor"]:
        return HttpResponse(status=204)
    return render(request, "share/_sheet.html", ctx | {"oob": True})


@require_safe
@behind_share
def shared_clip(request: GuestRequest, code: UUID) -> HttpResponseBase:
    count_page(request)
    row = clip_behind(request, code)
    return _visited(request, render(request, "share/clip.html", _clip_context(request, row)))


@require_safe
@behind_share
def shared_clip_changes(request: GuestRequest, code: UUID) -> HttpResponseBase:
    """Answer 204 while nothing about the clip has changed, else what guests see of it."""
    row = clip_behind(request, code)
    if request.GET.get("since") == _cursor(request.share, row):
        return HttpResponse(status=204)
    ctx = _clip_context(request, row) | {"oob": True}
    return render(request, "share/_changes.html", ctx)


def _share_context(request: GuestRequest, listed: Listing) -> dict[str, Any]:
    share = request.share
    return {
        "share": share,
        "home": request.home,
        "total": len(listed),
        "heading": share.title or "Clips for you",
        "shared_by": share.created_by.name if share.shows_names else "",
        "reviewed": listed.reviewed() if share.may_decide else None,
        "guest": request.guest,
        "is_member": _is_member(request),
    }


def _sheet_context(request: GuestRequest, listed: Listing) -> dict[str, Any]:
    """Return one page of the contact sheet; a page beyond the last is the last."""
    last = max(-(-len(listed) // PAGE_SIZE), 1)
    page = min(whole_number(request.GET.get("page"), most=MOST_PAGES) or 1, last)
    start = (page - 1) * PAGE_SIZE
    clips = listed.clips(start, start + PAGE_SIZE)
    ctx = _share_context(request, listed) | {"clips": clips, "page": page, "pages": last}
    ctx |= {"first": start + 1, "last": start + len(clips)}
    ctx["cursor"] = _sheet_cursor(clips, len(listed), ctx["reviewed"])
    ctx["live"] = f"{request.home}changes/?page={page}&"
    return ctx


def _clip_context(request: GuestRequest, row: Generation) -> dict[str, Any]:
    share = request.share
    listed = listing(share, request.token)
    place = listed.place_of(row)
    if place is None:
        raise Http404("It is beyond what the share lists, or just left it.")
    start = max(place - PAGE_SIZE // 2, 0)
    clips = listed.clips(start, start + PAGE_SIZE)
    at = next((index for index, clip in enumerate(clips) if clip.code == row.code), None)
    if at is None:
        raise Http404("It just left the share.")
    clip = clips[at]
    given = verdicts_on(share, row)
    mine = next((v.verdict for v in given if request.guest and v.guest_id == request.guest.pk), "")
    return _share_context(request, listed) | {
        "clips": clips,
        "clip": clip,
        "several": len(listed) > 1,
        "page": place // PAGE_SIZE + 1,
        "previous": clips[at - 1] if at else None,
        "following": clips[at + 1] if at + 1 < len(clips) else None,
        "comments": comments_on(share, row),
        "given": given,
        "mine": mine,
        "live": f"{clip.url}changes/?",
        "cursor": _cursor(share, row),
    }


def _cursor(share: Share, row: Generation) -> str:
    """What a page has seen of a clip. Not its version, which counts what happens in the project."""
    said = f"{share.pk}:{row.pk}:{row.version}:{share.shows_names}"
    return salted_hmac("studio.share.cursor", said).hexdigest()[:16]


def _sheet_cursor(clips: list[SharedClip], total: int, reviewed: int | None) -> str:
    said = repr([total, reviewed, [(c.code, c.name, c.verdict, c.comment_count) for c in clips]])
    return salted_hmac("studio.share.cursor", said).hexdigest()[:16]


def _visited(request: GuestRequest, response: HttpResponse) -> HttpResponse:
    """Count the visit of a browser once a session. The team and previews of links do not count."""
    share = request.share
    if not is_shown(request) or cookie_name(share, "visit") in request.COOKIES:
        return response
    if _is_member(request):
        return response
    if PREVIEWERS.search(request.headers.get("User-Agent", "")):
        return response
    guests.count_visit(share=share, guest=request.guest)
    set_cookie(response, share, "visit", "1", stays=False)
    return response


def _is_member(request: GuestRequest) -> bool:
    if not request.user.is_authenticated:
        return False
    rows = Membership.objects.filter(project=request.share.project_id, user=request.user.pk)
    return rows.exists()


# ---- Saying ------------------------------------------------------------------------------------

Act = Callable[[Guest, Generation], object]


@require_POST
@behind_share
def say(request: GuestRequest, code: UUID) -> HttpResponseBase:
    """Keep a comment on a clip."""
    row = clip_behind(request, code)
    if not request.share.may_comment:
        return refused(request, "This link does not take comments.", 403)

    def act(guest: Guest, clip: Generation) -> object:
        return speaking.say(share=request.share, guest=guest, clip=clip, **_words(request, "text"))

    return _speak(request, row, act, needs_words=True)


@require_POST
@behind_share
def decide(request: GuestRequest, code: UUID) -> HttpResponseBase:
    """Keep a verdict on a clip, with the words that came along."""
    row = clip_behind(request, code)
    if not request.share.may_decide:
        return refused(request, "This link does not take verdicts.", 403)
    verdict = request.POST.get("verdict", "none")

    def act(guest: Guest, clip: Generation) -> object:
        return speaking.decide(
            share=request.share, guest=guest, clip=clip, verdict=verdict, **_words(request, "note")
        )

    # Who has not said a name yet has not said anything else either.
    return _speak(request, row, act, needs_words=verdict == Verdict.NEEDS_CHANGES)


def _words(request: GuestRequest, name: str) -> dict[str, Any]:
    return {
        name: request.POST.get("text", ""),
        "at_ms": whole_number(request.POST.get("at_ms"), most=MAX_AT_MS),
        "drawing": request.POST.get("drawing", ""),
        "network": address_of(request),
    }


def _speak(
    request: GuestRequest, row: Generation, act: Act, *, needs_words: bool
) -> HttpResponseBase:
    """Do `act` as this browser's guest; who said no name yet is asked for it, once."""
    token = ""
    try:
        if request.POST.get("website"):
            raise StudioError(SPAM, field="text")
        if request.guest is None:
            if needs_words and not request.POST.get("text", "").strip():
                raise StudioError("Write what should change first.", field="text")
            if "name" not in request.POST:
                return _ask_name(request)
        with transaction.atomic():
            guest = request.guest
            if guest is None:
                guest, token = guests.introduce(
                    share=request.share, name=request.POST["name"], network=address_of(request)
                )
            act(guest, row)
        request.guest = guest
    except StudioError as error:
        return _not_said(request, row, error)
    return _said(request, row, token)


def _said(request: GuestRequest, row: Generation, token: str) -> HttpResponseBase:
    response: HttpResponse
    if not opened(request.share).filter(pk=row.pk).exists():
        # A saved view of what waits for a verdict: with the verdict it has left the share.
        go = HttpResponseClientRedirect if request.htmx else HttpResponseRedirect
        response = go(request.home)
    elif request.htmx:
        row.refresh_from_db(fields=["version"])
        ctx = _clip_context(request, row) | {"oob": True, "fresh_form": True}
        response = render(request, "share/_changes.html", ctx)
        trigger_client_event(response, "closeDialog", {}, after="settle")
    else:
        response = HttpResponseRedirect(f"{request.home}clips/{row.code}/#comments")
    if token:
        set_cookie(response, request.share, "guest", token, stays=True)
    return response


def _not_said(request: GuestRequest, row: Generation, error: StudioError) -> HttpResponseBase:
    too_much = isinstance(error, limits.TooMuch)
    status = 429 if too_much else 422
    if request.guest is None and "name" in request.POST:
        return _ask_name(request, error, status=status)
    if request.htmx and too_much:
        return refused(request, error.message, status)
    ctx = _clip_context(request, row) | {
        "error": error,
        "typed": request.POST.get("text", ""),
        "at_ms": request.POST.get("at_ms", ""),
        # One that was refused comes back only if it can be drawn again.
        "drawing": "" if error.field == "drawing" else request.POST.get("drawing", ""),
    }
    if request.htmx:
        return render(request, "share/_speak.html", ctx | {"oob": True}, status=status)
    return render(request, "share/clip.html", ctx, status=status)


# ---- Names -------------------------------------------------------------------------------------

CARRIED = ("text", "at_ms", "verdict", "drawing")


def _ask_name(
    request: GuestRequest, error: StudioError | None = None, *, status: int = 200
) -> HttpResponse:
    """Ask for a name and carry along what was about to be said: a dialog, or a page of its own."""
    typed = request.POST.get("text", "")
    ctx = {
        "share": request.share,
        "home": request.home,
        "action": request.path,
        "carried": [
            (name, request.POST[name])
            for name in CARRIED
            if name in request.POST and not (name == "text" and error and error.field == "text")
        ],
        "typed": typed,
        "name": request.POST.get("name", ""),
        "error": error,
    }
    if not request.htmx:
        return render(request, "share/who.html", ctx, status=status)
    # 422 also for a limit: the dialog must show it, and only that status is swapped in.
    response = render(request, "share/_who.html", ctx, status=200 if status == 200 else 422)
    response["HX-Retarget"], response["HX-Reswap"] = "#dialog-slot", "innerHTML"
    return response


@require_safe_or_post
@behind_share
def name_guest(request: GuestRequest) -> HttpResponseBase:
    """Let another person speak from this browser; what was said stays with whoever said it."""
    share = request.share
    if not (share.may_comment or share.may_decide):
        return refused(request, "This link takes no comments, so nobody needs a name.", 403)
    raw = (request.POST if request.method == "POST" else request.GET).get("clip", "")
    try:
        back, clip_code = f"{request.home}clips/{UUID(raw)}/", raw
    except ValueError:
        back, clip_code = request.home, ""
    ctx = {
        "share": share,
        "home": request.home,
        "action": request.path,
        "back": back,
        "clip_code": clip_code,
        "name": "",
    }
    if is_safe(request):
        return render(request, "share/who.html", ctx)
    try:
        _, token = guests.introduce(
            share=share, name=request.POST.get("name", ""), network=address_of(request)
        )
    except StudioError as error:
        ctx |= {"error": error, "name": request.POST.get("name", "")}
        status = 429 if isinstance(error, limits.TooMuch) else 422
        return render(request, "share/who.html", ctx, status=status)
    response = HttpResponseRedirect(back)
    set_cookie(response, share, "guest", token, stays=True)
    return response
