"""The card of a shot without a clip: failed, waiting for a person, cancelled or given up."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from django.utils.safestring import SafeString

from studio.drawn.filling import common, fill
from studio.models.generation import State
from studio.templatetags.studio_tags import ago, icon, money

if TYPE_CHECKING:
    from studio.models import Generation
    from studio.services.cards import Card

SHORT = 110  # characters of a reason that leave room for the prompt


def draw(
    card: Card,
    project_code: object,
    *,
    token: str,
    can_create: bool,
    swap: str = "",
    here_only: bool = False,
) -> SafeString:
    """Return one card as HTML. `token` is the forms'; `swap` and `here_only` are as in `common`."""
    g = card.generation
    given = common(card, swap=swap, here_only=here_only) | {
        "look": card.look,
        "state": card.heading,
        "alert": icon("alert"),
        "why": _why(card),
        "ways": _ways(card, project_code, token) if can_create else "",
        "status": _status(g),
        "said": g.get_state_display(),
        "ended": _ended(g),
    }
    return fill("_clip_failed.html", given)


def retry_form(g: Generation, *, token: str, stay: bool = False) -> SafeString:
    """Return the form that tries again. `stay`: answered with the new shot's own page."""
    url = f"/clips/{g.code}/retry/"
    price = money(g.estimated_microusd) if g.estimated_microusd else ""
    given = {
        "url": url,
        "swap": "" if stay else f' hx-post="{url}" hx-swap="none" hx-disabled-elt="find button"',
        "token": escape(token),
        "stay": '<input type="hidden" name="stay" value="1">' if stay else "",
        "request": str(g.idempotency_key),
        "retry": icon("retry"),
        "price": f", {escape(price)}" if price else "",
        "title": escape(g.title),
    }
    return fill("_retry.html", given)


def ways_link(g: Generation, css: str) -> SafeString:
    """Return the link to everything that can be done about a shot."""
    given = {"url": f"/clips/{g.code}/ways/", "css": css, "title": escape(g.title)}
    return fill("_what_can_be_done.html", given)


def _why(card: Card) -> str:
    reason, charge = escape(card.reason), escape(card.charge)
    if len(card.reason) < SHORT:
        prompt = escape(card.generation.prompt)
        return f'<p class="why">{reason} {charge}</p><p class="dim quote">“{prompt}”</p>'
    said = f"<p>{charge}</p>" if charge else ""
    return f'<p class="why" title="{reason}">{reason}</p>{said}'


def _ways(card: Card, project_code: object, token: str) -> str:
    g = card.generation
    edit = (
        f'<a class="btn{"" if g.is_terminal else " ghost"}" '
        f'href="/p/{project_code}/new/?from={g.code}">Edit prompt'
        f'<span class="vh"> of {escape(g.title)}</span></a>'
    )
    if not g.is_terminal:
        return f'<div class="row">{ways_link(g, "btn")}{edit}</div>'
    more = ways_link(g, "btn ghost") if card.has_ways else ""
    return f'<div class="row">{edit}{retry_form(g, token=token)}{more}</div>'


def _status(g: Generation) -> str:
    if g.state == State.FAILED:
        return "status bad"
    return "status" if g.is_terminal else "status wait"


def _ended(g: Generation) -> str:
    if not g.finished_at:
        return ""
    when = ago(g.finished_at)
    return f'<span class="opt">{when}{"" if when == "now" else " ago"}</span>'
