"""Previs in place: the finder's quick look, the contact sheet, and camera tiles on your frame."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from studio import concepts as camera
from studio.forms.shot import End, ShotDraft, draft_for, read_draft
from studio.http import StudioRequest, project_for, signed_in
from studio.models import Generation, Keyframe, Project
from studio.services.errors import StudioError
from studio.services.sketches import Busy, Sketch, move_strip, sketch_clip, sketch_frame
from studio.views.clips.media import YEAR_S

MOST_CELLS = 8
# What a contact sheet is filled up with: the moves that differ most from one another.
SUGGESTED = (
    "push_in",
    "pull_out",
    "orbit_left",
    "truck_right",
    "crane_up",
    "tilt_up",
    "dolly_zoom",
    "handheld",
)
SEEN_FIELDS = ("concepts", "duration_s", "aspect_ratio", "loop", "start", "end")


@require_POST
@signed_in
def sketch_shot(request: StudioRequest, code: UUID) -> HttpResponse:
    """The shot as the form has it now, small: an MP4. Makes no generation."""
    sketch = _sketch(request, project_for(request, code, may="create"))
    if isinstance(sketch, HttpResponse):
        return sketch

    def clip() -> HttpResponse:
        path = sketch_clip(sketch, person=request.user.pk)
        return HttpResponse(path.read_bytes(), content_type="video/mp4")

    return _drawn(clip)


@require_POST
@signed_in
def sketch_first(request: StudioRequest, code: UUID) -> HttpResponse:
    """The first frame of that, which is there at once."""
    sketch = _sketch(request, project_for(request, code, may="create"))
    if isinstance(sketch, HttpResponse):
        return sketch
    return _drawn(lambda: HttpResponse(sketch_frame(sketch), content_type="image/webp"))


@require_POST
@signed_in
def compare_moves(request: StudioRequest, code: UUID) -> HttpResponse:
    """The contact sheet: up to eight camera words on the same frame, to choose from."""
    project = project_for(request, code, may="create")
    draft, _ = read_draft(request.POST, project, draft_for(project))
    chosen = [slug for slug in draft.concepts if slug in camera.CONCEPTS]
    # One word alone compares with nothing: the sheet is then filled up.
    more = () if len(chosen) > 1 else SUGGESTED
    shown = list(dict.fromkeys([*chosen, *more]))[:MOST_CELLS]
    cells = [(camera.CONCEPTS[slug], slug in chosen) for slug in shown]
    end = draft.start or draft.end
    ctx = {"project": project, "draft": draft, "cells": cells, "end": end}
    return render(request, "_moves_dialog.html", ctx)


@require_safe
@signed_in
def move_seen(request: StudioRequest, code: UUID, slug: str) -> HttpResponse:
    """One camera word on the start frame (or the end frame): a strip of frames side by side.

    The address names the picture, which never changes, so the browser may keep the answer.
    """
    project = project_for(request, code, may="create")
    draft, errors = read_draft(request.GET, project, draft_for(project))
    picture = _picture(draft.start) or _picture(draft.end)
    if slug not in camera.CONCEPTS or picture is None:
        raise Http404("No such camera word, or no such picture.")
    if problem := errors.get("aspect_ratio"):
        return _said(problem, 422)
    shape = draft.aspect_ratio if "aspect_ratio" in request.GET else ""

    def strip() -> HttpResponse:
        path = move_strip(slug, picture, shape=shape)
        answer = HttpResponse(path.read_bytes(), content_type="image/webp")
        answer["Cache-Control"] = f"private, max-age={YEAR_S}, immutable"
        return answer

    return _drawn(strip)


def _sketch(request: StudioRequest, project: Project) -> Sketch | HttpResponse:
    draft, errors = read_draft(request.POST, project, draft_for(project))
    wrong = [errors[name] for name in SEEN_FIELDS if name in errors]
    return _said(" ".join(wrong), 422) if wrong else sketch_of(draft)


def sketch_of(draft: ShotDraft) -> Sketch:
    """Return what of this draft can be seen."""
    return Sketch(
        prompt=draft.prompt,
        concepts=draft.concepts,
        duration_s=draft.duration_s,
        aspect_ratio=draft.aspect_ratio,
        loop=draft.loop and not draft.end,
        start=_picture(draft.start),
        end=_picture(draft.end),
    )


def _picture(end: End) -> Keyframe | Generation | None:
    return end.keyframe or end.generation


def _drawn(draw: Callable[[], HttpResponse]) -> HttpResponse:
    try:
        answer = draw()
    except Busy as error:
        answer = _said(error.message, 503)
        answer["Retry-After"] = "1"
    except StudioError as error:
        return _said(error.message, 422)
    except (OSError, ValueError):
        return _said("The frame could not be read. Remove it and add it again.", 422)
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer


def _said(sentence: str, status: int) -> HttpResponse:
    return HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")
