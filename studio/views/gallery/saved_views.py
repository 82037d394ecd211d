"""Saved views of the gallery: kept, opened first, shared with the project, deleted and brought back."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST
from django.views.decorators.vary import vary_on_headers

from studio.http import StudioRequest, project_for, require_safe_or_post, signed_in, wants_partial
from studio.models import Project, SavedView
from studio.services.errors import StudioError
from studio.services.gallery import filters, views


@require_safe_or_post
@vary_on_headers("HX-Request")
@signed_in
def saved_views(request: StudioRequest, code: UUID) -> HttpResponse:
    """List this person's views and the shared ones; POST keeps another."""
    project = project_for(request, code)
    if request.method == "POST":
        return _save(request, project)
    wanted = filters.read(request.GET)
    return _listed(request, project, wanted.query())


def _listed(
    request: StudioRequest, project: Project, query: str, error: str = "", status: int = 200
) -> HttpResponse:
    membership = request.membership
    ctx = {
        "here": "clips",
        "views": [
            (
                view,
                view.owner_id == request.user.pk,
                _may_change(request, view),
                view.pk == membership.default_view_id,
            )
            for view in views.visible_views(project, request.user)
        ],
        "everything": f"{project.get_absolute_url()}{'?view=all' if membership.default_view_id else ''}",
        "query": query,
        "worth_saving": bool(query),
        "error": error,
        "typed": request.POST.get("name", ""),
        "typed_shared": "shared" in request.POST,
    }
    partial = wants_partial(request) and not error
    template = "_saved_views.html" if partial else "saved_views.html"
    return render(request, template, ctx, status=status)


def _save(request: StudioRequest, project: Project) -> HttpResponse:
    query = filters.read(request.POST.get("query", "")).query()
    try:
        view = views.save_view(
            project=project,
            owner=request.user,
            name=request.POST.get("name", ""),
            query=query,
            shared=request.POST.get("shared") == "1",
        )
    except StudioError as error:
        return _listed(request, project, query, error.message, 422)
    messages.success(request, f"“{view.name}” is saved. It is under Views.")
    return HttpResponseRedirect(f"{project.get_absolute_url()}?{view.query}")


def _may_change(request: StudioRequest, view: SavedView) -> bool:
    return view.owner_id == request.user.pk or (view.shared and request.membership.can_manage)


def _view_for(request: StudioRequest, code: UUID, *, change: bool = True) -> SavedView:
    """Return a view this person sees. Raises Http404, and PermissionDenied where it is another's."""
    view = SavedView.objects.select_related("project", "owner").filter(code=code).first()
    if view is None:
        raise Http404("No such view.")
    project_for(request, view.project.code)
    if view.owner_id != request.user.pk and not view.shared:
        raise Http404("No such view.")
    if change and not _may_change(request, view):
        raise PermissionDenied(f"Only {view.owner.name} or an owner of the project can change it.")
    return view


def _back(view: SavedView) -> HttpResponse:
    return HttpResponseRedirect(f"{view.project.get_absolute_url()}?{view.query}")


@require_POST
@signed_in
def rename_view(request: StudioRequest, code: UUID) -> HttpResponse:
    view = _view_for(request, code)
    try:
        views.rename_view(view=view, name=request.POST.get("name", ""))
    except StudioError as error:
        messages.error(request, error.message)
    return _back(view)


@require_POST
@signed_in
def share_view(request: StudioRequest, code: UUID) -> HttpResponse:
    view = _view_for(request, code)
    views.share_view(view=view, shared=request.POST.get("shared") == "1")
    said = "Everybody in the project sees" if view.shared else "Only its owner sees"
    messages.success(request, f"{said} “{view.name}” under Views.")
    return _back(view)


@require_POST
@signed_in
def open_first(request: StudioRequest, code: UUID) -> HttpResponse:
    view = _view_for(request, code, change=False)
    wanted = request.POST.get("default") == "1"
    views.set_default(membership=request.membership, view=view if wanted else None)
    said = f"“{view.name}”" if wanted else "all clips"
    messages.success(request, f"Your gallery of this project opens with {said}.")
    return _back(view)


@require_POST
@signed_in
def delete_view(request: StudioRequest, code: UUID) -> HttpResponse:
    view = _view_for(request, code)
    name, gallery = view.name, view.project.get_absolute_url()
    kept = views.delete_view(view=view)
    messages.success(
        request, f"The view “{name}” is deleted.", extra_tags=f"undo:{gallery}views/restore/{kept}/"
    )
    return HttpResponseRedirect(f"{gallery}?view=all")


@require_POST
@signed_in
def restore_view(request: StudioRequest, code: UUID, kept: str) -> HttpResponse:
    project = project_for(request, code)
    try:
        view = views.restore_view(project=project, by=request.user, kept=kept)
    except StudioError as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(f"{project.get_absolute_url()}?view=all")
    messages.success(request, f"“{view.name}” is back.")
    return _back(view)
