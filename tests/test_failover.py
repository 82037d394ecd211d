"""Another provider takes over only after a verified failure, and only at an allowed price."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from studio.models import Generation, Price, Project, ProviderAccount
from studio.models.generation import Charged, State
from studio.providers.base import Job, Refused
from studio.providers.registry import make_provider
from studio.services.errors import StudioError
from studio.services.work import failover, recovery
from studio.services.work.submitting import submit_next
from tests.factories import make_generation
from tests.paid import account_at, again, queue_shot


@pytest.fixture
def failed(project, emulator, asked) -> Generation:
    """A Luma shot that failed for want of capacity, not charged, with Apiframe able to do it."""
    account_at(emulator, "apiframe")
    return make_generation(
        project,
        account=account_at(emulator, "luma"),
        model="ray-2",
        resolution="720p",
        state=State.FAILED,
        failure_code="capacity",
        charged=Charged.NO,
        estimated_microusd=710_000,
    )


def price(provider: str, model: str, microusd: int) -> None:
    Price.objects.update_or_create(
        provider=provider, model=model, duration_s=5, resolution="720p",
        defaults={"microusd": microusd, "edited": True},
    )  # fmt: skip


def test_the_next_offer_is_the_cheapest_other_provider(failed):
    price("apiframe", "luma-ray-2", 500_000)
    price("apiframe", "luma-ray-flash-2", 900_000)
    offer = failover.next_offer(failed)
    assert (offer.spec.provider, offer.spec.id) == ("apiframe", "luma-ray-2")


@pytest.mark.parametrize("code", ["moderation", "image", "prompt", "media", "neighbour"])
def test_what_every_provider_would_refuse_is_offered_nowhere(failed, code):
    failed.failure_code = code
    assert failover.next_offer(failed) is None


@pytest.mark.parametrize(
    ("code", "goes_on"),
    [
        ("moderation", 0),
        ("image", 0),
        ("prompt", 0),
        ("refused", 0),
        ("unsupported", 1),
        ("capacity", 1),
    ],
)
def test_the_code_of_a_refusal_decides_and_no_words_in_it(
    project, emulator, asked, monkeypatch, code, goes_on
):
    account_at(emulator, "apiframe")
    price("apiframe", "luma-ray-2", 100_000)
    project.failover_microusd = 10_000_000
    project.save(update_fields=["failover_microusd"])

    def submit(self: object, request: object) -> Job:
        raise Refused("Upstream has no capacity; moderation, 400, validation.", code=code)

    monkeypatch.setattr(type(make_provider("luma", api_key="k" * 20)), "submit", submit)
    shot = queue_shot(project, account_at(emulator, "luma"), estimated_microusd=710_000)
    submit_next(shot.account_id)
    assert again(shot).failure_code == code
    asked.run("fail_over")
    assert Generation.objects.filter(retry_of=shot).count() == goes_on


def test_a_held_account_takes_nothing_over(failed):
    ProviderAccount.objects.filter(provider="apiframe").update(hold_reason="credit")
    assert failover.next_offer(failed) is None


@pytest.mark.parametrize("state", [State.UNCERTAIN, State.STALLED, State.ABANDONED, State.RUNNING])
def test_an_unknown_outcome_never_fails_over(failed, state):
    failed.state = state
    assert failover.next_offer(failed) is None


def test_a_person_sends_it_on_in_the_failed_ones_place(failed, asked):
    offer = failover.next_offer(failed)
    token = uuid.uuid4()
    made = [
        failover.fail_over(generation=g, by=failed.by, offer_value=offer.value, request_token=token)
        for g in (failed, failed)
    ]
    assert made[0] == made[1], "pressed twice, bought once"
    assert (made[0].provider, made[0].shot, made[0].take) == ("apiframe", failed.shot, 2)
    assert made[0].retry_of == failed
    failed.refresh_from_db()
    assert failed.archived_at


def test_a_price_that_was_not_shown_is_refused(failed):
    with pytest.raises(StudioError, match="cannot take this shot over any more"):
        failover.fail_over(
            generation=failed,
            by=failed.by,
            offer_value="999:luma-ray-2",
            request_token=uuid.uuid4(),
        )
    assert Generation.objects.count() == 1


def automatic(failed, most: int | None) -> str:
    failed.project.failover_microusd = most
    failed.project.save(update_fields=["failover_microusd"])
    return failover.fail_over_by_itself(failed.pk)


def test_nothing_happens_by_itself_unless_the_project_says_so(failed):
    assert automatic(failed, None).startswith("skipped")
    assert Generation.objects.count() == 1


def test_by_itself_up_to_the_difference_the_project_names(failed):
    price("apiframe", "luma-ray-2", 1_000_000)
    price("apiframe", "luma-ray-flash-2", 1_500_000)
    assert "dearer" in automatic(failed, 200_000)
    assert automatic(failed, 300_000).startswith("goes on at Apiframe")
    assert automatic(failed, 300_000).startswith("skipped")
    assert Generation.objects.count() == 2


@pytest.mark.parametrize("charged", [Charged.YES, Charged.UNKNOWN])
def test_by_itself_never_after_a_charge_or_a_doubt(failed, charged):
    Generation.objects.filter(pk=failed.pk).update(charged=charged)
    assert automatic(failed, 10_000_000).startswith("skipped")
    assert Generation.objects.count() == 1


def test_an_account_that_failed_it_once_is_not_asked_again(failed, emulator):
    made = failover.fail_over(
        generation=failed, by=failed.by, offer_value=failover.next_offer(failed).value, request_token=uuid.uuid4(),
    )  # fmt: skip
    Generation.objects.filter(pk=made.pk).update(
        state=State.FAILED,
        failure_code="capacity",
        charged=Charged.NO,
        finished_at=failed.finished_at,
    )
    made.refresh_from_db()
    assert failover.next_offer(made) is None
    ProviderAccount.objects.filter(provider="apiframe").update(enabled=False)


# ---- A task that was lost ----------------------------------------------------------------------


def allow(failed, most: int = 10_000_000, *, minutes_ago: float = 4.0) -> None:
    failed.project.failover_microusd = most
    failed.project.save(update_fields=["failover_microusd"])
    then = timezone.now() - timedelta(minutes=minutes_ago)
    Generation.objects.filter(pk=failed.pk).update(finished_at=then)
    failed.refresh_from_db()


def lost(asked) -> int:
    """How often the next look after stuck shots asks for a take-over."""
    asked.clear()
    recovery.revive()
    return asked.count("fail_over")


def pass_time(failed) -> None:
    """Let the pause before the next question be over, if it is one of this minute."""
    soon = Generation.objects.filter(next_poll_at__lt=timezone.now() + timedelta(minutes=5))
    soon.update(next_poll_at=timezone.now() - timedelta(seconds=1))


def test_a_lost_take_over_is_asked_for_again(failed, asked):
    allow(failed)
    assert lost(asked) == 1
    assert lost(asked) == 0, "it was asked for just now"
    pass_time(failed)
    assert lost(asked) == 1, "that one was lost too"
    asked.run("fail_over")
    fresh = Generation.objects.get(retry_of=failed)
    assert fresh.provider == "apiframe"
    pass_time(failed)
    assert lost(asked) == 0
    assert failover.fail_over_by_itself(failed.pk).startswith("skipped")
    assert Generation.objects.count() == 2


def test_the_first_question_gets_its_time(failed, asked):
    allow(failed, minutes_ago=0.1)
    assert lost(asked) == 0


def test_what_was_answered_once_is_not_asked_again(failed, asked):
    allow(failed, most=0)
    price("apiframe", "luma-ray-2", 1_000_000)
    price("apiframe", "luma-ray-flash-2", 1_000_000)
    assert lost(asked) == 1
    asked.run("fail_over")
    assert Generation.objects.count() == 1, "it is dearer than allowed"
    pass_time(failed)
    assert lost(asked) == 0


def test_allowing_it_later_sends_nothing_on_that_was_answered(failed, asked):
    assert automatic(failed, None).startswith("skipped")
    allow(failed)
    assert lost(asked) == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"charged": Charged.YES},
        {"charged": Charged.UNKNOWN},
        {"failure_code": "moderation"},
        {"archived_at": timezone.now()},
        {"finished_at": timezone.now() - timedelta(hours=2)},
        {"created_at": timezone.now() - timedelta(days=2)},
        {"provider": "previs"},
    ],
)
def test_only_what_may_be_taken_over_is_asked_for(failed, asked, fields):
    allow(failed)
    Generation.objects.filter(pk=failed.pk).update(**fields)
    assert lost(asked) == 0


def test_in_an_archived_project_nothing_is_asked_for(failed, asked):
    allow(failed)
    Project.objects.update(archived_at=timezone.now())
    assert lost(asked) == 0


def test_what_somebody_tried_again_is_not_sent_on_as_well(failed, asked):
    allow(failed)
    fresh = make_generation(failed.project, shot=failed.shot, take=2, state=State.QUEUED)
    assert lost(asked) == 1
    asked.run("fail_over")
    assert set(Generation.objects.all()) == {failed, fresh}


def test_a_sisters_take_over_stands_in_nobodys_way(failed, asked):
    """Two takes asked for at once, both failed: each goes on elsewhere."""
    fields = ("account", "model", "resolution", "state", "failure_code", "charged")
    sister = make_generation(
        failed.project, shot=failed.shot, take=2, estimated_microusd=710_000,
        **{name: getattr(failed, name) for name in fields},
    )  # fmt: skip
    allow(failed)
    asked_for = failed.finished_at - timedelta(minutes=1)
    Generation.objects.update(created_at=asked_for, finished_at=failed.finished_at)
    for shot in (failed, sister):
        assert failover.fail_over_by_itself(shot.pk).startswith("goes on"), shot
    assert Generation.objects.filter(shot=failed.shot).count() == 4


def test_a_take_over_happens_whole_or_not_at_all(failed, asked, monkeypatch):
    allow(failed)
    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(failover.lifecycle, "touch", away)
        failover.fail_over_by_itself(failed.pk)
    assert Generation.objects.count() == 1
    assert lost(asked) == 1


def away(*args, **options):
    raise OperationalError("the connection is lost")


def test_by_itself_only_the_same_model_takes_over(failed):
    price("apiframe", "luma-ray-2", 900_000)
    price("apiframe", "luma-ray-flash-2", 100_000)
    assert failover.next_offer(failed).spec.id == "luma-ray-flash-2", "people may choose it"
    assert automatic(failed, 10_000_000).startswith("goes on at Apiframe")
    assert Generation.objects.get(retry_of=failed).model == "luma-ray-2"
