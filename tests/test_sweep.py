from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from studio import lifecycle, sweep
from studio.models import Generation, ProviderAccount
from studio.models.generation import Charged, State
from studio.services.work import recovery
from studio.services.work.outcomes import QUEUE_DEADLINE
from studio.services.work.submitting import submit_next
from studio.sweep import claim_due, run_slice
from tests.emulator import Emulator, Scripted
from tests.factories import make_generation, make_previs
from tests.paid import (
    DIALECTS,
    account_at,
    again,
    at_provider,
    lapse,
    make_due,
    queue_shot,
    queue_shots,
    reasons,
    sweep_once,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "TICK_S", 0.02)
    monkeypatch.setattr(sweep, "CARE_LEAVING_S", 0.05)


def send(
    project, emulator: Emulator, dialect: str, count: int = 1, *, finished: bool = True
) -> list[Generation]:
    """Queue shots and send them; their jobs end then, unless told not to, and a poll is due."""
    emulator.configure(finish_after_s=600)
    shots = queue_shots(project, account_at(emulator, dialect), count)
    for shot in shots:
        submit_next(shot.account_id)
    if finished:
        emulator.finish_all()
    make_due(*shots)
    return [again(shot) for shot in shots]


def wait_of(generation: Generation) -> float:
    next_poll_at = again(generation).next_poll_at
    assert next_poll_at
    return (next_poll_at - timezone.now()).total_seconds()


# ---- What a poll finds -------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_finished_job_is_fetched_next(project, emulator, asked, dialect):
    (shot,) = send(project, emulator, dialect)
    queue_shot(project, shot.account)
    sweep_once()
    row = again(shot)
    assert (row.state, row.charged, row.progress) == (State.STORING, Charged.YES, 100)
    assert row.result_url.startswith(emulator.url)
    assert "Signature" not in str(row.raw_answer)
    assert ("store_next", ()) in asked
    assert ("submit_next", (row.account_id,)) in asked


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_failed_job_ends_with_a_reason_and_its_charge(project, emulator, asked, dialect):
    emulator.configure(rates={"moderation": 1.0})
    (shot,) = send(project, emulator, dialect)
    sweep_once()
    row = again(shot)
    assert (row.state, row.failure_code) == (State.FAILED, "moderation")
    assert row.failure_text
    assert row.charged in (Charged.NO, Charged.YES, Charged.UNKNOWN)
    assert row.charged != Charged.PENDING
    assert ("fail_over", (row.pk,)) in asked


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_running_job_goes_on(project, emulator, asked, dialect):
    (shot,) = send(project, emulator, dialect, finished=False)
    sweep_once()
    assert again(shot).state == State.RUNNING
    assert 3 < wait_of(shot) <= 5


def test_progress_is_shown_when_it_has_moved(project, emulator, asked):
    (shot,) = send(project, emulator, "apiframe", finished=False)
    (job,) = emulator.jobs()
    job.starts_at -= 300
    job.finishes_at -= 300
    before = again(shot).version
    sweep_once()
    row = again(shot)
    assert 40 <= row.progress <= 60
    assert row.version > before
    make_due(shot)
    sweep_once()
    assert again(shot).version == row.version


def test_an_unknown_word_counts_as_running(project, emulator, asked):
    (shot,) = send(project, emulator, "luma", finished=False)
    emulator.configure(rates={"unknown_state": 1.0})
    sweep_once()
    assert again(shot).state == State.RUNNING


def test_many_are_asked_about_in_one_request_where_that_exists(project, emulator, asked):
    send(project, emulator, "legacy", 20)
    sweep_once(1)
    assert emulator.stats["requests"]["legacy.batch"] == 1
    assert "legacy.fetch" not in emulator.stats["requests"]
    assert Generation.objects.filter(state=State.STORING).count() == 20


def test_elsewhere_each_is_asked_about(project, emulator, asked):
    send(project, emulator, "luma", 8)
    sweep_once(1)
    assert emulator.stats["requests"]["luma.fetch"] == 8
    assert Generation.objects.filter(state=State.STORING).count() == 8


