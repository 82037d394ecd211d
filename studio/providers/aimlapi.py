"""AI/ML API, universal endpoint. Reference: https://docs.aimlapi.com, checked 2026-11-20.

No idempotency key, no list, no upload, no webhook; a lost submit is found in the request log.
Out of credit is a 403 told apart by its text. Failures are not charged, unless a figure says so.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from studio.providers.aimlapi_logs import (
    MAX_PAGES,
    PAGE_TRIES,
    Page,
    page_params,
    read_page,
    trace_id,
)
from studio.providers.aimlapi_logs import PATH as LOG_PATH
from studio.providers.amounts import balance_at, has_any, microusd, read_charge, read_cost
from studio.providers.answers import dig, settle, text_at, time_at, word_at
from studio.providers.base import (
    Balance,
    End,
    EndUnusable,
    ImageEnd,
    Job,
    JobEnd,
    NotFound,
    ProtocolError,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Refused,
    ShotRequest,
    Status,
    WrongEndpoint,
)
from studio.providers.calls import Call
from studio.providers.clock import Clock
from studio.providers.luma_shape import keyframes, request_echo, video_url
from studio.providers.reasons import find_code, is_out_of_credit
from studio.providers.remote import RemoteProvider

logger = logging.getLogger(__name__)

CHARGES = {Status.SUCCEEDED: True, Status.FAILED: False}
BILLING = re.compile(r"\bbilling\b", re.IGNORECASE)
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
            if refusal.unproven or not names_an_id(request, refusal):
                raise
            shorter = shorten_ids(request)
            if shorter is None:
                raise self._end_unusable(request, refusal) from refusal
        try:
            return self._send_submit(self._submit_call(shorter))
        except Refused as refusal:
            if names_an_id(shorter, refusal) and not refusal.unproven:
                raise self._end_unusable(request, refusal) from refusal
            raise

    def balance(self) -> Balance:
        try:
            dollars = balance_at(self._get("/v2/billing"), "current_balance")
        except NotFound:
            credits = balance_at(self._get("/v1/billing/balance"), "balance")
            return Balance(credits=credits, unit="credits")
        return Balance(microusd=microusd(dollars))

    def find_by_request_ids(
        self, request_ids: Collection[str], *, since: datetime
    ) -> Mapping[str, Job]:
        """Return the jobs in the request log; a request that failed is a failed job.

        The log is read once for all of them, newest first, until each has bought something.
        """
        by_trace = {trace_id(one): one for one in request_ids if trace_id(one)}
        jobs: dict[str, Job] = {}
        for number in range(MAX_PAGES if by_trace else 0):
            page = self._log_page(by_trace.keys(), since, number)
            for trace, job in page.jobs:
                # Each try of a shot has a row; the one that bought something counts.
                if not _bought(jobs.get(by_trace[trace])):
                    jobs[by_trace[trace]] = job
            if not page.has_more or sum(map(_bought, jobs.values())) == len(by_trace):
                break
        return jobs

    def _log_page(self, traces: Collection[str], since: datetime, number: int) -> Page:
        """Ask for one page, again where it did not come: one bad page in twenty must not hide a job."""
        parse = partial(read_page, traces=traces, label=self.label, secrets=self._door.secrets)
        params = page_params(since, number)
        call = Call("GET", LOG_PATH, parse, params=params, dated=True)
        for _ in range(PAGE_TRIES - 1):
            try:
                return self._door.send(call)
            except RateLimited:
                raise
            except (ProviderUnavailable, ProtocolError, WrongEndpoint) as error:
                logger.info("page %d of the log of %s: %s", number, self.label, error.message)
        return self._door.send(call)

    def _trace(self, request: ShotRequest) -> dict[str, str]:
        # No idempotency key: this provider does not deduplicate. It is how a lost shot is found.
        key = trace_id(request.idempotency_key)
        return {"X-Client-Request-Id": key} if key else {}

    def _refusal(self, status: int, data: Any, words: str) -> ProviderError:
        # There is no 402 here: a 403 about money links to the billing page, in its text alone.
        if status == 403 and not find_code(data) and _names_money(words):
            return self._out_of_credit(data, words)
        return super()._refusal(status, data, words)

    def _end_unusable(self, request: ShotRequest, refusal: Refused) -> EndUnusable:
        message = f"{self.label} does not take this clip by its id. Its frame can be used instead."
        ends = {"start": request.start, "end": request.end}
        fields = {name: message for name, end in ends.items() if isinstance(end, JobEnd)}
        return EndUnusable(message, detail=refusal.detail, fields=fields, code="end")


def _bought(job: Job | None) -> bool:
    return job is not None and job.status is not Status.FAILED


class AimlApiProvider(AimlApiBase):
    """One AI/ML API account over `/v2/video/generations`."""

    def payload(self, request: ShotRequest) -> Mapping[str, Any]:
        spec = self._spec(request)
        body: dict[str, Any] = {
            "model": request.model,
            "prompt": request.prompt,
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
        return Call(
            "POST",
            "/v2/video/generations",
            self._parse_job,
            json=self.payload(request),
            headers=self._trace(request),
            paid=True,
            dated=True,
        )

    def _fetch_call(self, job_id: str) -> Call[Job]:
        return Call(
            "GET",
            "/v2/video/generations",
            lambda data, clock: self._parse_job(data, clock, job_id),
            params={"generation_id": job_id},
            dated=True,
        )

    def _parse_job(self, data: Any, clock: Clock, asked: str = "") -> Job:
        word = word_at(data, "status", "state")
        url = video_url(data)
        job_id = self._job_id(data, asked, "id", "generation_id", word=word, url=url)
        status, error = settle(word, url, finished_at=None)
        usage = dig(data, "meta", "usage")
        cost = read_cost(usage, usd=("usd_spent",), credits=("credits_used", "tokens_used"))
        figured = has_any(usage, "usd_spent", "credits_used", "tokens_used")
        echo = request_echo(data)
        return Job(
            id=job_id,
            status=status,
            raw_status=word,
            result_url=url,
            error=self._failure(data, status, word, dig(data, "error")) or error,
            cost=cost,
            charged=read_charge(status, cost, CHARGES, unreadable=figured),
            model=text_at(data, "model"),
            prompt=echo.prompt or "",
            echo=echo,
            created_at=clock.here(time_at(data, "created_at")),
            created_as_told=time_at(data, "created_at"),
            raw=self._raw(data),
        )


def names_an_id(request: ShotRequest, refusal: Refused) -> bool:
    """Return whether a refusal is about a job id given as an end."""
    by_id = isinstance(request.start, JobEnd) or isinstance(request.end, JobEnd)
    if refusal.code in ("moderation", "image"):
        return False
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


def _names_money(words: str) -> bool:
    return is_out_of_credit(words) or bool(BILLING.search(words))
