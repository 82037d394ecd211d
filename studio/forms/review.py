"""What the comment form carries: words, and what they are: a comment, a reply, a change, a reason."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import QueryDict

from studio.forms.gallery import whole_number

MAX_AT_MS = 2**31 - 1  # the column's own limit


@dataclass(frozen=True, slots=True)
class SayForm:
    """The comment form. At most one of `reply_to`, `edits` and `asks` is set."""

    text: str = ""
    at_ms: int | None = None
    drawing: str = ""
    reply_to: UUID | None = None
    edits: UUID | None = None
    asks: bool = False  # the words are the reason for asking for changes
    whom: str = ""  # the name of whoever is replied to

    @property
    def mode(self) -> str:
        if self.reply_to:
            return "reply"
        if self.edits:
            return "edit"
        return "ask" if self.asks else ""


def read_say(data: QueryDict) -> SayForm:
    """Read the posted form. What is not a code or a moment counts as not there."""
    edits = _code(data, "edits")
    reply_to = None if edits else _code(data, "reply_to")
    return SayForm(
        text=data.get("text", ""),
        at_ms=whole_number(data.get("at_ms"), most=MAX_AT_MS),
        drawing=data.get("drawing", ""),
        reply_to=reply_to,
        edits=edits,
        asks=bool(data.get("asks")) and not edits and not reply_to,
    )


def _code(data: QueryDict, name: str) -> UUID | None:
    try:
        return UUID(data.get(name, ""))
    except ValueError:
        return None