def test_a_job_left_out_of_a_batch_answer_is_asked_about_alone(project, emulator, asked):
    shots = send(project, emulator, "legacy", 3)
    emulator.configure(script=[Scripted("missing")])
    sweep_once()
    assert {again(shot).state for shot in shots} == {State.STORING}
    assert emulator.stats["requests"]["legacy.fetch"] == 1


def test_of_very_many_left_out_the_rest_waits_for_the_next_poll(
    project, emulator, asked, monkeypatch
):
    monkeypatch.setattr("studio.fetching.MAX_SINGLE", 2)
    shots = send(project, emulator, "legacy", 6)
    past = timezone.now() - timedelta(minutes=10)
    Generation.objects.filter(pk__in=[s.pk for s in shots]).update(submitted_at=past)
    emulator.configure(rates={"missing": 1.0})
    sweep_once()
    states = sorted(again(shot).state for shot in shots)
    assert states == [State.RUNNING] * 4 + [State.STORING] * 2
    assert emulator.stats["requests"]["legacy.fetch"] == 2


def test_left_out_right_after_its_submit_is_nothing(project, emulator, asked):
    (shot, _) = send(project, emulator, "legacy", 2, finished=False)
    emulator.configure(rates={"missing": 1.0, "not_found": 1.0})
    sweep_once()
    row = again(shot)
    assert (row.state, row.waiting_text, row.trouble) == (State.RUNNING, "", "")


def test_a_batch_one_id_spoils_is_asked_one_by_one(project, emulator, asked):
    shots = send(project, emulator, "legacy", 3)
    emulator.configure(script=[Scripted("html", kind="batch")])
    sweep_once()
    assert {again(shot).state for shot in shots} == {State.STORING}
    assert emulator.stats["requests"]["legacy.fetch"] == 3


def test_nobody_is_called_to_send_where_nobody_waits(project, emulator, asked):
    send(project, emulator, "luma", 3)
    asked.clear()
    sweep_once()
    assert asked.count("submit_next") == 0


# ---- When the next poll is ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_s", "state", "pace_s"),
    [(10, "running", 5), (90, "running", 8), (600, "running", 15), (600, "stalled", 60)],
)
def test_the_pace_grows_with_age(project, emulator, age_s, state, pace_s):
    account = account_at(emulator, "luma")
    now = timezone.now()
    shot = at_provider(project, account, submitted_at=now - timedelta(seconds=age_s), state=state)
    assert [row.pk for row in claim_due([account.pk], most=10)] == [shot.pk]
    assert abs(wait_of(shot) - pace_s) < 1
    assert claim_due([account.pk], most=10) == []


def test_the_longest_due_are_claimed_first(project, emulator):
    account = account_at(emulator, "luma")
    now = timezone.now()
    shots = [
        at_provider(project, account, next_poll_at=now - timedelta(seconds=s)) for s in (5, 60, 30)
    ]
    claimed = [row.pk for row in claim_due([account.pk], most=2)]
    assert claimed == [shots[1].pk, shots[2].pk]


def test_only_accounts_that_are_swept_are_claimed_from(project, emulator):
    mine, other = account_at(emulator, "luma"), account_at(emulator, "gmicloud")
    at_provider(project, other)
    assert claim_due([mine.pk], most=10) == []


def test_what_a_shot_without_a_time_waits_is_the_slow_pace(project, emulator):
    account = account_at(emulator, "luma")
    shot = at_provider(project, account, submitted_at=None)
    claim_due([account.pk], most=1)
    assert 14 < wait_of(shot) <= 15


# ---- Trouble ------------------------------------------------------------------------------


def test_one_failed_poll_slows_nothing_down(project, emulator, asked):
    shots = send(project, emulator, "luma", 3)
    emulator.configure(script=[Scripted("error_500", kind="fetch")])
    sweep_once()
    states = sorted(again(shot).state for shot in shots)
    assert states == [State.RUNNING, State.STORING, State.STORING]
    assert again(shots[0]).account.paused_until is None


