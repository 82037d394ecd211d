"""Seven ways in which others lost clips or money, each once through this studio."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from studio import lifecycle, sweep
from studio.models import Generation
from studio.models.generation import Charged, State
from studio.services.shots import NewShot, create_shots
from studio.services.work import recovery
from studio.services.work.outcomes import QUEUE_DEADLINE
from studio.services.work.reconcile import reconcile_account
from studio.services.work.submitting import submit_next
from tests.emulator import Scripted
from tests.paid import account_at, again, lapse, make_due, queue_shot, reasons, sweep_once

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def brisk(monkeypatch, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(sweep, "TICK_S", 0.02)


def watch(shot: Generation) -> Generation:
    make_due(shot)
    sweep_once()
    return again(shot)


def test_1_the_provider_answers_success_after_we_stopped_listening(project, emulator, asked):
    emulator.configure(script=[Scripted("dropped", kind="submit")])
    shot = queue_shot(project, account_at(emulator, "luma"))
    submit_next(shot.account_id)
    assert again(shot).state == State.UNCERTAIN
    make_due(shot)
    reconcile_account(shot.account_id)
    assert watch(shot).state == State.STORING
    asked.run("store_next")
    assert again(shot).state == State.SUCCEEDED
    assert len(emulator.jobs()) == 1


def test_2_a_callback_comes_twice_and_before_the_row_has_its_job(project, emulator, asked):
    account = account_at(emulator, "luma")
    shot = queue_shot(project, account)
    address = f"/hooks/luma/{account.webhook_token}/"
    lifecycle.claim_submit(shot.pk)
    early = Client().post(address, {"id": "job-1", "state": "completed"}, "application/json")
    assert early.status_code == 200
    assert again(shot).state == State.SUBMITTING
    lapse(shot)
    recovery.revive()
    emulator.configure(finish_after_s=600)
    submit_next(account.pk)
    emulator.finish_all()
    call = {"id": again(shot).provider_job_id, "state": "completed"}
    for _ in range(2):
        assert Client().post(address, call, "application/json").status_code == 200
    sweep_once()
    assert Client().post(address, call, "application/json").status_code == 200
    assert again(shot).state == State.STORING
    assert reasons(shot).count(State.STORING) == 1


@pytest.mark.parametrize("dialect", ["apiframe", "luma", "gmicloud"])
def test_3_a_restart_between_the_submit_and_saving_its_id(
    project, emulator, asked, monkeypatch, dialect
):
    emulator.configure(finish_after_s=600)
    shot = queue_shot(project, account_at(emulator, dialect))

    def die(*args: object) -> None:
        raise SystemExit("killed")

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("studio.services.work.submitting.record_submitted", die)
        submit_next(shot.account_id)
    lapse(shot)
    recovery.revive()
    asked.run("submit_next")
    make_due(shot)
    if again(shot).state == State.UNCERTAIN:
        assert reconcile_account(shot.account_id) == 1
    row = again(shot)
    assert row.state == State.RUNNING
    assert [job.id for job in emulator.jobs()] == [row.provider_job_id]


def test_4_the_link_is_dead_when_the_clip_is_fetched(project, emulator, asked):
    emulator.configure(rates={"dead_link": 1.0})
    shot = queue_shot(project, account_at(emulator, "luma"))
    submit_next(shot.account_id)
    asked.run("store_next")
    assert again(shot).state == State.STORING, "a link may be slow to work"
    while again(shot).state == State.STORING:
        lapse(shot)
        make_due(shot)
        asked.tasks = [("store_clip", (shot.pk,))]
        asked.run("store_clip")
    row = again(shot)
    assert (row.state, row.failure_code, row.charged) == (State.FAILED, "media", Charged.YES)
    assert "no longer works" in row.failure_text
    assert row.result_url


def test_5_stuck_at_place_0_of_the_providers_queue(project, emulator, asked):
    emulator.configure(rates={"stuck": 1.0})
    first, second = (
        queue_shot(project, account_at(emulator, "gmicloud", concurrent_limit=1)) for _ in range(2)
    )
    submit_next(first.account_id)
    assert watch(first).state == State.RUNNING
    Generation.objects.filter(pk=first.pk).update(
        submitted_at=timezone.now() - QUEUE_DEADLINE - timedelta(seconds=1)
    )
    row = watch(first)
    assert row.state == State.STALLED
    assert "without starting" in row.waiting_text
    asked.run("submit_next")
    assert again(second).state == State.RUNNING


def test_6_moderation_refuses_after_minutes(project, emulator, asked):
    emulator.configure(rates={"moderation": 1.0}, finish_after_s=600)
    shot = queue_shot(project, account_at(emulator, "luma"))
    submit_next(shot.account_id)
    assert watch(shot).state == State.RUNNING
    emulator.finish_all()
    row = watch(shot)
    assert (row.state, row.failure_code, row.charged) == (State.FAILED, "moderation", Charged.NO)
    assert len(emulator.jobs()) == 1


def test_7_two_tabs_press_generate_together(project, emulator, asked):
    account = account_at(emulator, "luma")
    token = uuid.uuid4()
    for _ in range(2):
        create_shots(
            project=project,
            by=project.created_by,
            new=NewShot(prompt="A ridge", account=account, model="ray-2", request_token=token),
        )
    asked.run("submit_next")
    assert len(emulator.jobs()) == 1
    assert project.generations.count() == 1
