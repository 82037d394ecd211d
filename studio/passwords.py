"""Passwords: their Unicode normal forms, and what makes a long one easy to guess."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

# Of what is left once runs, repeats and known words count as one sign each.
MIN_UNPREDICTABLE = 8
MIN_DIGITS = 20  # of a password that is digits alone: as strong as twelve mixed signs
MIN_RUN = 3
MIN_BLOCK = 3

ADVICE = "Take a few words that do not belong together."
DIGITS, RUN, REPEAT, PERSONAL, COMMON = "digits", "run", "repeat", "personal", "common"
SENTENCES = {
    DIGITS: f"The password is digits alone. {ADVICE}",
    RUN: f"The password follows the alphabet, the digits or the keyboard. {ADVICE}",
    REPEAT: f"The password repeats itself. {ADVICE}",
    PERSONAL: "The password is made of your name, your email or the studio’s name. " + ADVICE,
    COMMON: f"The password is made of words that are tried first. {ADVICE}",
}
COMMON_WORDS = (
    "password", "passwort", "passord", "losenord", "contrasena", "motdepasse", "secret", "letmein",
    "welcome", "willkommen", "admin", "administrator", "login", "changeme", "default", "master",
    "iloveyou", "monkey", "dragon", "test",
)  # fmt: skip
# Neighbouring keys, in the order of three layouts; rows, columns, and two rows typed in turn.
KEYBOARD = (
    "1234567890-=", "!@#$%^&*()_+", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm",
    "azertyuiop", "qsdfghjklm", "wxcvbn", "1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm",
    "8ik,", "9ol.", "1qay", "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0",
    "qawsedrftgyhujikolp", "azsxdcfvgbhnjm", "0123456789",
)  # fmt: skip
FOLLOWING = frozenset(
    pair
    for row in KEYBOARD
    for line in (row, row[::-1])
    for pair in zip(line, line[1:], strict=False)
)
LEET = str.maketrans("@4013$57!|", "aaoiesstil")
LEET_L = str.maketrans("@401357$!|", "aaolestsil")
YEAR = re.compile(r"(?:19|20)\d\d")
# Parts of addresses that say nothing about anybody.
GENERIC = frozenset({"com", "org", "net", "www", "mail", "your", "company", "localhost"})


# ---- Normal forms ------------------------------------------------------------------------------
def normalized(password: str) -> str:
    """Return the form that is hashed: keyboards differ in how they compose an accented letter."""
    return unicodedata.normalize("NFC", password)


def forms_of(password: str) -> list[str]:
    """Return what to compare with a stored hash: the form of today first, then those of older hashes."""
    return list(
        dict.fromkeys([normalized(password), password, unicodedata.normalize("NFD", password)])
    )


# ---- What is easy to guess ---------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Weakness:
    """How many signs of a password cannot be predicted, and what predicts most of the others."""

    unpredictable: int
    kind: str  # "" where nothing does


class PredictablePasswordValidator:
    """Refuses long passwords that guessing programs try early, with a sentence that says why."""

    def validate(self, password: str, user: Any = None) -> None:
        weak = weakness(password, personal_words(user))
        if weak.kind and weak.unpredictable < MIN_UNPREDICTABLE:
            raise ValidationError(SENTENCES[weak.kind], code=f"password_{weak.kind}")

    def get_help_text(self) -> str:
        return "Not digits alone, a run of keys, one thing repeated, or your name, email or studio."


def weakness(password: str, words: Iterable[str] = ()) -> Weakness:
    """Measure a password from the left: a run, a repeat or a known word counts as one sign.

    Stops at MIN_UNPREDICTABLE: what comes after can only make it better.
    """
    text = _folded(password)
    digits = [sign for sign in text if sign.isdigit()]
    if digits and len(digits) < MIN_DIGITS and not any(sign.isalpha() for sign in text):
        return Weakness(0, DIGITS)
    known = [(text_of, word, PERSONAL) for word in words for text_of in _spellings(text)]
    known += [(text_of, word, COMMON) for word in COMMON_WORDS for text_of in _spellings(text)]
    covered: Counter[str] = Counter()
    at = count = 0
    while at < len(text) and count < MIN_UNPREDICTABLE:
        length, kind = max(
            _predictions(text, at, known), key=lambda one: one[0], default=(1, "")
        )  # fmt: skip
        covered[kind] += length if kind else 0
        at, count = at + length, count + 1
    del covered[""]
    [(kind, _)] = covered.most_common(1) or [("", 0)]
    return Weakness(count, kind)


def personal_words(user: Any) -> set[str]:
    """Return words that belong to this person or this studio, folded."""
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    texts = [
        getattr(user, "name", ""), getattr(user, "email", ""), host, settings.SSO_NAME, "Ray Studio",
        getattr(user, "name", "").replace(" ", ""),
    ]  # fmt: skip
    words = {word for text in texts for word in re.split(r"[\W_\d]+", _folded(text or ""))}
    return {word for word in words - GENERIC if len(word) >= (3 if word.isascii() else 2)}


def _predictions(
    text: str, at: int, known: list[tuple[str, str, str]]
) -> Iterator[tuple[int, str]]:
    """Yield (length, kind) of whatever predicts the signs from here on."""
    yield from ((len(word), kind) for of, word, kind in known if of.startswith(word, at))
    if (length := _run(text, at)) >= MIN_RUN:
        yield length, RUN
    if (length := _repeated(text, at)) >= MIN_BLOCK:
        yield length, REPEAT
    if YEAR.match(text, at):
        yield 4, COMMON


def _run(text: str, at: int) -> int:
    """Return how many signs from here on follow one another, in one direction."""
    end = at + 1
    while end < len(text) and _follows(text[end - 1], text[end]):
        turns = end - at >= 2 and text[end] == text[end - 2]
        if turns and text[end] != text[end - 1]:
            break
        end += 1
    return end - at


def _follows(one: str, next_one: str) -> bool:
    near = one.isalnum() and next_one.isalnum() and abs(ord(one) - ord(next_one)) == 1
    return near or one == next_one or (one, next_one) in FOLLOWING


def _repeated(text: str, at: int) -> int:
    """Return how many signs from here on were there before, as they are or backwards."""
    length = 0
    before = text[:at][::-1]
    while at + length < len(text):
        block = text[at : at + length + 1]
        if text.find(block, 0, at + length) < 0 and block not in before:
            break
        length += 1
    return length


def _folded(text: str) -> str:
    """Return the text without case, accents and compatibility forms."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in apart if not unicodedata.combining(sign))


def _spellings(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys([text, text.translate(LEET), text.translate(LEET_L)]))