def test_a_provider_that_is_down_is_left_alone_and_cards_say_so(project, emulator, asked):
    shots = send(project, emulator, "luma", 4)
    emulator.configure(rates={"error_503": 1.0})
    sweep_once(0.6)
    account = again(shots[0]).account
    assert account.trouble == "Luma isn’t answering. Your shots are safe."
    assert account.paused_until > timezone.now()
    asked_so_far = emulator.stats["requests"]["luma.fetch"]
    assert asked_so_far <= 4
    assert {again(shot).state for shot in shots} == {State.RUNNING}


def test_the_trouble_is_over_when_it_answers_again(project, emulator, asked, monkeypatch):
    monkeypatch.setattr(sweep, "QUIET_MOST_S", 0.1)
    shots = send(project, emulator, "luma", 6)
    emulator.configure(script=[Scripted("error_503", kind="fetch", times=3)])

    def ask_again(*args: object, **options: object) -> None:
        make_due(*(shot for shot in shots if again(shot).state == State.RUNNING))
        return care(*args, **options)

    care = recovery.revive
    monkeypatch.setattr(recovery, "revive", ask_again)
    monkeypatch.setattr(sweep, "CARE_EVERY_S", 0.05)
    sweep_once(2)
    assert {again(shot).state for shot in shots} == {State.STORING}
    account = again(shots[0]).account
    assert (account.trouble, account.paused_until) == ("", None)


def test_retry_after_is_honoured(project, emulator, asked):
    emulator.configure(retry_after_s=90)
    (shot,) = send(project, emulator, "luma")
    emulator.configure(rates={"rate_limited": 1.0})
    watch = sweep._Watch(shot.account)
    with sweep.running_loop() as loop:
        slice_ = sweep._Slice("token", [shot.account], loop)
        slice_._watches[shot.account_id] = watch
        slice_._ask()
        answers = wait_for_answers(loop, 1)
        monotonic = sweep.time.monotonic()
        for answer in answers:
            slice_._trouble(watch, answer)
    assert 85 < watch.quiet_until - monotonic <= 91
    assert not watch.ready


def wait_for_answers(loop, count: int) -> list:
    heard: list = []
    until = time.monotonic() + 30
    while len(heard) < count and time.monotonic() < until:
        heard += loop.answers()
    return heard


def test_a_bad_key_stops_submits_and_says_so(project, emulator, asked):
    shots = send(project, emulator, "luma", 3)
    emulator.configure(rates={"unauthorized": 1.0})
    sweep_once()
    account = again(shots[0]).account
    assert "does not accept the key" in account.trouble
    assert account.paused_until > timezone.now() + timedelta(seconds=30)


def test_answers_that_cannot_be_read_do_not_stop_submits(project, emulator, asked):
    shots = send(project, emulator, "luma", 4)
    emulator.configure(rates={"html": 1.0})
    sweep_once()
    assert again(shots[0]).account.paused_until is None
    assert {again(shot).state for shot in shots} == {State.RUNNING}


def test_a_provider_that_hangs_keeps_no_other_waiting(project, emulator, asked, monkeypatch):
    monkeypatch.setattr("studio.fetching.AT_ONCE", 2)
    emulator.configure(script=[Scripted("hang", kind="fetch", provider="luma", times=99)])
    hanging = send(project, emulator, "luma", 10)
    (other,) = send(project, emulator, "gmicloud")
    sweep_once(unanswered=len(hanging))
    assert again(other).state == State.STORING
    assert {again(shot).state for shot in hanging} == {State.RUNNING}


def test_rows_that_were_not_answered_are_due_for_the_next_sweep(project, emulator, asked):
    emulator.configure(script=[Scripted("hang", kind="fetch")])
    (shot,) = send(project, emulator, "luma")
    sweep_once(unanswered=1)
    assert wait_of(shot) <= 0


def test_an_account_whose_key_cannot_be_read_stops_no_other(project, emulator, asked, settings):
    (lost,) = send(project, emulator, "gmicloud")
    (shot,) = send(project, emulator, "luma")
    ProviderAccount.objects.filter(pk=lost.account_id).update(key_locked="not a token")
    sweep_once()
    assert again(shot).state == State.STORING
    assert "STUDIO_ENCRYPTION_KEY" in again(lost).account.trouble


