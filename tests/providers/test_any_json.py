"""Whatever JSON a provider answers with: no adapter raises anything but a ProviderError, and no
job carries what a column cannot hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.plain_text import one_line
from studio.providers.amounts import MAX_CLIP_CREDITS, MAX_CLIP_USD, MICROUSD
from studio.providers.answers import MAX_JOB_ID_BYTES, MAX_JOB_ID_CHARS, MAX_STATUS_CHARS
from studio.providers.base import Job, PriceHint, ProviderError, Status
from studio.providers.masking import MAX_DEPTH
from studio.providers.reasons import read_failure
from studio.providers.remote import RemoteProvider
from tests.providers.accounts import ACCOUNTS, APIFRAME, LEGACY, LUMA, Account

ASKED = "7c880e75-9892-4238-8464-49cb0c6deabd"
BIGINT = 2**63
KEYS = [
    "id",
    "jobId",
    "request_id",
    "generation_id",
    "inference_id",
    "client_request_id",
    "status",
    "state",
    "statusCode",
    "code",
    "error",
    "message",
    "detail",
    "details",
    "failure_reason",
    "reason",
    "name",
    "loc",
    "msg",
    "path",
    "model",
    "version",
    "prompt",
    "input",
    "request",
    "payload",
    "lumaParams",
    "keyframes",
    "frame0",
    "frame1",
    "start_image",
    "frame0_image",
    "concepts",
    "key",
    "duration",
    "aspect_ratio",
    "resolution",
    "loop",
    "result",
    "videoUrl",
    "video",
    "videos",
    "assets",
    "outcome",
    "media_urls",
    "url",
    "output",
    "expired",
    "progress",
    "creditCost",
    "creditsRequired",
    "creditsAvailable",
    "meta",
    "usage",
    "usd_spent",
    "credits_used",
    "cost",
    "usd",
    "credits",
    "created",
    "created_at",
    "createdAt",
    "completedAt",
    "updated_at",
    "jobs",
    "requests",
    "generations",
    "data",
    "pagination",
    "has_more",
    "hasMore",
    "nextCursor",
    "team",
    "models",
    "model_ids",
    "costMin",
    "price_info",
    "price",
    "credit_balance",
    "current_balance",
    "balance",
    "event",
]
ODD = [
    "1e400",
    "-1e400",
    "1e300",
    "-1",
    "0",
    "0.25",
    "12345678901234567890",
    "9" * 5000,
    "1e11",
    "1764500000",
    "-62135596800",
    "NaN",
    "-Infinity",
    "true",
    "false",
    "null",
    '"\\u0000"',
    '"\\ud800"',
    '"a\\u0000b\\udfffc"',
    '"completed"',
    '"QUEUED"',
    '"failed"',
    '"success"',
    '"2026-11-30T10:00:00Z"',
    '"0001-01-01T00:00:00+23:00"',
    '"9999-12-31T23:59:59-23:00"',
    '"https://cdn.example/a.mp4?sig=1#x"',
    '"http://[bad"',
    '"5s"',
    '"16:9"',
    f'"{ASKED}"',
    json.dumps("j" * 300),
    json.dumps("日" * 1500),
    json.dumps("x" * 30_000),
    "[" * 30 + "]" * 30,
    '{"a":' * 30 + "1" + "}" * 30,
]
scalars = st.one_of(
    st.sampled_from(ODD),
    st.text(max_size=20).map(json.dumps),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
names = st.one_of(
    st.sampled_from(KEYS), st.sampled_from(KEYS), st.sampled_from(["\0", "\ud800", ASKED, "x"])
).map(json.dumps)


def containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(names, inner).map(": ".join)
    return st.one_of(
        st.lists(inner, max_size=4).map(lambda parts: f"[{', '.join(parts)}]"),
        st.lists(pairs, max_size=8).map(lambda parts: f"{{{', '.join(parts)}}}"),
    )


values = st.recursive(scalars, containers, max_leaves=30)
objects = st.lists(st.tuples(names, values).map(": ".join), max_size=10)
ids = st.sampled_from(["id", "jobId", "request_id"]).map(lambda key: f'"{key}": "{ASKED}"')
states = st.sampled_from(
    ["queued", "completed", "failed", "error", "success", "CANCELLED", ""]
).map(lambda word: f'"status": "{word}", "state": "{word}"')
known = st.tuples(ids, states, objects).map(lambda parts: [parts[0], parts[1], *parts[2]])
bodies = st.one_of(values, st.one_of(objects, known).map(lambda parts: f"{{{', '.join(parts)}}}"))
LOOP = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def leaves(value: Any, depth: int = 0) -> Iterator[Any]:
    assert depth <= MAX_DEPTH + 2
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from leaves(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item, depth + 1)
    else:
        yield value


def assert_storable(job: Job) -> None:
    assert 1 <= len(job.id) <= MAX_JOB_ID_CHARS
    assert len(job.id.encode()) <= MAX_JOB_ID_BYTES
    assert len(job.raw_status) <= MAX_STATUS_CHARS
    assert isinstance(job.status, Status)
    assert job.progress is None or 0 <= job.progress <= 100
    assert job.charged in (True, False, None)
    assert job.cost.microusd is None or 0 <= job.cost.microusd <= MAX_CLIP_USD * MICROUSD < BIGINT
    assert job.cost.credits is None or 0 <= job.cost.credits <= MAX_CLIP_CREDITS
    if job.created_at is not None:
        assert job.created_at.utcoffset() is not None
        assert 1990 < job.created_at.year < 2300
    if job.status is Status.SUCCEEDED:
        assert job.result_url or job.expired
    json.dumps(dict(job.raw), allow_nan=False)
    texts = [job.id, job.raw_status, job.result_url, job.error, job.model, job.prompt]
    for leaf in [*texts, *leaves(dict(job.raw)), *leaves(astuple(job.echo))]:
        if isinstance(leaf, str):
            assert "\0" not in leaf
            leaf.encode()
            assert len(leaf) <= 20_000
        elif isinstance(leaf, int):
            assert abs(leaf) < 10**130
    assert len(read_failure(job.error).sentence) <= 500
    assert job.echo.duration_s is None or 1 <= job.echo.duration_s <= 600


def ask(call: Callable[[], Any]) -> Any:
    """Return what a call brings, or None where it raises a ProviderError; nothing else may be."""
    try:
        return call()
    except ProviderError as error:
        for text in (error.message, error.detail, *getattr(error, "fields", {}).values()):
            assert one_line(text) == text
            text.encode()
        assert error.retry_after_s is None or 0 <= error.retry_after_s <= 3600
        assert len(error.message) <= 500
        return None


def provider_of(account: Account, body: str, status: int = 200) -> RemoteProvider:
    return account.answering(status, body.encode("utf-8", "replace"))


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda one: one.name)
@LOOP
@given(body=bodies)
def test_submits_and_polls(account: Account, body: str) -> None:
    provider = provider_of(account, body)
    polled = ask(lambda: provider.fetch(ASKED))
    for job in (ask(lambda: provider.submit(account.shot())), polled):
        if job is not None:
            assert_storable(job)
    assert polled is None or polled.id == ASKED


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda one: one.name)
@LOOP
@given(body=bodies, status=st.sampled_from([301, 400, 402, 403, 404, 408, 409, 422, 429, 500, 503]))
def test_errors(account: Account, body: str, status: int) -> None:
    provider = provider_of(account, body, status)
    assert ask(lambda: provider.submit(account.shot())) is None
    assert ask(lambda: provider.fetch(ASKED)) is None


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda one: one.name)
@pytest.mark.parametrize("around", ["%s", '{"jobs": [%s], "requests": [%s], "generations": [%s]}'])
@LOOP
@given(body=bodies)
def test_lists(account: Account, around: str, body: str) -> None:
    text = around.replace("%s", body)
    provider = provider_of(account, text)
    since = datetime.now(UTC) - timedelta(days=1)
    for call in (
        lambda: provider.find_recent(model=account.model, since=since),
        lambda: list(provider.find_by_request_ids(["x"], since=since).values()),
    ):
        try:
            answer = ask(call)
        except NotImplementedError:
            continue
        jobs = [] if answer is None else [answer] if isinstance(answer, Job) else answer
        for job in jobs:
            assert_storable(job)


@LOOP
@given(body=bodies, around=st.sampled_from(["%s", "[%s, {}]", f'{{"{ASKED}": %s}}']))
def test_batches(body: str, around: str) -> None:
    whole = {"id": "b", "state": "queued"}
    provider = provider_of(LEGACY, around.replace("%s", body))
    for job in (ask(lambda: provider.fetch_many([ASKED, "b"])) or {}).values():
        assert_storable(job)
    rows = provider_of(LEGACY, f"[{body}, {json.dumps(whole)}]")
    jobs = rows.fetch_many([ASKED, "b"])
    assert jobs["b"].status is not None
    assert set(jobs) <= {ASKED, "b"}


@LOOP
@given(body=bodies)
def test_request_logs(body: str) -> None:
    good = {"client_request_id": "k", "inference_id": "i", "status": "succeeded"}
    provider = provider_of(LEGACY, f'{{"data": [{body}, {json.dumps(good)}]}}')
    job = provider.find_by_request_ids(["k"], since=datetime.now(UTC))["k"]
    assert_storable(job)


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda one: one.name)
@LOOP
@given(body=bodies)
def test_balances_prices_and_keys(account: Account, body: str) -> None:
    provider = provider_of(account, body)
    for call in (provider.balance, provider.price_hints, provider.check_key):
        try:
            answer = ask(call)
        except NotImplementedError:
            continue
        for hint in answer if isinstance(answer, list) else []:
            assert isinstance(hint, PriceHint)
            assert 0 <= hint.low <= 1e12
        if answer is not None and not isinstance(answer, list):
            assert answer.microusd is None or abs(answer.microusd) < BIGINT
            assert answer.credits is None or abs(answer.credits) <= 1e12


@pytest.mark.parametrize("account", [LEGACY, LUMA], ids=lambda one: one.name)
@LOOP
@given(body=bodies)
def test_callbacks(account: Account, body: str) -> None:
    hint = provider_of(account, "{}").parse_webhook({}, body.encode("utf-8", "replace"))
    if hint is not None:
        assert 1 <= len(hint.job_id) <= MAX_JOB_ID_CHARS
        assert len(hint.event) <= MAX_STATUS_CHARS


@settings(max_examples=60, deadline=None)
@given(
    value=st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=60),
    name=st.sampled_from(["Retry-After", "Date", "Content-Type"]),
    status=st.sampled_from([200, 429, 503]),
)
def test_headers(value: str, name: str, status: int) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        headers = [(name.encode(), value.encode("latin-1"))]
        return httpx.Response(status, content=b'{"id": "x"}', headers=headers)

    ask(lambda: APIFRAME.mocked(handler).fetch(ASKED))


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200))
def test_bytes(body: bytes) -> None:
    for account in ACCOUNTS:
        job = ask(lambda account=account: account.answering(200, body).submit(account.shot()))
        if job is not None:
            assert_storable(job)
