"""Apiframe API v2. Reference: https://api.apiframe.ai/v2/openapi.json, checked 2026-11-20.

The only provider with an idempotency key: the same submit with the same key within 24 h answers
with the first job. The same key with another body is a 409, so a resend must carry the very same
picture URLs.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from studio.providers.answers import (
    dig,
    id_at,
    number_at,
    settle,
    text_at,
    time_at,
    url_at,
)
from studio.providers.base import (
    AlreadySubmitted,
    Balance,
    Cost,
    ImageEnd,
    Job,
    PriceHint,
    ProviderError,
    Refused,
    ShotRequest,
    Status,
    WebhookHint,
)
from studio.providers.calls import Call
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
        spec = self._spec(request)
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
            "prompt": self._prompt(spec, request),
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
        )

    def _fetch_call(self, job_id: str) -> Call[Job]:
        return Call("GET", f"/v2/jobs/{quoted(job_id)}", self._parse_job)

    def _parse_job(self, data: Any) -> Job:
        job_id = need(id_at(data, "jobId", "id"), "a job id", self.label)
        word = need(text_at(data, "status"), "a status", self.label)
        url = _result_url(dig(data, "result"))
        expired = dig(data, "expired") is True
        finished_at = time_at(data, "completedAt")
        status, error = settle(word, url, finished_at=finished_at, expired=expired)
        credits = number_at(data, "creditCost")
        progress = number_at(data, "progress")
        ended = status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)
        return Job(
            id=job_id,
            status=status,
            raw_status=word,
            progress=None if progress is None else min(100, max(0, int(progress))),
            result_url=url,
            error=self._words(dig(data, "error")) or error,
            cost=Cost(credits=credits, unit="credits") if credits is not None else Cost(),
            # Accounts differ on whether failures are refunded; what the job says decides.
            charged=credits > 0 if ended and credits is not None else None,
            expired=expired,
            model=text_at(data, "model"),
            prompt=text_at(data, "input", "prompt"),
            created_at=time_at(data, "createdAt"),
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
                f"The picture has {len(data) / 1e6:.1f} MB; Apiframe takes at most 25 MB."
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
        credits = number_at(self._get("/v2/me"), "team", "credits")
        return Balance(credits=credits, unit="credits")

    def price_hints(self) -> Sequence[PriceHint]:
        known = {spec.id for spec in specs_for(self.slug)}
        rows = dig(self._get("/v2/models", {"modality": "video"}), "models")
        hints = []
        for row in rows if isinstance(rows, list) else []:
            low, high = number_at(row, "costMin"), number_at(row, "costMax")
            if text_at(row, "id") in known and low is not None:
                mode = text_at(row, "pricingMode")
                hints.append(PriceHint(text_at(row, "id"), low, high or low, "credits", mode))
        return hints

    def find_recent(
        self, *, model: str, since: datetime, skip: Container[str] = frozenset()
    ) -> Sequence[Job]:
        found: list[Job] = []
        params = {"model": model, "limit": "100"}
        for _ in range(MAX_PAGES):
            page = self._get("/v2/jobs", params)
            jobs = self._rows(dig(page, "jobs"), self._parse_job)
            found += [job for job in jobs if job.created_at is None or job.created_at >= since]
            cursor = text_at(page, "nextCursor")
            older = any(job.created_at is not None and job.created_at < since for job in jobs)
            if older or not jobs or not cursor or dig(page, "hasMore") is not True:
                break
            params["cursor"] = cursor
        fresh = [job for job in found if job.id not in skip]
        return [self._with_prompt(job) for job in fresh[:MAX_DETAILS]] + fresh[MAX_DETAILS:]

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
            if hmac.compare_digest(expected.encode(), sent.encode()):
                matched = name
        if not matched or not self._key:
            return None
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            return None
        job_id = id_at(data, "jobId", "id")
        event = text_at(data, "event") or given.get("x-webhook-event", "")
        return WebhookHint(job_id, event, matched) if job_id else None


def _result_url(result: Any) -> str:
    if isinstance(result, str):
        return url_at({"url": result}, "url")
    for path in (("videoUrl",), ("video_url",), ("url",), ("video",), ("videos", 0)):
        found = url_at(result, *path)
        if found:
            return found
    return ""
