"""A 2xx that holds a documented error is that error; what cannot be read stays unclear."""

from __future__ import annotations

from typing import Any

import pytest

from studio.providers.base import (
    AuthFailed,
    NotFound,
    OutOfCredit,
    ProtocolError,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Refused,
    SubmitUncertain,
    WrongEndpoint,
)
from tests.providers.accounts import ACCOUNTS, AIMLAPI, APIFRAME, GMI, LEGACY, LUMA, Account

PAGE = "<!doctype html><html><body>Sign in</body></html>"
ID = "7c880e75-9892-4238-8464-49cb0c6deabd"


def aimlapi(status: Any, message: str) -> dict[str, Any]:
    return {
        "message": message,
        "path": "/v2/video/generations",
        "requestId": "r",
        "statusCode": status,
        "timestamp": "2026-11-30T10:00:00Z",
    }


SHORT_OF_CREDIT = {
    "error": "Insufficient credits",
    "creditsRequired": 1020,
    "creditsAvailable": 14,
}

KNOWN: list[tuple[Account, Any, type[ProviderError]]] = [
    (APIFRAME, SHORT_OF_CREDIT, OutOfCredit),
    (APIFRAME, {"error": "Validation failed", "details": {"prompt": ["Too long"]}}, Refused),
    (APIFRAME, {"error": "Unauthorized"}, AuthFailed),
    (APIFRAME, {"error": "Rate limit exceeded"}, RateLimited),
    (AIMLAPI, aimlapi(400, "duration must be 5 or 9"), Refused),
    (AIMLAPI, aimlapi("400", "duration must be 5 or 9"), Refused),
    (AIMLAPI, aimlapi(401, "Invalid key"), AuthFailed),
    (AIMLAPI, aimlapi(403, "You have run out of credits. See billing"), OutOfCredit),
    (AIMLAPI, aimlapi(403, "Access denied"), AuthFailed),
    (AIMLAPI, aimlapi(404, "Model not found"), Refused),
    (AIMLAPI, aimlapi(429, "Slow down"), RateLimited),
    (AIMLAPI, {"status": "error", "error": {"name": "nsfw", "message": "No."}}, Refused),
    (LEGACY, aimlapi(403, "You have run out of credits. See billing"), OutOfCredit),
    (GMI, {"error": "missing keys: prompt"}, Refused),
    (GMI, {"error": "insufficient credits"}, OutOfCredit),
    (GMI, {"error": {"code": 429, "message": "quota of the hour"}}, RateLimited),
    (GMI, {"error": "Invalid API key"}, AuthFailed),
    (LUMA, {"detail": "Loop is not allowed with an end frame"}, Refused),
    (LUMA, {"detail": "Insufficient credits"}, OutOfCredit),
    (LUMA, {"detail": "Not authenticated"}, AuthFailed),
    (LUMA, {"detail": [{"loc": ["body", "prompt"], "msg": "too short"}]}, Refused),
]
UNCLEAR: list[tuple[Account, Any]] = [
    *[(account, body) for account in ACCOUNTS for body in ({}, [], None, PAGE, b"", "7")],
    *[(account, {"status": "queued", "state": "queued"}) for account in ACCOUNTS],
    (AIMLAPI, {"message": "Request accepted"}),
    (AIMLAPI, aimlapi(500, "Internal server error")),
    (AIMLAPI, aimlapi(504, "Generation timeout")),
    (GMI, {"error": "internal error"}),
    (GMI, {"error": "upstream timed out"}),
    (GMI, {"status": "queued", "error": "none yet"}),
    (LUMA, {"detail": "Service temporarily unavailable, try again"}),
    (APIFRAME, {"error": "Something went wrong while processing the prompt"}),
]


