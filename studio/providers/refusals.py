"""What a provider's refusal says about the fields of the form, in one sentence and field by field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from studio.providers.answers import dig, flatten_error, number_at, text_at
from studio.providers.base import Refused
from studio.providers.reasons import find_code, read_refusal
from studio.providers.wording import clean

# The last part of a provider's field path -> our field.
FIELDS = {
    "prompt": "prompt",
    "duration": "duration_s",
    "durationSeconds": "duration_s",
    "aspect_ratio": "aspect_ratio",
    "aspectRatio": "aspect_ratio",
    "resolution": "resolution",
    "loop": "loop",
    "concepts": "concepts",
    "model": "model",
    **dict.fromkeys(("start_image", "frame0", "frame0_image", "start_frame_url"), "start"),
    **dict.fromkeys(("start_frame_generation_id", "image_url"), "start"),
    **dict.fromkeys(("end_image", "frame1", "frame1_image", "end_frame_url"), "end"),
    **dict.fromkeys(("end_frame_generation_id", "last_image_url"), "end"),
}
LABELS = {
    "prompt": "Prompt",
    "duration_s": "Length",
    "aspect_ratio": "Shape",
    "resolution": "Resolution",
    "loop": "Loop",
    "concepts": "Camera",
    "model": "Model",
    "start": "Start frame",
    "end": "End frame",
}
# Codes a refusal keeps; what else its words may mean ("capacity", say) is not why it was refused.
REFUSAL_CODES = frozenset({"moderation", "image", "end", "prompt"})
# What another provider may well take: these refuse nobody's idea.
TECHNICAL_FIELDS = frozenset(
    {"duration_s", "aspect_ratio", "resolution", "loop", "concepts", "model"}
)
_UNSUPPORTED = re.compile(
    r"unsupported|not supported|\binvalid\b|must be|should be|expected|\bone of\b", re.IGNORECASE
)
# Where providers put a list or an object of complaints.
_PLACES: tuple[tuple[str, ...], ...] = (
    ("details",),
    ("detail",),
    ("message",),
    ("errors",),
    ("issues",),
    ("fieldErrors",),
    ("error", "details"),
    ("error", "errors"),
    ("error", "issues"),
)
# Keys around complaints, and keys that hold words about the whole: neither is a field.
_WRAPPERS = ("fieldErrors", "errors", "issues", "details")
_NO_FIELDS = frozenset(
    {"message", "msg", "detail", "error", "reason", "description", "name", "code", "type"}
)
_PATH_PARTS = re.compile(r"[.\[\]/]+")
MAX_COMPLAINTS = 20
MAX_DEPTH = 5

_ACCOUNT_WORDS = re.compile(
    r"\b(?:key(?! ?frame)|account|organi[sz]ation|team|workspace|ip|country)\b", re.IGNORECASE
)

Complaint = tuple[list[str], str]  # the parts of the provider's field path, and its words


def make_refusal(
    label: str, data: Any, words: str, mask: Callable[[str], str], *, unproven: bool = False
) -> Refused:
    """Return the refusal an answer stands for; `words` are the provider's, masked by `mask`."""
    complaints = [(path, clean(mask(text))) for path, text in _complaints(data)][:MAX_COMPLAINTS]
    structured = _fields(label, complaints)
    fields = structured or _fields_in_words(label, words)
    told = [text for _, text in complaints if text not in words]
    failure = read_refusal(data, "; ".join([words, *told]))
    if failure.code in ("moderation", "image"):
        message = failure.sentence
    elif words or complaints:
        message = f"{label} refuses this shot: {_sentence(words, complaints)}"
    else:
        message = f"{label} refuses this shot and does not say why."
    code: str = failure.code if failure.code in REFUSAL_CODES else "refused"
    technical = bool(fields) and TECHNICAL_FIELDS.issuperset(fields)
    if code == "refused" and technical and (structured or _UNSUPPORTED.search(words)):
        code = "unsupported"
    detail = "; ".join([text for text in (words, *told) if text])
    return Refused(message, detail=detail, fields=fields, code=code, unproven=unproven)


