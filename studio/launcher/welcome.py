"""What a start says to the person who has no account yet."""

from __future__ import annotations

from django.conf import settings

from studio.services.people import welcome_link


def invitation(base_url: str) -> str:
    """Return how to make the first account, in two lines; empty once anybody has one."""
    link = welcome_link(base_url)
    if link is None:
        return ""
    hours = settings.WELCOME_LINK_HOURS
    return f"Make the first account here (works once, within {hours} hours):\n  {link}"
