"""One clip: its page, and what people do with it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget, trigger_client_event

from studio.drawn.failed import retry_form
from studio.forms.gallery import whole_number
from studio.forms.money import quoted_in
from studio.forms.review import SayForm
from studio.http import StudioRequest, generation_for, signed_in
from studio.models import Generation
from studio.services import shots
from studio.services.errors import StudioError
from studio.services.exchange.archive_people import MAKER, archive_name
from studio.services.money.agreement import PriceChanged
from studio.services.money.offers import quote_of_take
from studio.views.clips.outcomes import ways_context
from studio.views.looking.compare import compare_takes
from studio.views.news.notifications import looked_at
from studio.views.review.reviewing import review_context, say_from


@require_safe
@signed_in
def clip_detail(request: StudioRequest, code: UUID) -> HttpResponse:
    return clip_page(request, code)


def clip_page(
    request: StudioRequest,
    code: UUID,
    *,
    say: SayForm | None = None,
    error: StudioError | None = None,
) -> HttpResponse:
    """Render the whole page; `say` is a comment form that was refused, and `error` says why."""
    generation = generation_for(request, code, rows=_with_neighbours())
    looked_at(request, generation)
    say = say or say_from(request, generation)
    ctx = _clip_context(request, generation, say) | {"error": error}
    return render(request, "clip_detail.html", ctx, status=422 if error else 200)


@require_safe
@signed_in
def clip_page_changes(request: StudioRequest, code: UUID) -> HttpResponse:
    """Answer 204 when neither the clip nor its takes changed since the cursor, else what did.

    Everything swaps out of band, in pieces, so that what somebody is typing stays. A shot that has
    become playable comes as a whole, for its player is another thing than its stage.
    """
    generation: Any = generation_for(request, code, rows=_with_neighbours())
    since = whole_number(request.GET.get("since"), most=2**62) or 0
    if generation.newest_change <= since:
        return HttpResponse(status=204)
    ctx = _clip_context(request, generation) | {"oob": True}
    became = generation.is_clip and request.GET.get("was") != generation.state
    return render(request, "_clip_main.html" if became else "_clip_changes.html", ctx)


def whole() -> QuerySet[Generation]:
    return Generation.objects.select_related(
        "account",
        "start_keyframe",
        "end_keyframe",
        "start_generation",
        "end_generation",
        "retry_of",
        "verdict_by",
    ).defer("raw_answer")


def _with_neighbours() -> QuerySet[Generation]:
    """Also the page's cursor, the newest change of the clip or of another take of its shot, and the
    codes of the clips next to it. Of one statement: nothing can change between cursor and clip."""
    takes = Generation.objects.filter(shot=OuterRef("shot")).order_by("-version")
    near = Generation.objects.filter(project=OuterRef("project"), archived_at=None)
    newer = near.filter(number__gt=OuterRef("number")).order_by("number")
    older = near.filter(number__lt=OuterRef("number")).order_by("-number")
    return whole().annotate(
        archive_maker=MAKER,
        newest_change=Subquery(takes.values("version")[:1]),
        newer=Subquery(newer.values("code")[:1]),
        older=Subquery(older.values("code")[:1]),
    )


def _clip_context(
    request: StudioRequest, generation: Any, say: SayForm | None = None
) -> dict[str, Any]:
    takes = list(
        Generation.objects.filter(shot=generation.shot, project=generation.project)
        .filter(Q(archived_at=None) | Q(pk=generation.pk))
        .defer("raw_answer")
        .order_by("-take")
    )
    ctx = ways_context(request, generation) | review_context(request, generation, say)
    return ctx | {
        "here": "clips",
        "g": generation,
        "takes": takes,
        "compare": compare_takes(generation, takes),
        "take_quote": quote_of_take(generation),
        "archive_maker": archive_name(maker) if (maker := generation.archive_maker) else "",
        "events": list(generation.events.select_related("actor")),
        "newer": generation.newer,
        "older": generation.older,
        "can_create": request.membership.can_create,
        "version": generation.newest_change,
        "was": generation.state,
        "live": f"/clips/{generation.code}/changes/",
    }


def _done(request: StudioRequest, generation: Generation, said: str = "") -> HttpResponse:
    """Answer an action: the gallery asks for what changed, a page without script goes back."""
    if request.htmx:
        response = HttpResponse(status=204)
        trigger_client_event(response, "changed", {})
        return trigger_client_event(response, "toast", {"text": said}) if said else response
    if said:
        messages.success(request, said)
    return HttpResponseRedirect(_back(request, generation))


def _back(request: StudioRequest, generation: Generation) -> str:
    return (
        generation.get_absolute_url()
        if "stay" in request.POST
        else generation.project.get_absolute_url()
    )


def _refused(request: StudioRequest, generation: Generation, error: StudioError) -> HttpResponse:
    if request.htmx:
        response = HttpResponse(status=409, headers={"HX-Reswap": "none"})
        return trigger_client_event(response, "toast", {"text": error.message, "tone": "error"})
    messages.error(request, error.message)
    return HttpResponseRedirect(_back(request, generation))


def _dearer(request: StudioRequest, generation: Generation, error: PriceChanged) -> HttpResponse:
    """Show the price as it is now on the button that was pressed; without script, on its page."""
    if request.htmx:
        form = retry_form(generation, token=get_token(request), quote=error.now)
        response = HttpResponse(form, status=422)
        response = retarget(reswap(response, "outerHTML"), "this")
        return trigger_client_event(response, "toast", {"text": error.message, "tone": "error"})
    messages.error(request, error.message)
    return HttpResponseRedirect(generation.get_absolute_url())


@require_POST
@signed_in
def retry_clip(request: StudioRequest, code: UUID) -> HttpResponse:
    generation = generation_for(request, code, may="create", rows=whole())
    try:
        token = UUID(request.POST.get("request_token", ""))
    except ValueError:
        token = uuid4()
    try:
        fresh = shots.retry(
            generation=generation,
            by=request.user,
            request_token=token,
            quoted_microusd=quoted_in(request.POST),
        )
    except PriceChanged as error:
        return _dearer(request, generation, error)
    except StudioError as error:
        return _refused(request, generation, error)
    return _done(request, fresh, "Trying again.")


@require_POST
@signed_in
def cancel_clip(request: StudioRequest, code: UUID) -> HttpResponse:
    generation = generation_for(request, code, may="create")
    if generation.is_terminal or shots.cancel(generation=generation, by=request.user):
        return _done(request, generation)
    return _refused(
        request,
        generation,
        StudioError("It is already with the provider and cannot be cancelled any more."),
    )


@require_POST
@signed_in
def archive_clip(request: StudioRequest, code: UUID) -> HttpResponse:
    generation = generation_for(request, code, may="create")
    if generation.archived_at is None:
        try:
            shots.archive(generations=[generation])
        except StudioError as error:
            return _refused(request, generation, error)
        messages.success(
            request,
            f"“{generation.title}” is archived.",
            extra_tags=f"undo:/clips/{generation.code}/restore/",
        )
    gallery = generation.project.get_absolute_url()
    return HttpResponseClientRedirect(gallery) if request.htmx else HttpResponseRedirect(gallery)


@require_POST
@signed_in
def restore_clip(request: StudioRequest, code: UUID) -> HttpResponse:
    generation = generation_for(request, code, may="create")
    if generation.archived_at is not None:
        try:
            shots.restore(generations=[generation])
        except StudioError as error:
            return _refused(request, generation, error)
    return _done(request, generation, f"“{generation.title}” is back.")


@require_POST
@signed_in
def rename_clip(request: StudioRequest, code: UUID) -> HttpResponse:
    generation = generation_for(request, code, may="create")
    error = None
    try:
        shots.rename(generation=generation, title=request.POST.get("title", ""))
        generation.refresh_from_db(fields=["title"])
    except StudioError as refused:
        error = refused
    if request.htmx:
        ctx = {
            "g": generation,
            "error": error,
            "typed": request.POST.get("title", ""),
            "can_create": True,
        }
        return render(request, "_clip_title.html", ctx, status=422 if error else 200)
    if error:
        messages.error(request, error.message)
    return HttpResponseRedirect(generation.get_absolute_url())
