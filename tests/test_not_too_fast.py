"""Sends keep to what a provider takes in a minute, and stop where nothing is confirmed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from studio.models import Generation
from studio.models.generation import State
from studio.providers.catalog import SUBMITS_PER_MINUTE
from studio.services.work import recovery
from studio.services.work.submitting import submit_next
from tests.paid import account_at, again, queue_shots

pytestmark = pytest.mark.django_db


def test_no_more_is_sent_in_a_minute_than_the_provider_takes(project, emulator, asked, monkeypatch):
    monkeypatch.setitem(SUBMITS_PER_MINUTE, "luma", 2)
    account = account_at(emulator, "luma")
    shots = queue_shots(project, account, 4)
    for _ in shots:
        submit_next(account.pk)
    assert sum(emulator.stats["accepted"].values()) == 2
    asked.clear()
    recovery.fill_places()
    assert asked.count("submit_next") == 0

    Generation.objects.exclude(submitted_at=None).update(
        submitted_at=timezone.now() - timedelta(seconds=61)
    )
    recovery.fill_places()
    assert asked.count("submit_next") == 2
    asked.run("submit_next")
    assert sum(emulator.stats["accepted"].values()) == 4


def test_a_provider_that_confirms_nothing_gets_no_more_for_a_while(project, emulator, asked):
    account = account_at(emulator, "aimlapi")
    emulator.configure(rates={"dropped": 1.0})
    shots = queue_shots(project, account, 5)
    for _ in shots:
        submit_next(account.pk)
    states = sorted(again(shot).state for shot in shots)
    assert states == [State.QUEUED] * 2 + [State.UNCERTAIN] * 3
    account.refresh_from_db()
    assert "does not confirm them" in account.trouble
