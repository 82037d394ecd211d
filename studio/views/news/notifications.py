"""The bell: its panel, its page, reading it, and what one wants to be told."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from studio.context import bell_of
from studio.forms.account import AccountForm
from studio.forms.gallery import whole_number
from studio.forms.news import NewsForm
from studio.http import StudioRequest, is_shown, require_safe_or_post, signed_in
from studio.models import Generation, User
from studio.services.news import digest, notifications

MOST_KEY = 2**62


def looked_at(request: StudioRequest, generation: Generation) -> None:
    """Mark read what this person was told of the clip they are opening. Asks only with news unread."""
    bell = bell_of(request)
    if is_shown(request) and bell.unread and notifications.read_about(request.user, generation):
        bell.forget()


@require_safe
@never_cache
@signed_in
def panel(request: StudioRequest) -> HttpResponse:
    ctx = {"notes": notifications.notes(request.user), "oob": True}
    return render(request, "_bell_panel.html", ctx)


@require_safe
@signed_in
def notification_list(request: StudioRequest) -> HttpResponse:
    before = whole_number(request.GET.get("before"), most=MOST_KEY)
    size = notifications.PAGE_SIZE
    ctx: dict[str, Any] = {
        "here": "notifications",
        "notes": notifications.notes(request.user, before=before, size=size),
        "more": notifications.next_page(request.user, before=before, size=size),
        "older": before is not None,
    }
    return render(request, "notification_list.html", ctx)


@require_safe
@never_cache
@signed_in
def notification_changes(request: StudioRequest) -> HttpResponse:
    """Answer 204 while the bell says what the page says already, else the bell."""
    bell = notifications.Bell(request.user)
    known = (request.GET.get("unread"), request.GET.get("newest"))
    if known == (str(bell.unread), str(bell.newest)):
        return HttpResponse(status=204)
    says = notifications.notes(request.user, size=1)[0].text if bell.unread else ""
    return render(request, "_bell_count.html", {"bell": bell, "oob": True, "says": says})


@require_safe
@never_cache
@signed_in
def open_notification(request: StudioRequest, pk: int) -> HttpResponse:
    """Mark it read and go where it leads."""
    url = notifications.open_note(request.user, pk, mark_read=is_shown(request))
    if url is None:
        raise Http404("No such notification.")
    return HttpResponseRedirect(url)


@require_POST
@signed_in
def read_notifications(request: StudioRequest) -> HttpResponse:
    """Mark everything read, up to what the page showed."""
    notifications.read_all(request.user, upto=whole_number(request.POST.get("upto"), most=MOST_KEY))
    if request.htmx:
        ctx = {"notes": notifications.notes(request.user), "oob": True}
        return render(request, "_bell_panel.html", ctx)
    return HttpResponseRedirect("/notifications/")


@require_POST
@signed_in
def choose_news(request: StudioRequest) -> HttpResponse:
    user = User.objects.get(pk=request.user.pk)
    form = NewsForm(request.POST, user=user)
    if form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return HttpResponseRedirect("/account/#news")
    ctx = {
        "form": AccountForm(request, instance=user),
        "news_form": form,
        "can_mail": digest.can_mail(),
        "here": "account",
    }
    return render(request, "account.html", ctx, status=422)


@csrf_exempt  # the mail program presses the button: RFC 8058 sends no cookie and no token
@never_cache
@require_safe_or_post
def digest_off(request: HttpRequest, token: str) -> HttpResponse:
    """A page with a button for people; a POST ends the digest. Programs that follow links end nothing."""
    user = digest.read_token(token)
    if user is None:
        raise Http404("This link is not complete.")
    if request.method == "POST":
        digest.switch_off(user)
    ctx = {"person": user, "done": request.method == "POST", "here_url": request.path}
    return render(request, "digest_off.html", ctx)
