"""Ending what one's account page lists: browsers that are signed in."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from studio.http import MAX_PK, StudioRequest, signed_in
from studio.services import sessions

LIST = "/account/#signed-in"


@require_POST
@signed_in
def end_session(request: StudioRequest, pk: int) -> HttpResponse:
    if pk > MAX_PK or not sessions.end(user=request.user, pk=pk):
        raise Http404("No such session.")
    if not request.session.exists(request.session.session_key or ""):
        logout(request)
        return HttpResponseRedirect("/login/")
    messages.success(request, "Signed out there.")
    return HttpResponseRedirect(LIST)


@require_POST
@signed_in
def end_other_sessions(request: StudioRequest) -> HttpResponse:
    ended = sessions.end_all(user=request.user, but=request.session.session_key)
    messages.success(
        request,
        "Signed out everywhere else." if ended else "You are signed in nowhere else.",
    )
    return HttpResponseRedirect(LIST)
