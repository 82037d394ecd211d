"""Every status word and every result shape the providers have been seen to use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from studio.providers.answers import NO_MEDIA, flatten_error, number_at, time_at, url_at
from studio.providers.base import Cost, Job, ProtocolError, Status, SubmitUncertain
from tests.providers.accounts import ACCOUNTS, AIMLAPI, APIFRAME, GMI, LEGACY, LUMA, Account

CLIP = "https://cdn.example/clip.mp4"
ID = "7c880e75-9892-4238-8464-49cb0c6deabd"
QUEUED, RUNNING = Status.QUEUED, Status.RUNNING
SUCCEEDED, FAILED, CANCELLED = Status.SUCCEEDED, Status.FAILED, Status.CANCELLED

BODIES: dict[str, dict[str, Any]] = {
    "apiframe": {"id": ID, "status": "?", "result": {"videoUrl": CLIP}},
    "aimlapi": {"id": ID, "status": "?", "video": {"url": CLIP}},
    "legacy": {"id": ID, "state": "?", "assets": {"video": CLIP}},
    "gmicloud": {"request_id": ID, "status": "?", "outcome": {"media_urls": [{"url": CLIP}]}},
    "luma": {"id": ID, "state": "?", "assets": {"video": CLIP}},
}

WORDS = [
    ("apiframe", "QUEUED", QUEUED),
    ("apiframe", "PROCESSING", RUNNING),
    ("apiframe", "COMPLETED", SUCCEEDED),
    ("apiframe", "FAILED", FAILED),
    ("apiframe", "CANCELLED", CANCELLED),
    *[("aimlapi", word, QUEUED) for word in ("queued", "waiting", "pending")],
    *[
        ("aimlapi", word, RUNNING)
        for word in ("generating", "active", "dreaming", "processing", "streaming", " Generating ")
    ],
    *[
        ("aimlapi", word, SUCCEEDED)
        for word in ("completed", "complete", "success", "succeeded", "finished", "done", "ready")
    ],
    *[("aimlapi", word, FAILED) for word in ("error", "failed", "timeout", "timed_out", "expired")],
    *[("aimlapi", word, CANCELLED) for word in ("cancelled", "canceled")],
    ("legacy", "queued", QUEUED),
    ("legacy", "dreaming", RUNNING),
    ("legacy", "streaming", RUNNING),
    ("legacy", "completed", SUCCEEDED),
    ("legacy", "failed", FAILED),
    *[("gmicloud", word, QUEUED) for word in ("created", "queued", "dispatched")],
    ("gmicloud", "processing", RUNNING),
    *[("gmicloud", word, SUCCEEDED) for word in ("success", "finished")],
    ("gmicloud", "failed", FAILED),
    ("gmicloud", "cancelled", CANCELLED),
    ("luma", "queued", QUEUED),
    ("luma", "dreaming", RUNNING),
    ("luma", "completed", SUCCEEDED),
    ("luma", "failed", FAILED),
    *[(account.name, "sprouting", RUNNING) for account in ACCOUNTS],
]


def account_named(name: str) -> Account:
    return next(account for account in ACCOUNTS if account.name == name)


def read(account: Account, body: Any) -> Job:
    return account.answering(200, body).fetch(ID)


@pytest.mark.parametrize(("name", "word", "expected"), WORDS)
def test_every_status_word(name: str, word: str, expected: Status) -> None:
    body = {key: word if value == "?" else value for key, value in BODIES[name].items()}
    job = read(account_named(name), body)
    assert (job.status, job.raw_status) == (expected, word.strip())


@pytest.mark.parametrize(
    ("account", "body"),
    [
        (APIFRAME, {"id": ID, "status": "COMPLETED", "result": CLIP}),
        (APIFRAME, {"id": ID, "status": "COMPLETED", "result": {"videoUrl": CLIP}}),
        (APIFRAME, {"id": ID, "status": "COMPLETED", "result": {"video_url": CLIP}}),
        (APIFRAME, {"id": ID, "status": "COMPLETED", "result": {"url": CLIP}}),
        (APIFRAME, {"id": ID, "status": "COMPLETED", "result": {"videos": [CLIP]}}),
        (APIFRAME, {"id": ID, "status": "COMPLETED", "result": {"videos": [{"url": CLIP}]}}),
        (AIMLAPI, {"id": ID, "status": "completed", "video": {"url": CLIP}}),
        (AIMLAPI, {"id": ID, "status": "completed", "video": CLIP}),
        (AIMLAPI, {"id": ID, "status": "completed", "videos": [{"url": CLIP}]}),
        (AIMLAPI, {"id": ID, "status": "completed", "assets": {"video": CLIP}}),
        (LEGACY, {"id": ID, "state": "completed", "assets": {"video": CLIP, "image": "x"}}),
        (LEGACY, {"id": ID, "state": "completed", "video": {"url": CLIP}}),
        (GMI, {"request_id": ID, "status": "success", "outcome": {"media_urls": [{"url": CLIP}]}}),
        (GMI, {"request_id": ID, "status": "success", "outcome": {"media_urls": [CLIP]}}),
        (GMI, {"request_id": ID, "status": "success", "outcome": {"video_url": CLIP}}),
        (GMI, {"id": ID, "status": "success", "outcome": {"url": CLIP}}),
        (LUMA, {"id": ID, "state": "completed", "assets": {"video": CLIP}, "version": "ray-2"}),
    ],
)
def test_every_result_shape(account: Account, body: dict[str, Any]) -> None:
    job = read(account, body)
    assert (job.id, job.status, job.result_url) == (ID, SUCCEEDED, CLIP)


def test_a_thumbnail_is_never_the_clip() -> None:
    image = "https://storage.example/thumb.jpg"
    gmi = {"request_id": ID, "status": "success", "outcome": {"thumbnail_image_url": image}}
    luma = {"id": ID, "state": "completed", "assets": {"image": image, "video": None}}
    for account, body in ((GMI, gmi), (LUMA, luma), (LEGACY, luma)):
        job = read(account, body)
        assert (job.status, job.result_url) == (RUNNING, "")


def test_media_urls_come_before_video_url() -> None:
    outcome = {"media_urls": [{"id": "0", "url": CLIP}], "video_url": "https://cdn.example/old.mp4"}
    assert read(GMI, {"request_id": ID, "status": "success", "outcome": outcome}).result_url == CLIP


@pytest.mark.parametrize("age_s", [5, 3600])
def test_done_without_media_fails_only_after_a_while(age_s: int) -> None:
    moment = datetime.now(UTC) - timedelta(seconds=age_s)
    apiframe = {"id": ID, "status": "COMPLETED", "completedAt": moment.isoformat(), "result": None}
    gmi = {"request_id": ID, "status": "success", "updated_at": moment.timestamp(), "outcome": {}}
    for account, body in ((APIFRAME, apiframe), (GMI, gmi)):
        job = read(account, body)
        expected = (RUNNING, "") if age_s == 5 else (FAILED, NO_MEDIA)
        assert (job.status, job.error) == expected


def test_apiframe_says_when_the_clip_was_purged() -> None:
    body = {"id": ID, "status": "COMPLETED", "expired": True, "result": None}
    job = read(APIFRAME, body)
    assert (job.status, job.expired, job.result_url) == (SUCCEEDED, True, "")


@pytest.mark.parametrize(
    ("status", "credits", "charged"),
    [
        ("FAILED", 0, False),
        ("FAILED", 51, True),
        ("FAILED", None, None),
        ("COMPLETED", 51, True),
        ("PROCESSING", 51, None),
    ],
)
def test_apiframe_charges_what_the_job_says(
    status: str, credits: int | None, charged: bool | None
) -> None:
    body = {"id": ID, "status": status, "creditCost": credits, "result": CLIP}
    job = read(APIFRAME, body)
    assert job.charged is charged
    assert job.cost == (Cost() if credits is None else Cost(credits=credits, unit="credits"))


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"credits_used": 1_400_000, "usd_spent": 0.7}, Cost(700_000, 1_400_000, "credits")),
        ({"credits_used": 500_000}, Cost(None, 500_000, "credits")),
        ({"tokens_used": "500000"}, Cost(None, 500_000, "credits")),
        ({}, Cost()),
        (None, Cost()),
    ],
)
def test_ai_ml_api_cost(usage: Any, cost: Cost) -> None:
    body = {"id": ID, "status": "completed", "video": CLIP, "meta": {"usage": usage}}
    assert read(AIMLAPI, body).cost == cost


@pytest.mark.parametrize(
    ("progress", "expected"), [(None, None), (0, 0), (37.6, 37), (140, 100), (-3, 0), ("x", None)]
)
def test_apiframe_progress(progress: Any, expected: int | None) -> None:
    assert (
        read(APIFRAME, {"id": ID, "status": "PROCESSING", "progress": progress}).progress
        == expected
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (None, ""),
        ("plain", "plain"),
        ({"name": "BadPrompt", "message": "too rude"}, "BadPrompt: too rude"),
        ({"message": {"message": "inner"}}, "inner"),
        (
            {"detail": [{"loc": ["body"], "msg": "too long"}, {"msg": "too short"}]},
            "too long; too short",
        ),
        (["a", None, {"error": "b"}], "a; b"),
        ({"code": 7}, "7"),
        ({}, ""),
        (404, "404"),
    ],
)
def test_errors_of_any_shape_become_text(error: Any, words: str) -> None:
    assert flatten_error(error) == words
    job = read(AIMLAPI, {"id": ID, "status": "error", "error": error})
    assert (job.status, job.error, job.charged) == (FAILED, words, False)


@pytest.mark.parametrize(
    ("account", "body"),
    [
        (APIFRAME, {"id": ID, "status": "FAILED", "error": "boom"}),
        (AIMLAPI, {"id": ID, "status": "error", "error": {"name": "E", "message": "E: boom"}}),
        (LEGACY, {"id": ID, "state": "failed", "failure_reason": "boom"}),
        (GMI, {"request_id": ID, "status": "failed", "outcome": {"error": "boom"}}),
        (GMI, {"request_id": ID, "status": "failed", "reason": "boom"}),
        (LUMA, {"id": ID, "state": "failed", "failure_reason": "boom"}),
    ],
)
def test_a_failure_keeps_the_providers_words(account: Account, body: dict[str, Any]) -> None:
    assert "boom" in read(account, body).error


@pytest.mark.parametrize("body", [{}, [], None, "text", 7, {"status": 5}, [[]]])
def test_an_answer_without_a_job_is_a_protocol_error(account: Account, body: Any) -> None:
    with pytest.raises(ProtocolError):
        account.answering(200, body).fetch(ID)


@pytest.mark.parametrize(
    "body", [{}, [], None, {"status": "queued", "state": "queued"}, "<html>", b""]
)
def test_a_submit_answer_without_an_id_is_uncertain(account: Account, body: Any) -> None:
    with pytest.raises(SubmitUncertain):
        account.answering(200, body).submit(account.shot())


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_is_an_acceptance(account: Account, status: int) -> None:
    words = {"jobId": ID, "id": ID, "request_id": ID, "status": "queued", "state": "queued"}
    job = account.answering(status, words).submit(account.shot())
    assert (job.id, job.status) == (ID, QUEUED)


def test_odd_text_cannot_break_the_database() -> None:
    body = '{"id": "a\\u0000b", "state": "failed", "failure_reason": "x\\u0000\\ud800y", "n": NaN}'
    job = LUMA.answering(200, body).submit(LUMA.shot())
    assert job.id == "ab"
    assert "\0" not in job.error
    job.error.encode()
    str(job.raw).encode()
    assert job.raw["n"] is None


def test_a_body_nested_without_end_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        LUMA.answering(200, "[" * 100_000).fetch(ID)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1750442925, datetime(2025, 6, 20, 18, 8, 45, tzinfo=UTC)),
        (1750442925000, datetime(2025, 6, 20, 18, 8, 45, tzinfo=UTC)),
        ("2025-06-20T18:08:45Z", datetime(2025, 6, 20, 18, 8, 45, tzinfo=UTC)),
        ("2025-06-20T20:08:45+02:00", datetime(2025, 6, 20, 18, 8, 45, tzinfo=UTC)),
        ("2025-06-20T18:08:45", datetime(2025, 6, 20, 18, 8, 45, tzinfo=UTC)),
        ("soon", None),
        (1e300, None),
        (None, None),
        (True, None),
    ],
)
def test_dates_of_any_form(value: Any, expected: datetime | None) -> None:
    assert time_at({"at": value}, "at") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3.0), ("2.5", 2.5), ("x", None), (True, None), (None, None), ("inf", None), ("nan", None)],
)
def test_numbers_of_any_form(value: Any, expected: float | None) -> None:
    assert number_at({"n": value}, "n") == expected


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("//cdn.example.com/clip.mp4", "https://cdn.example.com/clip.mp4"),
        (" http://cdn.example.com/clip.mp4", "http://cdn.example.com/clip.mp4"),
        ("///clip.mp4", ""),
        ("//", ""),
        ("/clip.mp4", ""),
        ("ftp://cdn.example.com/clip.mp4", ""),
        (None, ""),
    ],
)
def test_an_address_without_a_scheme_is_meant_to_be_https(written: Any, read: str) -> None:
    assert url_at({"assets": {"video": written}}, "assets", "video") == read
    assert url_at({"video": {"url": written}}, "video") == read
