"""Other people's words where they stand among the studio's own: names, subjects, a terminal.

Line ends, escape sequences and characters that turn a line around would let a name look like
something the studio says.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from studio.incoming_text import clean, cut

# They shape words, emoji and flags, or say where a line begins; other format characters are dropped.
_KEPT = "\u061c\u200c\u200d\u200e\u200f" + "".join(map(chr, range(0xE0020, 0xE0080)))
_SPACES = ("Cc", "Zl", "Zp", "Zs")
# What is not assigned (Cn) may be an emoji that is younger than this Python.
_DROPPED = ("Cf", "Co", "Cs")
_ACTING = ("Cc", "Zl", "Zp", "Cn", *_DROPPED)


def one_line(text: str, *, most: int | None = None) -> str:
    """Return the text as one line of visible characters, at most so many of them.

    Control characters and line ends become spaces; direction overrides and other invisible
    format characters go.
    """
    if not (text.isascii() and text.isprintable()):
        # Control characters first: they part words here.
        text = clean("".join(map(_plain, text)))
    line = " ".join(text.split())
    return line if most is None or len(line) <= most else f"{cut(line, most - 1).rstrip()}…"


def escaped(text: str, *, lines: bool = False, how: Callable[[str], str] | None = None) -> str:
    r"""Return the text with every invisible character as its escape, such as \x1b or \u202e.

    For a terminal or a log, where nothing may be lost and nothing may act. With `lines`, line feeds
    stay. `how` writes one character another way.
    """
    if text.isascii() and text.isprintable():
        return text
    escape = how or _escape
    return "".join(escape(c) if _acts(c) and not (lines and c == "\n") else c for c in text)


def _acts(character: str) -> bool:
    return unicodedata.category(character) in _ACTING


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category in _SPACES:
        return " "
    if category in _DROPPED and character not in _KEPT:
        return ""
    return character
