"""A broker that does not answer: what was committed stays, and is asked for again."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as RedisGone

from studio import queue
from studio.models import Generation
from studio.models.generation import State
from studio.sweep import run_slice
from tests.paid import account_at, queue_shot

pytestmark = pytest.mark.django_db(transaction=True)


def gone(*args, **options):
    raise RedisGone("Connection refused")


@pytest.fixture
def no_broker(monkeypatch):
    monkeypatch.setattr("studio.queue.async_task", gone)
    monkeypatch.setattr("studio.queue.queue_size", gone)


def test_a_task_that_is_asked_for_again_is_left_out(no_broker, caplog):
    queue.enqueue("submit_next", 1)
    queue.call_for("store_next", times=3)


@pytest.mark.parametrize("task", sorted(queue.ASKED_ONCE))
def test_a_task_that_nothing_asks_for_again_says_so(no_broker, task):
    with pytest.raises(RedisGone):
        queue.enqueue(task, 1)


def test_the_sweep_goes_on_without_a_broker(project, emulator, no_broker):
    from studio.services.work.submitting import submit_next

    shot = queue_shot(project, account_at(emulator, "luma"))
    assert submit_next(shot.account_id).startswith("sent")
    Generation.objects.filter(pk=shot.pk).update(next_poll_at=shot.created_at)
    run_slice(0.5, linger_s=0)
    shot.refresh_from_db()
    assert shot.state == State.STORING