@pytest.mark.parametrize(("account", "body", "kind"), KNOWN)
@pytest.mark.parametrize("status", [200, 202])
def test_a_documented_error_in_a_2xx_is_that_error(
    account: Account, body: Any, kind: type[ProviderError], status: int
) -> None:
    with pytest.raises(ProviderError) as caught:
        account.answering(status, body).submit(account.shot())
    assert type(caught.value) is kind


@pytest.mark.parametrize(("account", "body"), UNCLEAR)
def test_a_2xx_that_says_nothing_of_a_refusal_stays_unclear(account: Account, body: Any) -> None:
    with pytest.raises(SubmitUncertain):
        account.answering(200, body).submit(account.shot())


def test_an_error_beside_an_id_is_a_job() -> None:
    body = {"request_id": ID, "status": "failed", "error": "insufficient credits"}
    assert GMI.answering(200, body).submit(GMI.shot()).id == ID


@pytest.mark.parametrize(
    ("body", "unproven"),
    [
        ({"error": "Validation failed", "details": {"prompt": ["Too long"]}}, False),
        ({"error": {"code": "content_moderated", "message": "No."}}, False),
        ({"error": "Your prompt was flagged by moderation"}, False),
        ({"error": "missing keys: prompt"}, True),
    ],
)
def test_a_refusal_of_words_alone_in_a_2xx_is_not_proven(body: Any, unproven: bool) -> None:
    with pytest.raises(Refused) as caught:
        GMI.answering(200, body).submit(GMI.shot())
    assert caught.value.unproven is unproven


def test_a_poll_reads_an_error_by_its_status_alone(account: Account) -> None:
    with pytest.raises(NotFound):
        account.answering(200, aimlapi(404, "Generation not found")).fetch(ID)
    with pytest.raises(RateLimited):
        account.answering(200, aimlapi(429, "Slow down")).fetch(ID)
    with pytest.raises(ProtocolError):
        account.answering(200, {"error": "Insufficient credits"}).fetch(ID)


def test_a_batch_that_holds_an_error_is_that_error() -> None:
    with pytest.raises(RateLimited):
        LEGACY.answering(200, aimlapi(429, "Slow down")).fetch_many([ID])
    with pytest.raises(ProtocolError):
        LEGACY.answering(200, {"message": "Internal error"}).fetch_many([ID])


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 410, 422, 451])
def test_a_web_page_is_never_the_provider(account: Account, status: int) -> None:
    provider = account.answering(status, PAGE, **{"content-type": "text/html"})
    with pytest.raises(WrongEndpoint):
        provider.submit(account.shot())
    with pytest.raises(WrongEndpoint):
        provider.fetch(ID)


@pytest.mark.parametrize("body", ["\ufeff  <HTML>", "<?xml version='1.0'?><Error/>", "Not here"])
def test_a_page_is_known_by_its_bytes_or_its_type(account: Account, body: str) -> None:
    provider = account.answering(404, body.encode(), **{"content-type": "text/html"})
    with pytest.raises(WrongEndpoint):
        provider.submit(account.shot())


@pytest.mark.parametrize("status", [408, 409, 425])
def test_a_page_that_may_have_come_after_the_request_is_unclear(
    account: Account, status: int
) -> None:
    provider = account.answering(status, PAGE)
    with pytest.raises(SubmitUncertain):
        provider.submit(account.shot())
    with pytest.raises(ProviderUnavailable):
        provider.fetch(ID)


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308])
def test_a_redirect_is_the_wrong_endpoint_for_every_call(account: Account, status: int) -> None:
    provider = account.answering(status, b"", location="https://login.example/?next=secret")
    for call in (lambda: provider.submit(account.shot()), lambda: provider.fetch(ID)):
        with pytest.raises(WrongEndpoint) as caught:
            call()
        assert "secret" not in caught.value.message + caught.value.detail


def test_json_with_a_4xx_is_still_the_providers_own_word(account: Account) -> None:
    with pytest.raises(AuthFailed):
        account.answering(401, {"error": "no"}, **{"content-type": "text/html"}).fetch(ID)
