"""The card of a clip that plays, drawn without the template engine.

A gallery page has sixty of them, and their template took most of its time. The markup is
templates/_clip_ready.html, which holds nothing but {{ names }}; what goes in is made here. Cards in
every other state are drawn by templates/_clip.html.
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


def _read() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the template's texts, and the names between them."""
    source: str = get_template("_clip_ready.html").template.source  # type: ignore[attr-defined]  # Django's own
    parts = _NAME.split(_COMMENT.sub("", source).strip())
    return tuple(parts[::2]), tuple(parts[1::2])


_read_once = lru_cache(1)(_read)


def draw(
    card: Card, project_code: object, *, swap: str = "", here_only: bool = False
) -> SafeString:
    """Return one card as HTML. `swap` and `here_only` are as in _clip.html."""
    texts, names = _read() if settings.DEBUG else _read_once()
    given = values(card, project_code, swap=swap, here_only=here_only)
    drawn = [texts[0]]
    for name, text in zip(names, texts[1:], strict=True):
        drawn += (given[name], text)
    return mark_safe("".join(drawn))  # noqa: S308 (every value is HTML already)


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
        "swap": (f' hx-swap-oob="{swap}"' if swap else "")
        + (" data-here-only" if here_only else ""),
        "project": str(project_code),
        "title": title,
        "heading": card.shown.title if card.shown and card.shown.title else title,
        "full": icon("full"),
        "loop": icon("loop") if g.loop else "",
        "length": clock(g.duration_s),
        "part": _part(card),
        "found": _found(card),
        "said": _said(card),
        "stars": _stars(g.rating),
        "unread": _unread(card.unread),
        "tags": _tags(card.tags),
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


def _found(card: Card) -> str:
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
