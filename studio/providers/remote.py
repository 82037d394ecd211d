"""What every adapter over HTTP shares: verbs on a `Door`, ends, and the reading of refusals."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

from studio.providers.answers import dig, flatten_error, number_at, text_at
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
    Refused,
    ShotRequest,
)
from studio.providers.calls import Answer, Call
from studio.providers.http import Door, Transport
from studio.providers.masking import mask_text, scrub
from studio.providers.reasons import read_failure
from studio.providers.specs import ModelSpec, UnknownModel, get_spec
from studio.providers.wishes import sent_prompt

T = TypeVar("T")

# The last part of a provider's field path -> our field.
FIELDS = {
    "prompt": "prompt",
    "duration": "duration_s",
    "durationSeconds": "duration_s",
    "aspect_ratio": "aspect_ratio",
    "aspectRatio": "aspect_ratio",
    "resolution": "resolution",
    "loop": "loop",
    "concepts": "concepts",
    "model": "model",
    **dict.fromkeys(("start_image", "frame0", "frame0_image", "start_frame_url"), "start"),
    **dict.fromkeys(("start_frame_generation_id", "image_url"), "start"),
    **dict.fromkeys(("end_image", "frame1", "frame1_image", "end_frame_url"), "end"),
    **dict.fromkeys(("end_frame_generation_id", "last_image_url"), "end"),
}
OUT_OF_CREDIT = re.compile(
    r"credit|billing|top.?up|out of tokens|(?:insufficient|low|not enough) (?:balance|funds|tokens)",
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
            raise Refused(message, detail=error.detail, fields={"model": message}) from error

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Return the JSON of one GET."""
        return self._door.send(Call("GET", path, lambda data: data, params=params or {}))

    def _raw(self, data: Any) -> Mapping[str, Any]:
        clean = scrub(data, self._door.secrets)
        return clean if isinstance(clean, dict) else {"answer": clean}

    def _rows(self, rows: Any, parse: Callable[[Any], Job]) -> list[Job]:
        """Return the readable rows of a list answer. Raises ProtocolError when it is no list."""
        if not isinstance(rows, list):
            raise ProtocolError(f"{self.label} answered a list request without a list.")
        jobs = []
        for row in rows:
            # One odd row, of another product perhaps, must not hide the others.
            with suppress(ProtocolError):
                jobs.append(parse(row))
        return jobs

    def _words(self, error: Any) -> str:
        return mask_text(flatten_error(error), self._door.secrets)

    def _spec(self, request: ShotRequest) -> ModelSpec:
        """Return the catalogue's entry. Raises Refused, and EndUnusable for an end it cannot take."""
        try:
            spec = get_spec(self.slug, request.model)
        except UnknownModel as error:
            raise Refused(str(error), fields={"model": str(error)}) from error
        unusable = {}
        if isinstance(request.start, JobEnd) and not spec.extend_by_id:
            unusable["start"] = f"{spec.name} cannot continue a clip by its id. Use its last frame."
        if isinstance(request.end, JobEnd) and not spec.prepend_by_id:
            unusable["end"] = f"{spec.name} cannot lead into a clip by its id. Use its first frame."
        if unusable:
            raise EndUnusable(" ".join(unusable.values()), fields=unusable)
        return spec

    def _prompt(self, spec: ModelSpec, request: ShotRequest) -> str:
        return sent_prompt(spec, request.prompt, request.concepts)

    def _explain(self, answer: Answer) -> ProviderError | None:
        if answer.status >= 500:
            return None
        data = answer.data_or_none()
        if data is None and answer.body.lstrip()[:1] == b"<":
            return ProtocolError(
                f"{self.label} answered with a web page instead of data ({answer.status}). "
                "Check the base URL.",
                detail=mask_text(answer.text, self._door.secrets)[:500],
            )
        words = self._words(data if data is not None else answer.text)
        return self._refusal(answer.status, data, words)

    def _refusal(self, status: int, data: Any, words: str) -> ProviderError:
        """Return the error a 4xx stands for. Adapters override what differs."""
        if status == 402 or (status == 403 and OUT_OF_CREDIT.search(words)):
            return self._out_of_credit(data, words)
        if status == 401:
            return AuthFailed(f"{self.label} does not accept the key.", detail=words)
        if status == 403:
            return AuthFailed(
                f"{self.label} does not allow this to the key. It may be inactive.", detail=words
            )
        if status == 404:
            return NotFound(f"{self.label} does not know this job.", detail=words)
        return self._refused(data, words)

    def _out_of_credit(self, data: Any, words: str) -> OutOfCredit:
        required = number_at(data, "creditsRequired")
        available = number_at(data, "creditsAvailable")
        numbers = ""
        if required is not None and available is not None:
            numbers = f" This shot needs {required:,g} credits and {available:,g} are left."
        return OutOfCredit(
            f"{self.label} is out of credit.{numbers}",
            detail=words,
            required=required,
            available=available,
        )

    def _refused(self, data: Any, words: str) -> Refused:
        failure = read_failure(words)
        if failure.code in ("moderation", "image"):
            message = failure.sentence
        elif words:
            message = f"{self.label} refuses this shot: {words[:300]}"
        else:
            message = f"{self.label} refuses this shot and does not say why."
        return Refused(message, detail=words, fields=self._fields(data, words))

    def _fields(self, data: Any, words: str) -> dict[str, str]:
        """Return our fields with the provider's words, from structured details or from the text."""
        found: dict[str, str] = {}
        details = dig(data, "details")
        if isinstance(details, Mapping):
            for path, messages in details.items():
                self._add_field(found, str(path).split("."), self._words(messages))
        listed = dig(data, "detail") or dig(data, "message")
        if isinstance(listed, list):
            for item in listed:
                place = dig(item, "loc") or dig(item, "path") or text_at(item, "property")
                parts = place if isinstance(place, list) else str(place or "").split(".")
                self._add_field(found, [str(part) for part in parts], self._words(item))
        if not found:
            for name, ours in FIELDS.items():
                if name != "model" and re.search(rf"\b{name}\b", words):
                    found.setdefault(ours, f"{self.label}: {words[:300]}")
        return found

    def _add_field(self, found: dict[str, str], parts: list[str], words: str) -> None:
        ours = next((FIELDS[part] for part in reversed(parts) if part in FIELDS), "")
        if ours:
            found.setdefault(ours, f"{self.label}: {words[:300]}")


def quoted(job_id: str) -> str:
    """Return a job id safe to be one part of a path: ids may hold colons and slashes."""
    return quote(job_id, safe="")


def need(value: str, what: str, label: str) -> str:
    """Return the value, or raise ProtocolError naming what the answer lacks."""
    if not value:
        raise ProtocolError(f"{label} answered without {what}.")
    return value
