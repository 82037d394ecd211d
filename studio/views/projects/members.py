"""Who is in a project: roles, invites, leaving."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from studio.forms.project import InviteForm
from studio.http import StudioRequest, project_for, signed_in
from studio.models import Invite, Membership, Project
from studio.services import people
from studio.services.errors import StudioError
from studio.services.sharing.listing import count_open

SHOWN_ONCE = "invite_shown_once"  # the session's place for a link between POST and page


def members_context(request: StudioRequest, project: Project, **more: Any) -> dict[str, Any]:
    """Return what _members.html shows; two queries."""
    ctx: dict[str, Any] = {
        "project": project,
        "members": list(project.memberships.select_related("user")),
        "roles": Membership.Role.choices,
        "can_manage": request.membership.can_manage,
        "me": request.user,
        "invites": [],
        "invite_form": InviteForm(),
    }
    ctx["members"].sort(key=lambda member: Membership.Role.values.index(member.role))
    if request.membership.can_manage:
        ctx["invites"] = list(
            project.invites.with_maker()
            .filter(used_at=None, revoked_at=None, expires_at__gt=timezone.now())
            .select_related("created_by")
        )
        code, link = request.session.pop(SHOWN_ONCE, ("", ""))
        ctx["new_link"] = link if code == str(project.code) else ""
    return ctx | more


def _settings_url(project: Project) -> str:
    return f"/p/{project.code}/settings/"


def _answer(
    request: StudioRequest, project: Project, said: str = "", *, status: int = 200, **more: Any
) -> HttpResponse:
    """Answer an action: the members' panel to htmx, the settings page to everybody else."""
    if request.htmx:
        ctx = members_context(request, project, **more)
        response = render(request, "_members.html", ctx, status=status)
        return trigger_client_event(response, "toast", {"text": said}) if said else response
    if said:
        messages.success(request, said)
    return HttpResponseRedirect(_settings_url(project))


def _refused(request: StudioRequest, project: Project, error: StudioError) -> HttpResponse:
    if request.htmx:
        response = _answer(request, project, status=409)
        return trigger_client_event(response, "toast", {"text": error.message, "tone": "error"})
    messages.error(request, error.message)
    return HttpResponseRedirect(_settings_url(project))


def _leave_page(request: StudioRequest, url: str, said: str) -> HttpResponse:
    messages.success(request, said)
    return HttpResponseClientRedirect(url) if request.htmx else HttpResponseRedirect(url)


def _member(project: Project, pk: int) -> Membership:
    try:
        return project.memberships.select_related("user").get(pk=pk)
    except Membership.DoesNotExist:
        raise Http404("No such member.") from None


@require_POST
@signed_in
def change_role(request: StudioRequest, code: UUID, pk: int) -> HttpResponse:
    project = project_for(request, code, may="manage")
    member = _member(project, pk)
    was_owner = member.can_manage
    try:
        people.change_role(member=member, role=request.POST.get("role", ""), by=request.user)
    except StudioError as error:
        return _refused(request, project, error)
    said = f"{member.user.name} is now {people.a_role(member.role)}."
    if was_owner and not member.can_manage:
        said += _left_open(project, member)
    if member.user == request.user and not member.can_manage:
        return _leave_page(request, _settings_url(project), said)
    return _answer(request, project, said)


@require_POST
@signed_in
def remove_member(request: StudioRequest, code: UUID, pk: int) -> HttpResponse:
    project = project_for(request, code, may="manage")
    member = project.memberships.select_related("user").filter(pk=pk).first()
    if member is None:
        # Already gone, by this button pressed twice or by somebody else: what was wanted.
        return _answer(request, project)
    try:
        people.remove_member(member=member, by=request.user)
    except StudioError as error:
        return _refused(request, project, error)
    if member.user == request.user:
        return _leave_page(request, "/", f"You have left {project.name}.")
    said = f"{member.user.name} is no longer a member."
    return _answer(request, project, said + _left_open(project, member))


def _left_open(project: Project, member: Membership) -> str:
    """Say what goes on sending the project's clips and words outside after somebody lost a right.

    It is the project's: a client in the middle of a review must not lose a link.
    """
    said = ""
    if links := count_open(project, maker=member.user):
        them = (
            "link for guests they made stays" if links == 1 else "links for guests they made stay"
        )
        said += f" {links} {them} open; close what they should not hold under Links."
    if hooks := project.webhooks.filter(created_by=member.user, enabled=True).count():
        them = "webhook they made goes" if hooks == 1 else "webhooks they made go"
        said += f" {hooks} {them} on; delete what should not be told any more under Webhooks."
    return said


@require_POST
@signed_in
def leave_project(request: StudioRequest, code: UUID) -> HttpResponse:
    project = project_for(request, code)
    try:
        people.remove_member(member=request.membership, by=request.user)
    except StudioError as error:
        return _refused(request, project, error)
    return _leave_page(request, "/", f"You have left {project.name}.")


@require_POST
@signed_in
def create_invite(request: StudioRequest, code: UUID) -> HttpResponse:
    project = project_for(request, code, may="manage")
    form = InviteForm(request.POST)
    if not form.is_valid():
        if request.htmx:
            return _answer(request, project, status=422, invite_form=form)
        messages.error(request, " ".join(str(text) for text in sum(form.errors.values(), [])))
        return HttpResponseRedirect(_settings_url(project))
    _, token = people.create_invite(project=project, by=request.user, **form.cleaned_data)
    base = settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")
    link = f"{base}/join/{token}/"
    if request.htmx:
        return _answer(request, project, new_link=link)
    request.session[SHOWN_ONCE] = (str(project.code), link)
    return HttpResponseRedirect(_settings_url(project))


@require_POST
@signed_in
def revoke_invite(request: StudioRequest, code: UUID, pk: int) -> HttpResponse:
    project = project_for(request, code, may="manage")
    invite = Invite.objects.filter(project=project, pk=pk).first()
    if invite is None:
        raise Http404("No such invite.")
    people.revoke_invite(invite=invite)
    return _answer(request, project, "Invite withdrawn. Its link is closed.")
