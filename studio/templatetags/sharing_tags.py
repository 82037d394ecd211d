"""Where the team sees what is shared."""

from __future__ import annotations

from typing import Any

from django import template

from studio.models import Generation
from studio.services.sharing.listing import shares_with

register = template.Library()


@register.inclusion_tag("share/_shared_in.html")
def shared_in(generation: Generation, can_create: bool) -> dict[str, Any]:
    """Name the open links this clip is in; one query."""
    return {"shares": shares_with(generation), "can_create": can_create}
