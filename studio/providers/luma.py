"""Luma's Dream Machine API. Reference: https://docs.lumalabs.ai, openapi 1.1.0, checked 2026-11-20.

No idempotency key and no upload: pictures need a public URL. Charged up front and refunded on
failure, so a failed job counts as not charged.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from typing import Any

from studio.providers.answers import dig, id_at, number_at, settle, text_at, time_at
from studio.providers.base import (
    Balance,
    Job,
    ProviderError,
    ShotRequest,
    Status,
    WebhookHint,
)
from studio.providers.calls import Call
from studio.providers.luma_shape import keyframes, read_callback, state_word, video_url
from studio.providers.remote import OUT_OF_CREDIT, RemoteProvider, need, quoted

PAGE_ROWS = 100
MAX_PAGES = 10
MICROUSD_PER_CENT = 10_000


class LumaProvider(RemoteProvider):
    """One Luma API account. Keys start with `luma-`."""

    slug = "luma"
    label = "Luma"
    default_base_url = "https://api.lumalabs.ai/dream-machine/v1"

    def payload(self, request: ShotRequest) -> Mapping[str, Any]:
        spec = self._spec(request)
        body: dict[str, Any] = {
            "generation_type": "video",
            "model": request.model,
            "aspect_ratio": request.aspect_ratio,
        }
        prompt = self._prompt(spec, request)
        if prompt:
            body["prompt"] = prompt
        if not spec.fixed_resolution:
            body["resolution"] = request.resolution
        if not spec.fixed_duration:
            body["duration"] = f"{request.duration_s}s"
        if request.loop:
            body["loop"] = True
        frames = keyframes(request)
        if frames:
            body["keyframes"] = frames
        if request.concepts and spec.native_concepts:
            body["concepts"] = [{"key": slug} for slug in request.concepts]
        if request.callback_url:
            body["callback_url"] = request.callback_url
        return body

    def _submit_call(self, request: ShotRequest) -> Call[Job]:
        return Call(
            "POST", "/generations/video", self._parse_job, json=self.payload(request), paid=True
        )

    def _fetch_call(self, job_id: str) -> Call[Job]:
        return Call("GET", f"/generations/{quoted(job_id)}", self._parse_job)

    def _parse_job(self, data: Any) -> Job:
        job_id = need(id_at(data, "id"), "a generation id", self.label)
        word = need(state_word(data), "a state", self.label)
        url = video_url(data)
        status, error = settle(word, url, finished_at=None)
        return Job(
            id=job_id,
            status=status,
            raw_status=word,
            result_url=url,
            error=self._words(dig(data, "failure_reason")) or error,
            charged={Status.SUCCEEDED: True, Status.FAILED: False}.get(status),
            model=text_at(data, "model") or text_at(data, "version"),
            prompt=text_at(data, "request", "prompt"),
            created_at=time_at(data, "created_at"),
            raw=self._raw(data),
        )

    def _refusal(self, status: int, data: Any, words: str) -> ProviderError:
        # Luma publishes no code for an empty account; the text is all there is.
        if status not in (401, 404) and OUT_OF_CREDIT.search(words):
            return self._out_of_credit(data, words)
        return super()._refusal(status, data, words)

    def balance(self) -> Balance:
        cents = number_at(self._get("/credits"), "credit_balance")
        return Balance(microusd=None if cents is None else round(cents * MICROUSD_PER_CENT))

    def find_recent(
        self, *, model: str, since: datetime, skip: Container[str] = frozenset()
    ) -> Sequence[Job]:
        found: list[Job] = []
        for page in range(MAX_PAGES):
            params = {"limit": str(PAGE_ROWS), "offset": str(page * PAGE_ROWS)}
            answer = self._get("/generations", params)
            jobs = self._rows(dig(answer, "generations"), self._parse_job)
            fresh = [job for job in jobs if job.created_at is None or job.created_at >= since]
            found += [job for job in fresh if job.model in ("", model) and job.id not in skip]
            if not fresh or dig(answer, "has_more") is not True:
                break
        return found

    def delete(self, job_id: str) -> None:
        self._door.send(
            Call("DELETE", f"/generations/{quoted(job_id)}", lambda _: None, empty_ok=True)
        )

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookHint | None:
        return read_callback(body)
