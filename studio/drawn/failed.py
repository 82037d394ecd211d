"""The card of a shot without a clip: failed, waiting for a person, cancelled or given up."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from django.utils.safestring import SafeString

from studio.drawn.filling import common, fill
from studio.models.generation import State
from studio.services.work.outcomes import offers_download
from studio.templatetags.studio_tags import ago, icon

if TYPE_CHECKING:
    from studio.models import Generation
    from studio.services.cards import Card
    from studio.services.money.quotes import Quote

SHORT = 130  # characters of reason and charge that leave room for the prompt, in three lines


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
        "why": _why(card, tells_charge=can_create),
        "ways": _ways(card, project_code, token) if can_create else "",
        "status": _status(g),
        "said": g.get_state_display(),
        "ended": _ended(g),
    }
    return fill("_clip_failed.html", given)


def again_form(card: Card, *, token: str, stay: bool = False) -> SafeString:
    """Return the form of the first thing to do about a shot that ended without a clip.

    Where one was bought and may still be had, that is its download and not another purchase.
    """
    g = card.generation
    if not offers_download(g):
        return retry_form(g, token=token, stay=stay, quote=card.quote)
    url = f"/clips/{g.code}/fetch/"
    given = {
        "url": url,
        "swap": "" if stay else f' hx-post="{url}" hx-target="#dialog-slot"',
        "token": escape(token),
        "stay": '<input type="hidden" name="stay" value="1">' if stay else "",
        "down": icon("down"),
        "title": escape(g.title),
    }
    return fill("_download_again.html", given)


def retry_form(
    g: Generation, *, token: str, stay: bool = False, quote: Quote | None = None
) -> SafeString:
    """Return the form that tries again. `stay`: answered with the new shot's own page.

    `quote` is the price now. It is shown and goes with the press, so that no dearer one is paid.
    """
    url = f"/clips/{g.code}/retry/"
    microusd = quote.microusd if quote else g.estimated_microusd
    price = quote.words if quote else g.estimate_text
    given = {
        "url": url,
        "swap": "" if stay else f' hx-post="{url}" hx-swap="none" hx-disabled-elt="find button"',
        "token": escape(token),
        "stay": '<input type="hidden" name="stay" value="1">' if stay else "",
        "request": str(g.idempotency_key),
        "quoted": ""
        if microusd is None
        else f'<input type="hidden" name="quoted" value="{microusd}">',
        "retry": icon("retry"),
        "price": f", {escape(price)}" if microusd else "",
        "title": escape(g.title),
    }
    return fill("_retry.html", given)


def ways_link(g: Generation, css: str) -> SafeString:
    """Return the link to everything that can be done about a shot."""
    given = {"url": f"/clips/{g.code}/ways/", "css": css, "title": escape(g.title)}
    return fill("_what_can_be_done.html", given)


def _why(card: Card, *, tells_charge: bool) -> str:
    reason, charge = escape(card.reason), escape(card.charge if tells_charge else "")
    if len(reason) + len(charge) < SHORT:
        prompt = escape(card.generation.prompt)
        return f'<p class="why">{reason} {charge}</p><p class="dim quote">“{prompt}”</p>'
    charged = f"<p>{charge}</p>" if charge else ""
    return f'<p class="why" title="{reason}">{reason}</p>{charged}'


def _ways(card: Card, project_code: object, token: str) -> str:
    g = card.generation
    edit = (
        f'<a class="btn{"" if g.is_terminal and not card.offers_download else " ghost"}" '
        f'href="/p/{project_code}/new/?from={g.code}">Edit prompt'
        f'<span class="vh"> of {escape(g.title)}</span></a>'
    )
    if not g.is_terminal:
        return f'<div class="row">{ways_link(g, "btn")}{edit}</div>'
    more = ways_link(g, "btn ghost") if card.has_ways else ""
    first = again_form(card, token=token)
    parts = f"{first}{edit}" if card.offers_download else f"{edit}{first}"
    return f'<div class="row">{parts}{more}</div>'


def _status(g: Generation) -> str:
    if g.state == State.FAILED:
        return "status bad"
    return "status" if g.is_terminal else "status wait"


def _ended(g: Generation) -> str:
    if not g.finished_at:
        return ""
    when = ago(g.finished_at)
    return f'<span class="opt">{when}{"" if when == "now" else " ago"}</span>'
