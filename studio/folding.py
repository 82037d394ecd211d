"""Letters as they are compared: one folding for tags, mentions, names, filters and what is searched.

Case, accents, vowel points, width and compatibility forms make no difference, in any script and on any
database: “Über”, “ÜBER”, “uber” and “ｕｂｅｒ” are one name, “Ночь” and “НОЧЬ”
another. Databases disagree here (SQLite's lower() knows A to Z alone), so what is compared is folded by
the studio and stored.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

from django.db import models

# Accents of Latin, Greek and Cyrillic letters. Marks that make other letters (Japanese voicing,
# vowel signs of Hindi or Thai) stay.
_ACCENTS = re.compile("[\u0300-\u036f]")
# Vowel points of Hebrew and Arabic, written or left out at will, and the stroke that stretches a word.
_POINTS = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u0652\u0670]"
)
# What shapes letters and emoji without being one.
_SHAPING = re.compile("[\u00ad\u061c\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]")
# Letters that differ from plain ones as accents do, though Unicode takes none of these apart: Turkish
# dotless i, those with a stroke; and the apostrophes and hyphens that a keyboard or its system chooses.
_ALIKE = {
    "\u0131": "i", "đ": "d", "ħ": "h", "ł": "l", "ø": "o", "ŧ": "t",
    "\u02bc": "'", "\u2018": "'", "\u2019": "'", "\u2010": "-",
}  # fmt: skip
MAX_FOLDED_CHARS = 400  # what an index of PostgreSQL takes, and no name of ours needs


def fold(text: str) -> str:
    """Return the letters of a text as they are compared, words apart by one space."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(fold_letters(text).split())


def fold_letters(text: str) -> str:
    """Return the letters of a text as they are compared, and all between them as it is."""
    return "".join(map(fold_letter, unicodedata.normalize("NFKD", text)))


@lru_cache(4096)
def fold_letter(letter: str) -> str:
    """Return what one character is compared as: none, one or several."""
    apart = unicodedata.normalize("NFKD", letter).casefold()
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", apart))
    return _ALIKE.get(plain, _SHAPING.sub("", _POINTS.sub("", plain)))


class FoldedField(models.CharField):  # type: ignore[type-arg]  # no row ever sets it
    """Another column of the row, folded. Written whenever the row is; give it to `update()` too.

    Null where a version of the studio wrote the row that did not know the column.
    """

    def __init__(self, of: str = "name", **options: Any) -> None:
        self.of = of
        super().__init__(
            **{"max_length": MAX_FOLDED_CHARS, "editable": False, "null": True} | options
        )

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        return name, path, args, options | {"of": self.of}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        folded = folded_name(getattr(model_instance, self.of))
        setattr(model_instance, self.attname, folded)
        return folded


def folded_name(name: str) -> str:
    """Return what the column of a name holds: of signs that fold to nothing, such as “´”, themselves."""
    return (fold(name) or name)[:MAX_FOLDED_CHARS]
