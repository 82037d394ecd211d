"""Trying many failed shots again: the price is agreed first, budgets stop it, nothing is bought twice."""

from __future__ import annotations

import re

import pytest

from studio import tasks
from studio.models import BulkRun, Generation, Price, Project
from studio.models.generation import State
from studio.services.bulk import words
from studio.services.errors import StudioError
from tests.bulk import make_clips, press, reasons, take_back
from tests.paid import MODELS, account_at

pytestmark = pytest.mark.django_db
PRICE = 1_600_000


@pytest.fixture
def account(emulator):
    Price.objects.update_or_create(
        provider="luma", model=MODELS["luma"], duration_s=5, resolution="720p",
        defaults={"microusd": PRICE},
    )  # fmt: skip
    return account_at(emulator, "luma")


@pytest.fixture
def failed(cast, account):
    return make_clips(
        cast.project, 4, state="failed", clip="", charged="no", account=account,
        provider="luma", model=MODELS["luma"], failure_text="No.", estimated_microusd=PRICE,
    )  # fmt: skip


def queued(project):
    return Generation.objects.filter(project=project, state=State.QUEUED)


def page(client, cast, clips):
    client.force_login(cast.bob)
    answer = client.post(
        f"/p/{cast.project.code}/bulk/",
        {"do": "retry", "clips": ",".join(str(c.code) for c in clips)},
        headers={"HX-Request": "true"},
    )
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split()), answer


def test_the_total_is_said_before_anything_is_queued(client, cast, failed, asked):
    ready = make_clips(cast.project, 2)
    text, answer = page(client, cast, failed + ready)
    assert answer.status_code == 200
    assert "4 shots failed or were cancelled. The other 2 did not" in text
    assert "About $6.40 in all" in text
    assert "Retry 4 for about $6.40" in text
    assert f'name="agreed" value="{4 * PRICE}"' in answer.content.decode()
    assert not queued(cast.project).exists()


def test_what_is_agreed_to_is_queued_in_place_of_the_failed(cast, failed, asked):
    run = press(cast.bob, cast.project, "retry", failed, agreed=str(4 * PRICE))
    assert words.told(run) == "4 of 4 shots are in line again."
    assert queued(cast.project).count() == 4
    assert set(queued(cast.project).values_list("retry_of", flat=True)) == {c.pk for c in failed}
    assert not Generation.objects.filter(pk__in=[c.pk for c in failed], archived_at=None).exists()


def test_without_agreeing_nothing_is_queued(cast, failed, asked):
    with pytest.raises(StudioError, match="See what it costs first"):
        press(cast.bob, cast.project, "retry", failed)
    assert not queued(cast.project).exists()


def test_no_more_than_was_agreed_is_spent(cast, failed, asked):
    run = press(cast.bob, cast.project, "retry", failed, agreed=str(3 * PRICE))
    assert queued(cast.project).count() == 3
    assert "3 of 4 shots are in line again. Stopped: A price has risen" in words.told(run)


def test_a_budget_stops_it_cleanly_and_says_how_many_went(cast, failed, asked):
    Project.objects.filter(pk=cast.project.pk).update(budget_microusd=2 * PRICE)
    run = press(cast.bob, cast.project, "retry", failed, agreed=str(4 * PRICE))
    assert run.state == BulkRun.State.DONE
    assert (run.done, run.skipped) == (2, 2)
    assert queued(cast.project).count() == 2
    said = words.told(run)
    assert said.startswith("2 of 4 shots are in line again. Stopped: This would go over")
    assert len(set(reasons(run).values())) == 1


def test_what_did_not_fail_is_left(cast, failed, asked):
    ready = make_clips(cast.project, 1)
    run = press(cast.bob, cast.project, "retry", failed[:1] + ready, agreed=str(PRICE))
    assert (run.done, run.skipped) == (1, 1)


def test_none_that_failed_is_said_instead_of_a_price(client, cast, asked):
    _, answer = page(client, cast, make_clips(cast.project, 2))
    assert answer.status_code == 409
    assert "None of these failed" in answer.headers["HX-Trigger"]


def test_a_batch_done_twice_buys_nothing_twice(cast, failed, asked):
    """The same items a second time, as when a worker dies between the shot and its note."""
    run = press(cast.bob, cast.project, "retry", failed, agreed=str(4 * PRICE))
    before = set(queued(cast.project).values_list("pk", flat=True))
    Generation.objects.filter(pk__in=[c.pk for c in failed]).update(archived_at=None)
    run.items.update(outcome="", before={})
    BulkRun.objects.filter(pk=run.pk).update(
        state="running", done=0, lease_until=None, params=run.params | {"spent": 0}
    )
    tasks.work_bulk(run.pk)
    assert set(queued(cast.project).values_list("pk", flat=True)) == before


def test_undo_cancels_what_was_not_sent_and_keeps_what_was(cast, failed, asked):
    run = press(cast.bob, cast.project, "retry", failed, agreed=str(4 * PRICE))
    sent = queued(cast.project).order_by("pk").first()
    Generation.objects.filter(pk=sent.pk).update(
        state=State.RUNNING, provider_job_id="job", raw_status="sending"
    )
    run = take_back(cast.bob, run)
    assert not queued(cast.project).exists()
    assert Generation.objects.filter(pk__in=[c.pk for c in failed], archived_at=None).count() == 3
    assert list(reasons(run).values()) == ["It was sent already."]


def test_free_shots_are_free(client, cast, asked):
    clips = make_clips(cast.project, 2, state="failed", clip="")
    text, _ = page(client, cast, clips)
    assert "Free in all" in text
    run = press(cast.bob, cast.project, "retry", clips, agreed="0")
    assert run.done == 2


def test_a_clip_that_was_bought_and_not_downloaded_is_not_bought_again(cast, failed, asked):
    first = failed[0]
    Generation.objects.filter(pk=first.pk).update(
        failure_code="media", charged="yes", provider_job_id="job-1"
    )
    run = press(cast.bob, cast.project, "retry", failed, agreed=str(4 * PRICE))
    assert queued(cast.project).count() == 3
    assert not queued(cast.project).filter(retry_of=first).exists()
    assert reasons(run) == {
        first.number: "Its clip was rendered. Download it again instead of buying another."
    }
