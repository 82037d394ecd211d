"""The emulator's bad manners: what each answers, and whether it has bought."""

from __future__ import annotations

import hashlib
import io
import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from tests.emulator import MANNERS, Emulator, Phase, Scripted
from tests.emulator.asked import TWINS_FRAME, asked_for, with_other_shape
from tests.emulator.money import amount_in_answers, price_of
from tests.providers.accounts import ACCOUNTS, AIMLAPI, APIFRAME, GMI, LEGACY, LUMA, Account

LUMA_AI = "/v2/generate/video/luma-ai/generation"
SUBMITS = {
    "apiframe": "/v2/videos/generate",
    "aimlapi": "/v2/video/generations",
    "legacy": LUMA_AI,
    "gmicloud": "/requests",
    "luma": "/generations/video",
}
NOT_ACCEPTED = {
    "html_400": 400,
    "html_403": 403,
    "html_404": 404,
    "redirect": 302,
    "redirect_301": 301,
    "error_502": 502,
    "error_in_200": 200,
    "trouble_in_200": 200,
    "credit_in_200": 200,
    "rate_limited_absurd": 429,
    "wrapped_400": 500,
}
ACCEPTED = {
    "wrapped_400_after": 500,
    "misleading_500_after": 500,
    "html_408_after": 408,
    "html_409_after": 409,
    "conflict_after": 409,
}


def headers_of(emulator: Emulator, account: Account) -> dict[str, str]:
    key = emulator.key(account.slug)
    return {"X-API-Key": key} if account is APIFRAME else {"Authorization": f"Bearer {key}"}


def submit(emulator: Emulator, account: Account, **more: Any) -> httpx.Response:
    """Post a shot as the adapter writes it down; `more` are headers, with _ for -."""
    body = account.at(emulator).payload(account.shot())
    given = {name.replace("_", "-"): value for name, value in more.items()}
    return httpx.post(
        emulator.base_url(account.slug) + SUBMITS[account.name],
        json=body,
        headers=headers_of(emulator, account) | given,
    )


def get(emulator: Emulator, account: Account, path: str, **params: Any) -> httpx.Response:
    url = emulator.base_url(account.slug) + path
    return httpx.get(url, params=params, headers=headers_of(emulator, account))


def fetch(emulator: Emulator, account: Account, job_id: str) -> httpx.Response:
    if account.name in ("aimlapi", "legacy"):
        return get(emulator, account, SUBMITS[account.name], generation_id=job_id)
    paths = {"apiframe": "/v2/jobs", "gmicloud": "/requests", "luma": "/generations"}
    return get(emulator, account, f"{paths[account.name]}/{job_id}")


def bought(emulator: Emulator) -> int:
    return sum(emulator.stats["accepted"].values())


@pytest.mark.parametrize("fault", NOT_ACCEPTED)
def test_what_is_answered_without_buying(emulator: Emulator, account: Account, fault: str) -> None:
    emulator.configure(script=[Scripted(fault)])
    answer = submit(emulator, account)
    assert (answer.status_code, bought(emulator)) == (NOT_ACCEPTED[fault], 0)
    assert submit(emulator, account).is_success
    assert bought(emulator) == 1


@pytest.mark.parametrize("fault", ACCEPTED)
def test_what_is_answered_after_buying(emulator: Emulator, account: Account, fault: str) -> None:
    emulator.configure(script=[Scripted(fault)])
    answer = submit(emulator, account)
    assert (answer.status_code, bought(emulator)) == (ACCEPTED[fault], 1)


@pytest.mark.parametrize("fault", ["html_400", "redirect", "error_502", "html_409_after"])
def test_a_page_is_no_data(emulator: Emulator, fault: str) -> None:
    emulator.configure(script=[Scripted(fault)])
    answer = submit(emulator, LUMA)
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<!doctype html>")


def test_a_redirect_that_is_followed_is_a_violation(emulator: Emulator) -> None:
    emulator.configure(script=[Scripted("redirect")])
    place = submit(emulator, LUMA).headers["location"]
    httpx.get(place)
    assert emulator.violations == ["any: unknown path GET /sign-in"]