def test_a_model_that_left_the_catalogue_still_ends(project, emulator, asked):
    (shot,) = send(project, emulator, "luma")
    Generation.objects.filter(pk=shot.pk).update(model="ray-0")
    sweep_once()
    assert again(shot).state == State.STORING


def test_trouble_with_one_stuck_row_does_not_end_the_sweep(project, emulator, asked, monkeypatch):
    (shot,) = send(project, emulator, "luma")
    monkeypatch.setattr(recovery, "revive", lambda: 1 / 0)
    sweep_once()
    assert again(shot).state == State.STORING


# ---- Unknown there, late, stalled --------------------------------------------------------


def test_a_job_unknown_right_after_its_submit_may_be_late(project, emulator, asked):
    shot = at_provider(project, account_at(emulator, "luma"), job_id="no-such-job")
    sweep_once()
    assert again(shot).state == State.RUNNING


def test_a_job_unknown_later_is_stalled_and_says_so(project, emulator, asked):
    past = timezone.now() - timedelta(minutes=2)
    account = account_at(emulator, "luma")
    shot = at_provider(project, account, job_id="no-such-job", submitted_at=past)
    queue_shot(project, account)
    sweep_once()
    row = again(shot)
    assert row.state == State.STALLED
    assert "does not know this job" in row.waiting_text
    assert ("submit_next", (row.account_id,)) in asked


def test_past_its_deadline_a_shot_is_stalled_and_frees_its_place(project, emulator, asked):
    past = timezone.now() - timedelta(minutes=1)
    shot = at_provider(project, account_at(emulator, "luma"), deadline_at=past)
    queue_shot(project, shot.account)
    assert recovery.notice_deadlines(timezone.now()) == 1
    row = again(shot)
    assert row.state == State.STALLED
    assert "45 minutes" in row.waiting_text
    assert ("submit_next", (row.account_id,)) in asked


def test_queued_there_for_too_long_is_stalled(project, emulator, asked):
    past = timezone.now() - QUEUE_DEADLINE - timedelta(seconds=1)
    account = account_at(emulator, "gmicloud")
    shot = at_provider(project, account, submitted_at=past, raw_status="queued")
    moving = at_provider(project, account, submitted_at=past, raw_status="processing")
    recovery.notice_deadlines(timezone.now())
    assert "15 minutes" in again(shot).waiting_text
    assert again(moving).state == State.RUNNING


