"""The older endpoint answers for many jobs in one request."""

from __future__ import annotations

import asyncio

import pytest

from studio.providers.base import ProtocolError, ProviderUnavailable, Status
from tests.emulator import Emulator, Scripted
from tests.providers.accounts import APIFRAME, LEGACY


@pytest.mark.parametrize("shape", ["list", "generations", "data", "map"])
def test_many_jobs_in_one_request(emulator: Emulator, shape: str) -> None:
    emulator.configure(batch_shape=shape)
    provider = LEGACY.at(emulator)
    ids = [provider.submit(LEGACY.shot(f"Fox {n}")).id for n in range(5)]

    async def look() -> object:
        try:
            return await provider.afetch_many(ids)
        finally:
            await provider.aclose()

    jobs = provider.fetch_many(ids)
    assert asyncio.run(look()) == jobs
    assert list(jobs) == ids
    assert {job.status for job in jobs.values()} == {Status.SUCCEEDED}
    assert all(key == job.id for key, job in jobs.items())
    assert emulator.stats["requests"]["legacy.batch"] == 2
    assert emulator.violations == []


def test_a_job_left_out_is_absent(emulator: Emulator) -> None:
    provider = LEGACY.at(emulator)
    ids = [provider.submit(LEGACY.shot(f"Fox {n}")).id for n in range(3)]
    emulator.configure(script=[Scripted("missing", subject=ids[1])])
    assert set(provider.fetch_many([*ids, "unknown"])) == {ids[0], ids[2]}


def test_nothing_asked_nothing_sent(emulator: Emulator) -> None:
    provider = LEGACY.at(emulator)
    assert provider.fetch_many([]) == {}
    assert asyncio.run(provider.afetch_many([])) == {}
    assert emulator.stats["requests"] == {}


def test_one_odd_row_hides_no_other() -> None:
    rows = [{"id": "a", "state": "queued"}, {"id": "b"}, None, 5, {"state": "queued"}]
    assert set(LEGACY.answering(200, rows).fetch_many(["a", "b"])) == {"a"}


def test_an_unreadable_batch_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        LEGACY.answering(200, "7").fetch_many(["a"])


def test_trouble_hits_the_whole_batch(emulator: Emulator) -> None:
    emulator.configure(script=[Scripted("error_503", kind="batch")])
    with pytest.raises(ProviderUnavailable):
        LEGACY.at(emulator).fetch_many(["a"])


def test_the_others_have_no_batch(emulator: Emulator) -> None:
    with pytest.raises(NotImplementedError):
        asyncio.run(APIFRAME.at(emulator).afetch_many(["a"]))
