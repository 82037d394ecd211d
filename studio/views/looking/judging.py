"""Rating, verdict and its reason in one small form, as the lightbox, compare and light table use it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from studio.forms.gallery import whole_number
from studio.http import StudioRequest, generation_for, signed_in
from studio.models import Generation
from studio.services.errors import StudioError
from studio.services.gallery.judging import judge, own_verdicts

MAX_AT_MS = 2**31 - 1  # the column's own limit


@require_POST
@signed_in
def judge_in_passing(request: StudioRequest, code: UUID) -> HttpResponse:
    generation = generation_for(request, code)
    text = request.POST.get("text", "")
    error = None
    try:
        judge(
            generation=generation,
            by=request.user,
            rating=_rating(request),
            verdict=request.POST.get("verdict"),
            text=text,
            at_ms=whole_number(request.POST.get("at_ms"), most=MAX_AT_MS),
        )
        text = ""
    except StudioError as refused:
        error = refused
    if not request.htmx:
        if error:
            messages.error(request, error.message)
        return HttpResponseRedirect(_back(request, generation))
    generation = Generation.objects.select_related("project", "verdict_by").get(pk=generation.pk)
    ctx = {
        "g": generation,
        "mine": own_verdicts([generation], request.user).get(generation.pk, ""),
        "error": error,
        "typed": text,
        "back": request.POST.get("back", ""),
    }
    return render(request, "_judge.html", ctx, status=422 if error else 200)


def _rating(request: StudioRequest) -> int | None:
    raw = request.POST.get("rating")
    if raw is None:
        return None
    rating = whole_number(raw, most=5)
    if rating is None:
        raise StudioError(f"Rating is “{raw[:20]}”; it must be from 0 to 5.", field="rating")
    return rating


def _back(request: StudioRequest, generation: Generation) -> str:
    """Return the page the form stood on, if it is one of this project's; else the clip's."""
    back = request.POST.get("back", "")
    own = back.startswith(generation.project.get_absolute_url()) and "\\" not in back
    return back if own else generation.get_absolute_url()
