"""What every adapter over HTTP shares: verbs on a `Door`, ends, and the reading of refusals."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import quote

from studio.providers.amounts import MAX_CLIP_CREDITS, amount_at
from studio.providers.answers import MAX_ERROR, dig, flatten_error, id_at, read_status, word_at
from studio.providers.base import (
    AuthFailed,
    EndUnusable,
    Job,
    JobEnd,
    NotFound,
    OutOfCredit,
    ProtocolError,
    Provider,
    ProviderError,
    RateLimited,
    RecentJobs,
    Refused,
    ShotRequest,
    Status,
)
from studio.providers.calls import Answer, Call
from studio.providers.clock import Clock
from studio.providers.http import Door, Transport
from studio.providers.http_errors import PROVES_NOTHING
from studio.providers.masking import mask_text, scrub
from studio.providers.reasons import find_code, read_failure
from studio.providers.refusals import is_about_the_shot, make_refusal, status_in
from studio.providers.specs import ModelSpec, UnknownModel, get_spec
from studio.providers.wording import clean

# Words of a server in trouble: an error that says these may have come after the shot was taken.
_TROUBLE = re.compile(
    r"internal|unavailable|time.?d?.?out|gateway|upstream|try again|temporar|overload|capacity|"
    r"unexpected|unknown error|something went wrong",
    re.IGNORECASE,
)
_RATE_WORDS = re.compile(r"rate.?limit|too many requests", re.IGNORECASE)
_KEY_WORDS = re.compile(
    r"unauthori[sz]ed|unauthenticated|not authenticated|"
    r"(?:invalid|wrong|incorrect|inactive|expired)\s+(?:api.?)?key\b|missing\s+api.?key\b|"
    r"api.?key\s+(?:is\s+)?(?:invalid|missing|wrong|incorrect|inactive|expired)",
    re.IGNORECASE,
)


class RemoteProvider(Provider):
    """A provider over HTTP. A subclass says how a call looks and how an answer reads."""

    label: ClassVar[str]
    default_base_url: ClassVar[str]

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str = "",
        transport: Transport | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self._key = api_key.strip()
        self._door = Door(
            label=self.label,
            base_url=base_url or self.default_base_url,
            headers=self._auth(self._key),
            secrets=(self._key,),
            explain=self._explain,
            transport=transport,
            timeout_s=timeout_s,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._door!r}>"

    def submit(self, request: ShotRequest) -> Job:
        return self._send_submit(self._submit_call(request))

    def fetch(self, job_id: str) -> Job:
        return self._door.send(self._fetch_call(job_id))

    async def afetch(self, job_id: str) -> Job:
        return await self._door.asend(self._fetch_call(job_id))

    def close(self) -> None:
        self._door.close()

    async def aclose(self) -> None:
        await self._door.aclose()

    @abstractmethod
    def _submit_call(self, request: ShotRequest) -> Call[Job]: ...

    @abstractmethod
    def _fetch_call(self, job_id: str) -> Call[Job]: ...

    @staticmethod
    def _auth(key: str) -> Mapping[str, str]:
        # An adapter without a key still answers `payload`; the header is then left out.
        return {"Authorization": f"Bearer {key}"} if key.isascii() and key.isprintable() else {}

    def _send_submit(self, call: Call[Job]) -> Job:
        try:
            return self._door.send(call)
        except NotFound as error:
            # On a submit the missing thing is the model or the way to it, not a job.
            message = f"{self.label} does not offer this model to this account."
            raise Refused(
                message, detail=error.detail, fields={"model": message}, code="unsupported"
            ) from error

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Return the JSON of one GET."""
        return self._door.send(Call("GET", path, lambda data: data, params=params or {}))

    def _job_id(self, data: Any, asked: str, *keys: str, word: str = "", url: str = "") -> str:
        """Return the id of the job an answer is about. Raises the error it is instead, if any.

        On a poll that is the id asked for, provided the answer says anything about a job; an id
        without a status word is enough. An answer about another job is unreadable.
        """
        answered = id_at(data, *keys)
        ids = {_plain_id(found) for key in keys if (found := id_at(data, key))}
        if asked and ids and _plain_id(asked) not in ids:
            raise ProtocolError(f"{self.label} answered about another job than the one asked for.")
        if asked and (answered or word or url):
            return asked
        if answered:
            return answered
        error = self._error_within(data, on_submit=not asked)
        if error is not None:
            raise error
        raise ProtocolError(f"{self.label} answered without a job.", detail=self._words(data))

    def _error_within(self, data: Any, *, on_submit: bool) -> ProviderError | None:
        """Return the documented error that a 2xx answer holds in place of a job, or None.

        Its status or code decides. On a submit, an error of words alone refused the shot, unless
        they are of a server in trouble, which may have taken it all the same.
        """
        words = self._words(data)
        status = status_in(data)
        if status == 429:
            return RateLimited(f"{self.label} asks for fewer requests.", detail=words)
        if status in PROVES_NOTHING or (status or 0) >= 500:
            return None
        if status is not None:
            return self._refusal(status, data, words)
        if not on_submit or self._was_taken(data):
            return None
        if amount_at(data, "creditsRequired", most=MAX_CLIP_CREDITS) is not None:
            return self._out_of_credit(data, words)
        if not (dig(data, "error") or dig(data, "detail")):
            return None
        return self._error_of_words(data, words)

    def _error_of_words(self, data: Any, words: str) -> ProviderError | None:
        code = find_code(data)
        failure = read_failure(f"{code}: {words}" if code else words)
        if failure.code == "credit":
            return self._out_of_credit(data, words)
        if code in ("rate_limited", "too_many_requests") or _RATE_WORDS.search(words):
            return RateLimited(f"{self.label} asks for fewer requests.", detail=words)
        if _KEY_WORDS.search(words):
            return AuthFailed(f"{self.label} does not accept the key.", detail=words)
        refusal = make_refusal(self.label, data, words, self._mask)
        listed = isinstance(dig(data, "details"), Mapping | list)
        listed = listed or isinstance(dig(data, "detail"), list)
        if code or listed or refusal.code == "moderation":
            return refusal
        refusal.unproven = True
        return None if _TROUBLE.search(words) else refusal

    @staticmethod
    def _was_taken(data: Any) -> bool:
        """Return whether an answer without an id says that the shot is on its way."""
        word = word_at(data, "status", "state")
        return bool(word) and read_status(word) not in (Status.FAILED, Status.CANCELLED)

    def _raw(self, data: Any) -> Mapping[str, Any]:
        clean = scrub(data, self._door.secrets)
        return clean if isinstance(clean, dict) else {"answer": clean}

    def _rows(self, rows: Any, parse: Callable[[Any], Job], clock: Clock) -> RecentJobs:
        """Return the readable rows of a list answer. Raises ProtocolError when it is no list."""
        if not isinstance(rows, list):
            raise ProtocolError(f"{self.label} answered a list request without a list.")
        jobs = []
        for row in rows:
            # One odd row, of another product perhaps, must not hide the others.
            with suppress(ProviderError):
                jobs.append(parse(row))
        complete = len(jobs) == len(rows) and clock.is_plausible
        return RecentJobs(jobs, complete=complete)

    def _mask(self, text: str) -> str:
        return mask_text(text, self._door.secrets)

    def _words(self, error: Any) -> str:
        return clean(self._mask(flatten_error(error)), most=MAX_ERROR)

    def _failure(self, data: Any, status: Status, word: str, reason: Any) -> str:
        """Return why a job failed, as `read_failure` takes it: its code in front of its words."""
        words = self._words(reason)
        if status is not Status.FAILED:
            return words
        code = find_code(data)
        if not code and not words and word.lower() in ("timeout", "timed_out", "expired"):
            return word
        return f"{code}: {words}".removesuffix(": ") if code else words

    def _spec(self, request: ShotRequest) -> ModelSpec:
        """Return the catalogue's entry. Raises Refused, and EndUnusable for an end it cannot take."""
        try:
            spec = get_spec(self.slug, request.model)
        except UnknownModel as error:
            raise Refused(str(error), fields={"model": str(error)}, code="unsupported") from error
        unusable = {}
        if isinstance(request.start, JobEnd) and not spec.extend_by_id:
            unusable["start"] = f"{spec.name} cannot continue a clip by its id. Use its last frame."
        if isinstance(request.end, JobEnd) and not spec.prepend_by_id:
            unusable["end"] = f"{spec.name} cannot lead into a clip by its id. Use its first frame."
        if unusable:
            raise EndUnusable(" ".join(unusable.values()), fields=unusable, code="end")
        return spec

    def _explain(self, answer: Answer) -> ProviderError | None:
        if answer.status >= 500:
            return None
        data = answer.data_or_none()
        words = self._words(data if data is not None else answer.text)
        return self._refusal(answer.status, data, words)

    def _refusal(self, status: int, data: Any, words: str) -> ProviderError:
        """Return the error a 4xx stands for. Adapters override what differs."""
        if status == 451:
            return make_refusal(self.label, {"code": "moderation"}, words, self._mask)
        if status == 402 or amount_at(data, "creditsRequired", most=MAX_CLIP_CREDITS) is not None:
            return self._out_of_credit(data, words)
        if status == 401:
            return AuthFailed(f"{self.label} does not accept the key.", detail=words)
        if status == 403 and not is_about_the_shot(data, words):
            return AuthFailed(
                f"{self.label} does not allow this to the key. It may be inactive.", detail=words
            )
        if status == 404:
            return NotFound(f"{self.label} does not know this job.", detail=words)
        return make_refusal(self.label, data, words, self._mask)

    def _out_of_credit(self, data: Any, words: str) -> OutOfCredit:
        required = amount_at(data, "creditsRequired", most=MAX_CLIP_CREDITS)
        available = amount_at(data, "creditsAvailable", most=MAX_CLIP_CREDITS)
        numbers = ""
        if required is not None and available is not None:
            numbers = f" This shot needs {required:,g} credits and {available:,g} are left."
        return OutOfCredit(
            f"{self.label} is out of credit.{numbers}",
            detail=words,
            required=required,
            available=available,
        )


def _plain_id(job_id: str) -> str:
    """Return an id for comparison: AI/ML API's `:model` part, dashes and case come and go."""
    return job_id.partition(":")[0].replace("-", "").casefold()


def quoted(job_id: str) -> str:
    """Return a job id safe to be one part of a path: ids may hold colons and slashes."""
    return quote(job_id, safe="")


def need(value: str, what: str, label: str) -> str:
    """Return the value, or raise ProtocolError naming what the answer lacks."""
    if not value:
        raise ProtocolError(f"{label} answered without {what}.")
    return value
