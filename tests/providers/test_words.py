"""A provider's own words reach people: cleaned, quoted, and at the field they are about."""

from __future__ import annotations

from typing import Any

import pytest

from studio.plain_text import one_line
from studio.providers.base import OutOfCredit, ProviderError, Refused
from studio.providers.masking import HIDDEN, mask_text
from studio.providers.reasons import is_out_of_credit, read_failure
from studio.providers.wording import MAX_WORDS, clean
from tests.providers.accounts import AIMLAPI, APIFRAME, GMI, LUMA, Account


def refusal(account: Account, status: int, body: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        account.answering(status, body).submit(account.shot())
    return caught.value


DETAILS = {"lumaParams.duration": ["Expected 5 or 9"], "webhookUrl": ["Invalid url"]}


@pytest.mark.parametrize(
    "details",
    [
        DETAILS,
        {"fieldErrors": DETAILS, "formErrors": []},
        {"lumaParams": {"duration": ["Expected 5 or 9"]}, "webhookUrl": "Invalid url"},
        [
            {"path": ["lumaParams", "duration"], "message": "Expected 5 or 9"},
            {"path": "webhookUrl", "message": "Invalid url"},
        ],
    ],
)
def test_apiframe_details_are_in_the_sentence_and_at_their_field(details: Any) -> None:
    error = refusal(APIFRAME, 400, {"error": "Validation failed", "details": details})
    assert error.fields == {"duration_s": "Apiframe: Expected 5 or 9"}
    assert error.message == (
        "Apiframe refuses this shot: Validation failed. Length: Expected 5 or 9. "
        "webhookUrl: Invalid url."
    )
    assert error.code == "unsupported"


@pytest.mark.parametrize(
    ("account", "status", "body", "fields"),
    [
        (AIMLAPI, 400, {"message": ["duration must be one of 5, 9"]}, {"duration_s"}),
        (AIMLAPI, 400, {"issues": [{"path": ["keyframes", "frame1"], "message": "bad"}]}, {"end"}),
        (GMI, 400, {"error": {"details": {"payload.frame0_image": ["bad"]}}}, {"start"}),
        (GMI, 400, {"error": "unknown parameter aspect_ratio"}, {"aspect_ratio"}),
        (LUMA, 422, {"detail": [{"loc": ["body", "concepts", 0], "msg": "bad"}]}, {"concepts"}),
        (LUMA, 400, {"detail": "loop is not supported here"}, {"loop"}),
    ],
)
def test_fields_go_to_fields(account: Account, status: int, body: Any, fields: set[str]) -> None:
    assert set(refusal(account, status, body).fields) == fields


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": "x", "code": "content_moderated"}, "moderation"),
        ({"error": {"code": "NSFW", "message": "x"}}, "moderation"),
        ({"error": {"type": "unsupported_format", "message": "x"}}, "image"),
        ({"error": {"code": "output_not_found", "message": "prompt was flagged"}}, "refused"),
        ({"error": "Prompt was flagged"}, "moderation"),
        ({"error": "could not load start image"}, "image"),
        ({"error": "prompt is empty"}, "prompt"),
        ({"error": "generation was not found"}, "end"),
        ({"error": "at capacity"}, "refused"),
        ({"error": "x"}, "refused"),
        ({}, "refused"),
    ],
)
def test_a_refusal_has_a_code_and_a_code_decides(body: Any, code: str) -> None:
    assert refusal(GMI, 400, body).code == code


@pytest.mark.parametrize(
    ("words", "credit"),
    [
        ("Insufficient credits", True),
        ("Not enough credit", True),
        ("You have run out of credits. Top up", True),
        ("Your balance is too low", True),
        ("0 credits remaining", True),
        ("Insufficient credits: you were not charged", True),
        ("no credits were used", False),
        ("Render failed. No credits have been used.", False),
        ("Failed after 12 s; credits were refunded to your balance", False),
        ("You have not been charged any credits", False),
        ("This used 51 credits before it failed", False),
        ("The prompt mentions a credit card", False),
        ("Prompt exceeds the maximum number of tokens", False),
        ("Refunded", False),
    ],
)
def test_credit_is_read_from_what_is_said_of_it(words: str, credit: bool) -> None:
    assert is_out_of_credit(words) is credit
    assert (read_failure(words).code == "credit") is credit
    kind = OutOfCredit if credit else Refused
    with pytest.raises(ProviderError) as caught:
        LUMA.answering(400, {"detail": words}).submit(LUMA.shot())
    assert type(caught.value) is kind


