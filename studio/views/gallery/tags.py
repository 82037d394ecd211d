"""Tags: on a clip's page, as one types, and kept in order in the project's settings."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from studio.forms.gallery import whole_number
from studio.http import MAX_PK, StudioRequest, generation_for, project_for, signed_in, wants_partial
from studio.models import Tag
from studio.services.errors import StudioError
from studio.services.gallery import tags


@require_POST
@signed_in
def clip_tags(request: StudioRequest, code: UUID) -> HttpResponse:
    """Put a tag on a clip (`tag`), or take one off (`remove`)."""
    generation = generation_for(request, code, may="create")
    error, typed = None, request.POST.get("tag", "")
    try:
        if name := request.POST.get("remove", ""):
            tags.take(generation=generation, name=name)
        else:
            tags.put(generation=generation, name=typed)
            typed = ""
    except StudioError as refused:
        error = refused
    if not request.htmx:
        if error:
            messages.error(request, error.message)
        return HttpResponseRedirect(generation.get_absolute_url())
    ctx = {"g": generation, "can_create": True, "error": error, "typed": typed}
    return render(request, "_clip_tags.html", ctx, status=422 if error else 200)


@require_safe
@signed_in
def tag_names(request: StudioRequest, code: UUID) -> HttpResponse:
    """The options of a field that completes tags."""
    project = project_for(request, code)
    names = tags.suggested(project, request.GET.get("tag", ""))
    return render(request, "_tag_names.html", {"names": names})


@require_safe
@signed_in
def tag_list(request: StudioRequest, code: UUID) -> HttpResponse:
    """The project's tags, to be renamed, merged and deleted."""
    project = project_for(request, code, may="create")
    return _answer(request, {"tags": list(tags.counted(project))})


@require_POST
@signed_in
def change_tag(request: StudioRequest, code: UUID, pk: int) -> HttpResponse:
    """Rename (`name`), merge (`into`, a tag's pk) or delete (`delete`) one tag."""
    project = project_for(request, code, may="create")
    tag = Tag.objects.filter(project=project, pk=pk).first()
    if tag is None:
        raise Http404("No such tag.")
    error = None
    try:
        said = _change(request, tag)
    except StudioError as refused:
        error = refused
    if error is None and not request.htmx:
        messages.success(request, said)
    if not request.htmx and error is None:
        return HttpResponseRedirect(f"/p/{project.code}/tags/")
    ctx: dict[str, object] = {
        "tags": list(tags.counted(project)),
        "error": error,
        "error_pk": pk,
        "typed": request.POST.get("name", ""),
    }
    response = _answer(request, ctx, status=422 if error else 200)
    return response if error else trigger_client_event(response, "toast", {"text": said})


def _change(request: StudioRequest, tag: Tag) -> str:
    if "delete" in request.POST:
        tags.delete(tag=tag)
        return f"“{tag.name}” is off every clip."
    if raw := request.POST.get("into", ""):
        rows = Tag.objects.filter(project=tag.project_id)
        into = rows.filter(pk=whole_number(raw, most=MAX_PK) or 0).first()
        if into is None:
            raise StudioError("Choose another tag of this project to merge into.", field="into")
        tags.merge(tag=tag, into=into)
        return f"What was “{tag.name}” is “{into.name}” now."
    tags.rename(tag=tag, name=request.POST.get("name", ""))
    return "Renamed."


def _answer(request: StudioRequest, ctx: dict[str, object], status: int = 200) -> HttpResponse:
    template = "_tags.html" if wants_partial(request) else "tag_list.html"
    return render(request, template, ctx | {"here": "settings"}, status=status)
