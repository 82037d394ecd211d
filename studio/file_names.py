"""Names of files that leave the studio: for any disk, in any script."""

from __future__ import annotations

import unicodedata

_JOINERS = "\u200c\u200d"  # they shape words in Persian and Indic scripts
# What Windows keeps for devices, with any ending: CON.mp4 cannot be written there.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789"}
)


def file_stem(text: str, *, otherwise: str, most: int = 80) -> str:
    """Return a text as the stem of a file's name: words in small letters with hyphens between.

    Letters of every script stay, in their compatibility form (NFKC). At most `most` bytes of UTF-8,
    never cut inside a letter and its marks. `otherwise` where nothing is left. Different texts may
    give one stem: files of one folder have a number or a code too.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    words = "".join(c if _kept(c) else " " for c in folded).split()
    stem = "-".join(filter(None, (word.strip(_JOINERS) for word in words)))
    stem = _cut(stem, most).strip("-" + _JOINERS)
    if not stem:
        return otherwise
    return f"{stem}-file" if stem in _DEVICES else stem


def _kept(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN" or character in _JOINERS or character == "_"


def _cut(stem: str, most: int) -> str:
    """Cut to so many bytes, before a letter that its marks would not fit with."""
    data = stem.encode()
    if len(data) <= most:
        return stem
    cut = data[:most].decode(errors="ignore")
    at = len(cut)
    while at and (_continues(stem[at]) or stem[at - 1] in _JOINERS):
        at -= 1
    return stem[:at] or cut


def _continues(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character in _JOINERS
