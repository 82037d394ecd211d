"""What the pages where clips are judged share: what was said, and how an act is answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from studio.forms.gallery import whole_number
from studio.forms.review import SayForm
from studio.http import StudioRequest, generation_for, is_shown
from studio.models import Comment, Generation
from studio.services import review
from studio.services.errors import StudioError
from studio.services.review.mentions import words_of

MOST_MS = 2**53


def review_context(
    request: StudioRequest, generation: Generation, say: SayForm | None = None
) -> dict[str, Any]:
    """Return comments, verdicts and the comment form of a clip; at most five queries.

    What others said since this person's last look is marked, and the look is noted. A page that
    asks again says in `seen` which look its marks are from, so that they stay while it is open.
    """
    if not generation.is_clip:
        return {}
    asked = whole_number(request.GET.get("seen"), most=MOST_MS)
    since = None if asked is None else datetime.fromtimestamp(asked / 1000, UTC)
    talk = review.talk_on(generation, reader=request.user, since=since)
    is_news = talk.newest and (talk.looked is None or talk.newest > talk.looked)
    if is_news and is_shown(request):
        review.note_look(user=request.user, generation=generation)
    since = since or talk.looked
    return {
        "comments": talk.threads,
        "comment_count": talk.count,
        "verdicts": review.verdicts_on(generation, reader=request.user),
        "must_say": talk.must_say,
        "say": say or SayForm(),
        "seen_ms": round(since.timestamp() * 1000) if since else None,
    }


def say_from(request: StudioRequest, generation: Generation) -> SayForm:
    """Return the comment form as an address asks for it, for a page without script."""
    if "ask" in request.GET:
        return SayForm(asks=True)
    for name in ("reply", "edit"):
        comment = _comment_on(generation, request.GET.get(name, ""))
        if comment is None:
            continue
        if name == "edit":
            return SayForm(edits=comment.code, text=words_of(comment))
        whom = comment.author.name if comment.author else comment.guest_name
        return SayForm(reply_to=comment.code, whom=whom)
    return SayForm()


def _comment_on(generation: Generation, code: str) -> Comment | None:
    try:
        wanted = UUID(code)
    except ValueError:
        return None
    return generation.comments.select_related("author").filter(code=wanted).first()


def comment_for(request: StudioRequest, code: UUID, *, may: str = "see") -> Comment:
    """Return the comment with its clip, checked as `generation_for` does."""
    try:
        comment = Comment.objects.select_related("generation", "parent", "author").get(code=code)
    except Comment.DoesNotExist:
        raise Http404("No such comment.") from None
    comment.generation = generation_for(
        request,
        comment.generation.code,
        may=may,
        rows=Generation.objects.select_related("verdict_by").defer("raw_answer"),
    )
    return comment


def answered(
    request: StudioRequest,
    generation: Generation,
    template: str,
    error: StudioError | None,
    **ctx: Any,
) -> HttpResponse:
    """Answer an act: its fragment, with the sentence at 422 when refused; without htmx the page."""
    if not request.htmx:
        if error:
            messages.error(request, error.message)
        return HttpResponseRedirect(page_of(request, generation))
    ctx = {"g": generation, "error": error} | ctx
    return render(request, template, ctx, status=422 if error else 200)


def page_of(request: StudioRequest, generation: Generation) -> str:
    """Return the address of the page the act was done on: the clip's, or the review page at it."""
    if request.POST.get("page") == "review":
        return f"/p/{generation.project.code}/review/?clip={generation.code}"
    return generation.get_absolute_url()
