"""Apiframe API v2. Reference: https://api.apiframe.ai/v2/openapi.json, checked 2026-11-20.

The only provider with an idempotency key: the same submit with the same key within 24 h answers
with the first job. The same key with another body is a 409, so a resend must carry the very same
picture URLs.
"""

from __future__ import annotations

import hmac
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from studio.providers.amounts import (
    MAX_CLIP_CREDITS,
    amount_at,
    balance_at,
    has_any,
    read_charge,
    read_cost,
)
from studio.providers.answers import (
    dig,
    id_at,
    percent_at,
    settle,
    text_at,
    time_at,
    url_at,
    word_at,
)
from studio.providers.base import (
    AlreadySubmitted,
    Balance,
    ImageEnd,
    Job,
    PriceHint,
    ProviderError,
    RecentJobs,
    Refused,
    RequestEcho,
    ShotRequest,
    WebhookHint,
)
from studio.providers.calls import Call, read_json
from studio.providers.clock import Clock
from studio.providers.echoes import read_echo
from studio.providers.remote import RemoteProvider, need, quoted
from studio.providers.specs import specs_for

MAX_IMAGE_BYTES = 25 * 1024 * 1024
MAX_KEY_CHARS = 255
MAX_PAGES = 10
MAX_DETAILS = 50


