"""The card of a shot in flight."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from django.utils.safestring import SafeString, mark_safe

from studio.drawn.filling import common, fill
from studio.models.generation import State
from studio.templatetags.studio_tags import icon

if TYPE_CHECKING:
    from studio.models import Generation
    from studio.services.cards import Card


def draw(
    card: Card, *, token: str, can_create: bool, swap: str = "", here_only: bool = False
) -> SafeString:
    """Return one card as HTML. `token` is the forms'; `swap` and `here_only` are as in `common`."""
    g = card.generation
    given = common(card, swap=swap, here_only=here_only) | {
        "look": card.look,
        "still": _still(g),
        "flight": flight(card, token=token, can_create=can_create),
        "status": "status run" if card.look == "run" else "status",
        "said": "Queued" if card.look == "queued" else g.get_state_display(),
    }
    return fill("_clip_flight.html", given)


def flight(card: Card, *, token: str, can_create: bool, stay: bool = False) -> SafeString:
    """Return what a shot in flight says over its picture.

    `stay`: cancelling answers with the shot's own page instead of the gallery.
    """
    g, title = card.generation, escape(card.generation.title)
    if card.look == "run":
        lead = f'<span class="pct">{card.elapsed or f"{g.progress}%"}</span>'
    else:
        lead = f"<span>{icon('clock')}</span>"
    queued = '<span class="q">Queued,</span> ' if card.look == "queued" else ""
    parts = [f'<div class="flight">{lead}<span class="row"><span class="soft">{queued}']
    parts.append(f"{escape(card.note)}</span>")
    if can_create and _may_cancel(g):
        url = f"/clips/{g.code}/cancel/"
        parts.append(
            f'<form method="post" action="{url}" hx-post="{url}" hx-swap="none" '
            'hx-disabled-elt="find button">'
            f'<input type="hidden" name="csrfmiddlewaretoken" value="{escape(token)}">'
        )
        if stay:
            parts.append('<input type="hidden" name="stay" value="1">')
        parts.append(
            '<button class="btn ghost" type="submit">Cancel'
            f'<span class="vh"> {title}</span></button></form>'
        )
    parts.append("</span>")
    if not card.elapsed:
        parts.append(
            f'<progress value="{g.progress}" max="100" '
            f'aria-label="{title}: {g.get_state_display()}">{g.progress}%</progress>'
        )
    parts.append("</div>")
    return mark_safe("".join(parts))  # noqa: S308 (everything people typed is escaped)


def _may_cancel(g: Generation) -> bool:
    return g.state == State.QUEUED or (g.provider == "previs" and g.state == State.RUNNING)


def _still(g: Generation) -> str:
    still = g.start_keyframe or g.end_keyframe
    if still is None:
        return ""
    return (
        f'<img src="{still.thumbnail_url}" alt="" loading="lazy" '
        f'width="{still.width}" height="{still.height}">'
    )
