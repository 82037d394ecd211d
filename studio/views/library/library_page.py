"""The library: prompts used before and kept at hand, and presets of settings."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from studio.forms.gallery import whole_number
from studio.http import StudioRequest, project_for, signed_in
from studio.incoming_text import tidy_line
from studio.models import Preset, Project
from studio.services.errors import StudioError
from studio.services.library import presets, prompts

MOST_QUERY_CHARS = 200
MOST_PAGES = 9_999


@require_safe
@signed_in
def library(request: StudioRequest, code: UUID) -> HttpResponse:
    project = project_for(request, code, may="create")
    query = request.GET.get("q", "")[:MOST_QUERY_CHARS].strip()
    number = whole_number(request.GET.get("page"), most=MOST_PAGES) or 1
    known, more = prompts.known_prompts(
        project=project, user=request.user, query=query, page=number
    )
    ctx = {
        "query": query,
        "known": known,
        "page": number,
        "next_page": number + 1 if more else None,
        "favourites": prompts.favourite_prompts(project=project, user=request.user),
        "presets": presets.presets_for(project=project, user=request.user),
        "here": "library",
    }
    return render(request, "library.html", ctx)


@require_POST
@signed_in
def keep_prompt(request: StudioRequest, code: UUID) -> HttpResponse:
    """Keep a prompt at hand, or (`drop`) no longer. Answers with the star, or the page."""
    project = project_for(request, code, may="create")
    text = request.POST.get("text", "")
    drop = request.POST.get("drop") == "1"
    try:
        if drop:
            prompts.drop_prompt(project=project, user=request.user, text=text)
        else:
            prompts.keep_prompt(project=project, user=request.user, text=text)
    except StudioError as error:
        messages.error(request, error.message)
        return _back(project)
    if request.htmx:
        return render(
            request, "_favourite.html", {"project": project, "text": text, "kept": not drop}
        )
    messages.success(request, "Let go." if drop else "Kept at hand.")
    return _back(project)


@require_POST
@signed_in
def change_preset(request: StudioRequest, code: UUID, preset_code: UUID) -> HttpResponse:
    """Rename a preset of one's own, share it or not, or delete it; an owner may delete a shared one."""
    project = project_for(request, code, may="create")
    found = Preset.objects.filter(project=project, code=preset_code).first()
    if found is None or not (found.owner_id == request.user.pk or found.shared):
        raise Http404("No such preset.")
    do = request.POST.get("do", "")
    mine = found.owner_id == request.user.pk
    if not mine and not (do == "delete" and request.membership.can_manage):
        messages.error(request, f"“{found.name}” is {found.owner.name}’s; only they change it.")
        return _back(project)
    try:
        said = _changed(request, found, do)
    except StudioError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, said)
    return _back(project)


def _changed(request: StudioRequest, preset: Preset, do: str) -> str:
    if do == "delete":
        presets.delete_preset(preset=preset)
        return f"Deleted “{preset.name}”. Shots made with it stay as they are."
    if do == "share":
        presets.share_preset(preset=preset, shared=not preset.shared)
        return f"“{preset.name}” is " + (
            "yours alone now." if preset.shared else "there for everybody in the project."
        )
    if do == "rename":
        name = request.POST.get("name", "")
        presets.rename_preset(preset=preset, name=name)
        return f"Renamed to “{tidy_line(name)}”."
    raise StudioError(f"“{do[:20]}” is nothing that can be done with a preset.")


def _back(project: Project) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"/p/{project.code}/library/")
