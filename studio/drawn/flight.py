"""The card of a shot in flight."""

from __future__ import annotations

from collections.abc import Mapping
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
    speaks = g.held or bool(g.waiting_text or g.trouble)  # in sentences, with buttons beneath
    queued = '<span class="q">Queued,</span> ' if card.look == "queued" and not speaks else ""
    css = "btn" if speaks else "btn ghost"
    parts = [f'<div class="flight">{lead}<span class="row"><span class="soft">{queued}']
    parts.append(f"{escape(card.note)}</span>")
    if can_create and g.held and card.quote is not None:
        fields = {"held": "0", "quoted": str(card.quote.microusd)}
        words = f"Release for {card.quote.words}"
        parts.append(_button(words, g, "hold", css=css, token=token, stay=stay, fields=fields))
    if can_create and _may_cancel(g):
        parts.append(_button("Cancel", g, "cancel", css=css, token=token, stay=stay))
    parts.append("</span>")
    if not card.elapsed:
        parts.append(
            f'<progress value="{g.progress}" max="100" '
            f'aria-label="{title}: {g.get_state_display()}">{g.progress}%</progress>'
        )
    parts.append("</div>")
    return mark_safe("".join(parts))  # noqa: S308 (everything people typed is escaped)


def _button(
    words: str,
    g: Generation,
    verb: str,
    *,
    css: str,
    token: str,
    stay: bool,
    fields: Mapping[str, str] | None = None,
) -> str:
    """Return a form of one button that does this to the shot."""
    hidden = {"csrfmiddlewaretoken": token} | ({"stay": "1"} if stay else {}) | (dict(fields or {}))
    inputs = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in hidden.items()
    )
    url = f"/clips/{g.code}/{verb}/"
    return (
        f'<form method="post" action="{url}" hx-post="{url}" hx-swap="none" '
        f'hx-disabled-elt="find button">{inputs}'
        f'<button class="{css}" type="submit">{escape(words)}'
        f'<span class="vh"> {escape(g.title)}</span></button></form>'
    )


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
