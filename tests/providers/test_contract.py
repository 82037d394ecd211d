"""Every adapter keeps the same contract, over a real socket on loopback."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from studio.providers.base import (
    AuthFailed,
    ImageEnd,
    NotFound,
    OutOfCredit,
    ProtocolError,
    ProviderUnavailable,
    RateLimited,
    Refused,
    Status,
    SubmitUncertain,
)
from studio.providers.catalog import get_spec
from tests.emulator import Emulator, Scripted
from tests.providers.accounts import Account


def test_submit_then_fetch_brings_a_clip(emulator: Emulator, account: Account) -> None:
    emulator.configure(finish_after_s=60)
    provider = account.at(emulator)
    job = provider.submit(account.shot())
    assert job.id
    assert job.status in (Status.QUEUED, Status.RUNNING)
    assert job.result_url == ""
    assert job.charged is None
    emulator.finish_all()
    done = provider.fetch(job.id)
    assert (done.id, done.status, done.charged) == (job.id, Status.SUCCEEDED, True)
    clip = httpx.get(done.result_url)
    assert clip.headers["content-type"] == "video/mp4"
    assert emulator.violations == []


def test_a_submit_answer_may_already_be_final(emulator: Emulator, account: Account) -> None:
    emulator.configure(script=[Scripted("instant")])
    job = account.at(emulator).submit(account.shot())
    # Apiframe's own submit answer carries the word alone; the clip comes with the first poll.
    assert job.status is (Status.RUNNING if account.name == "apiframe" else Status.SUCCEEDED)
    assert account.at(emulator).fetch(job.id).status is Status.SUCCEEDED


def test_the_event_loop_reads_the_same_job(emulator: Emulator, account: Account) -> None:
    provider = account.at(emulator)
    job = provider.submit(account.shot())

    async def look() -> object:
        try:
            return await provider.afetch(job.id)
        finally:
            await provider.aclose()

    assert asyncio.run(look()) == provider.fetch(job.id)


def test_one_adapter_serves_two_event_loops(emulator: Emulator, account: Account) -> None:
    provider = account.at(emulator)
    job = provider.submit(account.shot())
    for _ in range(2):
        assert asyncio.run(provider.afetch(job.id)).status is Status.SUCCEEDED


def test_many_polls_at_once(emulator: Emulator, account: Account) -> None:
    provider = account.at(emulator)
    ids = [provider.submit(account.shot(f"Fox {n}")).id for n in range(8)]

    async def look() -> list[str]:
        try:
            jobs = await asyncio.gather(*(provider.afetch(one) for one in ids * 8))
        finally:
            await provider.aclose()
        return [job.id for job in jobs]

    assert asyncio.run(look()) == ids * 8


@pytest.mark.parametrize("fault", ["moderation", "failed", "capacity", "unreadable_image"])
def test_a_failed_job_says_why(emulator: Emulator, account: Account, fault: str) -> None:
    emulator.configure(script=[Scripted(fault)])
    provider = account.at(emulator)
    job = provider.fetch(provider.submit(account.shot()).id)
    assert job.status is Status.FAILED
    assert job.error
    assert job.charged is (None if account.name == "gmicloud" else False)


def test_an_unknown_state_counts_as_running(emulator: Emulator, account: Account) -> None:
    emulator.configure(script=[Scripted("unknown_state", kind="fetch")])
    provider = account.at(emulator)
    job = provider.fetch(provider.submit(account.shot()).id)
    assert job.raw_status.lower() == "sprouting"
    if account.name == "gmicloud":
        assert job.result_url
    assert job.status is Status.RUNNING


def test_done_without_media_counts_as_running(emulator: Emulator, account: Account) -> None:
    emulator.configure(script=[Scripted("no_media")])
    provider = account.at(emulator)
    assert provider.fetch(provider.submit(account.shot()).id).status is Status.RUNNING


def test_an_unknown_job_is_not_found(emulator: Emulator, account: Account) -> None:
    with pytest.raises(NotFound):
        account.at(emulator).fetch("550e8400-e29b-41d4-a716-446655440000")


def test_a_wrong_key_is_told_apart(emulator: Emulator, account: Account) -> None:
    provider = account.at(emulator, api_key="wrong-key-0123456789")
    with pytest.raises(AuthFailed):
        provider.submit(account.shot())
    with pytest.raises(AuthFailed):
        provider.check_key()
    assert emulator.stats["accepted"] == {}


def test_a_key_with_a_line_break_never_reaches_the_wire(
    emulator: Emulator, account: Account
) -> None:
    provider = account.at(emulator, api_key="two\nlines-0123456789")
    with pytest.raises(AuthFailed, match="characters"):
        provider.submit(account.shot())
    assert emulator.stats["requests"] == {}


def test_an_empty_account_is_out_of_credit(emulator: Emulator, account: Account) -> None:
    emulator.configure(credits=3.0)
    with pytest.raises(OutOfCredit) as caught:
        account.at(emulator).submit(account.shot())
    assert "credit" in caught.value.message
    if account.name == "apiframe":
        assert (caught.value.required, caught.value.available) == (50, 30)
    assert emulator.stats["accepted"] == {}


@pytest.mark.parametrize(
    "fault", ["dropped", "hang_after", "error_after", "html_after", "empty_after", "truncated"]
)
def test_a_submit_without_an_answer_is_uncertain(
    emulator: Emulator, account: Account, fault: str
) -> None:
    emulator.configure(script=[Scripted(fault, kind="submit")])
    with pytest.raises(SubmitUncertain):
        account.at(emulator).submit(account.shot())
    assert sum(emulator.stats["accepted"].values()) == 1
    assert sum(emulator.stats["requests"].values()) == 1


@pytest.mark.parametrize("fault", ["error_500", "error_503", "reset", "html", "hang"])
def test_a_submit_that_may_have_left_is_uncertain_too(
    emulator: Emulator, account: Account, fault: str
) -> None:
    emulator.configure(script=[Scripted(fault, kind="submit")])
    with pytest.raises(SubmitUncertain):
        account.at(emulator).submit(account.shot())
    assert emulator.stats["accepted"] == {}


def test_a_read_timeout_on_a_submit_is_uncertain(emulator: Emulator, account: Account) -> None:
    emulator.configure(script=[Scripted("hang_after", kind="submit")], hang_s=20)
    with pytest.raises(SubmitUncertain):
        account.at(emulator, timeout_s=1.0).submit(account.shot())
    assert sum(emulator.stats["accepted"].values()) == 1


def test_a_slow_body_still_arrives(emulator: Emulator, account: Account) -> None:
    emulator.configure(script=[Scripted("slow_body", kind="submit"), Scripted("slow_body")])
    provider = account.at(emulator)
    assert provider.fetch(provider.submit(account.shot()).id).status is Status.SUCCEEDED


def test_a_body_slower_than_patience_ends(emulator: Emulator, account: Account) -> None:
    job = account.at(emulator).submit(account.shot())
    provider = account.at(emulator, timeout_s=0.4)
    emulator.configure(script=[Scripted("slow_body", times=2)], slow_s=1.6)
    with pytest.raises(ProviderUnavailable):
        provider.fetch(job.id)
    with pytest.raises(ProviderUnavailable):
        asyncio.run(provider.afetch(job.id))


@pytest.mark.parametrize("kind", ["submit", "fetch"])
@pytest.mark.parametrize(("fault", "wait"), [("rate_limited", 7.0), ("rate_limited_bare", None)])
def test_429_buys_nothing_and_says_how_long_to_wait(
    emulator: Emulator, account: Account, kind: str, fault: str, wait: float | None
) -> None:
    provider = account.at(emulator)
    job = provider.submit(account.shot())
    emulator.configure(script=[Scripted(fault)])
    with pytest.raises(RateLimited) as caught:
        if kind == "submit":
            provider.submit(account.shot("Another"))
        else:
            provider.fetch(job.id)
    assert caught.value.retry_after_s == wait
    assert sum(emulator.stats["accepted"].values()) == 1


@pytest.mark.parametrize("fault", ["error_500", "error_503", "reset", "hang", "truncated"])
def test_trouble_while_polling_is_never_uncertain(
    emulator: Emulator, account: Account, fault: str
) -> None:
    provider = account.at(emulator)
    job = provider.submit(account.shot())
    # The event loop's client sends a lost GET once more by itself, hence a third fault.
    emulator.configure(script=[Scripted(fault, times=3)], hang_s=0.1)
    with pytest.raises(ProviderUnavailable):
        provider.fetch(job.id)
    with pytest.raises(ProviderUnavailable):
        asyncio.run(provider.afetch(job.id))


def test_a_web_page_instead_of_an_answer_is_a_protocol_error(
    emulator: Emulator, account: Account
) -> None:
    provider = account.at(emulator)
    job = provider.submit(account.shot())
    emulator.configure(script=[Scripted("html")])
    with pytest.raises(ProtocolError):
        provider.fetch(job.id)


def test_nothing_is_sent_twice_by_itself(emulator: Emulator, account: Account) -> None:
    for fault in ("error_500", "rate_limited", "dropped"):
        emulator.reset()
        emulator.configure(script=[Scripted(fault, kind="submit")])
        with pytest.raises((SubmitUncertain, RateLimited)):
            account.at(emulator).submit(account.shot())
        assert sum(emulator.stats["requests"].values()) == 1


def test_a_closed_port_is_unavailable_not_uncertain(account: Account) -> None:
    with Emulator() as gone:
        provider = account.at(gone)
    with pytest.raises(ProviderUnavailable):
        provider.submit(account.shot())
    with pytest.raises(ProviderUnavailable):
        asyncio.run(provider.afetch("550e8400-e29b-41d4-a716-446655440000"))


def test_the_list_finds_what_no_answer_told(emulator: Emulator, account: Account) -> None:
    if not get_spec(account.slug, account.model).lists_jobs:
        with pytest.raises(NotImplementedError):
            account.at(emulator).find_recent(model=account.model, since=datetime.now(UTC))
        return
    emulator.configure(script=[Scripted("dropped", kind="submit", skip=1)])
    provider = account.at(emulator)
    since = datetime.now(UTC) - timedelta(seconds=5)
    known = provider.submit(account.shot("Known"))
    with pytest.raises(SubmitUncertain):
        provider.submit(account.shot("Lost on the way"))
    found = provider.find_recent(model=account.model, since=since, skip={known.id})
    assert [job.prompt for job in found] == ["Lost on the way"]
    assert found[0].created_at is not None
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert list(provider.find_recent(model=account.model, since=later)) == []


def test_long_lists_are_read_page_by_page(emulator: Emulator, account: Account) -> None:
    if not get_spec(account.slug, account.model).lists_jobs:
        return
    provider = account.at(emulator)
    since = datetime.now(UTC) - timedelta(seconds=5)
    for n in range(105):
        provider.submit(account.shot(f"Fox {n}"))
    found = provider.find_recent(model=account.model, since=since)
    assert len({job.id for job in found}) == 105


def test_an_uploaded_picture_can_be_sent(emulator: Emulator, account: Account) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(64)
    provider = account.at(emulator)
    if not get_spec(account.slug, account.model).uploads:
        with pytest.raises(NotImplementedError):
            provider.upload_image(png, "image/png")
        return
    url = provider.upload_image(png, "image/png")
    provider.submit(account.shot(start=ImageEnd(url), end=ImageEnd(url)))
    assert httpx.get(url).content == png
    assert emulator.violations == []


def test_a_picture_nobody_can_reach_is_refused(emulator: Emulator, account: Account) -> None:
    provider = account.at(emulator)
    with pytest.raises(Refused) as caught:
        provider.submit(account.shot(start=ImageEnd(f"{emulator.url}/media/uploads/none")))
    assert "frame" in caught.value.message
    assert emulator.stats["accepted"] == {}


def test_an_unknown_model_is_refused_before_anything_is_sent(
    emulator: Emulator, account: Account
) -> None:
    with pytest.raises(Refused) as caught:
        account.at(emulator).submit(account.shot(model="ray-99"))
    assert "model" in caught.value.fields
    assert emulator.stats["requests"] == {}


def test_the_payload_shown_is_the_payload_sent(emulator: Emulator, account: Account) -> None:
    provider = account.at(emulator)
    request = account.shot(concepts=("push_in", "aerial"), aspect_ratio="9:16")
    provider.submit(request)
    assert emulator.received[0]["body"] == provider.payload(request)


def test_keys_and_signatures_stay_out_of_sight(
    emulator: Emulator, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="studio")
    provider = account.at(emulator)
    key = emulator.key(account.slug)
    callback = "https://studio.example/hooks/secret-token"
    job = provider.fetch(provider.submit(account.shot(f"Say {key}", callback_url=callback)).id)
    assert "Signature" in job.result_url
    seen = f"{job.raw} {job.error} {provider!r} {provider._door!r} {caplog.text}"
    assert key not in seen
    assert "Signature=" not in seen
    assert "secret-token" not in seen
    with pytest.raises(NotFound) as caught:
        provider.fetch("550e8400-e29b-41d4-a716-446655440000")
    assert key not in f"{caught.value!r} {caught.value.detail}"
