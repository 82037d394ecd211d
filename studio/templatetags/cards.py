"""Draws gallery cards in Python where the template engine would be slow."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from studio import ready_card as ready
from studio.services.cards import Card

register = template.Library()


@register.simple_tag
def ready_card(
    card: Card, project_code: object, oob: str = "", here_only: bool = False
) -> SafeString:
    """Draw the card of a clip that plays."""
    return ready.draw(card, project_code, swap=oob, here_only=bool(here_only))
