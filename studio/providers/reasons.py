"""Put a provider's failure into plain words: a code for the studio, a sentence for people.

A code of the provider's decides; its words do where it gives no code. Sentences say what happened
and what helps. Whether it was charged is said elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from studio.providers.answers import text_at
from studio.providers.wording import quoted_words

Code = Literal[
    "moderation",
    "image",
    "end",
    "prompt",
    "credit",
    "capacity",
    "timeout",
    "internal",
    "no_media",
    "other",
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
_INTERNAL = Failure("internal", "The provider had an internal error.", True)
_PROMPT = Failure("prompt", "The provider could not work with this prompt. Reword it.")
_NO_MEDIA = Failure(
    "no_media", "The provider says the clip is done but handed over no video.", True
)
OTHER = Failure("other", "The provider could not render this shot and gave no clear reason.", True)

# What documented codes stand for: Luma's failure codes, and the names in use elsewhere for the same.
_CODES: dict[str, Failure] = {
    **dict.fromkeys(
        (
            "content_moderated",
            "content_moderation",
            "content_policy_violation",
            "content_filter",
            "moderation",
            "moderated",
            "moderation_blocked",
            "nsfw",
            "policy_violation",
        ),
        _MODERATION,
    ),
    **dict.fromkeys(("corrupt_input", "unsupported_format", "image_too_large"), _IMAGE),
    **dict.fromkeys(("budget_exhausted", "insufficient_credits"), _CREDIT),
    **dict.fromkeys(("rate_limited", "too_many_requests"), _CAPACITY),
    "output_not_found": _NO_MEDIA,
    **dict.fromkeys(("timeout", "timed_out"), _TIMEOUT),
    **dict.fromkeys(("internal_error", "internal_server_error"), _INTERNAL),
}
_LEADING_CODE = re.compile(r"([A-Za-z]+(?:[_-][A-Za-z]+)*)(?::|\s*$)")
# A code of nobody's list that still names moderation: "SAFETY_BLOCK", "nsfw_content".
_MODERATION_CODE = re.compile(
    r"[a-z0-9_.]*(?:moderat|nsfw|safety|policy_viol|prohibited)[a-z0-9_.]*"
)
# Where a code stands, compared in lower case and without underscores, in an error's own objects.
_CODE_KEYS = ("failurecode", "errorcode", "code", "name", "type", "kind", "reason", "error")
_CODE_HOLDERS = (
    *("error", "errors", "detail", "details", "outcome", "data", "failurereason", "failure"),
    "reason",
)
MAX_CODE_DEPTH = 4
MAX_CODE_CHARS = 60
MAX_LISTED = 20

# Phrases about credits that were not touched say nothing about an empty account.
_WERE = r"(?:were|was|are|is|have been|has been|will be|got)"
_TAKEN = r"(?:used|charged|deducted|consumed|spent|taken|billed|lost)"
_CREDITS_UNTOUCHED = re.compile(
    rf"\b(?:no|zero|0)\s+(?:\w+\s+)?(?:credits?|tokens|funds)\s+{_WERE}\s+{_TAKEN}\b|"
    rf"\b(?:credits?|tokens|funds|balance)\s+{_WERE}\s+(?:not\s+(?:been\s+|be\s+)?{_TAKEN}|"
    r"(?:fully\s+)?(?:refunded|returned|restored))\b|"
    r"\b(?:used|uses|consumed|charged|deducted|costs?|spent|took)\s+(?:no|zero|0)\s+(?:\w+\s+)?"
    r"(?:credits?|tokens|funds)\b|"
    r"\b(?:credits?|budget|balance|funds)\s+(?:(?:is|are|was|were)\s+)?not\s+(?:been\s+)?"
    r"(?:exceeded|exhausted|depleted|used up|empty)\b|"
    rf"\bnot\s+(?:been\s+|be\s+)?{_TAKEN}\b(?:\s+\w+){{0,2}}",
    re.IGNORECASE,
)
_PURSE = r"(?:credits?|(?<!white )balance|funds|budget)\b"
_CREDIT_WORDS = re.compile(
    rf"\b(?:insufficient|not enough|too few|low|lacks?|more)\s+(?:\w+\s+)?{_PURSE}|"
    rf"\bout of\s+(?:\w+\s+)?{_PURSE}|"
    rf"\b{_PURSE}[^.;]{{0,30}}\b(?:exhausted|depleted|low|insufficient|empty|exceeded|used up|"
    r"ran out|run out)\b|"
    rf"\b(?:used up|used all|exhausted|exceeds?|exceeded)\b(?:\s+\w+){{0,4}}\s+{_PURSE}|"
    rf"\b(?:no|0)\s+(?:more\s+|remaining\s+)?{_PURSE}(?:\s+(?:left|remaining|available)|\s*$|[.,;])|"
    rf"\b(?:add|buy|purchase)\s+(?:\w+\s+)?{_PURSE}|"
    r"\b(?:insufficient|not enough|out of)\s+(?:\w+\s+)?tokens\b|"
    r"\btop[- ]?up\b|\bbudget_exhausted\b|\bpayment required\b",
    re.IGNORECASE,
)
# A moderation that could not be done refused nothing.
_MODERATION_DOWN = re.compile(
    r"moderation\s+(?:service|system|check|api|server)\b[^.;]{0,20}"
    r"\b(?:unavailable|down|timed?.?out|unreachable|overloaded|did not answer)\b",
    re.IGNORECASE,
)

# Nor did a machine that broke down.
_BREAKDOWN = re.compile(
    r"\b(?:access|segmentation|memory|constraint|schema|sharing|integrity|protocol|assertion)\s+"
    r"violat\w+|\bviolat\w+\s+(?:\w+\s+){0,2}(?:schema|constraint)\b|"
    r"\bflagged\s+(?:as\s+)?(?:unhealthy|faulty|dead|slow|stuck)\b|"
    r"\b\w+[- ]sensitive\b|\bsafety\s+(?:timeout|limit|margin|shutdown|stop)\b|\bthread.safety\b",
    re.IGNORECASE,
)

_NOT_ALLOWED = (
    r"(?:not (?:permitted|allowed)|declined|rejected|refused|blocked|denied|forbidden|restricted)"
)
_MODERATED = (
    r"moderat(?:ion|ed|or|ing)|content.?polic|content.?filter|safety|nsfw|not.?safe|flagged|"
    r"inappropriate|"
    r"prohibited|sensitive|usage polic|violat|blacklist|not allowed to generate|"
    r"\bgor[ey]\b|graphic (?:violence|content)|\bviolen(?:ce|t)\b|\bsexual|\bnud(?:e|ity)\b|"
    r"\bporn|explicit (?:content|material)|\bhate(?:ful)?\b|self.?harm|suicid|terroris|"
    r"child abuse|copyright|trademark|intellectual property|\bdmca\b|legal reasons|disallowed|"
    r"community guidelines|trust (?:team|and safety)|(?:against|breach\w*) (?:our|the) (?:terms|rules)|"
    rf"\bcontent\b(?!.type|.length).{{0,40}}\b{_NOT_ALLOWED}|"
    rf"\b{_NOT_ALLOWED}\b.{{0,40}}\bcontent\b(?!.type|.length)|"
    rf"\bprompt (?:was |is |has been )?{_NOT_ALLOWED}|"
    r"违规|敏感|审核|违法|侵权|版权|色情|暴力|血腥|不合规|禁止|政策"
)


def _compiled(*rows: tuple[str, Failure]) -> tuple[tuple[re.Pattern[str], Failure], ...]:
    return tuple((re.compile(text, re.IGNORECASE | re.DOTALL), failure) for text, failure in rows)


# Order matters: the first pattern that fits wins, and moderation comes before credit.
_MODERATION_PATTERNS = _compiled(
    (r"celebrit|public figure|real person|living person|famous person|likeness", _PERSON),
    (rf"(?:image|frame|input).{{0,40}}(?:{_MODERATED})", _IMAGE_MODERATION),
    (rf"(?:output|result|video).{{0,40}}(?:{_MODERATED})", _OUTPUT_MODERATION),
    (_MODERATED, _MODERATION),
)
_PATTERNS = _compiled(
    (r"holds no video|output_not_found|no output", _NO_MEDIA),
    (
        r"(?:image|frame|picture|input|url).{0,60}"
        r"(?:read|load|download|fetch|decode|open|corrupt|invalid|unsupported|too large|reach)|"
        r"(?:read|load|download|fetch|decode|open|corrupt|invalid|unsupported).{0,40}"
        r"(?:image|frame|picture|input)|corrupt_input|unsupported_format|image_too_large",
        _IMAGE,
    ),
    (r"generation.{0,40}(?:not found|does not exist|is unknown|expired|not complete)", _END),
    (
        r"capacity|overload|rate.?limit|too many|quota|\brpm\b|busy|try again later|concurren|"
        r"\b(?:service|server|system|model|worker|gpu|queue|backend|upstream|temporarily|currently)"
        r"\b.{0,30}\bunavailable",
        _CAPACITY,
    ),
    (r"time.?d?.?out|deadline|took too long|expired", _TIMEOUT),
    (r"\binternal (?:server )?error\b", _INTERNAL),
    (r"prompt", _PROMPT),
)


def read_failure(words: str) -> Failure:
    """Return what a provider's error text means: by the code in front of it, else by its words.

    A text that says nothing known is of the code "other", and the sentence quotes it.
    """
    leading = _LEADING_CODE.match(words.strip())
    by_code = _CODES.get(leading[1].lower().replace("-", "_")) if leading else None
    failure = by_code or _by_words(words)
    return _quoting(words) if failure is OTHER else failure


def find_code(data: Any) -> str:
    """Return the known code that an error or a failed job carries, or an empty string.

    Of several, one that names moderation decides: then the shot is nobody else's to try.
    """
    found = [code for code in _codes(data, 0) if code in _CODES]
    return next((code for code in found if _CODES[code] is _MODERATION), next(iter(found), ""))


def read_refusal(data: Any, words: str) -> Failure:
    """Return what a refusal means: its structured code decides, its words where there is none."""
    code = find_code(data)
    return read_failure(f"{code}: {words}" if code else words)


def is_out_of_credit(words: str) -> bool:
    """Return whether a text says that the account cannot pay."""
    return bool(_CREDIT_WORDS.search(_CREDITS_UNTOUCHED.sub(" ", words)))


def _codes(data: Any, depth: int) -> Iterator[str]:
    if depth > MAX_CODE_DEPTH:
        return
    if isinstance(data, list):
        for one in data[:MAX_LISTED]:
            yield from _codes(one, depth + 1)
    if not isinstance(data, Mapping):
        return
    keys = {str(key).lower().replace("_", ""): key for key in reversed(list(data))}
    for key in _CODE_KEYS:
        code = text_at(data, keys.get(key, key)).lower().replace("-", "_")
        if len(code) <= MAX_CODE_CHARS:
            yield "moderation" if _MODERATION_CODE.fullmatch(code) else code
    for key in _CODE_HOLDERS:
        yield from _codes(data.get(keys.get(key, key)), depth + 1)


def _by_words(words: str) -> Failure:
    checked = _BREAKDOWN.sub(" ", _MODERATION_DOWN.sub(" ", words))
    for pattern, failure in _MODERATION_PATTERNS:
        if pattern.search(checked):
            return failure
    if is_out_of_credit(words):
        return _CREDIT
    for pattern, failure in _PATTERNS:
        if pattern.search(words):
            return failure
    return OTHER


def _quoting(words: str) -> Failure:
    text = quoted_words(words)
    if not text:
        return OTHER
    return replace(OTHER, sentence=f"The provider could not render this shot. It says “{text}”.")
