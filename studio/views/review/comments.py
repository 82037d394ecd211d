"""Comments on a clip: saying, replying, changing, taking away, resolving, and what comes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from studio.forms.review import SayForm, read_say
from studio.http import StudioRequest, generation_for, project_for, signed_in
from studio.media.images import ImageRefused
from studio.models import Comment, Generation
from studio.models.generation import Verdict
from studio.services import review
from studio.services.errors import StudioError
from studio.services.review.mentions import handle_of, handles, people_of
from studio.views.clips import clip_page
from studio.views.review.review_page import review_page
from studio.views.review.reviewing import answered, comment_for, page_of, review_context, say_from

KEPT = "deleted_comments"  # in the session: what undo needs, by code
MOST_KEPT = 10


@require_safe
@signed_in
def say_form(request: StudioRequest, code: UUID) -> HttpResponse:
    """The comment form as `?reply=`, `?edit=` or `?ask` makes it."""
    generation = generation_for(request, code)
    ctx = {"g": generation, "say": say_from(request, generation)}
    return render(request, "_say.html", ctx)


@require_POST
@signed_in
def comment_clip(request: StudioRequest, code: UUID) -> HttpResponse:
    """Keep what the comment form says: a comment, a reply, other words, or a verdict's reason."""
    generation = generation_for(request, code, rows=clip_page.whole())
    say = read_say(request.POST)
    try:
        made = _say(request, generation, say)
    except StudioError as error:
        return _unsaid(request, generation, say, error)
    if not request.htmx:
        return HttpResponseRedirect(f"{page_of(request, generation)}#comment-{made.code}")
    ctx = review_context(request, generation) | {"made": made, "asked": say.asks}
    return answered(request, generation, "_said.html", None, **ctx)


def _say(request: StudioRequest, generation: Generation, say: SayForm) -> Comment:
    if say.edits:
        comment = _of(generation, say.edits)
        review.edit(comment=comment, by=request.user, text=say.text)
        return comment
    if say.asks:
        given = review.decide(
            generation=generation,
            by=request.user,
            verdict=Verdict.NEEDS_CHANGES,
            note=say.text,
            at_ms=say.at_ms,
            drawing=say.drawing,
        )
        made = given.comment if given else None
        return made or generation.comments.filter(author=request.user).latest("pk")
    return review.comment(
        generation=generation,
        by=request.user,
        text=say.text,
        at_ms=say.at_ms,
        drawing=say.drawing,
        reply_to=_of(generation, say.reply_to) if say.reply_to else None,
    )


def _of(generation: Generation, code: UUID) -> Comment:
    comment = generation.comments.select_related("parent").filter(code=code).first()
    if comment is None:
        raise StudioError("That comment is gone. Your words are still here.", field="text")
    comment.generation = generation
    return comment


def _unsaid(
    request: StudioRequest, generation: Generation, say: SayForm, error: StudioError
) -> HttpResponse:
    """Answer with what was typed still in the form, as a fragment or as the whole page."""
    if say.reply_to:
        parent = generation.comments.select_related("author").filter(code=say.reply_to).first()
        if parent is not None:
            whom = parent.author.name if parent.author else parent.guest_name
            say = replace(say, whom=whom)
    if request.htmx:
        return answered(request, generation, "_say.html", error, say=say)
    if request.POST.get("page") == "review":
        return review_page(request, generation, say=say, error=error)
    return clip_page.clip_page(request, generation.code, say=say, error=error)


# ---- One comment --------------------------------------------------------------------------


@require_POST
@signed_in
def resolve_comment(request: StudioRequest, code: UUID) -> HttpResponse:
    comment = comment_for(request, code)
    review.resolve(comment=comment, by=request.user, resolved=request.POST.get("resolved") == "1")
    return _listed(request, comment.generation)


