from __future__ import annotations

import pytest

from studio.providers.answers import NO_MEDIA
from studio.providers.reasons import read_failure
from tests.emulator.world import FAILURES


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Your prompt was flagged by our content moderation system.", "moderation"),
        ("400: Input image was flagged: frame moderation failed", "moderation"),
        ("Output video failed moderation", "moderation"),
        ("content_moderated", "moderation"),
        ("The prompt contains the name of a celebrity", "moderation"),
        ("Failed to read user input frames", "image"),
        ("Unable to download image from url", "image"),
        ("corrupt_input", "image"),
        ("unsupported_format", "image"),
        ("Image too large", "image"),
        ("Source generation not found", "end"),
        ("Insufficient credits", "credit"),
        ("budget_exhausted", "credit"),
        ("upstream capacity exceeded", "capacity"),
        ("RPM limit reached", "capacity"),
        ("rate_limited", "capacity"),
        ("Generation timed out after 600 s", "timeout"),
        ("timeout", "timeout"),
        ("Error while processing the prompt", "prompt"),
        (NO_MEDIA, "no_media"),
        ("output_not_found", "no_media"),
        ("job error", "other"),
        ("", "other"),
    ],
)
def test_words_become_a_code(words: str, code: str) -> None:
    assert read_failure(words).code == code


@pytest.mark.parametrize(
    "words",
    [
        "This failure consumed 0 credits",
        "The run used no credits. GPU lost",
        "Budget not exceeded. Worker died",
        "The balance was not depleted; node lost",
    ],
)
def test_credits_that_were_not_touched_are_no_empty_account(words: str) -> None:
    assert read_failure(words).code == "other"


@pytest.mark.parametrize(
    "words",
    [
        "Memory access violation in the renderer",
        "Segmentation violation (core dumped)",
        "unique constraint violation",
        "Worker node-17 was flagged unhealthy",
        "Stopped by a safety timeout of the scheduler",
        "case-sensitive key missing",
    ],
)
def test_a_machine_that_broke_down_moderated_nothing(words: str) -> None:
    assert read_failure(words).code != "moderation"


def test_a_policy_that_is_violated_still_is_moderation() -> None:
    for words in ("This violates our usage policy", "Violation of safety rules", "flagged: unsafe"):
        assert read_failure(words).code == "moderation", words


def test_a_named_person_is_said_so() -> None:
    assert "real person" in read_failure("prompt names a public figure").sentence


@pytest.mark.parametrize("name", FAILURES)
def test_every_failure_has_a_sentence_that_helps(name: str) -> None:
    sentence = read_failure(FAILURES[name]).sentence
    assert sentence.endswith(".")
    assert "!" not in sentence


def test_only_what_time_can_heal_is_worth_sending_again() -> None:
    assert read_failure("capacity").retry_helps
    assert not read_failure("flagged").retry_helps
    assert not read_failure("Failed to read image").retry_helps
