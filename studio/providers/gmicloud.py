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
    End,
    EndUnusable,
    ImageEnd,
    Job,
    JobEnd,
    NotFound,
    PriceHint,
    ProtocolError,
    ProviderError,
    Refused,
    ShotRequest,
    Status,
)
from studio.providers.calls import Answer, Call
from studio.providers.remote import RemoteProvider, need, quoted
from studio.providers.specs import specs_for

UPLOAD_TYPES = {"image/jpeg": "jpeg", "image/png": "png"}
# A 500 that wraps what the model's own server refused: sending it again is refused again.
WRAPPED_400 = re.compile(
    r"\b(?:400|422)\b|bad request|invalid (?:param|argument|request|input)|validation",
    re.IGNORECASE,
)


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
            "prompt": self._prompt(spec, request),
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
        return Call("POST", "/requests", self._parse_job, json=self.payload(request), paid=True)

    def _fetch_call(self, job_id: str) -> Call[Job]:
        return Call("GET", f"/requests/{quoted(job_id)}", self._parse_job)

    def _parse_job(self, data: Any) -> Job:
        job_id = need(id_at(data, "request_id", "id"), "a request id", self.label)
        word = need(text_at(data, "status"), "a status", self.label)
        outcome = dig(data, "outcome")
        url = _media_url(outcome)
        status, error = settle(word, url, finished_at=time_at(data, "updated_at"))
        reason = dig(outcome, "error") or dig(data, "reason") or dig(data, "error")
        return Job(
            id=job_id,
            status=status,
            raw_status=word,
            result_url=url,
            error=self._words(reason) or error,
            # What a failed request costs is not published.
            charged=True if status is Status.SUCCEEDED else None,
            model=text_at(data, "model"),
            prompt=text_at(data, "payload", "prompt"),
            created_at=time_at(data, "created_at"),
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
            raise EndUnusable(message, fields={field: message})
        return JobEnd(clip_id)

    def _explain(self, answer: Answer) -> ProviderError | None:
        words = self._words(answer.data_or_none())
        if answer.status == 500 and WRAPPED_400.search(words):
            return self._refused(answer.data_or_none(), words)
        return super()._explain(answer)

    def upload_image(self, data: bytes, content_type: str) -> str:
        file_type = UPLOAD_TYPES.get(content_type)
        if file_type is None:
            raise Refused(f"The picture is {content_type}; GMI Cloud takes JPEG or PNG.")
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
            price = number_at(info, "price")
            if price is not None:
                unit = text_at(info, "unit") or "USD"
                hints.append(PriceHint(spec.id, price, price, unit, text_at(info, "pricing_type")))
        return hints

    def find_recent(
        self, *, model: str, since: datetime, skip: Container[str] = frozenset()
    ) -> Sequence[Job]:
        answer = self._get("/requests", {"model_id": model})
        jobs = self._rows(dig(answer, "requests"), self._parse_job)
        fresh = [
            job
            for job in jobs
            if (job.created_at is None or job.created_at >= since.replace(microsecond=0))
            and job.model in ("", model)
            and job.id not in skip
        ]
        return sorted(fresh, key=lambda job: job.created_at or since, reverse=True)


def _media_url(outcome: Any) -> str:
    """Return the clip's URL. The thumbnail is an image and is never looked at."""
    for path in (("media_urls", 0), ("video_url",), ("url",)):
        found = url_at(outcome, *path)
        if found:
            return found
    return ""
