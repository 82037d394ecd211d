from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from studio import lifecycle
from studio.models import Generation, ProviderAccount
from studio.models.generation import State
from studio.services import shots
from studio.services.errors import StudioError
from studio.services.work import recovery
from studio.services.work.line import next_in_line, places, waiting
from tests.factories import make_generation, make_previs, make_user
from tests.paid import again, queue_shot, queue_shots

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(project):
    return make_previs()


def test_everybodys_first_comes_before_anybodys_second(project, account):
    ann, ben = make_user("Ann"), make_user("Ben")
    a1, a2, a3 = queue_shots(project, account, 3, by=ann)
    b1, b2 = queue_shots(project, account, 2, by=ben)
    assert waiting(account.pk) == [a1.pk, b1.pk, a2.pk, b2.pk, a3.pk]


def test_what_somebody_has_at_the_provider_counts(project, account):
    ann, ben = make_user("Ann"), make_user("Ben")
    a1, a2, a3 = queue_shots(project, account, 3, by=ann)
    (b1,) = queue_shots(project, account, 1, by=ben)
    lifecycle.claim_submit(a1.pk)
    assert waiting(account.pk) == [b1.pk, a2.pk, a3.pk]


def test_another_accounts_line_is_another_line(project, account):
    other = ProviderAccount.objects.create(provider="luma", label="other")
    mine, theirs = queue_shot(project, account), queue_shot(project, other)
    assert waiting(account.pk) == [mine.pk]
    assert waiting(other.pk) == [theirs.pk]


def test_held_shots_are_passed_over_until_released(project, account, asked):
    first, second = queue_shots(project, account, 2)
    shots.hold(generation=first, held=True)
    assert waiting(account.pk) == [second.pk]
    shots.hold(generation=again(first), held=False)
    assert waiting(account.pk) == [first.pk, second.pk]
    assert ("submit_next", (account.pk,)) in asked


def test_a_shot_put_off_keeps_its_place_but_lets_others_go_first(project, account):
    first, second = queue_shots(project, account, 2)
    later = timezone.now() + timedelta(seconds=30)
    Generation.objects.filter(pk=first.pk).update(next_poll_at=later)
    assert waiting(account.pk) == [first.pk, second.pk]
    assert next_in_line(account.pk, timezone.now()) == [second.pk]
    assert next_in_line(account.pk, later) == [first.pk, second.pk]


def test_a_shot_waits_for_the_clip_it_continues(project, account):
    before = make_generation(project, state=State.RUNNING)
    follower = queue_shot(project, account, start_generation=before)
    assert waiting(account.pk) == []
    Generation.objects.filter(pk=before.pk).update(
        state=State.SUCCEEDED, clip="clip.mp4", finished_at=timezone.now()
    )
    assert waiting(account.pk) == [follower.pk]


def test_a_shot_whose_neighbour_failed_ends_unbought(project, account, asked):
    before = make_generation(project, state=State.FAILED)
    follower = queue_shot(project, account, start_generation=before)
    recovery.revive()
    row = again(follower)
    assert (row.state, row.charged, row.failure_code) == (State.FAILED, "no", "neighbour")


def test_places_tell_how_many_are_ahead(project, account):
    made = queue_shots(project, account, 3)
    running = make_generation(project, state=State.RUNNING)
    assert places([*made, running]) == {made[0].pk: 0, made[1].pk: 1, made[2].pk: 2}


def test_a_shot_can_be_moved_to_the_front_and_back(project, account):
    first, second, third = queue_shots(project, account, 3)
    shots.move_in_line(generation=third, first=True)
    assert waiting(account.pk) == [third.pk, first.pk, second.pk]
    shots.move_in_line(generation=third, first=False)
    assert waiting(account.pk) == [first.pk, second.pk, third.pk]


@pytest.mark.parametrize("act", [shots.hold, shots.move_in_line], ids=lambda act: act.__name__)
def test_only_what_waits_can_be_held_or_moved(project, act):
    running = make_generation(project, state=State.RUNNING)
    with pytest.raises(StudioError, match="still waits"):
        act(generation=running, **({"held": True} if act is shots.hold else {"first": True}))


def test_free_places_are_filled_as_far_as_the_limit(project, account, asked):
    ProviderAccount.objects.filter(pk=account.pk).update(concurrent_limit=3)
    lifecycle.claim_submit(queue_shot(project, account).pk)
    queue_shots(project, account, 5)
    assert recovery.fill_places() == 2
    assert asked.count("submit_next") == 2


@pytest.mark.parametrize("columns", [{"enabled": False}, {"paused_until": "soon"}], ids=str)
def test_nothing_is_sent_to_an_account_that_is_off_or_paused(project, account, asked, columns):
    if "paused_until" in columns:
        columns = {"paused_until": timezone.now() + timedelta(seconds=30)}
    ProviderAccount.objects.filter(pk=account.pk).update(**columns)
    shot = queue_shot(project, account)
    assert recovery.fill_places() == 0
    asked.tasks = [("submit_next", (account.pk,))]
    asked.run("submit_next")
    assert again(shot).state == State.QUEUED


def test_a_long_queue_gets_no_more_calls(project, account, asked, monkeypatch):
    queue_shots(project, account, 5)
    monkeypatch.setattr("studio.queue.queue_size", lambda: 1000)
    recovery.revive()
    assert asked.tasks == []
