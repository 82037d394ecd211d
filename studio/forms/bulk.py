"""What the selection bar sends: which clips, what to do, and with what."""

from __future__ import annotations

from uuid import UUID, uuid4

from django.http import QueryDict

from studio.forms.gallery import whole_number
from studio.services.bulk.choosing import MAX_QUERY_CHARS, Choice
from studio.services.bulk.deeds import Params
from studio.services.errors import StudioError

# The fields an action takes beside the clips; the first is what makes it complete.
FIELDS = {
    "rate": ("rating",),
    "verdict": ("verdict", "note"),
    "tag": ("tag",),
    "untag": ("tag",),
    "collect": ("collection", "title"),
    "chain": ("chain",),
    "archive": (),
    "restore": (),
    "delete": (),
    "retry": ("agreed",),
}


def read_choice(data: QueryDict) -> Choice:
    """Read the chosen clips: `version`, `query` and `but`; else `clips`, in order; else `clip`s.

    Several codes in one field have commas between them. Raises StudioError when one is broken.
    """
    if data.get("version"):
        version = whole_number(data.get("version"), most=2**62)
        query = data.get("query", "").lstrip("?")
        if version is None or len(query) > MAX_QUERY_CHARS:
            raise StudioError("The filter could not be read. Choose the clips again.", field="clip")
        return Choice(query=query, version=version, but=_codes([data.get("but", "")]))
    return Choice(codes=_codes([data.get("clips") or ""]) or _codes(data.getlist("clip")))


def _codes(fields: list[str]) -> tuple[UUID, ...]:
    try:
        codes = [UUID(raw.strip()) for field in fields for raw in field.split(",") if raw.strip()]
    except ValueError:
        raise StudioError(
            "One of the clips could not be read. Choose them again.", field="clip"
        ) from None
    return tuple(dict.fromkeys(codes))


def read_params(data: QueryDict, action: str) -> Params:
    return {name: data.get(name, "") for name in FIELDS.get(action, ())}


def is_complete(data: QueryDict, action: str) -> bool:
    """Whether what the action needs was sent, well or badly; else it has to be asked for."""
    if action == "verdict":
        return "note" in data or data.get("verdict") in ("approved", "")
    fields = FIELDS.get(action, ())
    return not fields or any(name in data for name in fields)


def read_token(data: QueryDict) -> UUID:
    try:
        return UUID(data.get("request_token", ""))
    except ValueError:
        return uuid4()
