"""The projects page, new projects, and a project's settings."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRedirect

from studio.forms.project import NewProjectForm, ProjectSettingsForm
from studio.http import StudioRequest, project_for, require_safe_or_post, signed_in, wants_partial
from studio.models import Project
from studio.services import projects
from studio.services.errors import StudioError
from studio.services.news import happenings
from studio.services.project_rights import (
    ask_an_admin,
    check_may_make_projects,
    highest_budget,
    may_make_projects,
)
from studio.services.quotas import QuotaSpent
from studio.services.sample import make_sample_project
from studio.services.sharing.listing import count_open
from studio.views.projects.members import members_context

MENU_SIZE = 12


def _go(request: StudioRequest, url: str) -> HttpResponse:
    return HttpResponseClientRedirect(url) if request.htmx else HttpResponseRedirect(url)


@require_safe
@vary_on_headers("HX-Request")
@signed_in
def project_list(request: StudioRequest) -> HttpResponse:
    archived = request.GET.get("archived") == "1"
    cards = projects.project_cards(request.user, archived=archived)
    moving = any(card.in_flight for card in cards)
    if wants_partial(request):
        ctx = {"cards": cards, "archived": archived, "moving": moving}
        return render(request, "_projects.html", ctx)
    others = Project.objects.of(request.user).filter(archived_at__isnull=archived).count()
    ctx = {
        "here": "projects",
        "cards": cards,
        "archived": archived,
        "moving": moving,
        "others": others,  # how many the other list holds
        "newcomer": not cards and not others and not archived,
        "may_make": (may_make := may_make_projects(request.user)),
        "ask_whom": "" if may_make else ask_an_admin(),
    }
    return render(request, "project_list.html", ctx)


@require_safe
@vary_on_headers("HX-Request")
@signed_in
def new_project(request: StudioRequest) -> HttpResponse:
    _check_may_make(request)
    template = "_project_dialog.html" if wants_partial(request) else "project_new.html"
    return render(request, template, {"form": NewProjectForm(), "here": "projects"})


@require_POST
@signed_in
def create_project(request: StudioRequest) -> HttpResponse:
    _check_may_make(request)
    form = NewProjectForm(request.POST)
    project = None
    if form.is_valid():
        try:
            project = projects.create_project(by=request.user, **form.cleaned_data)
        except StudioError as error:
            form.add_error(None, error.message)
    if project is None:
        template = "_project_form.html" if wants_partial(request) else "project_new.html"
        return render(request, template, {"form": form, "here": "projects"}, status=422)
    return _go(request, project.get_absolute_url())


@require_POST
@signed_in
def create_sample(request: StudioRequest) -> HttpResponse:
    _check_may_make(request)
    try:
        project = make_sample_project(by=request.user)
    except QuotaSpent as error:
        messages.error(request, error.message)
        return _go(request, "/")
    return _go(request, project.get_absolute_url())


def _check_may_make(request: StudioRequest) -> None:
    try:
        check_may_make_projects(request.user)
    except StudioError as error:
        raise PermissionDenied(error.message) from None


@require_safe
@signed_in
def projects_menu(request: StudioRequest) -> HttpResponse:
    mine = Project.objects.of(request.user).active()
    ctx = {"projects": mine[: MENU_SIZE + 1], "size": MENU_SIZE, "at": request.GET.get("at", "")}
    return render(request, "_projects_menu.html", ctx)


@require_safe_or_post
@signed_in
def project_settings(request: StudioRequest, code: UUID) -> HttpResponse:
    may = "manage" if request.method == "POST" else "see"
    project = project_for(request, code, may=may)
    before = happenings.settings_of(project)
    form = ProjectSettingsForm(
        request.POST or None,
        instance=project,
        highest_budget=highest_budget(project, request.user),
    )
    if request.method == "POST":
        if form.is_valid():
            form.save()
            happenings.settings_changed(project, before=before, actor=request.user)
            messages.success(request, "Saved.")
            return HttpResponseRedirect(request.path)
        # The form wrote what was typed into the project the top bar shows.
        project.refresh_from_db()
    ctx: dict[str, Any] = {"here": "settings", "form": form, "links": count_open(project)}
    ctx |= members_context(request, project)
    ctx["ask_whom"] = "" if project.all_accounts else ask_an_admin()
    return render(request, "project_settings.html", ctx, status=422 if form.errors else 200)


@require_POST
@signed_in
def archive_project(request: StudioRequest, code: UUID) -> HttpResponse:
    project = project_for(request, code, may="manage")
    projects.archive_project(project=project, by=request.user)
    said = f"“{project.name}” is archived."
    if count_open(project):
        said += " Its links for guests are closed until it is back."
    messages.success(request, said, extra_tags=f"undo:/p/{project.code}/restore/")
    return _go(request, "/")


@require_POST
@signed_in
def restore_project(request: StudioRequest, code: UUID) -> HttpResponse:
    project = project_for(request, code, may="manage")
    projects.restore_project(project=project, by=request.user)
    messages.success(request, f"“{project.name}” is back.")
    return _go(request, "/")
