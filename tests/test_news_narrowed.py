"""The feed narrowed to review has every verdict, however many were given at once."""

from __future__ import annotations

import pytest

from studio.models.bulk import TELL_OF_EACH
from studio.services.news import feed
from tests.bulk import make_clips, press, take_back

pytestmark = pytest.mark.django_db


def sentences(project, *kinds):
    days, _ = feed.page(project, feed.read_narrowed(kinds, ""), None)
    return [line.sentence for day in days for line in day.lines]


def test_many_verdicts_at_once_and_taking_them_back_are_review(cast, asked):
    clips = make_clips(cast.project, TELL_OF_EACH + 1, by=cast.bob)
    run = press(cast.carol, cast.project, "verdict", clips, verdict="approved")
    asked.run("work_bulk")
    given = f"Carol approved {len(clips)} clips"
    assert sentences(cast.project, "review") == [given]
    take_back(cast.carol, run)
    asked.run("work_bulk")
    both = [f"Carol took back: approved {len(clips)} clips", given]
    assert sentences(cast.project, "review") == both
    assert sentences(cast.project, "bulk") == both
    assert sentences(cast.project, "review", "bulk") == both


def test_other_bulk_actions_are_no_review(cast, asked):
    clips = make_clips(cast.project, TELL_OF_EACH + 1)
    press(cast.bob, cast.project, "rate", clips, rating=4)
    asked.run("work_bulk")
    assert sentences(cast.project, "bulk") == [f"Bob rated {len(clips)} clips"]
    assert sentences(cast.project, "review") == []
