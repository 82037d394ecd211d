"""The feed of a project: who did what."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRefresh

from studio.forms.gallery import whole_number
from studio.http import StudioRequest, is_shown, project_for, signed_in, wants_partial
from studio.models import Project
from studio.services.news import feed
from studio.services.news.lines import Line

MOST_KEY = 2**62


def _narrowed(request: StudioRequest) -> feed.Narrowed:
    return feed.read_narrowed(
        request.GET.getlist("kind"),
        request.GET.get("person", ""),
        tells_money=request.membership.can_create,
    )


def _query(narrowed: feed.Narrowed, **more: object) -> str:
    pairs: list[tuple[str, object]] = [("kind", name) for name in narrowed.kinds]
    if narrowed.person:
        pairs.append(("person", narrowed.person))
    return urlencode([*pairs, *more.items()])


def _live(project: Project, narrowed: feed.Narrowed, base: int, since: int) -> str:
    return f"/p/{project.code}/activity/changes/?{_query(narrowed, base=base, since=since)}"


@require_safe
@vary_on_headers("HX-Request")
@signed_in
def activity(request: StudioRequest, code: UUID) -> HttpResponse:
    project = project_for(request, code)
    narrowed = _narrowed(request)
    before = whole_number(request.GET.get("before"), most=MOST_KEY)
    cursor = feed.newest(project) if before is None else 0
    days, more = feed.page(project, narrowed, before)
    ctx: dict[str, Any] = {
        "here": "activity",
        "days": days,
        "more": f"?{_query(narrowed, before=more)}" if more else "",
        "narrowed": narrowed,
    }
    if before is not None and wants_partial(request):
        return render(request, "_feed_days.html", ctx)
    seen = request.membership.seen_activity
    ctx |= {
        "mark": feed.first_new(days, seen=seen, reader=request.user),
        "choices": [
            (name, label, name in narrowed.kinds) for name, (label, _) in feed.CHOICES.items()
        ],
        "people": feed.people_of(project),
        "live": _live(project, narrowed, cursor, cursor),
        "older": before is not None,
    }
    if is_shown(request) and before is None and not narrowed.is_active:
        feed.note_seen(request.membership, cursor)
    return render(request, "activity.html", ctx)


@require_safe
@signed_in
def activity_changes(request: StudioRequest, code: UUID) -> HttpResponse:
    """Answer 204 when nothing happened since the cursor, else all lines since the page was made."""
    project = project_for(request, code)
    since = whole_number(request.GET.get("since"), most=MOST_KEY) or 0
    base = whole_number(request.GET.get("base"), most=MOST_KEY) or 0
    cursor = feed.newest(project)
    if cursor <= since:
        return HttpResponse(status=204)
    narrowed = _narrowed(request)
    lines = feed.since(project, narrowed, base)
    if lines is None:
        return HttpResponseClientRefresh()
    if is_shown(request) and not narrowed.is_active:
        feed.note_seen(request.membership, cursor)
    return render(request, "_feed_changes.html", _fresh(project, narrowed, lines, base, cursor))


def _fresh(
    project: Project, narrowed: feed.Narrowed, lines: list[Line], base: int, cursor: int
) -> dict[str, Any]:
    return {
        "lines": lines,
        "oob": True,
        "live": _live(project, narrowed, base, cursor),
    }
