"""What goes on to another provider by itself: a cause known to be technical, and nothing else."""

from __future__ import annotations

import pytest

from studio.providers.base import AuthFailed, ProviderError, Refused
from studio.services.work.failover import OFFERED, PASSABLE
from tests.providers.accounts import AIMLAPI, APIFRAME, GMI, LEGACY, LUMA, Account
from tests.providers.test_words import refusal

MODERATED = [
    "Your request was rejected as it depicts graphic violence and gore.",
    "The prompt contains disallowed content.",
    "Blocked by trust & safety: copyrighted character",
    "Rejected by our trust team: graphic violence",
    "Rejected: hate speech",
    "Content not permitted",
    "Our partner declined to render this content",
    "The requested content is against our terms",
    "DMCA",
    "请求包含敏感内容，已被拒绝",
    "内容违规",
]
BODIES = [{"detail": words} for words in MODERATED] + [
    {"error": {"code": "SAFETY_BLOCK", "message": "Blocked"}},
    {"error": {"type": "policy_violation", "message": "Denied"}},
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("account", [LUMA, GMI, AIMLAPI])
def test_a_moderated_prompt_is_known_at_the_submit(account: Account, body: object) -> None:
    assert refusal(account, 400, body).code == "moderation"


@pytest.mark.parametrize("account", [LUMA, GMI, AIMLAPI, APIFRAME])
# A web page is not the provider's answer, whatever its status: the account is held for its address.
@pytest.mark.parametrize("body", [{"detail": "Unavailable for legal reasons"}, ""])
def test_a_451_is_moderation(account: Account, body: object) -> None:
    assert refusal(account, 451, body).code == "moderation"


@pytest.mark.parametrize("account", [LUMA, GMI, AIMLAPI, APIFRAME])
def test_a_403_about_the_prompt_holds_no_account(account: Account) -> None:
    assert refusal(account, 403, {"detail": "Prompt rejected: sexual content"}).code == "moderation"
    with pytest.raises(AuthFailed):
        account.answering(
            403, {"detail": "Access to this content is forbidden for your key"}
        ).submit(account.shot())


def failure_code(account: Account, answer: dict) -> str:
    from studio.providers.reasons import read_failure

    ids = {"id": "7c880e75", "jobId": "7c880e75", "request_id": "7c880e75"}
    return read_failure(account.answering(200, ids | answer).fetch("7c880e75").error).code


CODED = [
    {"failure_code": "content_moderated"},
    {"failure_code": "content_moderated", "failure_reason": "Sorry."},
    {"error": {"code": "content_moderation", "message": "no"}},
    {"error": {"name": "content_moderated", "message": "Sorry"}},
    {"error": {"message": "Sorry", "data": {"kind": "moderation"}}},
    {"error_code": "content_moderated", "error": "Sorry"},
    {"errorCode": "CONTENT_MODERATED", "error": "Sorry"},
    {"error": "Sorry", "details": {"reason": "content_moderated"}},
    {"outcome": {"error_code": "moderation", "error": "Sorry"}},
    {"failure_reason": {"code": "content_moderated", "message": "Sorry."}},
]


@pytest.mark.parametrize("answer", CODED)
@pytest.mark.parametrize("account", [LUMA, LEGACY, GMI, AIMLAPI, APIFRAME])
def test_every_adapter_reads_a_code_of_a_failed_job_wherever_it_stands(
    account: Account, answer: dict
) -> None:
    assert failure_code(account, {"status": "failed", "state": "failed"} | answer) == "moderation"


@pytest.mark.parametrize("answer", CODED)
@pytest.mark.parametrize("account", [LUMA, GMI, AIMLAPI, APIFRAME])
def test_and_of_a_refusal(account: Account, answer: dict) -> None:
    assert refusal(account, 400, answer).code == "moderation"


@pytest.mark.parametrize("words", MODERATED)
def test_words_of_a_failed_job_about_content_are_moderation(words: str) -> None:
    answer = {"state": "failed", "failure_reason": words}
    assert failure_code(LUMA, answer) == "moderation"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Gremlins in lane 7", "other"),
        ("This character is unavailable", "other"),
        ("Generation stopped for an unknown reason", "other"),
        ("Internal server error", "internal"),
        ("The service is unavailable", "capacity"),
        ("Expired in the queue", "timeout"),
    ],
)
def test_only_a_known_technical_failure_passes_on(words: str, code: str) -> None:
    assert failure_code(LUMA, {"state": "failed", "failure_reason": words}) == code
    assert (code in PASSABLE) is (code != "other")
    assert code in OFFERED


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"detail": "We cannot help with that"}, "refused"),
        ({"detail": [{"loc": ["body", "resolution"], "msg": "not one of 540p"}]}, "unsupported"),
        ({"detail": "aspect_ratio: expected 16:9"}, "unsupported"),
        ({"detail": "We dislike the mood at this resolution"}, "refused"),
    ],
)
def test_a_refusal_passes_on_only_where_it_is_about_a_size_or_a_field(
    body: object, code: str
) -> None:
    assert refusal(LUMA, 400, body).code == code
    assert (code in PASSABLE) is (code == "unsupported")


def test_a_model_that_is_not_offered_passes_on() -> None:
    with pytest.raises(ProviderError) as caught:
        LUMA.answering(404, {"detail": "Model not found"}).submit(LUMA.shot())
    assert isinstance(caught.value, Refused)
    assert caught.value.code == "unsupported"
