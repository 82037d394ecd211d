from __future__ import annotations

import itertools
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from studio import lifecycle
from studio.lifecycle import MOVES
from studio.models import Generation, GenerationEvent, Project
from studio.models.generation import TERMINAL_STATES, State
from tests.factories import make_generation
from tests.paid import again, at_provider, queue_shot, queue_shots, reasons

pytestmark = pytest.mark.django_db

NEEDED = {
    State.RUNNING: {"provider_job_id": "job-1"},
    State.SUCCEEDED: {"clip": "clip.mp4"},
}
ALLOWED = {
    ("queued", "submitting"), ("queued", "cancelled"), ("queued", "failed"),
    ("queued", "uncertain"),
    ("submitting", "running"), ("submitting", "storing"), ("submitting", "failed"),
    ("submitting", "queued"), ("submitting", "uncertain"),
    ("running", "storing"), ("running", "failed"), ("running", "stalled"),
    ("running", "abandoned"), ("running", "cancelled"),
    ("stalled", "running"), ("stalled", "storing"), ("stalled", "failed"),
    ("stalled", "abandoned"),
    ("uncertain", "running"), ("uncertain", "storing"), ("uncertain", "failed"),
    ("uncertain", "queued"), ("uncertain", "abandoned"),
    ("storing", "succeeded"), ("storing", "failed"), ("storing", "running"),
    ("failed", "storing"), ("abandoned", "storing"),
}  # fmt: skip


def in_state(project: Project, state: str) -> Generation:
    made = make_generation(project, state=state)
    GenerationEvent.objects.filter(generation=made).delete()
    return made


@pytest.mark.parametrize(("old", "new"), list(itertools.product(State.values, repeat=2)))
def test_a_move_is_made_only_where_the_table_allows_it(project, old, new):
    made = in_state(project, old)
    before = again(made)
    moved = lifecycle.move(made.pk, new, reason="because", **NEEDED.get(new, {}))
    after = again(made)
    assert moved is ((old, new) in ALLOWED)
    assert after.state == (new if moved else old)
    assert (after.version > before.version) is moved
    assert reasons(after) == ([new] if moved else [])
    assert (after.finished_at is not None) == (after.state in TERMINAL_STATES)


def test_the_table_names_every_state():
    assert set(MOVES) == set(State)
    assert {(o, n) for o, news in MOVES.items() for n in news} == ALLOWED


@pytest.mark.parametrize("state", sorted({State.SUCCEEDED, State.CANCELLED}))
def test_what_has_ended_well_or_was_cancelled_never_moves(project, state):
    made = in_state(project, state)
    assert not any(lifecycle.move(made.pk, new, **NEEDED.get(new, {})) for new in State.values)


def test_move_many_leaves_those_that_lost_their_race(project):
    first, second = (make_generation(project, state=State.RUNNING) for _ in range(2))
    moves = [
        lifecycle.Move(g.pk, project.pk, State.RUNNING, State.STALLED, "late")
        for g in (first, second)
    ]
    assert lifecycle.move(first.pk, State.ABANDONED)
    assert lifecycle.move_many(moves) == {second.pk}
    assert again(first).state == State.ABANDONED
    assert reasons(first) == [State.ABANDONED]
    assert reasons(second) == [State.STALLED]


def test_move_many_makes_no_move_that_is_not_allowed(project):
    made = make_generation(project, state=State.SUCCEEDED)
    wrong = lifecycle.Move(made.pk, project.pk, State.SUCCEEDED, State.STORING)
    assert lifecycle.move_many([wrong]) == set()
    assert again(made).state == State.SUCCEEDED


def test_the_second_claim_loses(project):
    shot = queue_shot(project, make_generation(project).account)
    assert lifecycle.claim_submit(shot.pk) is not None
    assert lifecycle.claim_submit(shot.pk) is None
    assert reasons(shot) == [State.QUEUED, State.SUBMITTING]


def test_a_held_shot_and_one_put_off_cannot_be_claimed(project):
    account = make_generation(project).account
    held, later = queue_shots(project, account, 2)
    Generation.objects.filter(pk=held.pk).update(held=True)
    soon = timezone.now() + timedelta(minutes=1)
    Generation.objects.filter(pk=later.pk).update(next_poll_at=soon)
    assert lifecycle.claim_submit(held.pk) is None
    assert lifecycle.claim_submit(later.pk) is None


def test_a_worker_without_the_lease_can_neither_send_nor_end_it(project):
    shot = queue_shot(project, make_generation(project).account)
    token = lifecycle.claim_submit(shot.pk)
    assert not lifecycle.mark_sending(shot.pk, token="of somebody else")
    assert not lifecycle.mark_failed(shot.pk, code="x", text="x", charged="no", token="other")
    assert not lifecycle.return_to_queue(shot.pk, reason="x", token="other")
    assert lifecycle.mark_sending(shot.pk, token=token)
    assert again(shot).attempts == 1


