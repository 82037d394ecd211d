"""Luma's Dream Machine API. Reference: https://docs.lumalabs.ai, openapi 1.1.0, checked 2026-11-20.

No idempotency key and no upload: pictures need a public URL. Charged up front and refunded on
failure, so a failed job counts as not charged.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import datetime
from typing import Any

from studio.providers.amounts import balance_at, read_charge
from studio.providers.answers import dig, settle, text_at, time_at
from studio.providers.base import (
    Balance,
    Cost,
    Job,
    ProviderError,
    RecentJobs,
    ShotRequest,
    Status,
    WebhookHint,
)
from studio.providers.calls import Call
from studio.providers.clock import Clock
from studio.providers.luma_shape import (
    keyframes,
    read_callback,
    request_echo,
    state_word,
    video_url,
)
from studio.providers.reasons import find_code, is_out_of_credit
from studio.providers.remote import RemoteProvider, quoted
from studio.providers.specs import SPECS

PAGE_ROWS = 100
MAX_PAGES = 10
MICROUSD_PER_CENT = 10_000
CHARGES = {Status.SUCCEEDED: True, Status.FAILED: False}


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
        if request.prompt:
            body["prompt"] = request.prompt
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
            "POST",
            "/generations/video",
            self._parse_job,
            json=self.payload(request),
            paid=True,
            dated=True,
        )

    def _fetch_call(self, job_id: str) -> Call[Job]:
        return Call(
            "GET",
            f"/generations/{quoted(job_id)}",
            lambda data, clock: self._parse_job(data, clock, job_id),
            dated=True,
        )

    def _parse_job(self, data: Any, clock: Clock, asked: str = "") -> Job:
        word = state_word(data)
        url = video_url(data)
        job_id = self._job_id(data, asked, "id", word=word, url=url)
        status, error = settle(word, url, finished_at=None)
        model = text_at(data, "model") or text_at(data, "version")
        spec = SPECS.get((self.slug, model))
        echo = request_echo(data, takes_concepts=spec is not None and spec.native_concepts)
        return Job(
            id=job_id,
            status=status,
            raw_status=word,
            result_url=url,
            error=self._failure(
                data, status, word, dig(data, "failure_reason") or dig(data, "error")
            )
            or error,
            charged=read_charge(status, Cost(), CHARGES),
            model=model,
            prompt=echo.prompt or "",
            echo=echo,
            created_at=clock.here(time_at(data, "created_at")),
            created_as_told=time_at(data, "created_at"),
            raw=self._raw(data),
        )

    def _refusal(self, status: int, data: Any, words: str) -> ProviderError:
        # Luma publishes no status for an empty account; where no code tells, the text has to.
        if status not in (401, 404) and not find_code(data) and is_out_of_credit(words):
            return self._out_of_credit(data, words)
        return super()._refusal(status, data, words)

    def balance(self) -> Balance:
        cents = balance_at(self._get("/credits"), "credit_balance")
        return Balance(microusd=None if cents is None else round(cents * MICROUSD_PER_CENT))

    def find_recent(
        self, *, model: str, since: datetime, skip: Container[str] = frozenset()
    ) -> RecentJobs:
        found = RecentJobs(complete=False)
        readable = True
        for page in range(MAX_PAGES):
            params = {"limit": str(PAGE_ROWS), "offset": str(page * PAGE_ROWS)}
            jobs, has_more = self._door.send(
                Call("GET", "/generations", self._parse_page, params=params, dated=True)
            )
            fresh = [job for job in jobs if job.may_be_since(since)]
            found += [job for job in fresh if job.model in ("", model) and job.id not in skip]
            readable = readable and jobs.complete
            if not fresh or not has_more:
                found.complete = readable and (bool(jobs) or not has_more)
                break
        return found

    def _parse_page(self, data: Any, clock: Clock) -> tuple[RecentJobs, bool]:
        rows = dig(data, "generations")
        jobs = self._rows(rows, lambda row: self._parse_job(row, clock), clock)
        has_more = dig(data, "has_more")
        jobs.complete = jobs.complete and isinstance(has_more, bool)
        return jobs, has_more is True

    def delete(self, job_id: str) -> None:
        self._door.send(
            Call("DELETE", f"/generations/{quoted(job_id)}", lambda _: None, empty_ok=True)
        )

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookHint | None:
        return read_callback(body)
