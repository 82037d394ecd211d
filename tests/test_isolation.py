"""One bad row harms only itself: in the sweep, in what looks after stuck shots, and in health."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError
from django.utils import timezone

from studio import lifecycle, sweep
from studio.models import Generation, ProviderAccount
from studio.models.generation import Charged, State
from studio.services.work import failover, isolation, recovery
from studio.services.work.isolation import SET_ASIDE_FOR
from studio.services.work.submitting import submit_next
from studio.sweep import claim_due, run_slice
from tests.emulator import Emulator
from tests.factories import make_generation
from tests.paid import account_at, again, at_provider, lapse, make_due, queue_shots, sweep_once

pytestmark = pytest.mark.django_db
SENTENCE = (
    "Luma’s answer could not be saved. Your shot is safe, and you are charged at most once. "
    "The studio tries again every 5 minutes; if this stays, ask your administrator."
)
UNWRITABLE = {"failure_text": "\ud800"}  # half a surrogate pair: no database takes it


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "TICK_S", 0.02)
    monkeypatch.setattr(sweep, "CARE_LEAVING_S", 0.05)


@pytest.fixture
def shots(project, emulator: Emulator, asked) -> list[Generation]:
    """Three shots that have ended at Luma and are due for a poll."""
    emulator.configure(finish_after_s=600)
    made = queue_shots(project, account_at(emulator, "luma"), 3)
    for shot in made:
        submit_next(shot.account_id)
    emulator.finish_all()
    make_due(*made)
    return [again(shot) for shot in made]


def poison(monkeypatch: pytest.MonkeyPatch, shot: Generation, changes: dict[str, object]) -> None:
    """Let every answer about this shot ask for these columns."""
    read = sweep.read_job

    def read_poisoned(row, job):
        move = read(row, job)
        if move is None or row.pk != shot.pk:
            return move
        return replace(move, changes=move.changes | changes)

    monkeypatch.setattr(sweep, "read_job", read_poisoned)


def test_a_row_that_cannot_be_written_keeps_no_other_waiting(shots, monkeypatch, caplog):
    bad, *others = shots
    poison(monkeypatch, bad, UNWRITABLE)
    sweep_once()
    assert {again(shot).state for shot in others} == {State.STORING}
    row = again(bad)
    assert (row.state, row.trouble) == (State.RUNNING, SENTENCE)
    assert row.set_aside_at
    assert row.next_poll_at > timezone.now() + SET_ASIDE_FOR - timedelta(seconds=30)
    assert "Traceback" in caplog.text


def test_a_row_set_aside_is_tried_again_alone_and_goes_on(shots, monkeypatch):
    bad = shots[0]
    with monkeypatch.context() as patch:
        poison(patch, bad, UNWRITABLE)
        sweep_once()
        version = again(bad).version
        make_due(bad)
        sweep_once()
        assert again(bad).version == version, "nothing new to tell"
    make_due(bad)
    sweep_once()
    row = again(bad)
    assert (row.state, row.trouble, row.set_aside_at) == (State.STORING, "", None)


def test_a_row_set_aside_is_not_asked_about_with_others(project, emulator):
    account = account_at(emulator, "legacy")
    aside = at_provider(project, account, set_aside_at=timezone.now())
    fine = [at_provider(project, account) for _ in range(2)]
    groups = sweep._grouped(claim_due([account.pk], most=10))
    asked_together = {tuple(row.pk for row in rows): batched for *_, batched, rows in groups}
    assert asked_together == {(aside.pk,): False, tuple(shot.pk for shot in fine): True}
    assert again(aside).next_poll_at > timezone.now() + SET_ASIDE_FOR - timedelta(seconds=30)


@pytest.mark.parametrize(
    "changes",
    [
        {"raw_answer": {"eta_s": float("inf")}},
        {"actual_microusd": 10**30},
        {"actual_credits": float("nan"), "raw_answer": {"x": float("nan")}},
        {"raw_status": "\ud800"},
    ],
    ids=["infinite", "huge amount", "no number", "half a letter"],
)
def test_an_end_is_recorded_though_part_of_its_answer_cannot_be(shots, monkeypatch, changes):
    bad, *others = shots
    poison(monkeypatch, bad, changes)
    sweep_once()
    assert {again(shot).state for shot in others} == {State.STORING}
    row = again(bad)
    assert (row.state, row.charged, row.set_aside_at) == (State.STORING, Charged.YES, None)
    assert row.result_url
    if "actual_microusd" in changes:
        assert row.actual_microusd is None, "an absurd amount is unknown"


def test_an_answer_that_cannot_be_read_harms_only_its_row(shots, monkeypatch):
    bad, *others = shots
    read = sweep.read_job
    monkeypatch.setattr(
        sweep, "read_job", lambda row, job: 1 / 0 if row.pk == bad.pk else read(row, job)
    )
    sweep_once()
    assert {again(shot).state for shot in others} == {State.STORING}
    assert again(bad).trouble == SENTENCE


def test_progress_of_one_row_that_cannot_be_written_harms_no_other(project, emulator, asked):
    account = account_at(emulator, "luma")
    bad, fine = (at_provider(project, account) for _ in range(2))
    rows = [(bad.pk, bad.project_id, 40, "\ud800"), (fine.pk, fine.project_id, 40, "dreaming")]
    isolation.show_progress_each(rows)
    assert (again(fine).progress, again(bad).progress) == (40, 0)
    assert again(bad).set_aside_at


def test_odd_percents_are_shown_as_what_they_can_mean(project, emulator):
    account = account_at(emulator, "luma")
    shots = [at_provider(project, account) for _ in range(2)]
    lifecycle.show_progress(
        [(s.pk, s.project_id, p, "x") for s, p in zip(shots, (-5, 10**9), strict=True)]
    )
    assert [again(shot).progress for shot in shots] == [0, 99]


def test_a_database_that_is_away_sets_nothing_aside(shots, monkeypatch):
    def away(*args, **options):
        raise OperationalError("the connection is closed")

    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "move_many", away)
        patch.setattr(lifecycle, "touch", away)
        with pytest.raises(OperationalError):
            sweep_once()
    assert not Generation.objects.exclude(set_aside_at=None).exists()
    assert {again(shot).state for shot in shots} == {State.RUNNING}


def test_a_submit_whose_answer_no_database_takes_keeps_its_job(
    project, emulator, asked, monkeypatch
):
    emulator.configure(finish_after_s=600)
    (shot,) = queue_shots(project, account_at(emulator, "luma"), 1)
    monkeypatch.setattr(
        "studio.services.work.outcomes._carried",
        lambda job: {"raw_answer": dict(job.raw) | ({"x": float("inf")} if job.raw else {})},
    )
    submit_next(shot.account_id)
    (job,) = emulator.jobs()
    row = again(shot)
    assert (row.state, row.provider_job_id) == (State.RUNNING, job.id)


# ---- What looks after stuck shots ----------------------------------------------------------------


def fails_for(monkeypatch, module, name: str, pk: int) -> None:
    """Let a function of a module fail for this row."""
    whole = getattr(module, name)

    def fail(first, *args, **options):
        if first == pk or getattr(first, "pk", None) == pk:
            raise ValueError("poisoned")
        return whole(first, *args, **options)

    monkeypatch.setattr(module, name, fail)


def test_one_stuck_submit_keeps_no_other_from_being_recovered(
    project, emulator, asked, monkeypatch
):
    bad, fine = queue_shots(project, account_at(emulator, "luma"), 2)
    for shot in (bad, fine):
        assert lifecycle.claim_submit(shot.pk)
    lapse(bad, fine)
    fails_for(monkeypatch, lifecycle, "return_to_queue", bad.pk)
    recovery.revive()
    assert (again(bad).state, again(fine).state) == (State.SUBMITTING, State.QUEUED)
    assert again(bad).set_aside_at


def test_one_shot_past_its_deadline_keeps_no_other_from_being_noticed(
    project, emulator, asked, monkeypatch
):
    past = timezone.now() - timedelta(minutes=1)
    account = account_at(emulator, "luma")
    bad, fine = (at_provider(project, account, deadline_at=past) for _ in range(2))
    many = lifecycle.move_many

    def move_most(moves, **options):
        if any(move.pk == bad.pk for move in moves):
            raise ValueError("poisoned")
        return many(moves, **options)

    monkeypatch.setattr(lifecycle, "move_many", move_most)
    recovery.revive()
    assert (again(bad).state, again(fine).state) == (State.RUNNING, State.STALLED)
    assert recovery.notice_deadlines(timezone.now()) == 0, "it is left alone for a while"


def test_one_follower_keeps_no_other_from_being_released(project, emulator, asked, monkeypatch):
    failed = make_generation(project, state=State.FAILED)
    bad, fine = (
        make_generation(project, state=State.QUEUED, start_generation=failed) for _ in range(2)
    )
    fails_for(monkeypatch, lifecycle, "mark_failed", bad.pk)
    recovery.revive()
    assert (again(bad).state, again(fine).state) == (State.QUEUED, State.FAILED)


def test_one_failed_shot_keeps_no_other_from_being_passed_on(project, emulator, asked, monkeypatch):
    project.failover_microusd = 1_000_000
    project.save(update_fields=["failover_microusd"])
    account = account_at(emulator, "luma")
    past = timezone.now() - timedelta(minutes=2)
    bad, fine = (
        make_generation(
            project, account=account, model="ray-2", state=State.FAILED, failure_code="capacity",
            charged=Charged.NO, finished_at=past,
        )
        for _ in range(2)
    )  # fmt: skip
    put = failover.enqueue

    def put_most(task, pk):
        if pk == bad.pk:
            raise ValueError("poisoned")
        put(task, pk)

    monkeypatch.setattr(failover, "enqueue", put_most)
    assert failover.ask_again(timezone.now()) == 1
    assert ("fail_over", (fine.pk,)) in asked


def test_a_step_that_fails_keeps_no_other_from_its_turn(project, emulator, asked, monkeypatch):
    past = timezone.now() - timedelta(minutes=1)
    late = at_provider(project, account_at(emulator, "luma"), deadline_at=past)
    monkeypatch.setattr(recovery.rendering, "unheld", lambda now: 1 / 0)
    recovery.revive()
    assert again(late).state == State.STALLED


# ---- Health --------------------------------------------------------------------------------------


def test_a_sweep_that_stops_with_an_error_is_known_until_one_comes_to_its_end(
    project, emulator, asked, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(sweep._Slice, "_care", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_slice(0, linger_s=0)
    swept = ProviderAccount.objects.get(provider="previs", label="")
    assert swept.sweep_failed_at and swept.sweep_finished_at is None
    run_slice(0, linger_s=0)
    swept.refresh_from_db()
    assert swept.sweep_finished_at > swept.sweep_failed_at


def doctor() -> str:
    lines = StringIO()
    with pytest.raises(CommandError, match="fixing"):
        call_command("doctor", stdout=lines)
    return lines.getvalue()


@pytest.mark.parametrize(
    ("provider", "state", "happened", "charged", "next_step"),
    [
        ("previs", "running", "was interrupted", "Nothing is charged", "cancel it"),
        ("luma", "submitting", "was interrupted", "charged at most once", "ask your administrator"),
        ("luma", "storing", "could not be saved", "charged at most once", "ask your administrator"),
        ("luma", "stalled", "Luma’s answer", "charged at most once", "ask your administrator"),
    ],
)
def test_a_card_set_aside_says_what_happened_what_is_charged_and_what_to_do(
    project, provider, state, happened, charged, next_step
):
    fields = {"provider_job_id": "job-1"} if state != "submitting" else {}
    shot = make_generation(project, provider=provider, state=state, **fields)
    isolation.set_aside(shot.pk)
    text = again(shot).trouble
    assert all(words in text for words in (happened, charged, next_step, "every 5 minutes"))
    assert "recorded" not in text and "set aside" not in text


def test_health_says_that_shots_are_set_aside(client, root, project, emulator):
    account = account_at(emulator, "luma")
    shot = at_provider(project, account)
    assert client.get("/readyz").json()["sweep"] == "ok"
    isolation.set_aside(shot.pk)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["sweep"].startswith("degraded: 1 shot is set aside")
    assert client.get("/readyz?strict").status_code == 503
    assert "1 shot is set aside" in doctor()
    client.force_login(root)
    page = client.get("/admin/health/").content.decode()
    assert "Set aside" in page
    listed = client.get("/admin/studio/generation/?set_aside_at__isnull=0")
    assert listed.status_code == 200
    assert list(listed.context["cl"].queryset) == [shot]


def test_health_says_that_a_sweep_dies_and_when_one_last_finished(client, root, project):
    now = timezone.now()
    ProviderAccount.objects.filter(provider="previs", label="").update(
        sweep_failed_at=now - timedelta(seconds=12), sweep_finished_at=now - timedelta(minutes=3)
    )
    text = client.get("/readyz").json()["sweep"]
    assert "the sweep stopped with an error 12" in text
    assert "the last finished sweep was 3" in text
    assert "stopped with an error" in doctor()
    client.force_login(root)
    assert "The sweep stopped with an error" in client.get("/admin/health/").content.decode()
    ProviderAccount.objects.update(sweep_finished_at=now)
    assert client.get("/readyz").json()["sweep"] == "ok"
