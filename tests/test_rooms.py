"""How many renders and downloads run side by side on one machine, and what that leaves room for."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest
from django.utils import timezone

from studio import lifecycle, tasks
from studio.models.generation import State
from studio.services.work import recovery, rooms
from studio.services.work.rendering import ask_for_renders
from studio.services.work.rooms import ERRANDS, FETCHES, RENDERS, SENDS, places, room
from studio.services.work.storing import store_next
from tests.factories import make_generation, make_previs
from tests.paid import account_at, again, at_provider, queue_shot, queue_shots


@pytest.fixture(autouse=True)
def rooms_of_its_own(settings, tmp_path):
    settings.DATA_DIR = tmp_path


def fill(stack: ExitStack, kind: str) -> None:
    for _ in range(places(kind)):
        assert stack.enter_context(room(kind))


@pytest.mark.parametrize("kind", [RENDERS, FETCHES, ERRANDS])
def test_there_are_as_many_places_as_set(settings, kind):
    settings.WORKERS, settings.FETCHERS = 3, 4
    with ExitStack() as stack:
        fill(stack, kind)
        with room(kind) as free:
            assert not free
    with room(kind) as free:
        assert free


def test_one_kind_takes_no_place_of_another():
    with ExitStack() as stack:
        fill(stack, RENDERS)
        with room(FETCHES) as free:
            assert free


def test_a_killed_worker_gives_its_place_back(settings, tmp_path):
    settings.WORKERS = 1
    lock = rooms._lock(RENDERS, 0)
    holder = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import fcntl, sys, time; file = open(sys.argv[1], 'w');"
            "fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)",
            str(lock),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    with room(RENDERS) as free:
        assert not free
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with room(RENDERS) as free:
        assert free


def test_every_kind_has_slots_of_its_own_and_so_has_the_sweep(settings):
    slots = settings.Q_CLUSTER["workers"]
    assert slots == 1 + sum(map(places, (RENDERS, FETCHES, SENDS, ERRANDS)))


@pytest.mark.django_db
def test_a_render_without_a_place_waits_and_is_asked_for_when_one_is_free(project, asked):
    shot = queue_shot(project, make_previs())
    tasks.submit_next(shot.account_id)
    asked.clear()
    with ExitStack() as stack:
        fill(stack, RENDERS)
        assert tasks.render_previs(shot.pk).startswith("waits")
    row = again(shot)
    assert (row.state, row.work_attempts, row.lease_token) == (State.RUNNING, 0, "")
    assert ask_for_renders(timezone.now(), most=1) == 1
    assert ("render_previs", (shot.pk,)) in asked


@pytest.mark.django_db
def test_whoever_rendered_asks_for_the_next_that_waits(project, asked):
    waiting = make_generation(project, state=State.RUNNING, next_poll_at=timezone.now())
    tasks.render_previs(make_generation(project, state=State.SUCCEEDED).pk)
    assert ("render_previs", (waiting.pk,)) in asked


@pytest.mark.django_db
def test_an_export_without_a_place_is_not_begun(project, asked):
    with ExitStack() as stack:
        fill(stack, RENDERS)
        assert tasks.stitch_export(1).startswith("waits")
    assert tasks.stitch_export(1).startswith("skipped")


@pytest.mark.django_db
def test_a_clip_without_a_place_waits_with_its_tries_left(project, emulator, asked):
    shot = at_provider(project, account_at(emulator, "luma"))
    assert lifecycle.move(
        shot.pk, State.STORING, result_url="https://example.com/a.mp4", work_attempts=0
    )
    asked.clear()
    with ExitStack() as stack:
        fill(stack, FETCHES)
        assert store_next().startswith("waits")
    row = again(shot)
    assert (row.state, row.work_attempts) == (State.STORING, 0)
    # Whoever holds a place asks for it, or the sweep; it does not ask for itself over and over.
    assert asked.tasks == []
    assert recovery.fetch_clips(timezone.now()) == 1


@pytest.mark.django_db
def test_a_provider_that_hangs_does_not_hold_every_place_for_sends(
    settings, project, emulator, asked
):
    slow, quick = account_at(emulator, "luma"), account_at(emulator, "gmicloud")
    hung = queue_shots(project, slow, settings.SENDERS)
    for shot in hung[: settings.SENDERS - 1]:
        assert lifecycle.claim_submit(shot.pk, seconds=30)
    assert tasks.submit_next(slow.pk).startswith("skipped")
    shot = queue_shot(project, quick)
    tasks.submit_next(quick.pk)
    assert again(shot).provider_job_id


@pytest.mark.django_db
def test_whoever_sent_asks_for_the_next_that_waits(project, emulator, asked):
    account = account_at(emulator, "luma")
    queue_shots(project, account, 3)
    asked.tasks = [("submit_next", (account.pk,))]
    asked.run("submit_next")
    assert sum(emulator.stats["accepted"].values()) == 3


@pytest.mark.django_db
def test_a_send_without_a_place_is_not_begun(project, emulator, asked):
    shot = queue_shot(project, account_at(emulator, "luma"))
    with ExitStack() as stack:
        fill(stack, SENDS)
        assert tasks.submit_next(shot.account_id).startswith("waits")
    assert again(shot).state == State.QUEUED


@pytest.mark.django_db
def test_a_long_line_of_sends_does_not_keep_clips_from_being_fetched(
    project, emulator, asked, monkeypatch
):
    monkeypatch.setattr("studio.queue.queue_size", lambda: 50)
    shot = at_provider(project, account_at(emulator, "luma"))
    lifecycle.move(shot.pk, State.STORING, result_url="https://example.com/a.mp4")
    recovery.fetch_clips(timezone.now())
    assert asked.count("store_next") == 1


@pytest.mark.django_db
def test_a_send_needs_no_place_of_another_kind(project, emulator, asked):
    emulator.configure(finish_after_s=600)
    shot = queue_shot(project, account_at(emulator, "luma"))
    with ExitStack() as stack:
        for kind in (RENDERS, FETCHES, ERRANDS):
            fill(stack, kind)
        tasks.submit_next(shot.account_id)
    assert again(shot).state == State.RUNNING