def test_a_stalled_shot_does_not_move_to_and_fro(project, emulator, asked):
    (shot,) = send(project, emulator, "luma", finished=False)
    Generation.objects.filter(pk=shot.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    for _ in range(3):
        recovery.notice_deadlines(timezone.now())
        make_due(shot)
        sweep_once(0.2)
    assert again(shot).state == State.STALLED
    assert reasons(shot).count(State.STALLED) == 1


def test_a_shot_stalled_in_the_queue_goes_on_when_it_is_started(project, emulator, asked):
    (shot,) = send(project, emulator, "luma", finished=False)
    Generation.objects.filter(pk=shot.pk).update(state=State.STALLED)
    sweep_once()
    assert again(shot).state == State.RUNNING


def test_a_stalled_shot_that_ends_is_stored(project, emulator, asked):
    (shot,) = send(project, emulator, "luma")
    Generation.objects.filter(pk=shot.pk).update(
        state=State.STALLED, deadline_at=timezone.now() - timedelta(hours=1)
    )
    sweep_once()
    assert again(shot).state == State.STORING


# ---- Leases, hand-over, revival ----------------------------------------------------------


def test_a_second_sweep_finds_it_busy(project, emulator, asked):
    assert sweep._take_leases("first")
    assert run_slice(0, linger_s=0) == "busy: another sweep is running"


def test_a_sweep_that_died_is_replaced_when_its_lease_is_over(project, emulator, asked):
    sweep._take_leases("of the dead")
    ProviderAccount.objects.update(sweep_until=timezone.now() - timedelta(seconds=1))
    (shot,) = send(project, emulator, "luma")
    sweep_once()
    assert again(shot).state == State.STORING


def test_with_nothing_in_flight_a_sweep_ends_and_asks_for_no_other(project, asked):
    assert run_slice(30).startswith("nothing in flight")
    assert asked.count("sweep") == 0
    assert not ProviderAccount.objects.exclude(sweep_token="").exists()


def test_held_shots_alone_keep_no_sweep_running(project, asked):
    queue_shot(project, make_previs(), held=True)
    assert run_slice(30).startswith("nothing in flight")


def test_a_slice_asks_for_its_successor_and_goes_on_until_that_comes(
    project, emulator, asked, monkeypatch
):
    (shot,) = send(project, emulator, "luma", finished=False)
    took = []

    def successor(path: str, *args: object, **options: object) -> None:
        asked(path, *args)
        if path.endswith("sweep") and not took:
            took.append(sweep._take_leases("successor"))

    monkeypatch.setattr("studio.queue.async_task", successor)
    said = run_slice(0, linger_s=5)
    assert said.startswith("handed over")
    assert {account.pk for account in took[0]} >= {shot.account_id}
    tokens = set(ProviderAccount.objects.values_list("sweep_token", flat=True))
    assert tokens == {"successor"}


def test_a_slice_without_a_successor_still_watches(project, emulator, asked):
    (shot,) = send(project, emulator, "luma")
    assert run_slice(0, linger_s=0.3).startswith(("ended", "nothing"))
    assert again(shot).state == State.STORING


def test_a_shot_made_while_a_sweep_ends_is_not_forgotten(project, emulator, asked, monkeypatch):
    drop = sweep._drop_leases

    def drop_late(token: str) -> None:
        queue_shot(project, make_previs())
        drop(token)

    monkeypatch.setattr(sweep, "_drop_leases", drop_late)
    assert run_slice(30).startswith("nothing in flight")
    assert asked.count("sweep") == 1


def test_an_answer_does_not_overwrite_what_somebody_else_wrote(
    project, emulator, asked, monkeypatch
):
    (shot,) = send(project, emulator, "luma")
    moves = []
    many = lifecycle.move_many

    def late(wanted, **options):
        if wanted:
            lifecycle.move(shot.pk, State.ABANDONED)
        moves.extend(wanted)
        return many(wanted, **options)

    monkeypatch.setattr(lifecycle, "move_many", late)
    sweep_once()
    assert [move.new for move in moves if move.pk == shot.pk] == [State.STORING]
    assert again(shot).state == State.ABANDONED
    assert ("store_next", ()) not in asked


def test_a_webhook_during_a_poll_brings_another_poll(project, emulator, asked):
    (shot,) = send(project, emulator, "luma", finished=False)
    account = shot.account
    assert claim_due([account.pk], most=1)
    Generation.objects.filter(pk=shot.pk).update(next_poll_at=timezone.now())
    assert [row.pk for row in claim_due([account.pk], most=1)] == [shot.pk]


def test_a_render_whose_worker_died_is_asked_for_once_in_a_while(project, asked):
    made = make_generation(project, state=State.RUNNING, next_poll_at=None)
    recovery.revive()
    recovery.revive()
    assert asked.count("render_previs") == 1
    make_due(made)
    recovery.revive()
    assert asked.count("render_previs") == 2


def test_a_render_that_keeps_killing_its_worker_is_ended(project, asked):
    made = make_generation(project, state=State.RUNNING, work_attempts=3)
    lapse(made)
    recovery.revive()
    assert (again(made).state, again(made).failure_code) == (State.FAILED, "render")


def test_uncertain_shots_are_looked_for_apart_from_the_sweep(project, emulator, asked):
    account = account_at(emulator, "luma")
    shot = queue_shot(project, account)
    token = lifecycle.claim_submit(shot.pk)
    lifecycle.mark_sending(shot.pk, token=token)
    lifecycle.mark_uncertain(shot.pk, reason="?", text="?", next_poll_at=timezone.now())
    sweep_once(0.3)
    assert asked.count("reconcile") == 1
    assert "luma.list" not in emulator.stats["requests"]
