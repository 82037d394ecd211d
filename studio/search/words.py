"""What somebody typed into the search box, read so that no sign of it can be an error.

    slot canyon      both words, each as the beginning of a word
    "slot canyon"    these words in this order; a quote that is not closed ends with the text
    -crane           without it; -"crane up" likewise

AND, OR, *, % and the rest mean themselves or nothing.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from studio.folding import fold_letter, fold_letters
from studio.search.postgresql import SIGNS
from studio.search.sqlite import UNSPACED

MAX_TERMS = 12
SNIPPET_BEFORE, SNIPPET_CHARS = 40, 140
_PARTS = re.compile(r'-?"[^"]*"?|[^\s"]+')
_UNSPACED = re.compile(f"[{UNSPACED}]")
_SIGNS = re.compile(f"[{SIGNS}]+")


@dataclass(frozen=True, slots=True)
class Term:
    """One word or phrase. `anywhere`: of a script without spaces, to be found within a word.

    What follows from the text is made once: a search asks it of hundreds of clips.
    """

    text: str
    phrase: bool = False
    without: bool = False
    anywhere: bool = field(init=False, compare=False)
    folded: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "anywhere", _UNSPACED.search(self.text) is not None)
        object.__setattr__(self, "folded", fold(self.text))


Terms = tuple[Term, ...]


_ASCII_SIGNS = {code: " " for code in range(1, 128) if not chr(code).isalnum()}


def fold(text: str) -> str:
    """Return text without case, accents and punctuation, words apart by one space."""
    if text.isascii():  # most texts, and a search folds hundreds of them
        return " ".join(text.lower().translate(_ASCII_SIGNS).split())
    return _SIGNS.sub(" ", fold_letters(text)).strip()


@lru_cache(256)
def read_terms(typed: str) -> Terms:
    """Read what was typed; empty when there is no letter and no figure in it to look for."""
    terms: list[Term] = []
    for part in _PARTS.findall(typed.replace("\0", " ")):
        without = part.startswith("-") and len(part) > 1
        text = part[1:] if without else part
        phrase = text.startswith('"')
        text = text.strip('"') if phrase else text.rstrip("*")
        term = Term(text, phrase and " " in text.strip() or phrase, without)
        if _says_something(text) and term not in terms:
            terms.append(term)
    return tuple(terms[:MAX_TERMS])


def _says_something(text: str) -> bool:
    return any(unicodedata.category(char)[0] in "LN" for char in text) and bool(fold(text))


# ---- How well it matches ------------------------------------------------------------------------

TITLE, PROMPT, COMMENTS = 1000, 100, 10
MOST_COUNTED = 4  # times a word is said: more does not make it better


def score(terms: Terms, title: str, prompt: str, comments: str) -> int:
    """Return how well texts match; more is better. It depends on these texts alone.

    A title weighs more than a prompt and that more than comments, a whole word more than a
    beginning, words together more than words apart.
    """
    wanted = tuple(term for term in terms if not term.without)
    whole = " ".join(term.folded for term in wanted)
    total = 0
    for text, weight in ((title, TITLE), (prompt, PROMPT), (comments, COMMENTS)):
        if not text:
            continue
        plain = f" {fold(text)} "
        for term in wanted:
            begun = plain.count(term.folded if term.anywhere else f" {term.folded}")
            if begun:
                complete = f" {term.folded} " in plain
                total += weight * (2 if complete else 1) + min(begun, MOST_COUNTED) * weight // 20
        if len(wanted) > 1 and f" {whole}" in plain:
            total += weight * len(wanted)
    return total


# ---- Showing where it was found ---------------------------------------------------------------


@lru_cache(256)
def _pattern(terms: Terms) -> re.Pattern[str]:
    """Return what finds the terms in folded text that kept its punctuation."""
    parts = []
    for term in terms:
        if not term.without:
            words = r"\W+".join(re.escape(word) for word in term.folded.split())
            end = r"(?!\w)" if term.phrase and not term.anywhere else ""
            parts.append(f"{words}{end}" if term.anywhere else rf"(?<!\w){words}{end}")
    return re.compile("|".join(parts) or r"(?!)")


def spans(text: str, terms: Terms) -> list[tuple[int, int]]:
    """Return where in the text the terms stand, from and until, in order."""
    pattern = _pattern(terms)
    if text.isascii():
        return [match.span() for match in pattern.finditer(text.lower())]
    folded, places = [], []
    for place, char in enumerate(text):
        for part in fold_letter(char):
            folded.append(part)
            places.append(place)
    return [
        (places[match.start()], places[match.end() - 1] + 1)
        for match in pattern.finditer("".join(folded))
        if match.end() > match.start()
    ]


def marked(text: str, found: list[tuple[int, int]]) -> SafeString:
    """Return the text as HTML with what was found in <mark>."""
    parts, at = [], 0
    for start, end in found:
        if start >= at:
            parts += [escape(text[at:start]), "<mark>", escape(text[start:end]), "</mark>"]
            at = end
    return mark_safe("".join([*parts, escape(text[at:])]))  # noqa: S308 (every part is escaped)


def snippet(text: str, found: list[tuple[int, int]]) -> SafeString:
    """Return the part of the text around the first find, as HTML with the finds in <mark>."""
    first = found[0][0]
    start = max(0, first - SNIPPET_BEFORE)
    if start:
        start = text.find(" ", start, first) + 1 or start
    end = min(len(text), max(start + SNIPPET_CHARS, found[0][1]))
    if end < len(text):
        space = text.rfind(" ", found[0][1], end)
        end = space if space > 0 else end
    within = [(a - start, min(b, end) - start) for a, b in found if start <= a < end]
    shown = marked(text[start:end], within)
    before, after = "… " if start else "", " …" if end < len(text) else ""
    return mark_safe(f"{before}{shown}{after}")  # noqa: S308 (escaped by marked)
