"""Time left is said from real progress or like runs, and not at all from nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from studio.models import Generation
from studio.services.cards import make_cards
from studio.services.money import estimates
from tests.people import make_cast, make_clip

pytestmark = pytest.mark.django_db


def runs(project, *seconds, **fields):
    now = timezone.now()
    first = 1000 + project.generations.count()
    for number, span in enumerate(seconds, first):
        clip = make_clip(project, number=number, **fields)
        Generation.objects.filter(pk=clip.pk).update(
            submitted_at=now - timedelta(seconds=span), finished_at=now
        )


def running(project, *, for_s, progress=0, **fields):
    clip = make_clip(project, number=1, **fields)
    Generation.objects.filter(pk=clip.pk).update(
        state="running", finished_at=None, provider_job_id="job", progress=progress,
        submitted_at=timezone.now() - timedelta(seconds=for_s),
    )  # fmt: skip
    return Generation.objects.get(pk=clip.pk)


PAID = {"provider": "luma", "model": "ray-2"}


def test_nothing_is_said_without_history():
    project = make_cast().project
    (card,) = make_cards([running(project, for_s=90, **PAID)])
    assert card.note == ""
    assert card.elapsed == "1:30"


def test_the_median_of_like_runs_is_what_is_left():
    project = make_cast().project
    runs(project, 80, 100, 120, **PAID)
    runs(project, 500, 500, 500, provider="luma", model="ray-flash-2")
    (card,) = make_cards([running(project, for_s=40, **PAID)])
    assert card.note == "about 60 s left"


def test_slow_is_said_when_it_is_slow():
    project = make_cast().project
    runs(project, 80, 100, 120, **PAID)
    (card,) = make_cards([running(project, for_s=300, **PAID)])
    assert card.note == "slower than usual"


def test_previs_says_what_its_own_progress_says():
    project = make_cast().project
    (card,) = make_cards([running(project, for_s=10, progress=50)])
    assert card.note == "about 10 s left"
    assert card.elapsed == ""


def test_the_history_is_asked_once_a_minute(django_assert_num_queries):
    project = make_cast().project
    runs(project, 80, 100, 120)
    estimates.paces()
    with django_assert_num_queries(0):
        estimates.paces()
