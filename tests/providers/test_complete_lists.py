"""Whether a list of jobs is complete: only then does it prove that a job does not exist."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from studio.providers import apiframe, luma
from tests.providers.accounts import APIFRAME, GMI, LUMA, Account

NOW = datetime.now(UTC).replace(microsecond=0)
SINCE = NOW - timedelta(minutes=1)
KEYS = {"apiframe": "jobs", "gmicloud": "requests", "luma": "generations"}
LISTING = pytest.mark.parametrize("account", [APIFRAME, GMI, LUMA], ids=lambda one: one.name)


def row(account: Account, job_id: str = "one", age_s: int = 0) -> dict[str, Any]:
    moment = NOW - timedelta(seconds=age_s)
    text: Any = moment.timestamp() if account is GMI else moment.isoformat()
    words = {"status": "QUEUED", "state": "queued", "prompt": "A ridge", "input": {"prompt": "x"}}
    return words | {"id": job_id, "created_at": text, "createdAt": text}


def is_complete(account: Account, rows: list[Any], date: str = "", **more: Any) -> bool:
    date = date or format_datetime(datetime.now(UTC), usegmt=True)
    provider = account.answering(200, {KEYS[account.slug]: rows} | more, Date=date)
    return provider.find_recent(model=account.model, since=SINCE).complete


def whole(account: Account, rows: list[Any]) -> dict[str, Any]:
    return {"total": len(rows)} if account is GMI else {"hasMore": False, "has_more": False}


@LISTING
@pytest.mark.parametrize("count", [0, 2])
def test_a_list_read_to_its_end_is_complete(account: Account, count: int) -> None:
    rows = [row(account, f"job-{n}") for n in range(count)]
    assert is_complete(account, rows, **whole(account, rows))


@LISTING
def test_a_row_that_cannot_be_read_leaves_it_incomplete(account: Account) -> None:
    rows = [row(account), {"status": None}]
    assert not is_complete(account, rows, **whole(account, rows))


@LISTING
@pytest.mark.parametrize("ahead", [timedelta(hours=-3), timedelta(hours=2), -timedelta(days=20000)])
def test_a_list_with_an_implausible_clock_is_incomplete(account: Account, ahead: timedelta) -> None:
    rows = [row(account)]
    date = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
    assert not is_complete(account, rows, date, **whole(account, rows))


@LISTING
def test_a_list_that_says_nothing_of_its_length_is_incomplete(account: Account) -> None:
    assert not is_complete(account, [row(account)])


def test_a_list_shorter_than_its_count_is_incomplete() -> None:
    assert not is_complete(GMI, [row(GMI)], total=2)


@pytest.mark.parametrize("account", [APIFRAME, LUMA], ids=lambda one: one.name)
def test_a_list_cut_off_after_its_pages_is_incomplete(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(luma if account is LUMA else apiframe, "MAX_PAGES", 2)
    more = {"hasMore": True, "has_more": True, "nextCursor": "next"}
    assert not is_complete(account, [row(account)], **more)
    assert is_complete(account, [row(account, age_s=600)], **more), "it reaches back far enough"
