"""`manage.py generate` and `extend` with a paid provider: alone, beside a studio, and killed on the way."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from studio.leases import sweep_token
from studio.management.commands import generate
from studio.models import Generation, ProviderAccount
from studio.models.generation import State
from studio.services.accounts import ensure_accounts
from studio.services.work import hands, reconcile, recovery, rendering
from studio.services.work.submitting import submit_next
from studio.sweep import run_slice
from tests.emulator import Scripted
from tests.emulator.media import make_clip
from tests.factories import make_previs, make_project, make_user
from tests.paid import DIALECTS, account_at, again, lapse, queue_shot
from tests.soak import stub_pictures

# Once: what it takes from the database, leases and claims, is tested on both by those that own it.
pytestmark = [pytest.mark.django_db, pytest.mark.once]
PROVIDERS = ("apiframe", "aimlapi", "gmicloud", "luma")


@pytest.fixture(autouse=True)
def on_this_database(monkeypatch, settings, tmp_path, emulator):
    monkeypatch.setattr(generate, "prepare", make_previs)
    monkeypatch.setattr(hands, "PICKED_UP_WITHIN_S", 0.0)
    monkeypatch.setattr(hands, "SLICE_S", 0.3)
    settings.DATA_DIR = tmp_path
    stub_pictures(monkeypatch.setattr)
    emulator.configure(finish_after_s=0.2, clip_s=0.5)


@pytest.fixture
def owner():
    return make_user(is_superuser=True)


def run(command: str, *arguments: str, **options: str) -> tuple[list[str], str]:
    out, err = StringIO(), StringIO()
    call_command(
        command, *arguments, "--prompt", "A ridge at dawn", "--wait", stdout=out, stderr=err
    )
    return out.getvalue().splitlines(), err.getvalue()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_paid_shot_is_sent_watched_and_fetched_without_a_studio(owner, emulator, asked, provider):
    account_at(emulator, provider)
    (line,), said = run("generate", "--project", "Alone", "--provider", provider)
    assert Path(line).is_file() and Path(line).is_absolute()
    assert "No studio is running" in said
    assert Generation.objects.get().state == State.SUCCEEDED
    assert sum(emulator.stats["accepted"].values()) == 1
    # What was asked for before it was clear that nobody is there; no more piles up.
    assert {name for name, _ in asked.tasks} == {"submit_next", "sweep"}
    assert len(asked.tasks) <= 3


def test_every_take_is_printed(owner, emulator):
    account_at(emulator, "luma")
    lines, _ = run("generate", "--project", "Alone", "--provider", "luma", "--takes", "3")
    assert len(set(lines)) == 3
    assert emulator.stats["duplicates"] == {"luma A ridge at dawn": 3}


def test_a_clip_is_extended_by_its_id_without_a_studio(owner, emulator):
    account_at(emulator, "luma")
    run("generate", "--project", "Alone", "--provider", "luma")
    first = Generation.objects.get()
    (line,), _ = run("extend", str(first.code))
    assert Path(line).is_file()
    frames = emulator.received[-1]["body"]["keyframes"]
    assert frames == {"frame0": {"type": "generation", "id": first.provider_job_id}}


def test_a_failure_is_one_sentence(owner, emulator):
    account_at(emulator, "luma")
    emulator.configure(rates={"moderation": 1.0})
    with pytest.raises(CommandError, match=r"^Take 1 ended as failed: .*content rules"):
        run("generate", "--project", "Alone", "--provider", "luma")


def test_out_of_credit_is_one_sentence(owner, emulator):
    account_at(emulator, "apiframe")
    emulator.configure(script=[Scripted("out_of_credit")])
    with pytest.raises(
        CommandError, match=r"^Take 1 waits for a person: Apiframe is out of credit"
    ):
        run("generate", "--project", "Alone", "--provider", "apiframe")


def test_an_unknown_outcome_ends_the_wait_and_asks_a_person(owner, emulator, monkeypatch):
    monkeypatch.setattr(reconcile, "LOOKS", (timedelta(seconds=1),))
    account_at(emulator, "aimlapi")
    emulator.configure(script=[Scripted("dropped")], log_lag_s=3600)
    with pytest.raises(CommandError, match=r"Take 1 waits for a person: .*Decide on its card"):
        run("generate", "--project", "Alone", "--provider", "aimlapi")
    assert sum(emulator.stats["accepted"].values()) == 1


def test_the_wait_has_an_end_and_the_shot_goes_on(owner, emulator, asked):
    account_at(emulator, "luma")
    emulator.configure(finish_after_s=600)
    with pytest.raises(CommandError, match="still rendering after 1 s; it goes on in the studio"):
        run("generate", "--project", "Alone", "--provider", "luma", "--timeout", "1")
    # A studio that starts later takes it from there.
    shot = Generation.objects.get()
    emulator.finish_all()
    Generation.objects.update(next_poll_at=timezone.now())
    run_slice(0, linger_s=0.4)
    asked.run("store_next")
    assert again(shot).state == State.SUCCEEDED
    assert sum(emulator.stats["accepted"].values()) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_command_killed_while_sending_leaves_it_to_a_later_studio(
    project, emulator, asked, dialect, monkeypatch
):
    shot = queue_shot(project, account_at(emulator, dialect))
    monkeypatch.setattr("studio.services.work.submitting.build_request", killed)
    with pytest.raises(Killed):
        hands.wait_for([shot.pk], timeout_s=5)
    monkeypatch.undo()
    assert again(shot).state == State.SUBMITTING
    lapse(shot)
    recovery.revive()
    submit_next(shot.account_id)
    assert again(shot).state in (State.RUNNING, State.STORING)
    assert sum(emulator.stats["accepted"].values()) == 1


class Killed(BaseException):
    pass


def killed(*args: object) -> None:
    raise Killed


def test_beside_a_studio_it_only_looks_on(project, emulator, asked, monkeypatch):
    shot = queue_shot(project, account_at(emulator, "luma"))
    ProviderAccount.objects.update(
        sweep_token="elsewhere", sweep_until=timezone.now() + timedelta(minutes=1)
    )
    hands.wait_for([shot.pk], timeout_s=0.6)
    assert again(shot).state == State.QUEUED
    assert emulator.stats["accepted"] == {}


def test_when_the_studio_dies_the_work_is_done_here(project, emulator):
    shot = queue_shot(project, account_at(emulator, "luma"))
    # Its process is gone, its lease has not run out.
    machine = sweep_token().split("-")[0]
    ProviderAccount.objects.update(
        sweep_token=f"{machine}-999999999-00000000",
        sweep_until=timezone.now() + timedelta(minutes=1),
    )
    (row,) = hands.wait_for([shot.pk], timeout_s=20)
    assert row.state == State.SUCCEEDED


def test_stopped_by_hand_it_says_so_and_the_shot_goes_on(owner, emulator, monkeypatch):
    account_at(emulator, "luma")
    monkeypatch.setattr(hands, "_work", interrupted)
    with pytest.raises(CommandError, match="goes on in the studio") as stopped:
        run("generate", "--project", "Alone", "--provider", "luma")
    assert stopped.value.returncode == 130
    assert Generation.objects.get().state == State.QUEUED


def interrupted(*args: object, **options: object) -> None:
    raise KeyboardInterrupt


def test_only_its_own_shots_are_sent(project, emulator):
    account = account_at(emulator, "luma")
    other, ours = queue_shot(project, account), queue_shot(project, account)
    hands.wait_for([ours.pk], timeout_s=20)
    assert again(ours).state == State.SUCCEEDED
    assert again(other).state == State.QUEUED


def test_a_render_the_dead_left_makes_room_for_ours(owner, asked, monkeypatch):
    def draw(shot: object, out: Path, **options: object) -> None:
        out.write_bytes(make_clip("16:9", 1))

    monkeypatch.setattr(rendering, "render_shot", draw)
    previs = make_previs()
    ProviderAccount.objects.update(concurrent_limit=1)
    project = make_project(owner)
    left = queue_shot(project, previs)
    submit_next(previs.pk)
    Generation.objects.filter(pk=left.pk).update(next_poll_at=timezone.now())
    ours = queue_shot(project, previs)
    (row,) = hands.wait_for([ours.pk], timeout_s=20)
    assert row.state == State.SUCCEEDED
    assert again(left).state == State.SUCCEEDED


def test_a_command_takes_nothing_from_the_studio_it_runs_beside(settings):
    settings.PROVIDER_ENVIRONMENT = {"luma": ("luma-key", "")}
    settings.WORKERS = 1
    ensure_accounts()
    settings.PROVIDER_ENVIRONMENT = {"luma": ("", "")}
    settings.WORKERS = 2
    ensure_accounts(starting=False)
    assert ProviderAccount.objects.get(provider="luma").enabled
    assert ProviderAccount.objects.get(provider="previs").concurrent_limit == 1
