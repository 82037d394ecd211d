"""The card of a clip that plays."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from django.utils.safestring import SafeString

from studio import concepts
from studio.drawn.filling import common, fill
from studio.models.generation import Verdict
from studio.services.delivery import delivery_note
from studio.templatetags.studio_tags import clock, icon

if TYPE_CHECKING:
    from studio.models import Generation
    from studio.services.cards import Card

SAID = {
    Verdict.APPROVED: '<span class="status ok">Approved</span>',
    Verdict.NEEDS_CHANGES: '<span class="status bad">Needs changes</span>',
}


def draw(
    card: Card, project_code: object, *, swap: str = "", here_only: bool = False
) -> SafeString:
    """Return one card as HTML. `swap` and `here_only` are as in `common`."""
    g = card.generation
    media, version = f"/media/clips/{g.code}", f"?v={g.sha256[:8]}"
    given = common(card, swap=swap, here_only=here_only) | {
        "preview": f"{media}-preview.mp4{version}" if g.preview else "",
        "poster": f"{media}-poster.webp{version}" if g.poster else "",
        "strip": f"{media}-strip.webp{version}" if g.strip else "",
        "width": str(g.width),
        "height": str(g.height),
        "project": str(project_code),
        "full": icon("full"),
        "loop": icon("loop") if g.loop else "",
        "length": clock(g.duration_s),
        "part": _part(card),
        "said": _said(card),
        "stars": _stars(g.rating),
        "delivery": _delivery(g),
    }
    return fill("_clip_ready.html", given)


def _part(card: Card) -> str:
    part = card.part
    if part is None:
        return ""
    of = f"{part.number} of {part.of}"
    return (
        f'<span class="on-pic tr"><a class="plate" href="{part.url}" '
        f'aria-label="{of} in the chain {escape(part.title)}">{icon("chain")}{of}</a></span>'
    )


def _said(card: Card) -> str:
    g = card.generation
    if g.verdict in SAID:
        return SAID[Verdict(g.verdict)]
    if g.concepts:
        words = " + ".join(concepts.label(slug) for slug in g.concepts)
        return f'<span class="words">{escape(words)}</span>'
    return f"<span>Take {g.take}</span>"


def _delivery(g: Generation) -> str:
    note = escape(delivery_note(g))
    if not note:
        return ""
    return f'<span class="dim" role="img" aria-label="{note}" title="{note}">{icon("alert")}</span>'


@lru_cache(6)
def _stars(rating: int) -> str:
    if not rating:
        return ""
    stars = icon("star", "fill") * rating
    return f'<span class="stars opt" role="img" aria-label="{rating} of 5">{stars}</span>'
