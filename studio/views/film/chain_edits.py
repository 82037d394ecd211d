"""What people do with chains. Every action answers with the page's pieces, or goes back to it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect, replace_url, trigger_client_event

from studio.forms.chain import read_clip, read_clips, read_other, read_step
from studio.http import StudioRequest, project_for, require_safe_or_post, signed_in, wants_partial
from studio.models import Chain, Generation, Segment
from studio.services import chains
from studio.services.errors import StudioError
from studio.views.film.chain_access import chain_for
from studio.views.film.chains import chain_context, chains_to_join
from studio.views.film.exports import export_context


def _segment_for(request: StudioRequest, pk: int) -> Segment:
    try:
        segment = Segment.objects.select_related("chain", "generation").get(pk=pk)
    except Segment.DoesNotExist:
        raise Http404("No such segment.") from None
    segment.chain = chain_for(request, segment.chain.code, may="create")
    return segment


def _address(chain: Chain, segment: int | None) -> str:
    return f"/chains/{chain.code}/" + (f"?segment={segment}" if segment else "")


def _done(
    request: StudioRequest, chain: Chain, said: str, *, segment: int | None = None, undo: str = ""
) -> HttpResponse:
    """Answer with every piece that may have changed, and a word about it; else go to the page."""
    if not request.htmx:
        messages.success(request, said, extra_tags=f"undo:{undo}" if undo else "")
        return HttpResponseRedirect(_address(chain, segment))
    chain = chain_for(request, chain.code)
    ctx = chain_context(request, chain, segment) | {"oob": True, "said": said, "undo": undo}
    ctx |= export_context(chain, ctx["tree"])  # which paths there are has changed
    return replace_url(
        render(request, "_chain_changes.html", ctx), _address(chain, ctx["segment_pk"])
    )


def _gone(request: StudioRequest, to: str) -> HttpResponse:
    return HttpResponseClientRedirect(to) if request.htmx else HttpResponseRedirect(to)


def _refused(request: StudioRequest, back: str, error: StudioError) -> HttpResponse:
    if request.htmx:
        response = HttpResponse(status=409, headers={"HX-Reswap": "none"})
        return trigger_client_event(response, "toast", {"text": error.message, "tone": "error"})
    messages.error(request, error.message)
    return HttpResponseRedirect(back)


# ---- Whole chains ------------------------------------------------------------------------


@require_POST
@signed_in
def create_chain(request: StudioRequest, code: UUID) -> HttpResponse:
    """Make a chain of the clips named by `clip`, in that order."""
    project = project_for(request, code, may="create")
    try:
        clips = read_clips(request.POST, project)
        title = request.POST.get("title", "")
        chain = chains.create(project=project, by=request.user, title=title, clips=clips)
    except StudioError as error:
        return _refused(request, project.get_absolute_url(), error)
    return _gone(request, _address(chain, None))


@require_POST
@signed_in
def rename_chain(request: StudioRequest, code: UUID) -> HttpResponse:
    chain = chain_for(request, code, may="create")
    typed = request.POST.get("title", "")
    try:
        chains.rename(chain=chain, title=typed)
    except StudioError as error:
        if not request.htmx:
            return _refused(request, _address(chain, None), error)
        ctx = chain_context(request, chain) | {"error": error, "typed": typed}
        return render(request, "_chain_head.html", ctx, status=422)
    if not request.htmx:
        return HttpResponseRedirect(_address(chain, None))
    chain = chain_for(request, code)
    response = render(request, "_chain_head.html", chain_context(request, chain))
    return trigger_client_event(response, "changed", {})


@require_POST
@signed_in
def duplicate_chain(request: StudioRequest, code: UUID) -> HttpResponse:
    chain = chain_for(request, code, may="create")
    try:
        copy = chains.duplicate(chain=chain, by=request.user)
    except StudioError as error:
        return _refused(request, _address(chain, None), error)
    messages.success(request, f"“{copy.title}” is a chain of its own. Its clips are the same ones.")
    return _gone(request, _address(copy, None))


@require_safe_or_post
@signed_in
def join_chain(request: StudioRequest, code: UUID) -> HttpResponse:
    """Ask which chain to put behind this one, and do it."""
    chain = chain_for(request, code, may="create")
    if request.method != "POST":
        ctx = {"chain": chain, "others": chains_to_join(chain.project, chain), "here": "chains"}
        template = "_join_dialog.html" if wants_partial(request) else "chain_join.html"
        return render(request, template, ctx)
    try:
        other = read_other(request.POST, chain.project)
        chains.join(chain=chain, other=other)
    except StudioError as error:
        return _refused(request, _address(chain, None), error)
    response = _done(request, chain, f"“{other.title}” plays after it now.")
    return trigger_client_event(response, "closeDialog", {})


@require_POST
@signed_in
def make_main(request: StudioRequest, code: UUID) -> HttpResponse:
    chain = chain_for(request, code, may="create")
    try:
        main = chains.make_main(chain=chain)
    except StudioError as error:
        return _refused(request, _address(chain, None), error)
    return _done(request, main, f"“{chain.title}” is the main cut.")


@require_POST
@signed_in
def delete_chain(request: StudioRequest, code: UUID) -> HttpResponse:
    chain = chain_for(request, code, may="create")
    parent = chain.branched_from
    if chain.archived_at is None:
        chains.archive(chain=chain)
        messages.success(
            request,
            f"“{chain.title}” is deleted. Its clips stay in the gallery.",
            extra_tags=f"undo:/chains/{chain.code}/restore/",
        )
    if parent is not None:
        return _gone(request, _address(parent, None))
    return _gone(request, f"/p/{chain.project.code}/chains/")


@require_POST
@signed_in
def restore_chain(request: StudioRequest, code: UUID) -> HttpResponse:
    chain = chain_for(request, code, may="create")
    if chain.archived_at is not None:
        chains.restore(chain=chain)
    return _gone(request, _address(chain, None))


# ---- Segments ----------------------------------------------------------------------------


@require_POST
@signed_in
def move_segment(request: StudioRequest, pk: int) -> HttpResponse:
    segment = _segment_for(request, pk)
    try:
        chains.move_segment(segment=segment, to=read_step(request.POST, segment))
    except StudioError as error:
        return _refused(request, _address(segment.chain, pk), error)
    earlier = request.POST.get("to") == "earlier"
    return _done(request, segment.chain, f"Moved {'earlier' if earlier else 'later'}.", segment=pk)


@require_POST
@signed_in
def replace_segment(request: StudioRequest, pk: int) -> HttpResponse:
    segment = _segment_for(request, pk)
    try:
        clip = read_clip(request.POST, segment.chain.project)
        chains.replace_segment(segment=segment, generation=clip)
    except StudioError as error:
        return _refused(request, _address(segment.chain, pk), error)
    return _done(request, segment.chain, f"Take {clip.take} stands here now.", segment=pk)


@require_POST
@signed_in
def remove_segment(request: StudioRequest, pk: int) -> HttpResponse:
    segment = _segment_for(request, pk)
    chain, clip, position = segment.chain, segment.generation, segment.position
    try:
        chains.remove_segment(segment=segment)
    except StudioError as error:
        return _refused(request, _address(chain, pk), error)
    undo = f"/chains/{chain.code}/put-back/{clip.code}/{position}/"
    said = f"“{clip.title}” is out of the chain. The clip stays in the gallery."
    return _done(request, chain, said, undo=undo)


@require_POST
@signed_in
def put_back(request: StudioRequest, code: UUID, clip: UUID, position: int) -> HttpResponse:
    """Undo a removal: the clip stands at its old position again."""
    chain = chain_for(request, code, may="create")
    generation = Generation.objects.filter(project=chain.project_id, code=clip).first()
    if generation is None:
        raise Http404("No such clip.")
    position = min(position, 1_000_000)
    there = chain.segments.filter(position=position, generation=generation).first()
    if there is None:
        try:
            there = chains.insert_segment(chain=chain, generation=generation, position=position)
        except StudioError as error:
            return _refused(request, _address(chain, None), error)
    return _gone(request, _address(chain, there.pk))
