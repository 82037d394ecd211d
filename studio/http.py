"""What views share about requests: who asks, for which project, and in which shape."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_http_methods  # noqa: TID251
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from studio.models import Generation, Membership, Project, User
from studio.services import two_factor

P = ParamSpec("P")
MAX_PK = 2**63 - 1  # what a database keeps as a key


class StudioRequest(HttpRequest):
    """A request behind sign-in. `membership` is set by the access helpers below, `held_place` by the
    middleware that holds requests to the rule of their address."""

    user: User
    htmx: HtmxDetails
    membership: Membership
    held_place: str


View = Callable[Concatenate[StudioRequest, P], HttpResponseBase]


SAFE_METHODS = ("GET", "HEAD")
# Every view that answers GET answers HEAD too, as Django's require_safe has it; ruff refuses
# require_GET and require_http_methods elsewhere (pyproject.toml).
require_safe_or_post = require_http_methods([*SAFE_METHODS, "POST"])


def is_safe(request: HttpRequest) -> bool:
    """Whether the request only asks for a page: GET, or HEAD for its headers alone."""
    return request.method in SAFE_METHODS


def is_shown(request: HttpRequest) -> bool:
    """Whether somebody sees the answer. HEAD shows nothing, so it marks nothing read and counts no visit."""
    return request.method != "HEAD"


def wants_partial(request: StudioRequest) -> bool:
    """Whether to answer with a fragment: an htmx request, not boosted, not a history restore."""
    return (
        bool(request.htmx) and not request.htmx.boosted and not request.htmx.history_restore_request
    )


def signed_in(view: View[P]) -> Callable[..., HttpResponseBase]:
    """Let only signed-in people in. A fragment's caller is sent to the sign-in page as a whole."""

    @wraps(view)
    def inner(request: StudioRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        # Typed as signed in already, for every view behind this door.
        if bool(request.user.is_authenticated):
            return view(request, *args, **kwargs)
        return ask_to_sign_in(request)

    return inner


def ask_to_sign_in(request: StudioRequest) -> HttpResponseBase:
    """Send a stranger to the sign-in page, and from there back to the page they asked for."""
    if request.htmx:
        back = _page_of(request.htmx)
        return HttpResponseClientRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': back})}")
    back = request.get_full_path() if is_safe(request) else "/"
    return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': back})}")


def ask_for_two_factor(request: HttpRequest) -> HttpResponseBase:
    """Answer somebody of whom codes are required, and who was let in without one.

    To the page that turns them on; where they are on, to signing in again, with a code.
    """
    if two_factor.is_on(request.user):
        logout(request)
        messages.info(request, "Codes are required now. Sign in once more, with one.")
        where = settings.LOGIN_URL
    else:
        where = "/account/two-factor/"
    if request.headers.get("HX-Request"):
        return HttpResponseClientRedirect(where)
    return HttpResponseRedirect(where)


def _page_of(htmx: HtmxDetails) -> str:
    """Return the path and query of the page a fragment was asked from; "/" where that is unreadable."""
    try:
        page = urlsplit(htmx.current_url or "/")
    except ValueError:
        return "/"
    return page.path + (f"?{page.query}" if page.query else "")


def project_for(request: StudioRequest, code: UUID, *, may: str = "see") -> Project:
    """Return the project this person is a member of; one query.

    `may` is "see", "create" or "manage". Raises Http404 for outsiders (they learn nothing) and
    PermissionDenied for members whose role does not reach.
    """
    try:
        membership = Membership.objects.select_related("project").get(
            user=request.user, project__code=code
        )
    except Membership.DoesNotExist:
        raise Http404("No such project.") from None
    return _enter(request, membership, may)


def generation_for(
    request: StudioRequest, code: UUID, *, may: str = "see", rows: Any = None
) -> Generation:
    """Return the generation, checked as `project_for` does; two queries."""
    rows = Generation.objects.all() if rows is None else rows
    try:
        generation: Generation = rows.select_related("project", "by").get(code=code)
        membership = Membership.objects.get(user=request.user, project_id=generation.project_id)
    except (Generation.DoesNotExist, Membership.DoesNotExist):
        raise Http404("No such clip.") from None
    membership.project = generation.project
    _enter(request, membership, may)
    return generation


def _enter(request: StudioRequest, membership: Membership, may: str) -> Project:
    allowed = {"see": True, "create": membership.can_create, "manage": membership.can_manage}
    if not allowed[may]:
        raise PermissionDenied(
            "Only an owner of this project can do that."
            if may == "manage"
            else "Reviewers can watch, comment and judge; creating takes an editor."
        )
    request.membership = membership
    return membership.project
