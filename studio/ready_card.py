"""The card of a clip that plays, drawn without the template engine.

A gallery page has sixty of them, and their template took most of its time. The markup is
templates/_clip_ready.html, which holds nothing but {{ names }}; what goes in is made here. So it is
with shots in flight, by studio.flight_card. Cards in every other state are drawn by _clip.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from django.conf import settings
from django.template.loader import get_template
from django.utils.safestring import SafeString, mark_safe

from studio import concepts
from studio.models.generation import Verdict
from studio.templatetags.studio_tags import clock, icon

if TYPE_CHECKING:
    from studio.services.cards import Card

_NAME = re.compile(r"{{ (\w+) }}")
_COMMENT = re.compile(r"{#.*?#}\n?", re.S)
SAID = {
    Verdict.APPROVED: '<span class="status ok">Approved</span>',
    Verdict.NEEDS_CHANGES: '<span class="status bad">Needs changes</span>',
}


def _read(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a template's texts, and the names between them."""
    source: str = get_template(name).template.source  # type: ignore[attr-defined]  # Django's own
    parts = _NAME.split(_COMMENT.sub("", source).strip())
    return tuple(parts[::2]), tuple(parts[1::2])


_read_once = lru_cache(8)(_read)


def fill(name: str, given: Mapping[str, str]) -> SafeString:
    """Return a template of nothing but {{ names }} with HTML in the names' places."""
    texts, names = _read(name) if settings.DEBUG else _read_once(name)
    drawn = [texts[0]]
    for place, text in zip(names, texts[1:], strict=True):
        drawn += (given[place], text)
    return mark_safe("".join(drawn))  # noqa: S308 (every value is HTML already)


def draw(
    card: Card, project_code: object, *, swap: str = "", here_only: bool = False
) -> SafeString:
    """Return one card as HTML. `swap` and `here_only` are as in _clip.html."""
    given = values(card, project_code, swap=swap, here_only=here_only)
    return fill("_clip_ready.html", given)


def swapped(swap: str, here_only: bool) -> str:
    """Return the attributes of a card that is sent out of band."""
    return (f' hx-swap-oob="{swap}"' if swap else "") + (" data-here-only" if here_only else "")


def values(
    card: Card, project_code: object, *, swap: str = "", here_only: bool = False
) -> Mapping[str, str]:
    """Return what the template's names stand for. Everything people typed is escaped."""
    g = card.generation
    code, title = str(g.code), escape(g.title)
    media, version = f"/media/clips/{code}", f"?v={g.sha256[:8]}"
    by = g.by
    return {
        "shape": g.aspect_ratio,
        "code": code,
        "number": str(g.number),
        "place": card.place,
        "preview": f"{media}-preview.mp4{version}" if g.preview else "",
        "poster": f"{media}-poster.webp{version}" if g.poster else "",
        "strip": f"{media}-strip.webp{version}" if g.strip else "",
        "width": str(g.width),
        "height": str(g.height),
        "swap": swapped(swap, here_only),
        "project": str(project_code),
        "title": title,
        "heading": card.shown.title if card.shown and card.shown.title else title,
        "full": icon("full"),
        "loop": icon("loop") if g.loop else "",
        "length": clock(g.duration_s),
        "part": _part(card),
        "found": found_of(card),
        "said": _said(card),
        "stars": _stars(g.rating),
        "unread": unread_of(card.unread),
        "tags": tags_of(card.tags),
        "by": escape(by.name),
        "initials": escape(by.initials),
    }


def _part(card: Card) -> str:
    part = card.part
    if part is None:
        return ""
    of = f"{part.number} of {part.of}"
    return (
        f'<span class="on-pic tr"><a class="plate" href="{part.url}" '
        f'aria-label="{of} in the chain {escape(part.title)}">{icon("chain")}{of}</a></span>'
    )


def found_of(card: Card) -> str:
    shown = card.shown
    if shown is None or not shown.line:
        return ""
    where = f'{icon("chat")}<span class="vh">In a comment:</span> ' if shown.in_comment else ""
    return f'<p class="found">{where}{shown.line}</p>'


def _said(card: Card) -> str:
    g = card.generation
    if g.verdict in SAID:
        return SAID[Verdict(g.verdict)]
    if g.concepts:
        words = " + ".join(concepts.label(slug) for slug in g.concepts)
        return f'<span class="words">{escape(words)}</span>'
    return f"<span>Take {g.take}</span>"


@lru_cache(6)
def _stars(rating: int) -> str:
    if not rating:
        return ""
    stars = icon("star", "fill") * rating
    return f'<span class="stars opt" role="img" aria-label="{rating} of 5">{stars}</span>'


def unread_of(count: int) -> str:
    if not count:
        return ""
    comments = "comment" if count == 1 else "comments"
    return (
        f'<span class="said-new" role="img" aria-label="{count} unread {comments}" '
        f'title="{count} unread">{icon("chat")}{count}</span>'
    )


def tags_of(tags: str) -> str:
    tags = escape(tags)
    return f'<span class="tagged opt" title="{tags}">{tags}</span>' if tags else ""
