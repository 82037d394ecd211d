"""Text from outside, cleaned where it comes in: forms, queries, file names, archives, commands,
answers of providers.

What is stored is in one form (NFC), can be stored by every database and stand in XML, has one kind
of line end, and holds nothing that a reader cannot see and that acts: control characters, the
overrides that write a line backwards, and letters of tags, which a model reads and nobody sees.
Spaces of every width, and the joiners that shape words and emoji, stay.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

# Fields of people's forms in which a line may end, by their names; every other is one line.
LINES = frozenset({"note", "prompt", "style_notes", "text"})

_LINE_ENDS = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
# Controls but tab and line feed; embeddings, overrides and isolates of direction; what Unicode gave up;
# marks of byte order; interlinear marks; what is no character and XML refuses.
_ACTING = re.compile(
    "[\0-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u206f\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
# They belong to the flag of a region (England, Scotland, Wales), and to nothing else.
_TAGS = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]{1,31}\U000e007f)|[\U000e0000-\U000e007f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BREAKS = re.compile(r"[ \t]*[\n\t][ \t\n]*")
_SPACES = re.compile("  +")
# What belongs to the character before it: marks, joiners, and the signs that change an emoji.
_JOINER = "\u200d"
_GOES_ON = re.compile(
    "[\u0e33\u0eb3\u200c\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
)
# What leaves a text blank: spaces, and letters and signs without a shape of their own.
_UNSEEN = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u2064\u2800\u3164"
    "\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]*"
)


def clean(text: str) -> str:
    """Return text of any number of lines in the form in which it is stored.

    Empty where nothing of it would be seen: a name or a comment that is asked for is not there then.
    """
    if text.isascii():
        if text.isprintable():
            return text
        return _ACTING.sub("", _LINE_ENDS.sub("\n", text))
    text = _LINE_ENDS.sub("\n", _without_surrogates(text))
    text = _TAGS.sub(r"\1", _ACTING.sub("", text))
    if _UNSEEN.fullmatch(text):
        return ""
    # Last: what went may have stood between a letter and its accent.
    return unicodedata.normalize("NFC", text)


def clean_line(text: str) -> str:
    """Return text of one line: each line end and tab, with the spaces around it, is one space."""
    text = clean(text)
    return text if text.isprintable() else _BREAKS.sub(" ", text)


def tidy_line(text: str) -> str:
    """Return a name as it is kept: one clean line, one space where several were, none around it."""
    return _SPACES.sub(" ", clean_line(text)).strip()


def clean_tree(value: Any) -> Any:
    """Return JSON with every text in it clean, keys too."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_tree(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): clean_tree(item) for key, item in value.items()}
    return value


def cut(text: str, most: int) -> str:
    """Return the first `most` characters, less those of a letter or emoji that would be cut in two."""
    if len(text) <= most:
        return text
    end = most
    while end > 0 and is_within_letter(text, end):
        end -= 1
    # One that is longer than all there is room for.
    return text[: end or most]


def is_within_letter(text: str, at: int) -> bool:
    """Whether the character at this place is part of the letter or emoji that stands before it."""
    if not 0 < at < len(text):
        return False
    one, before = text[at], text[at - 1]
    if unicodedata.combining(one) or unicodedata.category(one) in ("Mn", "Mc", "Me"):
        return True
    if before == _JOINER or _GOES_ON.match(one):
        return True
    return _is_flag(one) and _flags_before(text, at) % 2 == 1


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flags_before(text: str, at: int) -> int:
    """Return how many letters of flags stand before this place; two are a flag."""
    start = at
    while start > 0 and _is_flag(text[start - 1]):
        start -= 1
    return at - start


def _without_surrogates(text: str) -> str:
    """Return the text with a pair of surrogates as its character, and a lone one as U+FFFD."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
