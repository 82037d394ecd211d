"""Letters as they are compared: one folding for tags, mentions, names, filters and what is searched.

Case, accents, width and compatibility forms make no difference, in any script and on any database:
“Über”, “ÜBER”, “uber” and “ｕｂｅｒ” are one name, “Ночь” and “НОЧЬ” another. Databases disagree
here (SQLite's lower() knows A to Z alone), so what is compared is folded by the studio and stored.
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
# What shapes letters and emoji without being one.
_SHAPING = re.compile("[\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]")
_DOTLESS = {"\u0131": "i"}  # Turkish capital I and i: case alone sets them apart there
MAX_FOLDED_CHARS = 400  # what an index of PostgreSQL takes, and no name of ours needs


def fold(text: str) -> str:
    """Return the letters of a text as they are compared, words apart by one space."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join("".join(map(fold_letter, text)).split())


@lru_cache(4096)
def fold_letter(letter: str) -> str:
    """Return what one character is compared as: none, one or several."""
    apart = unicodedata.normalize("NFKD", letter).casefold()
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", apart))
    return _DOTLESS.get(plain, _SHAPING.sub("", plain))


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
    """Return what the column of a name holds."""
    return fold(name)[:MAX_FOLDED_CHARS]