def test_a_return_after_a_try_that_may_have_left_keeps_the_mark(project):
    shot = queue_shot(project, make_generation(project).account)
    token = lifecycle.claim_submit(shot.pk)
    lifecycle.mark_sending(shot.pk, token=token)
    sent_at = again(shot).submitted_at
    assert lifecycle.return_to_queue(shot.pk, reason="?", token=token, may_have_left=True)
    row = again(shot)
    assert (row.raw_status, row.submitted_at) == (lifecycle.SENDING, sent_at)
    assert not lifecycle.cancel(shot.pk, actor=None)
    assert lifecycle.claim_submit(shot.pk)
    assert again(shot).submitted_at == sent_at


def test_a_late_answer_does_not_take_a_stored_clip_back(project):
    made = make_generation(project, state=State.STORING)
    assert not lifecycle.record_running(
        made.pk, job_id="late", deadline_at=None, next_poll_at=timezone.now()
    )


def test_the_event_and_the_move_are_written_together(project, monkeypatch):
    made = make_generation(project, state=State.RUNNING)
    version = again(made).version

    def fail(self: GenerationEvent, *args: object, **kwargs: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(GenerationEvent, "save", fail)
    with pytest.raises(RuntimeError, match="disk"):
        lifecycle.move(made.pk, State.STALLED)
    assert (again(made).state, again(made).version) == (State.RUNNING, version)


def test_a_lost_move_inside_a_transaction_leaves_the_rest_of_it(project):
    made = make_generation(project, state=State.RUNNING)
    with transaction.atomic():
        lifecycle.touch(made.pk, title="Kept")
        assert not lifecycle.mark_failed(
            made.pk, code="x", text="x", charged="no", token="not the holder's"
        )
    assert again(made).title == "Kept"


def test_events_are_only_added(project):
    made = at_provider(project, make_generation(project).account)
    event = made.events.last()
    with pytest.raises(TypeError, match="append-only"):
        event.save()


def test_touch_writes_no_state(project):
    made = make_generation(project)
    with pytest.raises(ValueError, match="state"):
        lifecycle.touch(made.pk, state=State.FAILED)


def test_each_new_shot_gets_the_next_number(project):
    account = make_generation(project).account
    shots = queue_shots(project, account, 3)
    first = shots[0].number
    assert [again(s).number for s in shots] == [first, first + 1, first + 2]


IMPOSSIBLE = {
    "a state nobody knows": {"state": "lost"},
    "ended without a time": {"state": "failed", "finished_at": None},
    "under way and finished": {"state": "queued", "finished_at": timezone.now()},
    "a clip without a file": {"state": "succeeded", "clip": ""},
    "at a provider without a job": {
        "state": "running", "provider_job_id": "", "finished_at": None,
    },
    "more than all of it done": {"progress": 101},
    "six stars": {"rating": 6},
    "charged perhaps": {"charged": "perhaps"},
}  # fmt: skip


@pytest.mark.parametrize("columns", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_the_database_refuses_what_cannot_be(project, columns):
    made = make_generation(project)
    with pytest.raises(IntegrityError), transaction.atomic():
        Generation.objects.filter(pk=made.pk).update(**columns)


def test_the_database_refuses_a_loop_with_an_end(project):
    made, other = make_generation(project), make_generation(project)
    with pytest.raises(IntegrityError), transaction.atomic():
        Generation.objects.filter(pk=made.pk).update(loop=True, end_generation=other)


@pytest.mark.parametrize(
    "same",
    [
        {"idempotency_key"},
        {"shot", "take"},
        {"project", "number"},
        {"request_token", "request_index"},
        {"account", "provider_job_id"},
    ],
    ids=lambda same: " ".join(sorted(same)),
)
def test_the_database_refuses_the_same_twice(project, same):
    first = make_generation(project, provider_job_id="job-9")
    second = make_generation(project, provider_job_id="job-10")
    with pytest.raises(IntegrityError), transaction.atomic():
        Generation.objects.filter(pk=second.pk).update(**{n: getattr(first, n) for n in same})


def test_only_the_lifecycles_write_a_state():
    writes = re.compile(
        r"\.(?:update|create|bulk_update)\([^)]*\bstate=|\b\w+\.state\s*=[^=]", re.S
    )
    # What knows neither a generation nor an export writes the state of something else.
    knows = re.compile(r"\b(?:Generation|Export)\b")
    package = Path(settings.BASE_DIR) / "studio"
    guilty = [
        str(path.relative_to(package))
        for path in sorted(package.rglob("*.py"))
        if "migrations" not in path.parts
        and writes.search(path.read_text())
        and knows.search(path.read_text())
    ]
    # The others write the states of bulk runs, of spend requests and of what webhooks deliver.
    assert guilty == [
        "export_lifecycle.py",
        "lifecycle.py",
        "services/bulk/runs.py",
        "services/money/asking.py",
        "services/news/deliveries.py",
    ]
