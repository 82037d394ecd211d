"""The hourly tries of clips that could not be downloaded, until a day after the render."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.utils import timezone

from studio import leases
from studio.models import Generation
from studio.models.generation import Charged, State
from studio.services.work import late_downloads, reconcile
from studio.services.work.clip_download import MOST_ATTEMPTS, ClipLost
from tests.factories import make_generation
from tests.paid import account_at, again, assert_tidy, lapse, make_due, reasons
from tests.test_storing import apart, fail_to_store, rendered

__all__ = ["apart"]  # pytest takes the fixture from here
pytestmark = pytest.mark.django_db


def let_the_hour_pass(shot: Generation) -> None:
    make_due(shot)


def test_a_clip_that_could_not_be_downloaded_is_tried_each_hour_without_noise(
    project, emulator, asked
):
    shot = rendered(project, emulator)
    emulator.configure(rates={"media_404": 1.0})
    row = fail_to_store(shot)
    assert "every hour for a day" in row.failure_text
    assert 3500 < (row.next_poll_at - timezone.now()).total_seconds() <= 3600
    assert late_downloads.fetch_late() == 0
    for _ in range(3):
        let_the_hour_pass(shot)
        assert late_downloads.fetch_late() == 1
        asked.run("store_late")
    after = again(shot)
    assert (after.state, after.version) == (State.FAILED, row.version), "nothing to tell people"
    assert reasons(shot).count(State.FAILED) == 1
    emulator.configure(rates={})
    let_the_hour_pass(shot)
    late_downloads.fetch_late()
    asked.run("store_late")
    done = again(shot)
    assert (done.state, done.charged) == (State.SUCCEEDED, Charged.YES)
    assert (done.failure_code, done.failure_text) == ("", "")
    assert len(emulator.jobs()) == 1
    assert_tidy()


def test_late_tries_end_a_day_after_it_was_rendered(project, emulator, asked):
    shot = rendered(project, emulator)
    emulator.configure(rates={"media_404": 1.0})
    fail_to_store(shot)
    shot.events.filter(new=State.STORING).update(at=timezone.now() - timedelta(hours=23.5))
    let_the_hour_pass(shot)
    assert late_downloads.store_late(shot.pk).startswith("ended")
    row = again(shot)
    assert (row.state, row.failure_code, row.next_poll_at) == (State.FAILED, "media", None)
    assert "every hour" not in row.failure_text
    assert reconcile.can_fetch(row), "a person may ask for as long as the job is known"


def test_a_late_try_runs_once(project, emulator, asked):
    shot = rendered(project, emulator)
    emulator.configure(rates={"media_404": 1.0})
    fail_to_store(shot)
    assert late_downloads.store_late(shot.pk).startswith("skipped"), "it is not due"
    let_the_hour_pass(shot)
    assert leases.claim_work(shot.pk, state=State.FAILED, most=99)
    assert late_downloads.store_late(shot.pk).startswith("skipped"), "somebody has it"


def test_a_late_try_that_ends_its_worker_is_not_repeated_at_once(
    project, emulator, asked, monkeypatch
):
    shot = rendered(project, emulator)
    emulator.configure(rates={"media_404": 1.0})
    fail_to_store(shot)
    let_the_hour_pass(shot)

    def die(*args: object) -> None:
        raise SystemExit("killed")

    monkeypatch.setattr(late_downloads, "download_clip", die)
    with pytest.raises(SystemExit):
        late_downloads.store_late(shot.pk)
    lapse(shot)
    assert late_downloads.fetch_late() == 0
    assert again(shot).work_attempts == MOST_ATTEMPTS + 1


@pytest.mark.parametrize(
    ("dialect", "answer", "words"),
    [
        ("luma", "not_found", "Luma does not know this job any more."),
        ("apiframe", "expired", "Apiframe says that it has removed the clip."),
    ],
)
def test_a_clip_that_its_provider_does_not_have_just_now_is_tried_all_day(
    project, emulator, asked, dialect, answer, words
):
    shot = rendered(project, emulator, dialect)
    (job,) = emulator.jobs()
    whole = job.outcome
    if answer == "expired":
        job.outcome = answer
    else:
        emulator.configure(rates={"media_404": 1.0, answer: 1.0})
    row = fail_to_store(shot)
    assert (row.failure_code, row.charged) == ("media", Charged.YES)
    for _ in range(3):
        assert words in again(shot).failure_text
        let_the_hour_pass(shot)
        assert late_downloads.store_late(shot.pk).startswith("not yet")
    job.outcome = whole
    emulator.configure(rates={})
    let_the_hour_pass(shot)
    assert late_downloads.store_late(shot.pk) == "stored"
    assert again(shot).state == State.SUCCEEDED


@pytest.mark.once
def test_a_clip_an_earlier_version_called_gone_may_be_asked_for(me, project, emulator):
    account = account_at(emulator, "apiframe")
    ended = {"state": State.FAILED, "failure_code": "expired", "charged": Charged.YES}
    shot = make_generation(project, account=account, provider_job_id="job-1", **ended)
    module = import_module("studio.migrations.0017_removed_clips_are_undownloaded_ones")
    module.call_them_undownloaded(apps, None)
    card = me.get(f"/p/{project.code}/").content.decode()
    assert "Not downloaded" in card and "Download again" in card
    assert "Not rendered" not in card
    assert reconcile.can_fetch(again(shot))


@pytest.mark.parametrize("charged", [Charged.YES, Charged.NO])
def test_a_late_try_that_fails_writes_nothing_on_a_clip_a_person_fetches_meanwhile(
    project, emulator, asked, monkeypatch, charged
):
    shot = rendered(project, emulator)
    emulator.configure(rates={"media_404": 1.0})
    fail_to_store(shot)
    let_the_hour_pass(shot)

    def is_overtaken(*_: object) -> None:
        reconcile.fetch_again(generation=again(shot), by=shot.by)
        raise ClipLost("It says now that this shot failed.", code="other", charged=charged)

    monkeypatch.setattr(late_downloads, "download_clip", is_overtaken)
    late_downloads.store_late(shot.pk)
    row = again(shot)
    assert (row.state, row.failure_code, row.failure_text) == (State.STORING, "", "")
    assert row.charged == Charged.YES
    assert row.next_poll_at is not None and row.next_poll_at <= timezone.now()
