"""Another provider takes over only after a verified failure, and only at an allowed price."""

from __future__ import annotations

import uuid

import pytest

from studio.models import Generation, Price, ProviderAccount
from studio.models.generation import Charged, State
from studio.services.errors import StudioError
from studio.services.work import failover
from tests.factories import make_generation
from tests.paid import account_at


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
