"""Every error code, told apart per provider."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from studio.providers.base import (
    AlreadySubmitted,
    AuthFailed,
    NotFound,
    OutOfCredit,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Refused,
    SubmitUncertain,
    WrongEndpoint,
)
from tests.providers.accounts import AIMLAPI, APIFRAME, GMI, LEGACY, LUMA, Account

BILLING = "You have run out of credits. Top up at https://aimlapi.com/app/billing?key=abc"

# account, status, body, error on a submit, error on a fetch
CODES: list[tuple[Account, int, Any, type[ProviderError], type[ProviderError]]] = [
    (APIFRAME, 400, {"error": "Validation failed"}, Refused, Refused),
    (APIFRAME, 401, {"error": "Unauthorized"}, AuthFailed, AuthFailed),
    (APIFRAME, 402, {"error": "Insufficient credits"}, OutOfCredit, OutOfCredit),
    (APIFRAME, 403, {"error": "API key is inactive"}, AuthFailed, AuthFailed),
    (APIFRAME, 404, {"error": "Job not found"}, Refused, NotFound),
    (APIFRAME, 409, {"error": "Idempotency key reused"}, AlreadySubmitted, AlreadySubmitted),
    (APIFRAME, 429, {"error": "slow down"}, RateLimited, RateLimited),
    (APIFRAME, 502, {"error": "bad gateway"}, SubmitUncertain, ProviderUnavailable),
    (APIFRAME, 503, {"error": "queue is away"}, SubmitUncertain, ProviderUnavailable),
    (AIMLAPI, 400, {"message": "Expected number, received string"}, Refused, Refused),
    (AIMLAPI, 401, {"message": "Invalid key"}, AuthFailed, AuthFailed),
    (AIMLAPI, 403, {"message": BILLING}, OutOfCredit, OutOfCredit),
    (AIMLAPI, 403, {"message": "Access denied"}, AuthFailed, AuthFailed),
    (AIMLAPI, 404, {"message": "Model not found"}, Refused, NotFound),
    (AIMLAPI, 504, {"message": "Generation timeout"}, SubmitUncertain, ProviderUnavailable),
    (LEGACY, 403, {"message": BILLING}, OutOfCredit, OutOfCredit),
    (GMI, 400, {"error": "missing keys: prompt"}, Refused, Refused),
    (GMI, 402, {"error": "insufficient credits"}, OutOfCredit, OutOfCredit),
    (GMI, 403, {"detail": "forbidden"}, AuthFailed, AuthFailed),
    (GMI, 404, {"error": {"message": "unknown model"}}, Refused, NotFound),
    (GMI, 500, {"error": "upstream returned 400: Bad Request"}, Refused, Refused),
    (GMI, 500, {"error": "no capacity, try again"}, SubmitUncertain, ProviderUnavailable),
    (LUMA, 400, {"detail": "Loop is not allowed"}, Refused, Refused),
    (LUMA, 400, {"detail": "Insufficient credits"}, OutOfCredit, OutOfCredit),
    (LUMA, 403, {"detail": "Not enough credit"}, OutOfCredit, OutOfCredit),
    (LUMA, 403, {"detail": "Not authenticated"}, AuthFailed, AuthFailed),
    (LUMA, 409, {"detail": "conflict"}, SubmitUncertain, ProviderUnavailable),
    (LUMA, 422, {"detail": [{"loc": ["body", "x"], "msg": "bad"}]}, Refused, Refused),
    (LUMA, 500, "", SubmitUncertain, ProviderUnavailable),
    (LUMA, 408, {"detail": "timeout"}, SubmitUncertain, ProviderUnavailable),
]


@pytest.mark.parametrize(("account", "status", "body", "on_submit", "on_fetch"), CODES)
def test_every_code(
    account: Account,
    status: int,
    body: Any,
    on_submit: type[ProviderError],
    on_fetch: type[ProviderError],
) -> None:
    with pytest.raises(ProviderError) as caught:
        account.answering(status, body).submit(account.shot())
    assert type(caught.value) is on_submit
    with pytest.raises(ProviderError) as caught:
        account.answering(status, body).fetch("7c880e75-9892-4238-8464-49cb0c6deabd")
    assert type(caught.value) is on_fetch
    assert caught.value.message.endswith((".", "400: Bad Request")) or body


def test_apiframe_details_become_form_fields() -> None:
    details = {
        "lumaParams.duration": ["Invalid input"],
        "lumaParams.concepts.0": ["Unknown concept", "Pick another"],
        "prompt": ["Too long"],
        "webhookUrl": ["Invalid url"],
    }
    with pytest.raises(Refused) as caught:
        APIFRAME.answering(400, {"error": "Validation failed", "details": details}).submit(
            APIFRAME.shot()
        )
    assert caught.value.fields == {
        "duration_s": "Apiframe: Invalid input",
        "concepts": "Apiframe: Unknown concept; Pick another",
        "prompt": "Apiframe: Too long",
    }


def test_apiframe_says_how_much_is_missing() -> None:
    body = {"error": "Insufficient credits", "creditsRequired": 1020, "creditsAvailable": 14}
    with pytest.raises(OutOfCredit) as caught:
        APIFRAME.answering(402, body).submit(APIFRAME.shot())
    assert (caught.value.required, caught.value.available) == (1020, 14)
    expected = "Apiframe is out of credit. This shot needs 1,020 credits and 14 are left."
    assert caught.value.message == expected


def test_luma_422_names_the_field() -> None:
    body = {"detail": [{"loc": ["body", "keyframes", "frame0"], "msg": "unreachable"}]}
    with pytest.raises(Refused) as caught:
        LUMA.answering(422, body).submit(LUMA.shot())
    assert set(caught.value.fields) == {"start"}


def test_a_field_named_in_the_text_is_marked() -> None:
    body = {"message": "aspect_ratio: expected 16:9, received 19:9"}
    with pytest.raises(Refused) as caught:
        AIMLAPI.answering(400, body).submit(AIMLAPI.shot())
    assert set(caught.value.fields) == {"aspect_ratio"}


def test_a_moderated_prompt_is_told_in_plain_words() -> None:
    with pytest.raises(Refused) as caught:
        LUMA.answering(400, {"detail": "Prompt was flagged by moderation"}).submit(LUMA.shot())
    assert caught.value.message.startswith("The prompt was refused by the model's content rules.")
    assert "flagged" in caught.value.detail


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "content_policy_violation", "message": "nope"}},
        {"message": "Request blocked: inappropriate prompt"},
        {"detail": "Prompt was flagged by moderation"},
        {"error": "The user prompt violates our usage policy"},
    ],
)
def test_a_403_about_the_prompt_blames_the_shot_and_not_the_key(
    account: Account, body: object
) -> None:
    """Held for a key that works, the account would meet the same shot first, again and again."""
    with pytest.raises(Refused) as caught:
        account.answering(403, body).submit(account.shot())
    assert (caught.value.code, caught.value.unproven) == ("moderation", False)


@pytest.mark.parametrize(
    "body",
    [
        {"error": "This API key was flagged"},
        {"message": "Your account violates our terms of service"},
        {"detail": "moderation service unavailable"},
        {"error": "Forbidden"},
    ],
)
def test_a_403_about_the_account_blames_no_shot(account: Account, body: object) -> None:
    with pytest.raises(AuthFailed):
        account.answering(403, body).submit(account.shot())


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_web_page_with_a_4xx_blames_the_address_not_the_key(
    account: Account, status: int
) -> None:
    with pytest.raises(WrongEndpoint, match="web page .* Nothing was charged. Check the base URL"):
        account.answering(status, "<html>Attention required</html>").submit(account.shot())


@pytest.mark.parametrize(
    "body",
    [
        "404 page not found",
        "Not Found",
        {"detail": "Not Found"},
        {"message": "Cannot POST /v9/x", "error": "Not Found", "statusCode": 404},
        {"error": "No route matches POST /v9/x"},
    ],
)
def test_an_address_without_such_a_call_is_wrong_and_refuses_no_shot(
    account: Account, body: object
) -> None:
    with pytest.raises(WrongEndpoint, match="Nothing was charged. Check the base URL"):
        account.answering(404, body).submit(account.shot())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_bought_nothing(account: Account, status: int) -> None:
    provider = account.answering(status, b"", location="https://elsewhere.example/")
    with pytest.raises(WrongEndpoint, match="redirect .* Nothing was charged. Check the base URL"):
        provider.submit(account.shot())


def test_details_hide_signed_links() -> None:
    with pytest.raises(OutOfCredit) as caught:
        AIMLAPI.answering(403, {"message": BILLING}).submit(AIMLAPI.shot())
    assert "key=abc" not in caught.value.detail


def test_ai_ml_api_balance_falls_back_to_the_older_address() -> None:

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v2/billing":
            return httpx.Response(404, json={"message": "Not found"})
        return httpx.Response(200, json={"balance": 1234})

    balance = AIMLAPI.mocked(handler).balance()
    assert (balance.credits, balance.unit, balance.microusd) == (1234, "credits", None)


def test_luma_counts_its_balance_in_cents() -> None:
    assert LUMA.answering(200, {"credit_balance": 1250.5}).balance().microusd == 12_505_000


def test_gmi_lists_models_in_both_shapes() -> None:
    assert GMI.answering(200, {"model_ids": ["Luma-Ray2"]}).models() == ["Luma-Ray2"]  # type: ignore[attr-defined]
    both = {"models": [{"model": "Luma-Ray2"}, "Veo3", {}]}
    assert GMI.answering(200, both).models() == ["Luma-Ray2", "Veo3"]  # type: ignore[attr-defined]