@require_POST
@signed_in
def delete_comment(request: StudioRequest, code: UUID) -> HttpResponse:
    comment = comment_for(request, code)
    generation = comment.generation
    try:
        kept = review.delete(comment=comment, by=request.user)
    except StudioError as error:
        return _stays(request, generation, error)
    deleted = dict(list(request.session.get(KEPT, {}).items())[-MOST_KEPT + 1 :])
    request.session[KEPT] = deleted | {str(code): kept}
    if not request.htmx:
        messages.success(
            request, "The comment is deleted.", extra_tags=f"undo:/comments/{code}/bring-back/"
        )
        return HttpResponseRedirect(page_of(request, generation))
    return _listed(request, generation, deleted=code)


@require_POST
@signed_in
def bring_back_comment(request: StudioRequest, code: UUID) -> HttpResponse:
    kept = request.session.get(KEPT, {}).get(str(code))
    row = Generation.objects.filter(pk=kept["generation"]).first() if kept else None
    if row is None:
        raise Http404("No such comment.")
    generation = generation_for(request, row.code, rows=clip_page.whole())
    try:
        review.bring_back(kept=kept)
    except StudioError as error:
        return _stays(request, generation, error)
    return _listed(request, generation)


def _listed(request: StudioRequest, generation: Generation, **ctx: Any) -> HttpResponse:
    if not request.htmx:
        return HttpResponseRedirect(page_of(request, generation))
    ctx = review_context(request, generation) | {"marks": True} | ctx
    return answered(request, generation, "_comment_acts.html", None, **ctx)


def _stays(request: StudioRequest, generation: Generation, error: StudioError) -> HttpResponse:
    if request.htmx:
        response = HttpResponse(status=409, headers={"HX-Reswap": "none"})
        return trigger_client_event(response, "toast", {"text": error.message, "tone": "error"})
    messages.error(request, error.message)
    return HttpResponseRedirect(page_of(request, generation))


@require_POST
@signed_in
def redo_from_comment(request: StudioRequest, code: UUID) -> HttpResponse:
    """Keep the comment's frame and open the compose page with it and the note: the next take."""
    comment = comment_for(request, code, may="create")
    try:
        still = review.frame_for_redo(comment=comment, by=request.user)
    except (StudioError, ImageRefused) as error:
        refusal = error if isinstance(error, StudioError) else StudioError(str(error))
        return _stays(request, comment.generation, refusal)
    page = f"/p/{comment.generation.project.code}/new/?answers={code}"
    if still is not None:
        page += f"&start={still.code}"
    return HttpResponseClientRedirect(page) if request.htmx else HttpResponseRedirect(page)


# ---- Stills and people ----------------------------------------------------------------------


@require_POST
@signed_in
def grab_still(request: StudioRequest, code: UUID) -> HttpResponse:
    """Keep the frame at the playhead among the project's stills, and say where it went."""
    generation = generation_for(request, code, may="create")
    say = read_say(request.POST)
    try:
        still, is_new = review.grab_still(
            generation=generation, by=request.user, at_ms=say.at_ms or 0
        )
    except (StudioError, ImageRefused) as error:
        refusal = error if isinstance(error, StudioError) else StudioError(str(error))
        return _stays(request, generation, refusal)
    said = f"“{still}” is kept in Stills." if is_new else f"“{still}” is in Stills already."
    undo = f"/stills/{still.code}/delete/" if is_new else ""
    if request.htmx:
        ctx = {"text": said, "undo": undo, "still": still, "project": generation.project}
        return render(request, "_grabbed.html", ctx)
    messages.success(request, said, extra_tags=f"undo:{undo}" if undo else "")
    return HttpResponseRedirect(page_of(request, generation))


@require_safe
@signed_in
def people(request: StudioRequest, code: UUID) -> HttpResponse:
    """Who can be mentioned in this project, as JSON: name, and what to write behind the @."""
    project = project_for(request, code)
    members = people_of(project)
    found = handles(members)
    return JsonResponse(
        {
            "people": [
                {"name": user.name or user.email, "handle": handle_of(user, found), "hue": user.hue,
                 "initials": user.initials}
                for user in members
            ]
        }
    )  # fmt: skip
