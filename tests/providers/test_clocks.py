"""What a provider dates is read by the clock of its own answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from studio.providers.base import Job, RateLimited, Status
from studio.providers.clock import read_clock
from tests.providers.accounts import ACCOUNTS, AIMLAPI, APIFRAME, GMI, LUMA, Account

ID = "7c880e75-9892-4238-8464-49cb0c6deabd"
MINUTE = timedelta(minutes=1)


def dated(account: Account, body: Any, ahead: timedelta, status: int = 200, **headers: str) -> Any:
    """Return the adapter of a provider whose clock is ahead of ours by so much."""
    date = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
    return account.answering(status, body, **{"Date": date, **headers})


def created(account: Account, moment: datetime) -> dict[str, Any]:
    text: Any = moment.timestamp() if account is GMI else moment.isoformat()
    words = {"status": "QUEUED", "state": "queued"}
    return words | {"id": ID, "created_at": text, "createdAt": text}


@pytest.mark.parametrize("ahead", [-3 * MINUTE, 0 * MINUTE, 3 * MINUTE, 90 * MINUTE])
def test_created_at_is_in_our_clock(account: Account, ahead: timedelta) -> None:
    now = datetime.now(UTC)
    job = dated(account, created(account, now + ahead), ahead).fetch(ID)
    assert abs(job.created_at - now) < timedelta(seconds=2)


@pytest.mark.parametrize("ahead", [-3 * MINUTE, 3 * MINUTE])
@pytest.mark.parametrize(
    ("account", "key"), [(APIFRAME, "jobs"), (GMI, "requests"), (LUMA, "generations")]
)
def test_a_list_is_cut_by_our_clock(account: Account, key: str, ahead: timedelta) -> None:
    now = datetime.now(UTC)
    old, new = now - 10 * MINUTE + ahead, now + ahead
    body = {key: [created(account, old) | {"id": "old"}, created(account, new) | {"id": "new"}]}
    provider = dated(account, body, ahead)
    jobs = provider.find_recent(model=account.model, since=now - MINUTE)
    assert [job.id for job in jobs] == ["new"]


@pytest.mark.parametrize("ahead", [-5 * MINUTE, 5 * MINUTE])
@pytest.mark.parametrize(
    ("account", "key"), [(APIFRAME, "jobs"), (GMI, "requests"), (LUMA, "generations")]
)
def test_a_list_dated_by_another_clock_than_its_jobs_hides_none(
    account: Account, key: str, ahead: timedelta
) -> None:
    """A cache or a gateway may date the answer, and the machine behind it the jobs."""
    body = {key: [created(account, datetime.now(UTC))]}
    jobs = dated(account, body, ahead).find_recent(
        model=account.model, since=datetime.now(UTC) - MINUTE
    )
    assert [job.id for job in jobs] == [ID]


def finished(account: Account, moment: datetime) -> Any:
    if account is APIFRAME:
        return {"id": ID, "status": "COMPLETED", "completedAt": moment.isoformat()}
    return {"request_id": ID, "status": "success", "updated_at": moment.timestamp(), "outcome": {}}


@pytest.mark.parametrize("account", [APIFRAME, GMI], ids=lambda one: one.name)
@pytest.mark.parametrize("ahead", [-10 * MINUTE, 10 * MINUTE])
@pytest.mark.parametrize(
    ("age_s", "status"), [(20, Status.RUNNING), (170, Status.RUNNING), (200, Status.FAILED)]
)
def test_late_media_is_given_its_time_by_the_providers_clock(
    account: Account, ahead: timedelta, age_s: int, status: Status
) -> None:
    moment = datetime.now(UTC) + ahead - timedelta(seconds=age_s)
    job: Job = dated(account, finished(account, moment), ahead).fetch(ID)
    assert job.status is status


@pytest.mark.parametrize("ahead", [-30 * MINUTE, 0 * MINUTE, 30 * MINUTE])
def test_retry_after_as_a_date_is_by_the_same_clock(account: Account, ahead: timedelta) -> None:
    until = format_datetime(datetime.now(UTC) + ahead + timedelta(seconds=90), usegmt=True)
    provider = dated(account, {"error": "slow"}, ahead, 429, **{"Retry-After": until})
    with pytest.raises(RateLimited) as caught:
        provider.fetch(ID)
    assert caught.value.retry_after_s == pytest.approx(90, abs=3)


@pytest.mark.parametrize("value", ["9" * 20, "1e400", "inf", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_retry_after_is_bounded(account: Account, value: str) -> None:
    with pytest.raises(RateLimited) as caught:
        account.answering(429, {}, **{"Retry-After": value}).submit(account.shot())
    assert caught.value.retry_after_s == 3600.0


@pytest.mark.parametrize(
    "date",
    [
        "",
        "soon",
        "Mon, 99 Nov 2026 10:00:00 GMT",
        "Mon, 30 Nov 99999999999999999999 10:00:00 GMT",
        "Mon, 30 Nov 2026 10:00:00 +99999999",
        "1e400",
        "\x00",
    ],
)
def test_an_unreadable_date_is_no_clock(date: str) -> None:
    assert read_clock(date).ahead == timedelta()


@pytest.mark.parametrize(
    "date", ["Mon, 01 Jan 0001 00:00:00 +0900", "Fri, 31 Dec 9999 23:59:59 -0900"]
)
def test_a_clock_out_of_range_harms_nothing(date: str) -> None:
    moment = datetime.now(UTC)
    for account in ACCOUNTS:

        def handler(request: httpx.Request, account: Account = account) -> httpx.Response:
            return httpx.Response(200, json=created(account, moment), headers={"Date": date})

        assert account.mocked(handler).fetch(ID).status is Status.QUEUED


def test_a_second_of_difference_is_none() -> None:
    moment = datetime.now(UTC).replace(microsecond=0)
    assert read_clock(format_datetime(moment, usegmt=True)).ahead == timedelta()
    assert AIMLAPI.answering(200, created(AIMLAPI, moment)).fetch(ID).created_at == moment
