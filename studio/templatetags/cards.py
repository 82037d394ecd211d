"""Draws gallery cards and menus in Python, or once, where the template engine would be slow."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django import template
from django.conf import settings
from django.template.context import Context
from django.template.loader import get_template
from django.utils.safestring import SafeString, mark_safe

from studio.drawn import failed, flight, ready
from studio.forms.gallery import Menu
from studio.models import Generation
from studio.services import cards, delivery
from studio.services.cards import Card

register = template.Library()


@register.simple_tag(takes_context=True)
def drawn_card(context: Context, card: Card, swap: str = "", here_only: bool = False) -> SafeString:
    """Draw a gallery card. `swap` and `here_only` are as in studio.drawn.filling.common."""
    code = context["project"].code
    if card.generation.is_clip:
        return ready.draw(card, code, swap=swap, here_only=here_only)
    token, can_create = _forms(context)
    if card.heading:
        return failed.draw(
            card, code, token=token, can_create=can_create, swap=swap, here_only=here_only
        )
    return flight.draw(card, token=token, can_create=can_create, swap=swap, here_only=here_only)


@register.simple_tag(takes_context=True)
def in_flight(context: Context, card: Card, *, stay: bool = False) -> SafeString:
    """Draw what a shot in flight says over its picture."""
    token, can_create = _forms(context)
    return flight.flight(card, token=token, can_create=can_create, stay=stay)


@register.simple_tag(takes_context=True)
def again_form(context: Context, card: Card, *, stay: bool = False) -> SafeString:
    """Draw the first thing to do about a shot without a clip. `stay`: answered with its own page."""
    return failed.again_form(card, token=_forms(context)[0], stay=stay)


@register.simple_tag(takes_context=True)
def retry_form(context: Context, card: Card, *, stay: bool = False) -> SafeString:
    """Draw the form that buys a shot again. `stay`: answered with the new shot's own page."""
    return failed.retry_form(card.generation, token=_forms(context)[0], stay=stay, quote=card.quote)


@register.simple_tag
def ways_link(generation: Generation, css: str) -> SafeString:
    """Draw the link to everything that can be done about a shot."""
    return failed.ways_link(generation, css)


register.filter("cost_text", cards.cost_text)
register.filter("delivery_note", delivery.delivery_note)


def _forms(context: Context) -> tuple[str, bool]:
    """Return the token of a page's forms, and whether its reader may create."""
    return str(context.get("csrf_token", "")), bool(context.get("can_create"))


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
