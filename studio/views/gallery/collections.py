"""Collections: the list, and one with its order, its note, its archive and its playing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from studio.forms.chain import read_clip
from studio.forms.gallery import whole_number
from studio.http import StudioRequest, project_for, require_safe_or_post, signed_in, wants_partial
from studio.models import Collection
from studio.services.errors import StudioError
from studio.services.gallery import collections
from studio.views.projects.archives import send_archive

PAGE = 40


def collection_for(request: StudioRequest, code: UUID, *, may: str = "see") -> Collection:
    """Return the collection, checked as `project_for` does; two queries."""
    found = Collection.objects.select_related("created_by").filter(code=code).first()
    if found is None:
        raise Http404("No such collection.")
    project = Collection.objects.values_list("project__code", flat=True).get(pk=found.pk)
    found.project = project_for(request, project, may=may)
    return found


@require_safe_or_post
@signed_in
def collection_list(request: StudioRequest, code: UUID) -> HttpResponse:
    """The project's collections; a POST makes one."""
    project = project_for(request, code, may="create" if request.method == "POST" else "see")
    error = None
    if request.method == "POST":
        try:
            made = collections.create(
                project=project,
                by=request.user,
                title=request.POST.get("title", ""),
                note=request.POST.get("note", ""),
            )
        except StudioError as refused:
            error = refused
        else:
            return HttpResponseRedirect(f"/collections/{made.code}/")
    rows = collections.open_collections(project)
    after = whole_number(request.GET.get("after"), most=2**62)
    if after is not None:
        rows = rows.filter(pk__lt=after)
    page = list(rows[: PAGE + 1])
    shown = page[:PAGE]
    posters = collections.posters_of(shown)
    ctx = {
        "here": "collections",
        "collections": [(one, posters[one.pk]) for one in shown],
        "more": f"?after={shown[-1].pk}" if len(page) > PAGE else "",
        "can_create": request.membership.can_create,
        "error": error,
        "typed": request.POST,
    }
    return render(request, "collection_list.html", ctx, status=422 if error else 200)


@require_safe
@signed_in
def collection_detail(request: StudioRequest, code: UUID) -> HttpResponse:
    collection = collection_for(request, code)
    template = "_collection.html" if wants_partial(request) else "collection_detail.html"
    return render(request, template, _context(request, collection))


def _context(request: StudioRequest, collection: Collection) -> dict[str, Any]:
    items = collections.items_of(collection)
    clips = [item.generation for item in items if item.generation.is_clip]
    return {
        "here": "collections",
        "collection": collection,
        "items": items,
        "seconds": sum(clip.duration_s for clip in clips),
        "plays": len(clips),
        "share": f"collection={collection.code}" if clips else "",
        "can_create": request.membership.can_create,
    }


@require_POST
@signed_in
def describe(request: StudioRequest, code: UUID) -> HttpResponse:
    """Give it another title and note."""
    collection = collection_for(request, code, may="create")
    title, note = request.POST.get("title", ""), request.POST.get("note", "")
    try:
        collections.describe(collection=collection, title=title, note=note)
    except StudioError as error:
        ctx = _context(request, collection) | {"error": error, "typed": request.POST}
        template = "_collection.html" if wants_partial(request) else "collection_detail.html"
        return render(request, template, ctx, status=422)
    return _done(request, collection, "Saved.")


@require_POST
@signed_in
def move_clip(request: StudioRequest, code: UUID) -> HttpResponse:
    """Put `clip` at the place `to`, counted from 0."""
    collection = collection_for(request, code, may="create")
    try:
        to = whole_number(request.POST.get("to"), most=1_000_000)
        if to is None:
            raise StudioError(
                f"To is “{request.POST.get('to', '')[:20]}”; it must be a place from 0 up.",
                field="to",
            )
        clip = read_clip(request.POST, collection.project)
        collections.move(collection=collection, clip=clip, to=to)
    except StudioError as error:
        return _refused(request, collection, error)
    return _done(request, collection, "")


@require_POST
@signed_in
def remove_clip(request: StudioRequest, code: UUID) -> HttpResponse:
    """Take `clip` out; the clip stays in the gallery."""
    collection = collection_for(request, code, may="create")
    try:
        clip = read_clip(request.POST, collection.project)
    except StudioError as error:
        return _refused(request, collection, error)
    order = [item.generation_id for item in collections.items_of(collection)]
    undo = ""
    if clip.pk in order:
        collections.remove(collection=collection, clip=clip)
        place = order.index(clip.pk)
        undo = f"/collections/{collection.code}/put-back/{clip.code}/{place}/"
    said = f"“{clip.title}” is out of the collection."
    return _done(request, collection, said, undo=undo)


@require_POST
@signed_in
def put_back(request: StudioRequest, code: UUID, clip: UUID, position: int) -> HttpResponse:
    collection = collection_for(request, code, may="create")
    found = collection.project.generations.filter(code=clip).first()
    if found is None:
        raise Http404("No such clip.")
    collections.put_back(collection=collection, clip=found, position=min(position, 1_000_000))
    return HttpResponseRedirect(f"/collections/{collection.code}/")


@require_safe
@signed_in
def collection_archive(request: StudioRequest, code: UUID) -> HttpResponseBase:
    """Send its clips as one ZIP."""
    collection = collection_for(request, code, may="create")
    clips = [item.generation for item in collections.items_of(collection)]
    return send_archive(request, collection.project, clips)


@require_POST
@signed_in
def delete_collection(request: StudioRequest, code: UUID) -> HttpResponse:
    collection = collection_for(request, code, may="create")
    collections.archive(collection=collection, archived=True)
    messages.success(
        request,
        f"“{collection.title}” is deleted. Its clips stay in the gallery.",
        extra_tags=f"undo:/collections/{collection.code}/restore/",
    )
    to = f"/p/{collection.project.code}/collections/"
    return HttpResponseClientRedirect(to) if request.htmx else HttpResponseRedirect(to)


@require_POST
@signed_in
def restore_collection(request: StudioRequest, code: UUID) -> HttpResponse:
    collection = collection_for(request, code, may="create")
    collections.archive(collection=collection, archived=False)
    return HttpResponseRedirect(f"/collections/{collection.code}/")


def _done(
    request: StudioRequest, collection: Collection, said: str, *, undo: str = ""
) -> HttpResponse:
    if not request.htmx:
        if said:
            messages.success(request, said, extra_tags=f"undo:{undo}" if undo else "")
        return HttpResponseRedirect(f"/collections/{collection.code}/")
    collection.refresh_from_db(fields=["title", "note"])
    ctx = _context(request, collection) | {"said": said, "undo": undo}
    return render(request, "_collection.html", ctx)


def _refused(request: StudioRequest, collection: Collection, error: StudioError) -> HttpResponse:
    if request.htmx:
        response = HttpResponse(status=409, headers={"HX-Reswap": "none"})
        return trigger_client_event(response, "toast", {"text": error.message, "tone": "error"})
    messages.error(request, error.message)
    return HttpResponseRedirect(f"/collections/{collection.code}/")
