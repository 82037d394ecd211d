"""The comments of a clip as HTML.

Written out here rather than in a template: a page may hold a hundred comments, is asked for again
whenever anybody speaks, and a template would take four times as long over them.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from django import template
from django.template.context import Context
from django.utils.safestring import SafeString, mark_safe

from studio.models import Generation
from studio.services.review.reading import Said
from studio.templatetags.studio_tags import ago, icon, percent_of, timecode

register = template.Library()


@register.simple_tag(takes_context=True)
def threads(context: Context, said: Iterable[Said]) -> SafeString:
    """Draw the comments and their replies. Uses g, project, page and can_create of the context."""
    desk = _Desk(context["g"], context.get("page") or "", bool(context.get("can_create")))
    # Every outside text in it went through `escape`, or is `Said.html`.
    return mark_safe("".join(desk.thread(one) for one in said))  # noqa: S308


@register.simple_tag
def pins(said: Iterable[Said], whole_ms: int | None) -> SafeString:
    """Draw a mark on the track for each comment that has a moment."""
    marks = (
        f'<circle cx="{percent_of(one.at_ms, whole_ms)}" cy="6" r="4" '
        f'class="{"pin-done" if one.resolved else "pin"}"/>'
        for one in said
        if one.at_ms is not None
    )
    return mark_safe("".join(marks))  # noqa: S308 (numbers only)


class _Desk:
    """What all comments of one page share."""

    def __init__(self, g: Generation, page: str, can_create: bool) -> None:
        self.can_create = can_create
        self.clip = f"/clips/{g.code}/"
        self.here = (
            f"/p/{g.project.code}/review/?clip={g.code}&amp;"
            if page == "review"
            else f"{self.clip}?"
        )
        self.pencil = str(icon("pencil"))
        self.check = str(icon("check"))

    def thread(self, said: Said) -> str:
        css = "comment done" if said.resolved else "comment"
        at = "" if said.at_ms is None else f' data-at="{said.at_ms}"'
        drawing = f' data-drawing="{escape(said.shapes)}"' if said.drawn else ""
        return (
            f'<article class="{css}" id="comment-{said.code}"{at}{drawing}>'
            f'<span class="avatar" data-u="{said.voice.hue}" aria-hidden="true">'
            f"{escape(said.voice.initials)}</span>"
            f"{self._head(said)}<p>{said.html}</p>{self._answers(said)}"
            f"{''.join(self._reply(reply) for reply in said.replies)}{self._acts(said)}</article>"
        )

    def _head(self, said: Said) -> str:
        moment = ""
        if said.at_ms is not None:
            code = timecode(said.at_ms)
            drawn = f", with {said.drawn} drawn on the frame" if said.drawn else ""
            moment = (
                f'<button class="tcbtn" type="button" id="at-{said.code}" data-seek="{said.at_ms}" '
                f'aria-label="Go to {code}{drawn}">{code}{self.pencil if drawn else ""}</button>'
            )
        return (
            f"<header><strong>{escape(said.voice.name)}</strong>"
            f"{'<span class=dim>guest</span>' if said.voice.guest else ''}{moment}"
            f"{'<span class=unread>New</span>' if said.fresh else ''}"
            f'<time datetime="{said.at.isoformat()}">'
            f"{'Resolved' if said.resolved else ago(said.at)}</time></header>"
        )

    def _reply(self, said: Said) -> str:
        own = self._own_acts(said)
        acts = f'<div class="acts">{own}</div>' if own else ""
        return f'<div class="reply" id="comment-{said.code}">{self._head(said)}<p>{said.html}</p>{acts}</div>'

    def _answers(self, said: Said) -> str:
        if not said.answers:
            return ""
        links = ", ".join(_answer(take) for take in said.answers)
        settle = ""
        if said.answered:
            settle = self._button(
                said, "resolve", f"{self.check} Resolve", name="settle", css="btn settle",
                value="1",
            )  # fmt: skip
        return f'<p class="answers">{links}{settle}</p>'

    def _acts(self, said: Said) -> str:
        of = f'<span class="vh"> comment by {escape(said.voice.name)}</span>'
        redo = ""
        if self.can_create and not said.resolved:
            what = "with this note" if said.at_ms is None else "from this frame"
            redo = self._button(said, "redo", f'Redo<span class="long"> {what}</span>', swap="none")
        return (
            f'<div class="acts"><a class="link" id="reply-{said.code}" '
            f'href="{self.here}reply={said.code}#say" data-reply="{said.code}" '
            f'data-whom="{escape(said.voice.name)}">Reply</a>'
            + self._button(
                said,
                "resolve",
                ("Open again" if said.resolved else "Resolve") + of,
                value="0" if said.resolved else "1",
            )
            + f"{redo}{self._own_acts(said)}</div>"
        )

    def _own_acts(self, said: Said) -> str:
        of = '<span class="vh"> comment</span>'
        edit = ""
        if said.editable:
            edit = (
                f'<a class="link" id="edit-{said.code}" href="{self.here}edit={said.code}#say" '
                f'hx-get="{self.clip}say/?edit={said.code}" hx-target="#say-form" '
                f'hx-swap="outerHTML">Edit{of}</a>'
            )
        return edit + (self._button(said, "delete", f"Delete{of}") if said.deletable else "")

    def _button(
        self, said: Said, act: str, text: str, *, name: str = "", css: str = "link",
        value: str = "", swap: str = "",
    ) -> str:  # fmt: skip
        """Draw a button of the page's one hidden form: so no comment needs a form of its own."""
        to = f"/comments/{said.code}/{act}/"
        sent = f' name="resolved" value="{value}"' if value else ""
        swaps = f' hx-swap="{swap}"' if swap else ""
        return (
            f'<button class="{css}" id="{name or act}-{said.code}" form="act" '
            f'formaction="{to}" hx-post="{to}"{sent}{swaps}>{text}</button>'
        )


def _answer(take: Generation) -> str:
    state = ""
    if not take.is_clip:
        css = "run" if take.is_moving else "bad" if take.state == "failed" else ""
        state = f' <span class="status {css}">{take.get_state_display()}</span>'
    return f'<a class="link" href="/clips/{take.code}/">Take {take.take} answers this</a>{state}'
