"""AI/ML API, universal endpoint. Reference: https://docs.aimlapi.com, checked 2026-11-20.

No idempotency key, no list, no upload, no webhook. Out of credit is a 403 told apart by its
text. Failures are not charged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from studio.providers.answers import (
    dig,
    id_at,
    number_at,
    settle,
    text_at,
    time_at,
)
from studio.providers.base import (
    Balance,
    Cost,
    End,
    EndUnusable,
    ImageEnd,
    Job,
    JobEnd,
    NotFound,
    Refused,
    ShotRequest,
    Status,
)
from studio.providers.calls import Call
from studio.providers.luma_shape import keyframes, video_url
from studio.providers.remote import RemoteProvider, need

MICROUSD = 1_000_000
REQUEST_ID = re.compile(r"[^A-Za-z0-9._:-]")
ID_TROUBLE = re.compile(
    r"uuid|\bid\b|keyframes?|frame[01]|generation.{0,30}(?:not found|exist|invalid)", re.IGNORECASE
)


class AimlApiBase(RemoteProvider):
    """What both endpoints share: account, balance and the care for ids as ends."""

    slug = "aimlapi"
    label = "AI/ML API"
    default_base_url = "https://api.aimlapi.com"

    def submit(self, request: ShotRequest) -> Job:
        """Send one shot; an id that is refused is tried once more without its `:model` part.

        A refusal queued nothing, so the second POST cannot buy twice. Raises EndUnusable when no
        form of the id is taken.
        """
        try:
            return self._send_submit(self._submit_call(request))
        except EndUnusable:
            raise
        except Refused as refusal:
            if not names_an_id(request, refusal):
                raise
            shorter = shorten_ids(request)
            if shorter is None:
                raise self._end_unusable(request, refusal) from refusal
        try:
            return self._send_submit(self._submit_call(shorter))
        except Refused as refusal:
            if names_an_id(shorter, refusal):
                raise self._end_unusable(request, refusal) from refusal
            raise

    def balance(self) -> Balance:
        try:
            dollars = number_at(self._get("/v2/billing"), "current_balance")
        except NotFound:
            credits = number_at(self._get("/v1/billing/balance"), "balance")
            return Balance(credits=credits, unit="credits")
        return Balance(microusd=None if dollars is None else round(dollars * MICROUSD))

    def _end_unusable(self, request: ShotRequest, refusal: Refused) -> EndUnusable:
        message = f"{self.label} does not take this clip by its id. Its frame can be used instead."
        ends = {"start": request.start, "end": request.end}
        fields = {name: message for name, end in ends.items() if isinstance(end, JobEnd)}
        return EndUnusable(message, detail=refusal.detail, fields=fields)


class AimlApiProvider(AimlApiBase):
    """One AI/ML API account over `/v2/video/generations`."""

    def payload(self, request: ShotRequest) -> Mapping[str, Any]:
        spec = self._spec(request)
        body: dict[str, Any] = {
            "model": request.model,
            "prompt": self._prompt(spec, request),
            "aspect_ratio": request.aspect_ratio,
        }
        if not spec.fixed_resolution:
            body["resolution"] = request.resolution
        if not spec.fixed_duration:
            body["duration"] = request.duration_s
        if request.loop:
            body["loop"] = True
        if spec.extend_by_id:
            frames = keyframes(request)
            if frames:
                body["keyframes"] = frames
            return body
        # Ray 3.2 has no keyframes here: pictures travel in two fields of their own.
        if isinstance(request.start, ImageEnd):
            body["image_url"] = request.start.url
        if isinstance(request.end, ImageEnd):
            body["last_image_url"] = request.end.url
        return body

    def _submit_call(self, request: ShotRequest) -> Call[Job]:
        headers = {}
        if request.idempotency_key:
            # Only a trace for support: this provider does not deduplicate.
            trace = REQUEST_ID.sub("-", request.idempotency_key)[:128]
            headers["X-Client-Request-Id"] = trace
        return Call(
            "POST",
            "/v2/video/generations",
            self._parse_job,
            json=self.payload(request),
            headers=headers,
            paid=True,
        )

    def _fetch_call(self, job_id: str) -> Call[Job]:
        return Call(
            "GET",
            "/v2/video/generations",
            lambda data: self._parse_job(data, job_id),
            params={"generation_id": job_id},
        )

    def _parse_job(self, data: Any, job_id: str = "") -> Job:
        answered = id_at(data, "id", "generation_id")
        word = need(text_at(data, "status") or text_at(data, "state"), "a status", self.label)
        url = video_url(data)
        status, error = settle(word, url, finished_at=None)
        return Job(
            id=need(job_id or answered, "a generation id", self.label),
            status=status,
            raw_status=word,
            result_url=url,
            error=self._words(dig(data, "error")) or error,
            cost=_cost(data),
            charged={Status.SUCCEEDED: True, Status.FAILED: False}.get(status),
            model=text_at(data, "model"),
            created_at=time_at(data, "created_at"),
            raw=self._raw(data),
        )


def names_an_id(request: ShotRequest, refusal: Refused) -> bool:
    """Return whether a refusal is about a job id given as an end."""
    by_id = isinstance(request.start, JobEnd) or isinstance(request.end, JobEnd)
    return by_id and bool(ID_TROUBLE.search(refusal.detail))


def shorten_ids(request: ShotRequest) -> ShotRequest | None:
    """Return the request with the part of each end id before its colon.

    None when that changes nothing or gives something that is no uuid.
    """
    start, end = _shorten(request.start), _shorten(request.end)
    ids = [one.job_id for one in (start, end) if isinstance(one, JobEnd)]
    if (start, end) == (request.start, request.end) or not all(map(_is_uuid, ids)):
        return None
    return replace(request, start=start, end=end)


def _shorten(end: End) -> End:
    return JobEnd(end.job_id.partition(":")[0]) if isinstance(end, JobEnd) else end


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _cost(data: Any) -> Cost:
    usage = dig(data, "meta", "usage")
    dollars = number_at(usage, "usd_spent")
    credits = number_at(usage, "credits_used")
    if credits is None:
        credits = number_at(usage, "tokens_used")
    return Cost(
        microusd=None if dollars is None else round(dollars * MICROUSD),
        credits=credits,
        unit="credits" if credits is not None else "",
    )
