"""A provider's own words, cleaned for people: one line, no control characters, not too long."""

from __future__ import annotations

from studio.plain_text import one_line

MAX_WORDS = 300


def clean(text: str, *, most: int = MAX_WORDS) -> str:
    """Return the text as one line of visible characters, at most so many of them.

    Control characters and line ends become spaces; direction overrides and other invisible
    format characters go, since they can turn a sentence around.
    """
    # What lies far behind the limit is not worth looking at.
    return one_line(text[: most * 20], most=most)


def quoted_words(text: str) -> str:
    """Return the words for use between quotation marks: cleaned, without a full stop at the end."""
    return clean(text).rstrip(". ").replace("“", "'").replace("”", "'")
