"""AI/ML API's older Luma endpoint. Reference: docs.aimlapi.com luma-ai-v2, checked 2026-11-20.

Undocumented since 2026-01; a switch on the account. It fetches many generations in one request
and calls back, unsigned. Answers have Luma's own shape. Asked for a state, the server holds a
GET for about 30 s; none is asked for here, and the read timeout is longer all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from studio.providers.aimlapi import CHARGES, AimlApiBase
from studio.providers.amounts import has_any, read_charge, read_cost
from studio.providers.answers import dig, id_at, settle, text_at, time_at
from studio.providers.base import Job, ProtocolError, ProviderError, ShotRequest, WebhookHint
from studio.providers.calls import Call
from studio.providers.clock import Clock
from studio.providers.luma_shape import (
    keyframes,
    read_callback,
    request_echo,
    state_word,
    video_url,
)

PATH = "/v2/generate/video/luma-ai"
READ_TIMEOUT_S = 45.0


class AimlApiLegacyProvider(AimlApiBase):
    """One AI/ML API account over the older endpoint. Models: ray-2, ray-flash-2, ray-1-6."""

    def payload(self, request: ShotRequest) -> Mapping[str, Any]:
        spec = self._spec(request)
        body: dict[str, Any] = {
            "generation_type": "video",
            "model": request.model,
            "prompt": request.prompt,
            "aspect_ratio": request.aspect_ratio,
        }
        if not spec.fixed_resolution:
            body["resolution"] = request.resolution
        if not spec.fixed_duration:
            body["duration"] = f"{request.duration_s}s"
        if request.loop:
            body["loop"] = True
        frames = keyframes(request)
        if frames:
            body["keyframes"] = frames
        if request.callback_url:
            body["callback_url"] = request.callback_url
        return body

    def _submit_call(self, request: ShotRequest) -> Call[Job]:
        return Call(
            "POST",
            f"{PATH}/generation",
            self._parse_job,
            json=self.payload(request),
            headers=self._trace(request),
            paid=True,
            timeout_s=READ_TIMEOUT_S,
            dated=True,
        )

    def _fetch_call(self, job_id: str) -> Call[Job]:
        return Call(
            "GET",
            f"{PATH}/generation",
            lambda data, clock: self._parse_job(data, clock, job_id),
            params={"generation_id": job_id},
            timeout_s=READ_TIMEOUT_S,
            dated=True,
        )

    def _fetch_many_call(self, job_ids: Sequence[str]) -> Call[Mapping[str, Job]]:
        return Call(
            "GET",
            f"{PATH}/generations",
            lambda data, clock: self._parse_batch(data, clock, frozenset(job_ids)),
            params={"generation_ids": ",".join(job_ids)},
            timeout_s=READ_TIMEOUT_S,
            dated=True,
        )

    def fetch_many(self, job_ids: Sequence[str]) -> Mapping[str, Job]:
        return self._door.send(self._fetch_many_call(job_ids)) if job_ids else {}

    async def afetch_many(self, job_ids: Sequence[str]) -> Mapping[str, Job]:
        if not job_ids:
            return {}
        return await self._door.asend(self._fetch_many_call(job_ids))

    def _parse_job(self, data: Any, clock: Clock, asked: str = "") -> Job:
        word = state_word(data)
        url = video_url(data)
        job_id = self._job_id(data, asked, "id", "generation_id", word=word, url=url)
        status, error = settle(word, url, finished_at=None)
        reason = dig(data, "failure_reason") or dig(data, "error")
        usage = dig(data, "meta", "usage")
        cost = read_cost(usage, usd=("usd_spent",), credits=("credits_used", "tokens_used"))
        figured = has_any(usage, "usd_spent", "credits_used", "tokens_used")
        echo = request_echo(data)
        return Job(
            id=job_id,
            status=status,
            raw_status=word,
            result_url=url,
            error=self._failure(data, status, word, reason) or error,
            cost=cost,
            charged=read_charge(status, cost, CHARGES, unreadable=figured),
            model=text_at(data, "model") or text_at(data, "version"),
            prompt=echo.prompt or "",
            echo=echo,
            created_at=clock.here(time_at(data, "created_at")),
            created_as_told=time_at(data, "created_at"),
            raw=self._raw(data),
        )

    def _parse_batch(self, data: Any, clock: Clock, asked: frozenset[str]) -> Mapping[str, Job]:
        """Read a list, {generations: [...]}, {data: [...]} or a map by id.

        A row without a state is left out like a job that is missing: it is asked for by itself.
        """
        rows: Any = data
        for key in ("generations", "data"):
            if dig(rows, key) is not None:
                rows = dig(rows, key)
        if isinstance(rows, Mapping):
            pairs = [(key, row) for key, row in rows.items() if state_word(row)]
        elif isinstance(rows, list):
            pairs = [(id_at(row, "id", "generation_id"), row) for row in rows if state_word(row)]
        else:
            pairs = []
        if not pairs and not isinstance(rows, list):
            error = self._error_within(data, on_submit=False)
            raise error or ProtocolError(
                f"{self.label} answered a batch request without generations."
            )
        jobs = {}
        for key, row in pairs:
            # One odd row harms its own job only.
            with suppress(ProviderError):
                if key in asked:
                    jobs[key] = self._parse_job(row, clock, key)
        return jobs

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookHint | None:
        return read_callback(body)
