"""Put a provider's failure into plain words: a code for the studio, a sentence for people.

Sentences say what happened and what helps. Whether it was charged is said elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Code = Literal[
    "moderation", "image", "end", "prompt", "credit", "capacity", "timeout", "no_media", "other"
]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a shot failed. `retry_helps`: the same request may work later, unchanged."""

    code: Code
    sentence: str
    retry_helps: bool = False


_PERSON = Failure(
    "moderation", "The prompt names or shows a real person, which the model refuses. Reword it."
)
_IMAGE_MODERATION = Failure(
    "moderation", "A frame was refused by the model's content rules. Use another picture."
)
_OUTPUT_MODERATION = Failure(
    "moderation",
    "The finished clip was held back by the model's content rules. Reword the prompt or change "
    "the frames.",
)
_MODERATION = Failure(
    "moderation", "The prompt was refused by the model's content rules. Reword it."
)
_CREDIT = Failure("credit", "The account is out of credit. Top it up, then send it again.", True)
_IMAGE = Failure(
    "image", "The provider could not read a frame. Save it as JPEG or PNG and add it again."
)
_END = Failure("end", "The provider no longer has the clip this one continues. Use its frame.")
_CAPACITY = Failure(
    "capacity", "The provider has no capacity right now. Send it again later.", True
)
_TIMEOUT = Failure("timeout", "The provider gave up because rendering took too long.", True)
_PROMPT = Failure("prompt", "The provider could not work with this prompt. Reword it.")
_NO_MEDIA = Failure(
    "no_media", "The provider says the clip is done but handed over no video.", True
)
OTHER = Failure("other", "The provider could not render this shot and gave no clear reason.", True)

_MODERATED = (
    r"moderat|content.?polic|content.?filter|safety|nsfw|not.?safe|flagged|inappropriate|"
    r"prohibited|sensitive|usage polic|violat|blacklist|not allowed to generate"
)
# Order matters: the first pattern that fits wins.
_PATTERNS: tuple[tuple[re.Pattern[str], Failure], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), failure)
    for pattern, failure in (
        (r"celebrit|public figure|real person|living person|famous person|likeness", _PERSON),
        (rf"(?:image|frame|input).{{0,40}}(?:{_MODERATED})", _IMAGE_MODERATION),
        (rf"(?:output|result|video).{{0,40}}(?:{_MODERATED})", _OUTPUT_MODERATION),
        (_MODERATED, _MODERATION),
        (r"out of credit|credit|balance|billing|budget_exhausted|payment|top.?up|fund", _CREDIT),
        (r"holds no video|output_not_found|no output", _NO_MEDIA),
        (
            r"(?:image|frame|picture|input|url).{0,60}"
            r"(?:read|load|download|fetch|decode|open|corrupt|invalid|unsupported|too large|reach)|"
            r"(?:read|load|download|fetch|decode|open|corrupt|invalid|unsupported).{0,40}"
            r"(?:image|frame|picture|input)|corrupt_input|unsupported_format|image_too_large",
            _IMAGE,
        ),
        (
            r"generation.{0,40}(?:not found|does not exist|unknown|expired|not complete)",
            _END,
        ),
        (
            r"capacity|overload|rate.?limit|too many|quota|\brpm\b|busy|unavailable|"
            r"try again later|concurren",
            _CAPACITY,
        ),
        (r"time.?d?.?out|deadline|took too long|expired", _TIMEOUT),
        (r"prompt", _PROMPT),
    )
)


def read_failure(words: str) -> Failure:
    """Return what a provider's error text means. Text that says nothing known is OTHER."""
    for pattern, failure in _PATTERNS:
        if pattern.search(words):
            return failure
    return OTHER