@pytest.mark.parametrize(
    ("account", "body"),
    [
        (APIFRAME, {"error": "Invalid parameter: prompt is too short"}),
        (GMI, {"error": "Invalid parameter: prompt is too short"}),
        (LUMA, {"detail": "Invalid parameter: prompt is too short"}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_an_error_in_a_200_is_the_dialects_own(
    emulator: Emulator, account: Account, body: dict[str, str]
) -> None:
    emulator.configure(script=[Scripted("error_in_200")])
    assert submit(emulator, account).json() == body


def test_an_error_in_a_200_of_aimlapi_has_its_status_code(emulator: Emulator) -> None:
    emulator.configure(script=[Scripted("error_in_200")])
    assert submit(emulator, AIMLAPI).json()["statusCode"] == 400


@pytest.mark.parametrize("fault", ["wrapped_400", "misleading_500_after"])
def test_only_the_wrapped_form_names_a_status(emulator: Emulator, fault: str) -> None:
    emulator.configure(script=[Scripted(fault)])
    words = submit(emulator, GMI).json()["error"]
    assert ("status 400" in words) == (fault == "wrapped_400")
    assert "422" in words or "400" in words


def test_an_id_may_come_alone(emulator: Emulator, account: Account) -> None:
    emulator.configure(script=[Scripted("id_without_status", kind="submit")])
    answer = submit(emulator, account).json()
    (job,) = emulator.jobs()
    assert list(answer.values()) == [job.id]
    emulator.configure(script=[Scripted("id_without_status", kind="fetch")])
    record = fetch(emulator, account, job.id).json()
    assert not {"status", "state"} & set(record)
    assert len(record) > 3


def test_an_id_may_have_300_characters(emulator: Emulator, account: Account) -> None:
    emulator.configure(rates={"long_id": 1})
    submit(emulator, account)
    (job,) = emulator.jobs()
    assert len(job.id) == (36 if account is APIFRAME else 300)  # Apiframe's are uuids
    assert fetch(emulator, account, job.id).is_success


def test_polls_may_not_be_readable(emulator: Emulator, account: Account) -> None:
    submit(emulator, account)
    (job,) = emulator.jobs()
    emulator.configure(script=[Scripted("not_json")])
    answer = fetch(emulator, account, job.id)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()


def test_a_number_may_be_larger_than_any_float(emulator: Emulator, account: Account) -> None:
    submit(emulator, account)
    (job,) = emulator.jobs()
    emulator.configure(script=[Scripted("overflow")])
    answer = fetch(emulator, account, job.id)
    assert b": 1e400" in answer.content
    assert float("inf") in answer.json().values()


def test_a_batch_has_the_number_in_each_of_its_rows(emulator: Emulator) -> None:
    for _ in range(2):
        submit(emulator, LEGACY)
    ids = ",".join(job.id for job in emulator.jobs())
    emulator.configure(script=[Scripted("overflow")])
    answer = get(emulator, LEGACY, f"{LUMA_AI}s", generation_ids=ids)
    assert answer.content.count(b"1e400") == 2


def test_a_batch_may_leave_ids_out(emulator: Emulator) -> None:
    for _ in range(3):
        submit(emulator, LEGACY)
    first, *others = [job.id for job in emulator.jobs()]
    emulator.configure(script=[Scripted("missing", subject=first)])
    ids = ",".join([first, *others])
    answer = get(emulator, LEGACY, f"{LUMA_AI}s", generation_ids=ids)
    assert [row["id"] for row in answer.json()] == others


def test_progress_may_be_absurd(emulator: Emulator, account: Account) -> None:
    submit(emulator, account)
    (job,) = emulator.jobs()
    emulator.configure(script=[Scripted("absurd_progress")])
    assert fetch(emulator, account, job.id).json()["progress"] not in range(101)


def test_an_answer_may_be_about_another_job(emulator: Emulator, account: Account) -> None:
    submit(emulator, account)
    (job,) = emulator.jobs()
    emulator.configure(script=[Scripted("other_job")])
    told = fetch(emulator, account, job.id).json()
    assert job.id not in (told.get("id"), told.get("request_id"))
    assert fetch(emulator, account, job.id).json() != told


@pytest.mark.parametrize("fault", ["failed_after_done", "gone_after_done"])
def test_a_job_whose_clip_was_asked_for_may_take_it_back(
    emulator: Emulator, account: Account, fault: str
) -> None:
    submit(emulator, account)
    (job,) = emulator.jobs()
    emulator.configure(script=[Scripted(fault, times=2)])
    done = fetch(emulator, account, job.id).json()
    job.clip_requests = 1
    taken_back = fetch(emulator, account, job.id).json()
    word = "state" if "state" in done else "status"
    assert (taken_back[word] != done[word]) == (fault == "failed_after_done")
    (clip,) = (name for name in ("result", "video", "assets", "outcome") if name in done)
    assert done[clip]
    assert taken_back[clip] is None
    assert fetch(emulator, account, job.id).json() == done


def test_an_amount_of_zero_may_come_before_there_is_one(emulator: Emulator) -> None:
    emulator.configure(finish_after_s=60)
    emulator.configure(script=[Scripted("zero_while_running", times=2)])
    assert [amount(emulator, one) for one in (APIFRAME, AIMLAPI)] == [0, 0]


@pytest.mark.parametrize("account", [APIFRAME, GMI, LUMA], ids=lambda one: one.name)
def test_answers_may_repeat_the_prompt_in_other_words(emulator: Emulator, account: Account) -> None:
    emulator.configure(script=[Scripted("altered_echo")])
    submit(emulator, account)
    (row,) = emulator.purchases()
    words = row["asked"]["prompt"]
    assert f"{words}, cinematic, highly detailed" in fetch(emulator, account, row["id"]).text
    assert not row["is_listed"]


def test_lists_lag(emulator: Emulator) -> None:
    emulator.configure(list_lag_s=60)
    submit(emulator, LUMA)
    assert get(emulator, LUMA, "/generations").json()["generations"] == []
    emulator.jobs()[0].accepted_at -= 61
    assert len(get(emulator, LUMA, "/generations").json()["generations"]) == 1


def amount(emulator: Emulator, account: Account) -> Any:
    submit(emulator, account)
    job = emulator.jobs()[-1]
    record = fetch(emulator, account, job.id).json()
    if account is APIFRAME:
        return record["creditCost"]
    return (record["meta"] or {}).get("usage", {}).get("usd_spent")


@pytest.mark.parametrize(
    ("fault", "credits", "dollars", "charged"),
    [
        ("", 50, 0.7, 1),
        ("amount_zero", 0, 0, 0),
        ("amount_negative", -50, -0.7, 1),
        ("amount_absurd", 1e12, 1e12, 1),
        ("amount_missing", None, None, 1),
        ("amount_text", "50", "0.7", 1),
        ("amount_overflow", float("inf"), float("inf"), 1),
    ],
)
def test_amounts_are_told_as_odd_as_ordered_and_kept_as_they_are(
    emulator: Emulator, fault: str, credits: Any, dollars: Any, charged: int
) -> None:
    if fault:
        emulator.configure(rates={fault: 1})
    assert amount(emulator, APIFRAME) == credits
    assert amount(emulator, AIMLAPI) == dollars
    rows = emulator.purchases()
    assert [(row["unit"], row["charged"]) for row in rows] == [
        ("credits", 50 * charged),
        ("USD", 0.7 * charged),
    ]
    readable = fault in ("", "amount_zero", "amount_text")
    assert [row["amount_is_told"] for row in rows] == [readable, readable]


def test_a_failure_may_be_charged_and_say_so(emulator: Emulator) -> None:
    emulator.configure(rates={"charged_failure": 1})
    assert amount(emulator, AIMLAPI) == 0.7
    assert amount(emulator, APIFRAME) == 50
    # Luma's answers hold no amount, so that nobody could know.
    submit(emulator, LUMA)
    rows = emulator.purchases()
    assert {row["phase"] for row in rows} == {"failed"}
    assert [row["charged"] for row in rows] == [0.7, 50, 0]


@pytest.mark.parametrize("outcome", ["failed", "moderation", "moderation_reworded", "cancelled"])
def test_a_failure_is_refunded_otherwise(
    emulator: Emulator, account: Account, outcome: str
) -> None:
    emulator.configure(rates={outcome: 1})
    submit(emulator, account)
    (row,) = emulator.purchases()
    assert row["charged"] == 0


def test_prices_move_and_depend_on_pixels_where_asked(emulator: Emulator) -> None:
    config = emulator.config
    asked = {"duration_s": 5, "aspect_ratio": "21:9", "resolution": "1080p"}
    assert price_of(config, "luma", "luma", **asked) == 0.7
    emulator.configure(priced_by_size=True, price_factors={"luma": 2.0})
    assert price_of(config, "luma", "luma", **asked) == pytest.approx(0.7 * 2 * 2.25 * 1.3125)
    assert price_of(config, "gmicloud", "gmicloud", **asked) == pytest.approx(0.7 * 2.25 * 1.3125)
    assert amount_in_answers(70.0, "") == 70


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("media_404_early", 404),
        ("media_403_early", 403),
        ("media_410_early", 410),
        ("media_html_early", 200),
    ],
)
def test_a_clip_may_come_late(emulator: Emulator, fault: str, status: int) -> None:
    emulator.configure(rates={fault: 1}, media_late_s=60)
    submit(emulator, LUMA)
    (job,) = emulator.jobs()
    url = fetch(emulator, LUMA, job.id).json()["assets"]["video"]
    early = httpx.get(url)
    assert (early.status_code, early.headers["content-type"] == "video/mp4") == (status, False)
    emulator.configure(media_late_s=0)
    assert httpx.get(url).headers["content-type"] == "video/mp4"


def test_a_link_may_work_every_other_time(emulator: Emulator) -> None:
    emulator.configure(rates={"media_flapping": 1})
    submit(emulator, LUMA)
    (job,) = emulator.jobs()
    url = fetch(emulator, LUMA, job.id).json()["assets"]["video"]
    assert [httpx.get(url).status_code for _ in range(4)] == [404, 200, 404, 200]


def test_every_job_has_a_clip_of_its_own_that_plays(emulator: Emulator) -> None:
    for _ in range(2):
        submit(emulator, LUMA)
    digests = []
    for job in emulator.jobs():
        data = httpx.get(fetch(emulator, LUMA, job.id).json()["assets"]["video"]).content
        digests.append(hashlib.sha256(data).hexdigest())
        with av.open(io.BytesIO(data)) as clip:
            assert len(list(clip.decode(video=0))) == 5 * 24
    assert len(set(digests)) == 2
    assert digests == [row["sha256"] for row in emulator.purchases()]


def test_somebody_elses_job_of_the_same_words_is_listed_too(
    emulator: Emulator, account: Account
) -> None:
    emulator.configure(script=[Scripted("foreign_twin")])
    submit(emulator, account)
    ours, theirs = emulator.purchases()
    assert (ours["foreign"], theirs["foreign"]) == (False, True)
    assert ours["prompt"] == theirs["prompt"]
    assert ours["asked"]["aspect_ratio"] != theirs["asked"]["aspect_ratio"]
    assert bought(emulator) == 1


@pytest.mark.parametrize("state", ["dry", "locked"])
def test_an_account_may_be_shut_for_a_while(
    emulator: Emulator, account: Account, state: str
) -> None:
    emulator.configure(phases=[Phase(account.slug, state, 0, 60)])
    shut = submit(emulator, account)
    # AI/ML API has no 402, and Luma publishes no code.
    codes = {"dry": {"aimlapi": 403, "legacy": 403, "luma": 400}.get(account.name, 402)}
    assert shut.status_code == codes.get(state, 401)
    assert bought(emulator) == 0
    emulator.world.started_at -= 61
    assert submit(emulator, account).is_success


def test_the_balance_and_polls_tell_of_a_shut_account(emulator: Emulator) -> None:
    submit(emulator, LUMA)
    (job,) = emulator.jobs()
    emulator.configure(out_of_credit=["luma"])
    assert get(emulator, LUMA, "/credits").json() == {"credit_balance": 0}
    assert fetch(emulator, LUMA, job.id).is_success
    emulator.configure(out_of_credit=[], locked=["luma"])
    assert get(emulator, LUMA, "/credits").status_code == 401
    assert fetch(emulator, LUMA, job.id).status_code == 401
    emulator.configure(locked=[])
    assert get(emulator, LUMA, "/credits").json()["credit_balance"] > 0


def test_an_unknown_account_is_refused(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="unknown accounts: pika"):
        emulator.configure(price_factors={"pika": 2.0})
    with pytest.raises(ValueError, match="unknown states: asleep"):
        emulator.configure(phases=[Phase("luma", "asleep", 0, 1)])


@pytest.mark.parametrize("account", [APIFRAME, LEGACY, GMI, LUMA], ids=lambda one: one.name)
def test_a_clock_off_by_minutes_dates_everything(emulator: Emulator, account: Account) -> None:
    emulator.configure(clock_offset_s=-240)
    submit(emulator, account)
    (job,) = emulator.jobs()
    answer = fetch(emulator, account, job.id)
    there = parsedate_to_datetime(answer.headers["date"]).timestamp()
    assert there == pytest.approx(time.time() - 240, abs=30)
    created = answer.json()[{"apiframe": "createdAt"}.get(account.name, "created_at")]
    moment = created if isinstance(created, int) else _seconds(created)
    assert moment == pytest.approx(job.accepted_at - 240, abs=1.1)


def test_each_account_may_have_a_clock_of_its_own(emulator: Emulator) -> None:
    emulator.configure(clock_offset_s=-240, clock_offsets={"luma": 90.0})
    dates = [
        parsedate_to_datetime(submit(emulator, account).headers["date"]).timestamp()
        for account in (LUMA, GMI)
    ]
    assert dates[0] - dates[1] == pytest.approx(330, abs=30)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


# ---- AI/ML API's request log ----------------------------------------------------------------


@pytest.mark.parametrize("account", [AIMLAPI, LEGACY], ids=lambda one: one.name)
def test_a_purchase_is_found_by_the_id_of_its_request(emulator: Emulator, account: Account) -> None:
    emulator.configure(script=[Scripted("dropped")])
    with pytest.raises(httpx.HTTPError):
        submit(emulator, account, X_Client_Request_Id="shot-1")
    (job,) = emulator.jobs()
    (row,) = get(emulator, account, "/v2/logs", period="1h").json()["data"]
    assert (row["client_request_id"], row["inference_id"]) == ("shot-1", job.id)
    assert (row["status"], row["cost"]) == ("succeeded", {"usd": 0.7, "credits": 1_400_000})


def test_the_ids_of_a_request_are_in_its_answer(emulator: Emulator) -> None:
    answer = submit(emulator, AIMLAPI, X_Client_Request_Id="shot-1")
    assert answer.headers["x-client-request-id"] == "shot-1"
    assert answer.headers["x-inference-id"] == answer.json()["id"]


def test_a_refused_request_is_logged_under_an_id_that_is_no_job(emulator: Emulator) -> None:
    emulator.configure(script=[Scripted("error_500"), Scripted("html_400")])
    for _ in range(3):
        submit(emulator, AIMLAPI, X_Client_Request_Id="shot-1")
    rows = get(emulator, AIMLAPI, "/v2/logs", period="1h").json()["data"]
    # Newest first; what a page before the API answered never reached it.
    assert [row["status"] for row in rows] == ["succeeded", "failed"]
    assert rows[1]["cost"] == {"usd": 0.0, "credits": 0}
    assert fetch(emulator, AIMLAPI, rows[1]["inference_id"]).status_code == 404


def test_the_log_lags(emulator: Emulator) -> None:
    emulator.configure(log_lag_s=60)
    submit(emulator, AIMLAPI, X_Client_Request_Id="shot-1")
    assert get(emulator, AIMLAPI, "/v2/logs", period="1h").json()["data"] == []
    emulator.jobs()[0].accepted_at -= 61
    assert len(get(emulator, AIMLAPI, "/v2/logs", period="1h").json()["data"]) == 1


def test_the_log_is_paged_and_filtered(emulator: Emulator) -> None:
    for number in range(3):
        submit(emulator, AIMLAPI, X_Client_Request_Id=f"shot-{number}")
    answer = get(emulator, AIMLAPI, "/v2/logs", period="1h", limit=2).json()
    assert [row["client_request_id"] for row in answer["data"]] == ["shot-2", "shot-1"]
    assert answer["pagination"] == {"limit": 2, "offset": 0, "total": 3, "has_more": True}
    answer = get(emulator, AIMLAPI, "/v2/logs", period="1h", limit=2, offset=2).json()
    assert [row["client_request_id"] for row in answer["data"]] == ["shot-0"]
    other = get(emulator, AIMLAPI, "/v2/logs", period="1h", model="openai/gpt-5").json()
    assert other["data"] == []
    window = {"start": "2020-01-01", "end": "2020-02-01"}
    assert get(emulator, AIMLAPI, "/v2/logs", **window).json()["data"] == []


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"period": "1h", "start": "2026-01-01", "end": "2026-01-02"},
        {"start": "2026-01-01"},
        {"period": "soon"},
        {"period": "93d"},
        {"period": "1h", "limit": "101"},
        {"period": "1h", "status": "succeeded,failed"},
        {"start": "2026-01-02", "end": "2026-01-01"},
    ],
)
def test_a_query_that_the_log_does_not_take_is_noted(
    emulator: Emulator, query: dict[str, str]
) -> None:
    assert get(emulator, AIMLAPI, "/v2/logs", **query).status_code == 400
    assert len(emulator.violations) == 1


