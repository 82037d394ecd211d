"""What an HTTP answer that is not the wanted one stands for: the table of `http.py`, as code."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from studio.providers.answers import flatten_error
from studio.providers.base import (
    ProtocolError,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Refused,
    SubmitUncertain,
    WrongEndpoint,
)
from studio.providers.calls import Answer, Call, read_retry_after

CHECK_BASE_URL = "Check the base URL of this account."

# What web frameworks answer where nothing listens; a model or a job that is missing is named.
_NO_ROUTE = re.compile(
    r"^\W*(?:404\W+)?(?:(?:page|path|route|endpoint|url|resource) )?not found\W*$|"
    r"\bcannot (?:post|get) /|\bno (?:such )?route\b|\broute .{0,200}not found",
    re.IGNORECASE,
)

# Statuses that do not say whether the request was acted upon.
PROVES_NOTHING = frozenset({408, 409, 423, 424, 425, 499})
# A 4xx of these words comes from behind the door, or is about a job that is there.
_ARRIVED = re.compile(
    r"upstream|time.?d?.?out|\binternal (?:server )?error|duplicate|already (?:exist|created|submitted)",
    re.IGNORECASE,
)

Explain = Callable[[Answer], ProviderError | None]


def unreadable(label: str, call: Call[Any], trouble: Exception, detail: str) -> ProviderError:
    """Return the error that a 2xx answer stands for whose parser met trouble."""
    if call.paid:
        return SubmitUncertain(
            f"{label} answered with something that cannot be read. It may be "
            "rendering and it may cost.",
            detail=detail,
        )
    if isinstance(trouble, ProtocolError):
        return trouble
    return ProtocolError(f"{label} answered with something that is not JSON.", detail=detail)


def error_of(
    label: str, call: Call[Any], answer: Answer, explain: Explain, mask: Callable[[str], str]
) -> ProviderError:
    """Return the error that an answer other than 2xx stands for."""
    status, detail = answer.status, mask(answer.text)
    wait_s = read_retry_after(answer.headers.get("retry-after", ""), answer.clock)
    if status == 429:
        return RateLimited(f"{label} asks for fewer requests.", detail=detail, retry_after_s=wait_s)
    # These do not say whether the request was acted upon.
    unknown = status >= 500 or status in PROVES_NOTHING
    if not unknown and (status < 400 or answer.is_web_page):
        return _wrong_endpoint(label, status, detail)
    if call.paid and _has_no_such_call(answer):
        return _wrong_endpoint(label, status, detail, "that it has no such call")
    is_conflict = status == 409 and not answer.is_web_page
    readable = status >= 500 or is_conflict or not unknown
    explained = explain(answer) if readable else None
    if status == 409 and isinstance(explained, Refused):
        explained = None
    if call.paid and isinstance(explained, Refused) and status < 500:
        explained.unproven = explained.unproven or _may_have_arrived(explained, answer)
    if explained is not None:
        return explained
    if call.paid and unknown:
        return SubmitUncertain(
            f"{label} answered with {_what(status)} ({status}) that does not say whether it took the "
            "request. It may be rendering and it may cost.",
            detail=detail,
            retry_after_s=wait_s,
        )
    if unknown:
        return ProviderUnavailable(
            f"{label} has trouble ({status}).", detail=detail, retry_after_s=wait_s
        )
    return ProtocolError(f"{label} answered {status}: something unexpected.", detail=detail)


def _may_have_arrived(refusal: Refused, answer: Answer) -> bool:
    return refusal.code != "moderation" and bool(_ARRIVED.search(answer.text))


def _what(status: int) -> str:
    return "a redirect" if status < 400 else "an error"


def _has_no_such_call(answer: Answer) -> bool:
    """Whether nothing listens at the address of a call. That a model is unknown is another matter."""
    if answer.status == 405:
        return True
    data = answer.data_or_none()
    words = answer.text if data is None else flatten_error(data)
    return answer.status == 404 and bool(_NO_ROUTE.search(words))


def _wrong_endpoint(label: str, status: int, detail: str, what: str = "") -> WrongEndpoint:
    what = what or f"with {_what(status) if status < 400 else 'a web page instead of data'}"
    return WrongEndpoint(
        f"{label} answered {what} ({status}). Nothing was charged. {CHECK_BASE_URL}",
        detail=detail,
    )
