"""An id is enough; on a poll it is the id that was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from studio.providers.base import ProtocolError, Status
from tests.providers.accounts import APIFRAME, GMI, LEGACY, Account

ID = "7c880e75-9892-4238-8464-49cb0c6deabd"
ID_KEYS = {APIFRAME: "jobId", GMI: "request_id"}  # elsewhere "id"
NO_WORD: list[dict[str, Any]] = [{}, {"status": "", "state": ""}, {"status": None, "state": None}]
NO_WORD += [{"status": 5, "state": ["queued"]}, {"status": "  ", "state": "\u0000"}]


@pytest.mark.parametrize("word", NO_WORD)
def test_a_submit_needs_an_id_only(account: Account, word: dict[str, Any]) -> None:
    body = {"request_id" if account is GMI else "id": ID} | word
    job = account.answering(201, body).submit(account.shot())
    assert (job.id, job.status, job.raw_status) == (ID, Status.RUNNING, "")


@pytest.mark.parametrize("word", NO_WORD)
def test_a_poll_needs_no_word(account: Account, word: dict[str, Any]) -> None:
    body = {"request_id" if account is GMI else "id": ID} | word
    assert account.answering(200, body).fetch(ID).status is Status.RUNNING


def test_on_a_poll_the_id_asked_for_is_the_id(account: Account) -> None:
    words = {"status": "queued", "state": "queued"}
    for body in (words, words | {"id": None}, words | {"id": 1.5}):
        assert account.answering(200, body).fetch(ID).id == ID


@pytest.mark.parametrize("form", [ID.upper(), ID.replace("-", ""), f"{ID}:luma/ray-2"])
def test_another_form_of_the_id_is_the_same_job(account: Account, form: str) -> None:
    name = ID_KEYS.get(account, "id")
    body = {name: form, "status": "queued", "state": "queued"}
    assert account.answering(200, body).fetch(ID).id == ID
    assert account.answering(200, body | {name: ID}).fetch(form).id == form


def test_an_answer_about_another_job_is_unreadable(account: Account) -> None:
    link = "https://media.example/other.mp4"
    body: dict[str, Any] = {ID_KEYS.get(account, "id"): "another"}
    body |= {"status": "completed", "state": "completed"}
    body |= {"video": {"url": link}, "assets": {"video": link}, "result": {"videoUrl": link}}
    with pytest.raises(ProtocolError):
        account.answering(200, body | {"outcome": {"video_url": link}}).fetch(ID)


def test_a_row_of_a_batch_about_another_job_is_left_out() -> None:
    rows = {ID: {"id": "another", "state": "completed"}, "b": {"id": "b", "state": "queued"}}
    assert set(LEGACY.answering(200, rows).fetch_many([ID, "b"])) == {"b"}


def test_a_failed_word_ends_it_without_an_id(account: Account) -> None:
    body = {"status": "failed", "state": "failed"}
    assert account.answering(200, body).fetch(ID).status is Status.FAILED


@pytest.mark.parametrize("body", [{}, [], None, "queued", 7, {"id": ""}, {"id": True}])
def test_an_answer_about_no_job_is_none(account: Account, body: Any) -> None:
    with pytest.raises(ProtocolError):
        account.answering(200, body).fetch(ID)


def test_bytes_that_are_no_text_cost_no_id() -> None:
    body = b'{"jobId": "%s", "status": "QUEUED", "note": "\xff\xfe"}' % ID.encode()
    assert APIFRAME.answering(202, body).submit(APIFRAME.shot()).id == ID
