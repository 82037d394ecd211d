"""Draws gallery cards and menus in Python, or once, where the template engine would be slow."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django import template
from django.conf import settings
from django.template.context import Context
from django.template.loader import get_template
from django.utils.safestring import SafeString, mark_safe

from studio import flight_card, ready_card
from studio.forms.gallery import Menu
from studio.services.cards import Card

register = template.Library()


@register.simple_tag(takes_context=True)
def drawn_card(
    context: Context, card: Card, project_code: object, oob: str = "", here_only: bool = False
) -> SafeString:
    """Draw the card of a clip that plays, or of a shot in flight."""
    if card.generation.is_clip:
        return ready_card.draw(card, project_code, swap=oob, here_only=bool(here_only))
    return flight_card.draw(
        card,
        token=str(context.get("csrf_token", "")),
        can_create=bool(context.get("can_create")),
        swap=oob,
        here_only=bool(here_only),
    )


@register.simple_tag(takes_context=True)
def flight(context: Context, card: Card, *, stay: bool = False) -> SafeString:
    """Draw what a shot in flight says over its picture."""
    return flight_card.flight(
        card,
        token=str(context.get("csrf_token", "")),
        can_create=bool(context.get("can_create")),
        stay=stay,
    )


@register.simple_tag(takes_context=True)
def drawn_menu(context: Context, menu: Menu) -> SafeString:
    """Draw one filter's menu as _filter_menu.html does, but the same one only once.

    A menu that lists every choice is alike in every project and for everybody.
    """
    project, wanted = context["project"], context["filter"]
    own = () if menu.whole else (str(project.code), wanted.query())
    return (_draw_menu if settings.DEBUG else _draw_menu_once)(menu, *own)


def _draw_menu(menu: Menu, code: str = "", query: str = "") -> SafeString:
    ctx: dict[str, Any] = {"menu": menu, "project": {"code": code}, "filter": {"query": query}}
    drawn: str = get_template("_filter_menu.html").render(ctx)
    return mark_safe(drawn)  # noqa: S308 (drawn by the engine, which escapes)


_draw_menu_once = lru_cache(512)(_draw_menu)