def is_about_the_shot(data: Any, words: str) -> bool:
    """Whether an answer that forbids something moderates the shot, rather than bars the key."""
    if read_refusal(data, words).code != "moderation":
        return False
    return bool(find_code(data)) or not _ACCOUNT_WORDS.search(words)


def _sentence(words: str, complaints: list[Complaint]) -> str:
    """Return the words as whole sentences, each complaint named by its field."""
    besides = words
    for _, text in complaints:
        besides = besides.replace(text, "")
    # Words that only string the complaints together are said better by these.
    says_more = any(character.isalnum() for character in besides)
    parts = [clean(words)] if says_more else []
    for path, text in complaints:
        name = LABELS.get(_field(path), ".".join(path))
        if not says_more or text not in words:
            parts.append(f"{name}: {text}" if name else text)
    sentences = clean(". ".join(part.rstrip(".") for part in parts if part))
    return sentences if sentences.endswith((".", "!", "?", "…")) else f"{sentences}."


def _fields(label: str, complaints: list[Complaint]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path, words in complaints:
        ours = _field(path)
        if ours:
            found.setdefault(ours, f"{label}: {words}")
    return found


def _fields_in_words(label: str, words: str) -> dict[str, str]:
    names = [name for name in FIELDS if name != "model" and re.search(rf"\b{name}\b", words)]
    return {FIELDS[name]: f"{label}: {clean(words)}" for name in names}


def _field(path: list[str]) -> str:
    return next((FIELDS[part] for part in reversed(path) if part in FIELDS), "")


def _complaints(data: Any) -> Iterator[Complaint]:
    for place in _PLACES:
        value = dig(data, *place)
        if isinstance(value, Mapping | list):
            yield from _walk(value, [], 0)


def _walk(value: Any, path: list[str], depth: int) -> Iterator[Complaint]:
    """Yield each complaint below: `{path: [words]}`, `[{loc, msg}]`, or these within one another."""
    if depth > MAX_DEPTH:
        return
    if isinstance(value, str):
        if value.strip() and path and path[-1] not in _NO_FIELDS:
            yield path, value
    elif isinstance(value, list):
        texts = [one for one in value[:MAX_COMPLAINTS] if isinstance(one, str)]
        if texts:
            yield from _walk("; ".join(texts), path, depth + 1)
        for one in value[:MAX_COMPLAINTS]:
            if isinstance(one, Mapping):
                yield from _walk(one, path, depth + 1)
    elif isinstance(value, Mapping):
        place = _place(value)
        if place:
            yield [*path, *place], flatten_error(value)
            return
        for key, inner in list(value.items())[:MAX_COMPLAINTS]:
            parts = [] if key in _WRAPPERS else [p for p in _PATH_PARTS.split(str(key)) if p]
            yield from _walk(inner, [*path, *parts], depth + 1)


def _place(complaint: Mapping[str, Any]) -> list[str]:
    """Return where one complaint of a list points: `loc`, `path`, `property` or `field`."""
    for key in ("loc", "path", "property", "field", "param"):
        place = complaint.get(key)
        if isinstance(place, list) and place:
            return [str(part)[:60] for part in place[:MAX_COMPLAINTS]]
        text = text_at(complaint, key)
        if text:
            return [part for part in _PATH_PARTS.split(text[:200]) if part]
    return []


def status_in(data: Any) -> int | None:
    """Return the HTTP status that an error body carries, or None."""
    places = (("statusCode",), ("status",), ("code",), ("error", "statusCode"), ("error", "status"))
    for place in (*places, ("error", "code")):
        number = number_at(data, *place)
        if number is not None and number.is_integer() and 400 <= number <= 599:
            return int(number)
    return None
