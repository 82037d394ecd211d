"""The review page: one clip after another that waits for a verdict, this person's own first."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect

from studio.forms.gallery import whole_number
from studio.forms.review import SayForm
from studio.http import StudioRequest, project_for, signed_in
from studio.models import Generation, Project
from studio.services.errors import StudioError
from studio.services.review import Waiting, waiting_for
from studio.views.clips import clip_page
from studio.views.review.reviewing import review_context, say_from


@require_safe
@signed_in
def review_list(request: StudioRequest, code: UUID) -> HttpResponse:
    project = project_for(request, code)
    waiting = waiting_for(project=project, user=request.user)
    return render(request, "review_list.html", _context(request, project, waiting))


@require_safe
@signed_in
def review_changes(request: StudioRequest, code: UUID) -> HttpResponse:
    """Answer 204 when nothing in the project changed since the cursor, else what the page shows."""
    project = project_for(request, code)
    if project.version <= (whole_number(request.GET.get("since"), most=2**62) or 0):
        return HttpResponse(status=204)
    waiting = waiting_for(project=project, user=request.user)
    ctx = _context(request, project, waiting) | {"oob": True}
    return render(request, "_review_changes.html", ctx)


def review_page(
    request: StudioRequest, generation: Generation, *, say: SayForm, error: StudioError
) -> HttpResponse:
    """The page again, with what was typed and why it was refused."""
    waiting = waiting_for(project=generation.project, user=request.user)
    ctx = _context(request, generation.project, waiting, generation=generation, say=say)
    return render(request, "review_list.html", ctx | {"error": error}, status=422)


def next_page(
    request: StudioRequest, generation: Generation, following: Generation | None
) -> HttpResponse:
    """Go on to the next clip that waits, after a verdict on this one."""
    page = f"/p/{generation.project.code}/review/"
    if following is not None:
        page += f"?clip={following.code}"
    if request.htmx:
        return HttpResponseClientRedirect(page)
    messages.success(request, f"“{generation.title}”: {generation.get_verdict_display().lower()}.")
    return HttpResponseRedirect(page)


def _context(
    request: StudioRequest,
    project: Project,
    waiting: Waiting,
    *,
    generation: Generation | None = None,
    say: SayForm | None = None,
) -> dict[str, Any]:
    generation = generation or _asked(request, project) or _first(waiting)
    ctx: dict[str, Any] = {
        "here": "review",
        "project": project,
        "waiting": waiting,
        "version": project.version,
        "live": f"/p/{project.code}/review/changes/",
        "g": generation,
        "can_create": request.membership.can_create,
    }
    if generation is None:
        return ctx
    strip = waiting.clips
    if generation.pk not in {clip.pk for clip in strip}:
        strip.insert(len(waiting.done), generation)
    places = [clip.pk for clip in strip]
    at = places.index(generation.pk)
    ctx |= {
        "strip": strip,
        "at": at + 1,
        "before": strip[at - 1] if at else None,
        "after": strip[at + 1] if at + 1 < len(strip) else None,
        "is_mine": generation.pk in {clip.pk for clip in waiting.mine},
        "page": "review",
    }
    return ctx | review_context(request, generation, say or say_from(request, generation))


def _asked(request: StudioRequest, project: Project) -> Generation | None:
    try:
        code = UUID(request.GET.get("clip", ""))
    except ValueError:
        return None
    found = clip_page.whole().filter(project=project, code=code).first()
    return found if found is not None and found.is_clip else None


def _first(waiting: Waiting) -> Generation | None:
    first = next(iter([*waiting.mine, *waiting.others]), None)
    return clip_page.whole().select_related("project").get(pk=first.pk) if first else None
