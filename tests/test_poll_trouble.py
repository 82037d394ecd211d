"""Trouble with a provider's answers stands on the cards within a minute, and goes with a good answer."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from studio import sweep
from studio.fetching import Answer
from studio.models import Generation, ProviderAccount
from studio.models.generation import State
from studio.providers.base import (
    AuthFailed,
    NotFound,
    ProtocolError,
    ProviderUnavailable,
    RateLimited,
    WrongEndpoint,
)
from studio.services.work import poll_trouble
from studio.services.work.outcomes import watched
from studio.services.work.submitting import submit_next
from tests.emulator import Emulator
from tests.paid import account_at, again, at_provider, make_due, queue_shots, sweep_once

pytestmark = pytest.mark.django_db
GOES_ON = "Rendering goes on there; we keep asking."


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "TICK_S", 0.02)
    monkeypatch.setattr(sweep, "CARE_LEAVING_S", 0.05)


def send(project, emulator: Emulator, dialect: str, count: int) -> list[Generation]:
    emulator.configure(finish_after_s=600)
    shots = queue_shots(project, account_at(emulator, dialect), count)
    for shot in shots:
        submit_next(shot.account_id)
    make_due(*shots)
    return [again(shot) for shot in shots]


def news(client, project, since: int) -> str:
    answer = client.get(f"/p/{project.code}/changes/?since={since}")
    return answer.content.decode() if answer.status_code == 200 else ""


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("html", "Luma has been sending answers that cannot be read since"),
        ("error_503", "Luma has not answered since"),
        ("reset", "Luma has not answered since"),
        ("unauthorized", "does not accept the key"),
    ],
)
def test_every_card_in_flight_says_what_the_provider_does(
    me, project, emulator, asked, fault, sentence
):
    shots = send(project, emulator, "luma", 4)
    seen = max(again(shot).version for shot in shots)
    emulator.configure(rates={fault: 1.0})
    sweep_once()
    assert all(sentence in again(shot).trouble for shot in shots), again(shots[0]).trouble
    page = news(me, project, seen)
    assert page.count(sentence) == 4, "the gallery's own poll brings it"
    assert sentence in me.get(f"/clips/{shots[0].code}/").content.decode()


def test_it_goes_from_every_card_with_the_next_good_answer(
    me, project, emulator, asked, monkeypatch
):
    shots = send(project, emulator, "luma", 4)
    emulator.configure(rates={"error_503": 1.0})
    sweep_once()
    assert again(shots[0]).account.polls_failing_since
    seen = max(again(shot).version for shot in shots)
    emulator.configure(rates={})
    make_due(shots[0])
    sweep_once()
    assert {again(shot).trouble for shot in shots} == {""}
    assert "has not answered" not in news(me, project, seen)
    assert news(me, project, seen), "the gallery's own poll takes it away"
    account = again(shots[0]).account
    assert (account.polls_trouble, account.polls_failing_since) == ("", None)
    assert (account.trouble, account.paused_until) == ("", None), "and sending goes on"


def test_answers_that_cannot_be_read_are_said_and_stop_no_submit(project, emulator, asked):
    shots = send(project, emulator, "gmicloud", 4)
    emulator.configure(rates={"html": 1.0})
    sweep_once()
    text = again(shots[0]).trouble
    assert re.fullmatch(
        r"GMI Cloud has been sending answers that cannot be read since \d\d:\d\d UTC\. "
        + re.escape(GOES_ON),
        text,
    )
    assert again(shots[0]).account.paused_until is None


def test_a_single_shot_is_asked_about_soon_and_says_it_within_a_minute(project, emulator):
    account = account_at(emulator, "luma")
    shot = at_provider(project, account, state=State.STALLED)
    watch, slice_ = watching(account)
    now = timezone.now()
    for polls in range(1, 4):
        sweep.claim_due([account.pk], most=10)
        slice_._trouble(watch, Answer(watched(again(shot)), None, ProtocolError(f"{polls}")))
        if polls == 1:
            assert again(shot).next_poll_at <= timezone.now() + sweep.ASK_SOON
            assert again(shot).trouble == "", "one bad answer is nothing yet"
        make_due(shot)
    assert "cannot be read" in again(shot).trouble
    assert timezone.now() - now < timedelta(seconds=30)


def test_a_poll_that_hung_for_half_a_minute_is_said_at_once(project, emulator):
    account = account_at(emulator, "luma")
    shot = at_provider(project, account)
    watch, slice_ = watching(account)
    error = ProviderUnavailable("Luma isn't answering.")
    slice_._trouble(watch, Answer(watched(shot), None, error, took_s=30.0))
    assert "has not answered" in again(shot).trouble
    assert again(shot).account.paused_until is None, "one request is no reason to stop sending"


def test_an_account_that_answers_nothing_at_all_is_said_before_anything_times_out(
    project, emulator
):
    account = account_at(emulator, "luma")
    shot = at_provider(project, account)
    watch, slice_ = watching(account)
    watch.out[shot.pk] = time.monotonic() - sweep.SILENT_S - 1
    slice_._say_trouble()
    assert "has not answered since" in again(shot).trouble


def test_an_account_that_answers_others_is_not_silent(project, emulator):
    account = account_at(emulator, "luma")
    shot = at_provider(project, account)
    watch, slice_ = watching(account)
    watch.out[shot.pk] = time.monotonic() - sweep.SILENT_S - 1
    watch.answered_at = time.monotonic()
    slice_._say_trouble()
    assert again(shot).trouble == ""


def test_a_shot_that_comes_later_says_it_too(project, emulator):
    account = account_at(emulator, "luma")
    at_provider(project, account)
    poll_trouble.announce(account, ProtocolError("?"), timezone.now())
    later = at_provider(project, account)
    _, slice_ = watching(account)
    slice_._say_trouble()
    assert "cannot be read" in again(later).trouble


def test_the_next_sweep_knows_what_the_last_one_saw(project, emulator):
    account = account_at(emulator, "luma")
    shot = at_provider(project, account)
    watch, slice_ = watching(account)
    slice_._trouble(watch, Answer(watched(shot), None, ProtocolError("?")))
    slice_._leave()
    successor, later = watching(ProviderAccount.objects.get(pk=account.pk))
    assert successor.failing_since == watch.failing_since
    successor.failing_since -= sweep.SAY_AFTER
    later._trouble(successor, Answer(watched(shot), None, ProtocolError("?")))
    assert "cannot be read" in again(shot).trouble


def test_one_shot_whose_answers_are_bad_says_it_alone(project, emulator, asked):
    bad, *others = send(project, emulator, "luma", 3)
    watch, slice_ = watching(again(bad).account)
    for polls in range(2):
        slice_._answered(watch, watched(others[0]))
        slice_._trouble(watch, Answer(watched(again(bad)), None, ProtocolError(f"{polls}")))
        slice_._answered(watch, watched(others[0]))
    assert re.match(
        r"Luma has been sending answers about this shot that cannot be read since",
        again(bad).trouble,
    )
    assert {again(shot).trouble for shot in others} == {""}
    account = again(bad).account
    assert (account.polls_trouble, account.paused_until) == ("", None)
    make_due(bad)
    sweep_once()
    assert again(bad).trouble == "", "and it goes with its next good answer"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RateLimited("429"), "Luma has been too busy to answer since 14:02 UTC. " + GOES_ON),
        (ProviderUnavailable("x"), "Luma has not answered since 14:02 UTC. " + GOES_ON),
        (
            ProtocolError("x"),
            "Luma has been sending answers that cannot be read since 14:02 UTC. " + GOES_ON,
        ),
        (
            WrongEndpoint("The address of Luma leads to a web page."),
            "The address of Luma leads to a web page. Rendering goes on there; the clip comes once "
            "an administrator has fixed this.",
        ),
        (
            AuthFailed("Luma does not accept the key."),
            "Luma does not accept the key. Rendering goes on there; the clip comes once an "
            "administrator has fixed this.",
        ),
    ],
)
def test_what_the_cards_say(project, emulator, error, words):
    account = account_at(emulator, "luma")
    shot = at_provider(project, account)
    poll_trouble.announce(account, error, timezone.now().replace(hour=14, minute=2))
    assert again(shot).trouble == words


def test_a_job_that_is_not_known_is_an_answer_and_no_trouble(project, emulator):
    account = account_at(emulator, "luma")
    shot = at_provider(project, account)
    poll_trouble.announce(account, ProtocolError("?"), timezone.now())
    watch, slice_ = watching(account)
    slice_._trouble(watch, Answer(watched(again(shot)), None, NotFound("?")))
    assert again(shot).trouble == ""


def test_a_pause_for_another_reason_is_not_ended_by_a_good_poll(project, emulator):
    account = account_at(emulator, "luma")
    shot = at_provider(project, account)
    poll_trouble.announce(account, ProviderUnavailable("?"), timezone.now())
    until = timezone.now() + timedelta(minutes=5)
    ProviderAccount.objects.filter(pk=account.pk).update(
        trouble="The account is out of credit.", paused_until=until
    )
    watch, slice_ = watching(account)
    slice_._answered(watch, watched(again(shot)))
    account.refresh_from_db()
    assert (account.trouble, account.paused_until) == ("The account is out of credit.", until)
    assert again(shot).trouble == ""


def watching(account: ProviderAccount) -> tuple[sweep._Watch, sweep._Slice]:
    """Return a sweep of one account that asks nobody."""

    class Nobody:
        def answers(self) -> list[Answer]:
            return []

    slice_ = sweep._Slice("token", [account], Nobody())
    return slice_._watches[account.pk], slice_
