"""Ratings and verdicts."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from studio.forms.gallery import whole_number
from studio.http import StudioRequest, generation_for, signed_in
from studio.models.generation import Verdict
from studio.services import review
from studio.services.errors import StudioError
from studio.views.clips import clip_page
from studio.views.review.review_page import next_page
from studio.views.review.reviewing import answered, page_of, review_context


@require_POST
@signed_in
def rate_clip(request: StudioRequest, code: UUID) -> HttpResponse:
    generation = generation_for(request, code)
    raw = request.POST.get("rating", "")
    error = None
    try:
        rating = whole_number(raw, most=5)
        if rating is None:
            raise StudioError(f"Rating is “{raw[:20]}”; it must be from 0 to 5.", field="rating")
        review.rate(generation=generation, rating=rating)
    except StudioError as refused:
        error = refused
    generation.refresh_from_db(fields=["rating"])
    return answered(request, generation, "_rating.html", error)


@require_POST
@signed_in
def judge_clip(request: StudioRequest, code: UUID) -> HttpResponse:
    generation = generation_for(request, code, rows=clip_page.whole())
    verdict = request.POST.get("verdict", "")
    following = None
    if request.POST.get("page") == "review":
        # Asked before the verdict, which takes this clip out of its place in the line.
        waiting = review.waiting_for(project=generation.project, user=request.user)
        following = waiting.after(generation.pk)
    error = None
    try:
        review.decide(generation=generation, by=request.user, verdict=verdict)
    except StudioError as refused:
        error = refused
    say_first = error is not None and verdict == Verdict.NEEDS_CHANGES and generation.is_clip
    if not request.htmx and say_first:
        page = page_of(request, generation)
        return HttpResponseRedirect(f"{page}{'&' if '?' in page else '?'}ask#say")
    if not error and verdict and request.POST.get("page") == "review":
        return next_page(request, generation, following)
    ctx = review_context(request, generation)
    response = answered(request, generation, "_verdict.html", error, **ctx)
    if say_first:
        # The way on is to write that comment: the page puts the cursor there.
        trigger_client_event(response, "sayfirst", {}, after="settle")
    return response
