"""AI/ML API finds a lost submit by the request id that was sent with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from studio.providers.base import Cost, Job, ProtocolError, RateLimited, Status
from studio.providers.catalog import SPECS
from tests.providers.accounts import AIMLAPI, APIFRAME, LEGACY, Account

KEY = "6f8f57715090da2632453988d9a1501b"
NOW = datetime.now(UTC)
BOTH = pytest.mark.parametrize("account", [AIMLAPI, LEGACY], ids=lambda one: one.name)


def row(**changes: Any) -> dict[str, Any]:
    return {
        "created": NOW.isoformat(),
        "status": "succeeded",
        "origin": "api",
        "model": "luma/ray-2",
        "cost": {"usd": 0.25, "credits": 500_000},
        "tokens": {"input": 0, "output": 0, "total": 0},
        "request_id": "req-1",
        "inference_id": "inf-1",
        "client_request_id": KEY,
    } | changes


def log(*rows: Any, has_more: bool = False) -> dict[str, Any]:
    return {"data": list(rows), "pagination": {"limit": 100, "offset": 0, "has_more": has_more}}


def find(account: Account, answer: Any, since: datetime = NOW - timedelta(minutes=5)) -> Job | None:
    return account.answering(200, answer).find_by_request_ids([KEY], since=since).get(KEY)


def seen_by(account: Account, *answers: Any) -> tuple[list[httpx.Request], Callable[[], Any]]:
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=answers[len(requests) - 1])

    provider = account.mocked(handler)
    since = NOW - timedelta(minutes=5)
    return requests, lambda: provider.find_by_request_ids([KEY], since=since).get(KEY)


@BOTH
def test_the_request_id_is_sent_with_every_submit(account: Account) -> None:
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"id": "inf-1", "status": "queued"})

    account.mocked(handler).submit(account.shot(idempotency_key="a b/ü" + "x" * 200))
    sent = requests[0].headers["x-client-request-id"]
    assert sent == ("a-b--" + "x" * 200)[:128]


@BOTH
def test_the_log_gives_the_job_its_id_and_its_cost(account: Account) -> None:
    job = find(account, log(row(client_request_id="another"), row()))
    assert job is not None
    assert (job.id, job.status, job.charged) == ("inf-1", Status.RUNNING, None)
    assert job.cost == Cost(250_000, 500_000, "credits")
    assert job.created_at is not None and abs(job.created_at - NOW) < timedelta(seconds=1)


@BOTH
def test_a_row_that_is_not_there_yet_is_none(account: Account) -> None:
    assert find(account, log()) is None
    assert find(account, log(row(client_request_id=None), row(client_request_id=""))) is None
    assert find(account, log(row(inference_id=None))) is None


def test_no_request_id_matches_no_row() -> None:
    provider = AIMLAPI.answering(200, log(row(client_request_id="")))
    assert provider.find_by_request_ids([""], since=NOW) == {}


@BOTH
def test_what_is_not_charged_yet_has_no_cost(account: Account) -> None:
    job = find(account, log(row(cost={"usd": 0, "credits": 0})))
    assert job is not None and job.cost == Cost()


@BOTH
def test_a_failed_request_is_a_failed_job_without_a_charge(account: Account) -> None:
    job = find(account, log(row(status="failed", cost={"usd": 0, "credits": 0})))
    assert job is not None
    assert (job.status, job.charged, job.cost) == (Status.FAILED, False, Cost(0, 0, "credits"))
    assert job.error


@BOTH
def test_of_two_tries_the_one_that_was_taken_counts(account: Account) -> None:
    refused = row(status="failed", inference_id="inf-0", cost={"usd": 0, "credits": 0})
    for rows in ([refused, row()], [row(), refused]):
        job = find(account, log(*rows))
        assert job is not None and job.id == "inf-1"


@BOTH
def test_the_log_is_read_page_by_page_in_a_window_without_clocks(account: Account) -> None:
    requests, look = seen_by(
        account, log(row(client_request_id="another"), has_more=True), log(row(), has_more=True)
    )
    assert look().id == "inf-1"
    assert [request.url.path for request in requests] == ["/v2/logs", "/v2/logs"]
    queries = [dict(request.url.params) for request in requests]
    assert queries == [
        {"period": "2h", "limit": "100", "offset": "0"},
        {"period": "2h", "limit": "100", "offset": "100"},
    ]


@BOTH
def test_the_log_is_read_once_for_many_shots(account: Account) -> None:
    requests: list[httpx.Request] = []
    pages = [
        log(row(client_request_id="a", inference_id="1"), has_more=True),
        log(row(client_request_id="b", inference_id="2", status="failed"), has_more=True),
        log(row(client_request_id="b", inference_id="3"), has_more=True),
    ]

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=pages[len(requests) - 1])

    jobs = account.mocked(handler).find_by_request_ids(["a", "b"], since=NOW)
    assert {key: job.id for key, job in jobs.items()} == {"a": "1", "b": "3"}
    assert len(requests) == 3, "it is read until both have bought something, and no further"


@BOTH
@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(502, text="Bad gateway"),
        httpx.Response(200, text="<html>Down</html>", headers={"Content-Type": "text/html"}),
        httpx.Response(200, json={"error": "no rows"}),
    ],
    ids=["502", "a web page", "no rows"],
)
def test_a_page_that_did_not_come_is_asked_for_again(
    account: Account, trouble: httpx.Response
) -> None:
    answers = [trouble, trouble, httpx.Response(200, json=log(row()))]
    provider = account.mocked(lambda request: answers.pop(0))
    assert provider.find_by_request_ids([KEY], since=NOW)[KEY].id == "inf-1"
    assert answers == []


def test_the_window_stays_within_what_the_log_keeps() -> None:
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=log())

    AIMLAPI.mocked(handler).find_by_request_ids([KEY], since=NOW - timedelta(days=400))
    assert requests[0].url.params["period"] == "2208h"


@BOTH
@pytest.mark.parametrize(
    "odd",
    [
        None,
        7,
        "x",
        [],
        {},
        row(cost=None, created=1e300, model=None),
        row(cost={"usd": "1e400", "credits": -1}),
        row(client_request_id=[KEY]),
        row(inference_id={"id": "x"}),
    ],
)
def test_an_odd_row_harms_no_other(account: Account, odd: Any) -> None:
    found = find(account, log(odd, row(inference_id="inf-2")))
    assert found is not None and found.id in ("inf-1", "inf-2")


@pytest.mark.parametrize("answer", [{}, [], None, 7, {"data": {}}, {"data": None}])
def test_an_answer_without_rows_is_a_protocol_error(answer: Any) -> None:
    with pytest.raises(ProtocolError):
        find(AIMLAPI, answer)


def test_trouble_at_the_log_is_told() -> None:
    with pytest.raises(RateLimited):
        AIMLAPI.answering(429, {"message": "slow down"}).find_by_request_ids([KEY], since=NOW)


def test_only_ai_ml_api_has_such_a_log() -> None:
    logged = {spec.provider for spec in SPECS.values() if spec.logs_request_ids}
    assert logged == {"aimlapi"}
    assert all(s.logs_request_ids for s in SPECS.values() if s.provider == "aimlapi")
    with pytest.raises(NotImplementedError):
        APIFRAME.answering(200, {}).find_by_request_ids([KEY], since=NOW)
