"""The clock is set back by an hour: nothing waits for that hour to come again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import Schedule

from studio.models import Generation, ProviderAccount
from studio.models.generation import State
from studio.services.work.clock import follow_clock
from studio.services.work.line import sends_left
from studio.services.work.schedules import ensure_schedules
from studio.sweep import run_slice
from tests.paid import account_at, again, at_provider, queue_shot

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def swept_ahead(project, emulator):
    """An account whose sweep died after it had written the time of a wrong clock."""
    account = account_at(emulator, "luma")
    ahead = timezone.now() + HOUR
    ProviderAccount.objects.update(
        sweep_token="0-0-gone", swept_at=ahead, sweep_until=ahead + timedelta(seconds=15)
    )
    return account


def soon(moment):
    return moment < timezone.now() + timedelta(minutes=2)


def test_what_is_at_the_provider_is_asked_about(project, emulator, swept_ahead, asked):
    shot = at_provider(project, swept_ahead, next_poll_at=timezone.now() + HOUR)
    assert follow_clock() > HOUR - timedelta(minutes=1)
    assert soon(again(shot).next_poll_at)
    Generation.objects.filter(pk=shot.pk).update(next_poll_at=timezone.now())
    ProviderAccount.objects.update(sweep_until=timezone.now())
    assert "another sweep" not in run_slice(0.5, linger_s=0)
    assert ProviderAccount.objects.filter(swept_at__gt=timezone.now() + HOUR / 2).count() == 0


def test_leases_pauses_places_and_schedules_follow(project, emulator, swept_ahead, asked):
    ensure_schedules()
    ahead = timezone.now() + HOUR
    Schedule.objects.filter(name="sweep").update(next_run=ahead)
    shot = queue_shot(project, swept_ahead)
    Generation.objects.filter(pk=shot.pk).update(
        state=State.SUBMITTING, submitted_at=ahead, lease_until=ahead, lease_token="gone"
    )
    ProviderAccount.objects.filter(pk=swept_ahead.pk).update(paused_until=ahead)
    follow_clock()
    row = again(shot)
    assert soon(row.lease_until) and soon(row.submitted_at) and soon(row.account.paused_until)
    assert soon(row.account.sweep_until)
    assert soon(Schedule.objects.get(name="sweep").next_run)
    later = timezone.now() + timedelta(minutes=3)
    assert sends_left(swept_ahead.pk, "luma", later) >= sends_left(0, "luma", later)


def test_a_clock_that_is_right_changes_nothing(project, emulator, asked):
    account = account_at(emulator, "luma")
    ProviderAccount.objects.update(swept_at=timezone.now() + timedelta(seconds=20))
    shot = at_provider(project, account, next_poll_at=timezone.now() + HOUR)
    assert follow_clock() == timedelta()
    assert again(shot).next_poll_at > timezone.now() + HOUR / 2