class ApiframeProvider(RemoteProvider):
    """One Apiframe account. Keys start with `afk_`."""

    slug = "apiframe"
    label = "Apiframe"
    default_base_url = "https://api.apiframe.ai"

    @staticmethod
    def _auth(key: str) -> Mapping[str, str]:
        return {"X-API-Key": key} if key.isascii() and key.isprintable() else {}

    def payload(self, request: ShotRequest) -> Mapping[str, Any]:
        self._spec(request)
        # Both objects are closed: an unset field is left out, never null.
        params: dict[str, Any] = {
            "duration": request.duration_s,
            "aspect_ratio": request.aspect_ratio,
        }
        if isinstance(request.start, ImageEnd):
            params["start_image"] = request.start.url
        if isinstance(request.end, ImageEnd):
            params["end_image"] = request.end.url
        if request.loop:
            params["loop"] = True
        if request.concepts:
            params["concepts"] = list(request.concepts)
        body: dict[str, Any] = {
            "model": request.model,
            "prompt": request.prompt,
            "lumaParams": params,
        }
        if request.callback_url:
            body["webhookUrl"] = request.callback_url
            body["webhookEvents"] = ["completed", "failed"]
        return body

    def _submit_call(self, request: ShotRequest) -> Call[Job]:
        headers = {}
        if request.idempotency_key:
            headers["Idempotency-Key"] = request.idempotency_key[:MAX_KEY_CHARS]
        return Call(
            "POST",
            "/v2/videos/generate",
            self._parse_job,
            json=self.payload(request),
            headers=headers,
            paid=True,
            dated=True,
        )

    def _fetch_call(self, job_id: str) -> Call[Job]:
        return Call(
            "GET",
            f"/v2/jobs/{quoted(job_id)}",
            lambda data, clock: self._parse_job(data, clock, job_id),
            dated=True,
        )

    def _parse_job(self, data: Any, clock: Clock, asked: str = "") -> Job:
        word = word_at(data, "status")
        url = _result_url(dig(data, "result"))
        job_id = self._job_id(data, asked, "jobId", "id", word=word, url=url)
        expired = dig(data, "expired") is True
        status, error = settle(
            word, url, finished_at=time_at(data, "completedAt"), expired=expired, clock=clock
        )
        cost = read_cost(data, credits=("creditCost",))
        echo = _echo(dig(data, "input"))
        return Job(
            id=job_id,
            status=status,
            raw_status=word,
            progress=percent_at(data, "progress"),
            result_url=url,
            error=self._failure(data, status, word, dig(data, "error")) or error,
            cost=cost,
            # Accounts differ on whether failures are refunded; what the job says decides.
            charged=read_charge(status, cost, {}, unreadable=has_any(data, "creditCost")),
            expired=expired,
            model=text_at(data, "model"),
            prompt=echo.prompt or "",
            echo=echo,
            created_at=clock.here(time_at(data, "createdAt")),
            created_as_told=time_at(data, "createdAt"),
            raw=self._raw(data),
        )

    def _refusal(self, status: int, data: Any, words: str) -> ProviderError:
        if status == 409:
            return AlreadySubmitted(
                "Apiframe already has a shot under this key with other contents. It may be "
                "rendering and it may cost.",
                detail=words,
            )
        return super()._refusal(status, data, words)

    def upload_image(self, data: bytes, content_type: str) -> str:
        """Return a URL kept for one to two hours: upload right before the submit."""
        if len(data) > MAX_IMAGE_BYTES:
            raise Refused(
                f"The picture has {len(data) / 1e6:.1f} MB; Apiframe takes at most 25 MB.",
                code="image",
            )
        name = f"frame.{content_type.rpartition('/')[2] or 'jpg'}"
        return self._door.send(
            Call(
                "POST",
                "/v2/uploads",
                lambda answer: need(url_at(answer, "url"), "an upload URL", self.label),
                files={"file": (name, data, content_type)},
                timeout_s=60.0,
            )
        )

    def balance(self) -> Balance:
        credits = balance_at(self._get("/v2/me"), "team", "credits")
        return Balance(credits=credits, unit="credits")

    def price_hints(self) -> Sequence[PriceHint]:
        known = {spec.id for spec in specs_for(self.slug)}
        rows = dig(self._get("/v2/models", {"modality": "video"}), "models")
        hints = []
        for row in rows if isinstance(rows, list) else []:
            low = amount_at(row, "costMin", most=MAX_CLIP_CREDITS)
            high = amount_at(row, "costMax", most=MAX_CLIP_CREDITS)
            if text_at(row, "id") in known and low is not None:
                mode = text_at(row, "pricingMode")
                hints.append(PriceHint(text_at(row, "id"), low, high or low, "credits", mode))
        return hints

    def find_recent(
        self, *, model: str, since: datetime, skip: Container[str] = frozenset()
    ) -> RecentJobs:
        found: list[Job] = []
        readable, complete = True, False
        params = {"model": model, "limit": "100"}
        for _ in range(MAX_PAGES):
            jobs, cursor = self._door.send(
                Call("GET", "/v2/jobs", self._parse_page, params=params, dated=True)
            )
            found += [job for job in jobs if job.may_be_since(since)]
            older = not all(job.may_be_since(since) for job in jobs)
            readable = readable and jobs.complete
            if older or not jobs or not cursor:
                complete = readable
                break
            params["cursor"] = cursor
        fresh = [job for job in found if job.id not in skip]
        detailed = [self._with_prompt(job) for job in fresh[:MAX_DETAILS]]
        return RecentJobs(detailed + fresh[MAX_DETAILS:], complete=complete)

    def _parse_page(self, data: Any, clock: Clock) -> tuple[RecentJobs, str]:
        """Return a page's jobs and the cursor of the next page, empty at the last one."""
        jobs = self._rows(dig(data, "jobs"), lambda row: self._parse_job(row, clock), clock)
        has_more = dig(data, "hasMore")
        cursor = text_at(data, "nextCursor") if has_more is True else ""
        # More without a way to it, or not a word of more: nobody knows whether this was all.
        jobs.complete = jobs.complete and (bool(cursor) or has_more is False)
        return jobs, cursor

    def _with_prompt(self, job: Job) -> Job:
        # The list leaves the prompt out; only the single answer echoes the input.
        if job.prompt:
            return job
        try:
            return self.fetch(job.id)
        except ProviderError:
            # One answer that fails must not hide the jobs that could be read.
            return job

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookHint | None:
        """Check the HMAC over the raw body. Two forms of its key are in use; either is accepted."""
        given = {name.lower(): value for name, value in headers.items()}
        sent = given.get("x-webhook-signature", "").strip().lower().removeprefix("sha256=")
        digest = sha256(self._key.encode())
        forms = {"raw digest": digest.digest(), "hex text": digest.hexdigest().encode()}
        matched = ""
        for name, key in forms.items():
            expected = hmac.new(key, body, sha256).hexdigest()
            if hmac.compare_digest(expected.encode(), sent.encode("utf-8", "replace")):
                matched = name
        if not matched or not self._key:
            return None
        try:
            data = read_json(body)
        except ValueError:
            return None
        job_id = id_at(data, "jobId", "id")
        event = word_at(data, "event") or given.get("x-webhook-event", "")[:60]
        return WebhookHint(job_id, event, matched) if job_id else None


def _echo(request: Any) -> RequestEcho:
    """Return the echo of a job's `input`: the prompt beside the parameters, or all in one object."""
    params = dig(request, "lumaParams")
    if not isinstance(params, Mapping):
        return read_echo(request, takes_concepts=True)
    return read_echo({**params, "prompt": dig(request, "prompt")}, takes_concepts=True)


def _result_url(result: Any) -> str:
    if isinstance(result, str):
        return url_at({"url": result}, "url")
    for path in (("videoUrl",), ("video_url",), ("url",), ("video",), ("videos", 0)):
        found = url_at(result, *path)
        if found:
            return found
    return ""
