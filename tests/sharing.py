"""A project with something to share, and a guest's browser."""

from __future__ import annotations

from typing import Any

from django.test import Client

from studio.models import Generation, Project, Share, User
from studio.services.sharing import guests, making
from studio.services.sharing.making import Options, Source
from studio.views.sharing.guest_access import cookie_name

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"


def share_clips(
    project: Project, by: User, *clips: Generation, **options: Any
) -> tuple[Share, str]:
    """Make a link to these clips and return it with its token."""
    return making.create_share(
        project=project, by=by, source=Source(clips=clips), options=Options(**options)
    )


def browser() -> Client:
    """Return a browser of somebody without an account."""
    return Client(headers={"user-agent": BROWSER})


def browser_of(share: Share, name: str) -> Client:
    """Return the browser of a guest who said this name."""
    _, token = guests.introduce(share=share, name=name)
    client = browser()
    client.cookies[cookie_name(share, "guest")] = token
    return client