@pytest.mark.parametrize("words", ["no credits were used", "billing of credits is off"])
def test_the_status_decides_where_one_is_documented(words: str) -> None:
    for account in (APIFRAME, GMI):
        assert not isinstance(refusal(account, 400, {"error": words}), OutOfCredit)
        with pytest.raises(ProviderError) as caught:
            account.answering(403, {"error": words}).submit(account.shot())
        assert not isinstance(caught.value, OutOfCredit)
        with pytest.raises(OutOfCredit):
            account.answering(402, {"error": "declined"}).submit(account.shot())


def test_unknown_words_are_quoted() -> None:
    sentence = read_failure("Gremlins in lane 7.").sentence
    assert sentence == "The provider could not render this shot. It says “Gremlins in lane 7”."
    assert read_failure("").sentence.endswith("gave no clear reason.")
    assert read_failure("  \x00\u202e ").sentence.endswith("gave no clear reason.")


def test_a_known_code_in_front_decides_over_the_words_behind() -> None:
    assert read_failure("rate_limited: the moderation queue is full").code == "capacity"
    assert read_failure("content_moderated: see credits").code == "moderation"
    assert read_failure("moderation service timed out").code == "timeout"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two\nlines\tand\x07bell", "two lines and bell"),
        ("a\u202eb\u2066c\u200ed\ufeff", "abc\u200ed"),
        ("a\u2028b\u2029c\u0085d", "a b c d"),
        ("nul\0 and \ud800 half", "nul and half"),
        ("l\u2019heure\u202fbleue 東京\u3000夜景", "l’heure bleue 東京 夜景"),
        (
            "\U0001f469\u200d\U0001f3a4 \u0645\u06cc\u200c\u062e",
            "\U0001f469\u200d\U0001f3a4 \u0645\u06cc\u200c\u062e",
        ),
        ("x" * 400, "x" * (MAX_WORDS - 1) + "…"),
        ("", ""),
    ],
)
def test_words_are_cleaned(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_cleaned_words_everywhere(account: Account) -> None:
    odd = "evil\u202e\x1b[31m\nline " + "x" * 2000
    bodies = {"error": odd, "message": odd, "detail": odd}
    with pytest.raises(ProviderError) as caught:
        account.answering(400, bodies).submit(account.shot())
    told = [
        caught.value.message,
        caught.value.detail,
        *getattr(caught.value, "fields", {}).values(),
    ]
    failed = {"id": "x", "status": "FAILED", "state": "failed", "failure_reason": odd, "error": odd}
    told.append(account.answering(200, failed).fetch("x").error)
    for text in told:
        assert one_line(text) == text
        assert len(text) <= 1000
    assert len(read_failure(told[-1]).sentence) < 400


@pytest.mark.parametrize("key", ["a", "e", "ab", "nan", "key1", "123456"])
def test_a_short_key_blackens_no_other_word(key: str) -> None:
    text = "a banana, crabs, monkey1, key12 and 01234567"
    assert mask_text(text, (key,)) == text
    job = {"id": "x", "status": "QUEUED", "note": text}
    raw = APIFRAME.answering(200, job).fetch("x").raw
    assert raw["note"] == text


@pytest.mark.parametrize("key", ["nan", "key1", "123456"])
def test_a_short_key_is_hidden_as_a_word(key: str) -> None:
    assert mask_text(f"key {key}, {key}bc", (key,)) == f"key {HIDDEN}, {key}bc"


def test_a_key_is_hidden_as_a_word_or_anywhere() -> None:
    assert mask_text("key1 is key1.", ("key1",)) == f"{HIDDEN} is {HIDDEN}."
    assert mask_text("monkey1", ("key1",)) == "monkey1"
    assert mask_text("xlong-key-12x", ("long-key-12",)) == f"x{HIDDEN}x"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"error": "You must not be silly"}, "You must not be silly."),
        ({"error": "Is it dark?"}, "Is it dark?"),
        ({"errors": {"aspectRatio": ["unknown 5:4"]}}, "Shape: unknown 5:4."),
        ({"detail": [{"loc": ["body", "resolution"], "msg": "no size"}]}, "Resolution: no size."),
        ({"detail": {"duration": ["5 or 9"], "loop": ["no"]}}, "Length: 5 or 9. Loop: no."),
    ],
)
def test_a_refusal_is_whole_sentences_that_name_the_fields(
    account: Account, data: dict[str, object], sentence: str
) -> None:
    error = refusal(account, 400, data)
    assert error.message == f"{type(account.answering(400)).label} refuses this shot: {sentence}"
