"""GMI Cloud's request queue. Reference: https://docs.gmicloud.ai, checked 2026-11-20.

Field names are those of the model's parameter table; its sample request shows others. No
idempotency key. A model id that is dead there may stay queued for ever: the caller keeps a
deadline for the queue.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from studio.providers.amounts import MAX_CLIP_USD, amount_at, read_charge
from studio.providers.answers import (
    dig,
    id_at,
    settle,
    text_at,
    time_at,
    url_at,
    word_at,
)
from studio.providers.base import (
    Cost,
    End,
    EndUnusable,
    ImageEnd,
    Job,
    JobEnd,
    NotFound,
    PriceHint,
    ProtocolError,
    ProviderError,
    RecentJobs,
    Refused,
    ShotRequest,
    Status,
)
from studio.providers.calls import Answer, Call
from studio.providers.clock import Clock
from studio.providers.echoes import read_echo
from studio.providers.refusals import make_refusal
from studio.providers.remote import RemoteProvider, need, quoted
from studio.providers.specs import specs_for

UPLOAD_TYPES = {"image/jpeg": "jpeg", "image/png": "png"}
# The one form of a 500 that refuses: it reports the 400 or 422 of the server behind the queue,
# "upstream returned 400: Bad Request". Numbers and words elsewhere in a text refuse nothing.
WRAPPED_400 = re.compile(
    r"\b(?:upstream|backend|provider|vendor|model server)\b(?:\s+(?:server|service|api|request))?"
    r"\s*:?\s*(?:returned|responded with|answered|replied with|failed with|error|status)"
    r"(?:[\s:=(]|an?\b|http|status|code|error)*(?:400|422)\b"
    r"(?:\s*[)\]:,.;\-–—{\"]|\s*$|\s+(?:bad request|unprocessable))",
    re.IGNORECASE,
)
CHARGES = {Status.SUCCEEDED: True}  # what a failed request costs is not published


class GmiCloudProvider(RemoteProvider):
    """One GMI Cloud account."""

    slug = "gmicloud"
    label = "GMI Cloud"
    default_base_url = "https://console.gmicloud.ai/api/v1/ie/requestqueue/apikey"

    def submit(self, request: ShotRequest) -> Job:
        """Send one shot. Ends by job are looked up first: the queue's id is not the clip's id."""
        self._spec(request)
        start = self._clip_end("start", request.start)
        end = self._clip_end("end", request.end)
        return self._send_submit(self._submit_call(replace(request, start=start, end=end)))

    def payload(self, request: ShotRequest) -> Mapping[str, Any]:
        spec = self._spec(request)
        body: dict[str, Any] = {
            "prompt": request.prompt,
            "resolution": request.resolution,
            "duration": f"{request.duration_s}s",
            "aspect_ratio": request.aspect_ratio,
            "loop": request.loop,
        }
        newer = spec.extend_by_id
        for end, image_field, job_field in (
            (request.start, "start_frame_url" if newer else "frame0_image", "start_frame"),
            (request.end, "end_frame_url" if newer else "frame1_image", "end_frame"),
        ):
            if isinstance(end, ImageEnd):
                body[image_field] = end.url
            elif isinstance(end, JobEnd):
                body[f"{job_field}_generation_id"] = end.job_id
        return {"model": request.model, "payload": body}

    def _submit_call(self, request: ShotRequest) -> Call[Job]:
        return Call(
            "POST",
            "/requests",
            self._parse_job,
            json=self.payload(request),
            paid=True,
            dated=True,
        )

    def _fetch_call(self, job_id: str) -> Call[Job]:
        return Call(
            "GET",
            f"/requests/{quoted(job_id)}",
            lambda data, clock: self._parse_job(data, clock, job_id),
            dated=True,
        )

    def _parse_job(self, data: Any, clock: Clock, asked: str = "") -> Job:
        word = word_at(data, "status")
        outcome = dig(data, "outcome")
        url = _media_url(outcome)
        job_id = self._job_id(data, asked, "request_id", "id", word=word, url=url)
        status, error = settle(word, url, finished_at=time_at(data, "updated_at"), clock=clock)
        reason = dig(outcome, "error") or dig(data, "reason") or dig(data, "error")
        # The id of a clip that is continued is not the id of its request.
        echo = read_echo(dig(data, "payload"), ids_compare=False)
        return Job(
            id=job_id,
            status=status,
            raw_status=word,
            result_url=url,
            error=self._failure(data, status, word, reason) or error,
            charged=read_charge(status, Cost(), CHARGES),
            model=text_at(data, "model"),
            prompt=echo.prompt or "",
            echo=echo,
            created_at=clock.here(time_at(data, "created_at")),
            created_as_told=time_at(data, "created_at"),
            raw=self._raw(data),
        )

    def _clip_end(self, field: str, end: End) -> End:
        if not isinstance(end, JobEnd):
            return end
        try:
            record = self._get(f"/requests/{quoted(end.job_id)}")
        except NotFound:
            record = None
        outcome = dig(record, "outcome")
        clip_id = (
            id_at(outcome, "generation_id")
            or id_at(dig(outcome, "media_urls", 0), "generation_id")
            or id_at(record, "generation_id")
        )
        if not clip_id:
            message = (
                "GMI Cloud gives no id to continue this clip by. Its frame can be used instead."
            )
            raise EndUnusable(message, fields={field: message}, code="end")
        return JobEnd(clip_id)

    def _explain(self, answer: Answer) -> ProviderError | None:
        data = answer.data_or_none()
        words = self._words(data)
        if answer.status == 500 and WRAPPED_400.search(words):
            return make_refusal(self.label, data, words, self._mask, unproven=True)
        return super()._explain(answer)

    def upload_image(self, data: bytes, content_type: str) -> str:
        file_type = UPLOAD_TYPES.get(content_type)
        if file_type is None:
            raise Refused(
                f"The picture is {content_type}; GMI Cloud takes JPEG or PNG.", code="image"
            )
        ticket = self._door.send(
            Call("POST", "/upload-url", lambda answer: answer, json={"file_type": file_type})
        )
        upload = need(url_at(ticket, "upload_url"), "an upload URL", self.label)
        public = need(url_at(ticket, "public_url"), "a public URL", self.label)
        self._door.put_file(upload, data, content_type)
        return public

    def models(self) -> Sequence[str]:
        """Return the model ids this key may use. Free."""
        answer = self._get("/models")
        rows = dig(answer, "model_ids")
        rows = rows if isinstance(rows, list) else dig(answer, "models")
        if not isinstance(rows, list):
            raise ProtocolError("GMI Cloud answered a list request without models.")
        ids = (row if isinstance(row, str) else id_at(row, "model", "id") for row in rows)
        return [one for one in ids if one]

    def check_key(self) -> None:
        self.models()

    def price_hints(self) -> Sequence[PriceHint]:
        offered = set(self.models())
        hints = []
        for spec in specs_for(self.slug):
            if spec.id not in offered:
                continue
            info = dig(self._get(f"/models/{quoted(spec.id)}"), "price_info")
            price = amount_at(info, "price", most=MAX_CLIP_USD)
            if price is not None:
                unit = text_at(info, "unit") or "USD"
                hints.append(PriceHint(spec.id, price, price, unit, text_at(info, "pricing_type")))
        return hints

    def find_recent(
        self, *, model: str, since: datetime, skip: Container[str] = frozenset()
    ) -> RecentJobs:
        jobs = self._door.send(
            Call("GET", "/requests", self._parse_list, params={"model_id": model}, dated=True)
        )
        fresh = [
            job
            for job in jobs
            if job.may_be_since(since.replace(microsecond=0))
            and job.model in ("", model)
            and job.id not in skip
        ]
        fresh.sort(key=lambda job: job.created_at or since, reverse=True)
        return RecentJobs(fresh, complete=jobs.complete)

    def _parse_list(self, data: Any, clock: Clock) -> RecentJobs:
        jobs = self._rows(dig(data, "requests"), lambda row: self._parse_job(row, clock), clock)
        # It has no pages: only its own count tells whether it shows all there is.
        total = dig(data, "total")
        jobs.complete = jobs.complete and isinstance(total, int) and total <= len(jobs)
        return jobs


def _media_url(outcome: Any) -> str:
    """Return the clip's URL. The thumbnail is an image and is never looked at."""
    for path in (("media_urls", 0), ("video_url",), ("url",)):
        found = url_at(outcome, *path)
        if found:
            return found
    return ""