# ---- What the emulator knows of a purchase -----------------------------------------------------


def test_a_purchase_is_described_whole(emulator: Emulator) -> None:
    submit(emulator, APIFRAME, Idempotency_Key="key-1")
    submit(emulator, APIFRAME, Idempotency_Key="key-1")
    (row,) = httpx.get(f"{emulator.url}/_emulator/jobs").json()
    assert row["headers"] == {"Idempotency-Key": "key-1"}
    assert (row["account"], row["key"]) == ("apiframe", emulator.key("apiframe"))
    assert row["body"]["lumaParams"]["duration"] == row["asked"]["duration_s"] == 5
    assert (row["answers"], row["is_listed"], row["is_logged"]) == (2, True, False)
    assert len(row["sha256"]) == 64


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (
            "apiframe",
            {
                "model": "m",
                "prompt": "A fox",
                "lumaParams": {
                    "duration": 9,
                    "aspect_ratio": "1:1",
                    "loop": True,
                    "concepts": ["pan_left"],
                    "start_image": "https://a/1.png",
                },
            },
        ),
        (
            "luma",
            {
                "model": "m",
                "prompt": "A fox",
                "duration": "9s",
                "aspect_ratio": "1:1",
                "loop": True,
                "concepts": [{"key": "pan_left"}],
                "keyframes": {"frame0": {"type": "image", "url": "https://a/1.png"}},
            },
        ),
        (
            "gmicloud",
            {
                "model": "m",
                "payload": {
                    "prompt": "A fox",
                    "duration": "9s",
                    "aspect_ratio": "1:1",
                    "loop": True,
                    "concepts": ["pan_left"],
                    "frame0_image": "https://a/1.png",
                },
            },
        ),
    ],
)
def test_what_was_asked_for_reads_alike_in_every_dialect(
    dialect: str, body: dict[str, Any]
) -> None:
    assert asked_for(dialect, body) == {
        "model": "m",
        "prompt": "A fox",
        "duration_s": 9,
        "aspect_ratio": "1:1",
        "resolution": None,
        "loop": True,
        "concepts": ["pan_left"],
        "start": {"url": "https://a/1.png"},
        "end": None,
    }
    other = asked_for(dialect, with_other_shape(dialect, body))
    # Where jobs are listed, somebody else's has a frame of its own.
    frame = {"url": TWINS_FRAME} if dialect in ("apiframe", "gmicloud", "luma") else None
    assert (other["aspect_ratio"], other["start"]) == ("16:9", frame)


def test_ends_by_id_are_read() -> None:
    frames = {"frame0": {"type": "generation", "id": "a"}, "frame1": None}
    assert asked_for("luma", {"model": "m", "keyframes": frames})["start"] == {"job": "a"}
    payload = {"end_frame_generation_id": "b"}
    assert asked_for("gmicloud", {"model": "m", "payload": payload})["end"] == {"job": "b"}


def test_an_uploaded_frame_is_known_by_its_bytes(emulator: Emulator) -> None:
    picture = b"\x89PNG\r\n\x1a\n made up"
    url = APIFRAME.at(emulator).upload_image(picture, "image/png")
    body = {"model": "luma-ray-2", "prompt": "A fox", "lumaParams": {"end_image": url}}
    place = emulator.base_url("apiframe") + SUBMITS["apiframe"]
    httpx.post(place, json=body, headers=headers_of(emulator, APIFRAME)).raise_for_status()
    (row,) = emulator.purchases()
    assert row["frames"] == {"end": hashlib.sha256(picture).hexdigest()}


def test_every_manner_has_a_test_here() -> None:
    source = Path(__file__).read_text()
    assert [name for name in MANNERS if f'"{name}"' not in source] == []
    assert {account.name for account in ACCOUNTS} == set(SUBMITS)
