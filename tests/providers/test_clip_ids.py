"""Ends given by job id: AI/ML API's id forms, and GMI Cloud's clip ids."""

from __future__ import annotations

import pytest

from studio.providers.base import EndUnusable, JobEnd, Refused, Status
from tests.emulator import Emulator
from tests.providers.accounts import AIMLAPI, GMI, LEGACY, LUMA, Account


def test_the_full_id_is_tried_first(emulator: Emulator) -> None:
    emulator.configure(strict_ids=False)
    provider = AIMLAPI.at(emulator)
    parent = provider.submit(AIMLAPI.shot("Parent"))
    provider.submit(AIMLAPI.shot("Child", start=JobEnd(parent.id)))
    assert emulator.received[1]["body"]["keyframes"]["frame0"]["id"] == parent.id
    assert emulator.stats["requests"]["aimlapi.submit"] == 2


@pytest.mark.parametrize("end", ["start", "end"])
def test_a_refused_id_is_tried_once_without_its_model(emulator: Emulator, end: str) -> None:
    provider = AIMLAPI.at(emulator)
    parent = provider.submit(AIMLAPI.shot("Parent"))
    assert ":" in parent.id
    provider.submit(AIMLAPI.shot("Child", **{end: JobEnd(parent.id)}))
    frames = emulator.received[1]["body"]["keyframes"]
    (frame,) = frames.values()
    assert frame == {"type": "generation", "id": parent.id.partition(":")[0]}
    assert emulator.stats["requests"]["aimlapi.submit"] == 3
    assert emulator.stats["accepted"]["aimlapi"] == 2
    assert emulator.violations == []


def test_an_id_that_is_no_uuid_at_all_asks_for_a_frame(emulator: Emulator) -> None:
    emulator.configure(aimlapi_ids="nanoid")
    provider = AIMLAPI.at(emulator)
    parent = provider.submit(AIMLAPI.shot("Parent"))
    with pytest.raises(EndUnusable) as caught:
        provider.submit(AIMLAPI.shot("Child", start=JobEnd(parent.id)))
    assert set(caught.value.fields) == {"start"}
    assert emulator.stats["requests"]["aimlapi.submit"] == 2
    assert emulator.stats["accepted"]["aimlapi"] == 1


def test_a_shortened_id_that_is_no_uuid_is_not_tried(emulator: Emulator) -> None:
    with pytest.raises(EndUnusable):
        AIMLAPI.at(emulator).submit(AIMLAPI.shot("Child", end=JobEnd("V2cdWP9kao8x:luma/ray-2")))
    assert emulator.stats["requests"]["aimlapi.submit"] == 1


def test_an_id_nobody_knows_asks_for_a_frame_after_two_tries(emulator: Emulator) -> None:
    unknown = "550e8400-e29b-41d4-a716-446655440000:luma/ray-2"
    with pytest.raises(EndUnusable):
        AIMLAPI.at(emulator).submit(AIMLAPI.shot("Child", start=JobEnd(unknown)))
    assert emulator.stats["requests"]["aimlapi.submit"] == 2
    assert emulator.stats["accepted"] == {}


def test_a_refusal_of_something_else_is_not_tried_again() -> None:
    provider = AIMLAPI.answering(400, {"message": "prompt violates our policy"})
    with pytest.raises(Refused) as caught:
        provider.submit(AIMLAPI.shot(start=JobEnd("550e8400-e29b-41d4-a716-446655440000:x")))
    assert not isinstance(caught.value, EndUnusable)


@pytest.mark.parametrize("account", [LEGACY, LUMA], ids=lambda account: account.name)
def test_plain_ids_extend_in_one_try(emulator: Emulator, account: Account) -> None:
    provider = account.at(emulator)
    parent = provider.submit(account.shot("Parent"))
    child = provider.submit(account.shot("Child", start=JobEnd(parent.id), loop=True))
    assert child.status in (Status.QUEUED, Status.RUNNING, Status.SUCCEEDED)
    assert emulator.stats["requests"][f"{account.name}.submit"] == 2
    assert emulator.violations == []


def test_gmi_looks_up_the_clip_behind_the_request(emulator: Emulator) -> None:
    provider = GMI.at(emulator)
    model = "luma-ray-3-2-generate"
    parent = provider.submit(GMI.shot("Parent", model=model))
    provider.submit(GMI.shot("Child", model=model, start=JobEnd(parent.id)))
    (first, second) = emulator.jobs()
    assert second.body["payload"]["start_frame_generation_id"] == first.clip_id
    assert emulator.violations == []


def test_gmi_asks_for_a_frame_when_there_is_no_clip_id(emulator: Emulator) -> None:
    provider = GMI.at(emulator)
    parent = provider.submit(GMI.shot("Parent"))
    model = "luma-ray-3-2-generate"
    for job_id in (parent.id, "550e8400-e29b-41d4-a716-446655440000"):
        with pytest.raises(EndUnusable) as caught:
            provider.submit(GMI.shot("Child", model=model, end=JobEnd(job_id)))
        assert set(caught.value.fields) == {"end"}
    assert emulator.stats["accepted"] == {"gmicloud": 1}
