"""Filling a template of nothing but {{ names }}, and the parts that all cards have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from django.conf import settings
from django.template.loader import get_template
from django.utils.safestring import SafeString, mark_safe

from studio.templatetags.studio_tags import icon

if TYPE_CHECKING:
    from studio.services.cards import Card

_NAME = re.compile(r"{{ (\w+) }}")
_COMMENT = re.compile(r"{#.*?#}\n?", re.S)


def _read(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a template's texts, and the names between them."""
    source: str = get_template(name).template.source  # type: ignore[attr-defined]  # Django's own
    parts = _NAME.split(_COMMENT.sub("", source).strip())
    return tuple(parts[::2]), tuple(parts[1::2])


_read_once = lru_cache(16)(_read)


def fill(name: str, given: Mapping[str, str]) -> SafeString:
    """Return a template of nothing but {{ names }} with HTML in the names' places."""
    texts, names = _read(name) if settings.DEBUG else _read_once(name)
    drawn = [texts[0]]
    for place, text in zip(names, texts[1:], strict=True):
        drawn += (given[place], text)
    return mark_safe("".join(drawn))  # noqa: S308 (every value is HTML already)


def common(card: Card, *, swap: str, here_only: bool) -> dict[str, str]:
    """Return what every card's template names. Everything people typed is escaped.

    `swap` is how a card that is sent out of band swaps, or empty; `here_only`: where it is, and it
    is added nowhere.
    """
    g = card.generation
    title, by = escape(g.title), g.by
    return {
        "shape": g.aspect_ratio,
        "code": str(g.code),
        "number": str(g.number),
        "place": card.place,
        "swap": (f' hx-swap-oob="{swap}"' if swap else "")
        + (" data-here-only" if here_only else ""),
        "title": title,
        "heading": card.shown.title if card.shown and card.shown.title else title,
        "found": _found(card),
        "unread": _unread(card.unread),
        "tags": _tags(card.tags),
        "by": escape(by.name),
        "initials": escape(by.initials),
    }


def _found(card: Card) -> str:
    shown = card.shown
    if shown is None or not shown.line:
        return ""
    where = f'{icon("chat")}<span class="vh">In a comment:</span> ' if shown.in_comment else ""
    return f'<p class="found">{where}{shown.line}</p>'


def _unread(count: int) -> str:
    if not count:
        return ""
    comments = "comment" if count == 1 else "comments"
    return (
        f'<span class="said-new" role="img" aria-label="{count} unread {comments}" '
        f'title="{count} unread">{icon("chat")}{count}</span>'
    )


def _tags(tags: str) -> str:
    tags = escape(tags)
    return f'<span class="tagged opt" title="{tags}">{tags}</span>' if tags else ""
