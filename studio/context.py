"""What every page's shell shows beside its content."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from studio.models import Membership, User
from studio.services.gallery.counts import for_shell
from studio.services.money.budgets import Budget
from studio.services.news.notifications import Bell

# What studio.css imports, preloaded so that the imports do not wait for one another.
STYLESHEETS = tuple(
    f"studio/css/{name}.css"
    for name in (
        "tokens",
        "base",
        "components",
        "glyphs",
        "screens",
        "additions",
        "clips",
        "compose",
        "looking",
        "news",
        "organise",
        "finding",
    )
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """The project, the person's membership, their news, and counts for the top bar.

    One query in a project; elsewhere one where a page shows the bell.
    """
    ctx: dict[str, Any] = {"stylesheets": STYLESHEETS}
    membership: Membership | None = getattr(request, "membership", None)
    if membership is not None:
        counted = for_shell(membership.project_id, membership.user_id)
        bell_of(request, (counted["unread"], counted["newest_unread"]))
        ctx |= {
            "project": membership.project,
            "membership": membership,
            "shell": counted,
            "purse": Budget(
                counted["spent"], membership.project.budget_microusd, f"{timezone.now():%B}"
            ),
        }
    # Looked at by templates behind sign-in alone: a guest's page asks for no session.
    ctx["bell"] = SimpleLazyObject(lambda: bell_of(request))
    return ctx


def bell_of(request: HttpRequest, known: tuple[int, int] | None = None) -> Bell:
    """Return the bell of who is signed in; the same one, asked once, for the whole request."""
    bell: Bell | None = getattr(request, "_bell", None)
    if bell is None:
        bell = Bell(cast(User, request.user), known)
        request._bell = bell  # type: ignore[attr-defined]  # its own cache
    return bell
