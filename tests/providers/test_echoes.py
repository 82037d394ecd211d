"""What answers repeat of their requests, in our terms."""

from __future__ import annotations

from typing import Any

import pytest

from studio.providers.base import ImageEnd, JobEnd, RequestEcho
from studio.providers.echoes import read_echo
from tests.emulator import Emulator
from tests.providers.accounts import AIMLAPI, APIFRAME, GMI, LEGACY, LUMA, Account

ID = "7c880e75-9892-4238-8464-49cb0c6deabd"
FRAME = "https://studio.example/media/fetch/a.png"
LAST = "https://bucket.example/b.png"


def echo_of(account: Account, body: dict[str, Any]) -> RequestEcho:
    return account.answering(200, {"id": ID, "status": "queued"} | body).fetch(ID).echo


@pytest.mark.parametrize("account", [APIFRAME, LEGACY, GMI, LUMA], ids=lambda account: account.name)
def test_a_request_comes_back_as_it_was_asked(emulator: Emulator, account: Account) -> None:
    emulator.configure(finish_after_s=600)
    provider = account.at(emulator)
    plain = provider.fetch(provider.submit(account.shot(duration_s=9)).id).echo
    native = account in (APIFRAME, LUMA)
    assert plain == RequestEcho(
        prompt="A fox in the snow",
        duration_s=9,
        aspect_ratio="16:9",
        resolution=None if account is APIFRAME else "720p",
        loop=False,
        concepts=() if native else None,
        start="",
        end="",
    )
    picture = f"{emulator.url}/media/none.png"
    looped = account.shot(loop=True, aspect_ratio="9:16", concepts=("push_in", "low_angle"))
    echo = provider.fetch(provider.submit(looped).id).echo
    assert (echo.loop, echo.aspect_ratio) == (True, "9:16")
    assert echo.concepts == (("push_in", "low_angle") if native else None)
    body = provider.payload(account.shot(start=ImageEnd(f"{picture}?Signature=s#x")))
    assert "Signature" in str(body)


def test_luma_repeats_frames_and_ids() -> None:
    frames = {
        "frame0": {"type": "image", "url": f"{FRAME}?Signature=s#top"},
        "frame1": {"type": "generation", "id": ID},
    }
    request = {"prompt": "A fox", "keyframes": frames}
    for account in (LUMA, LEGACY):
        echo = echo_of(account, {"request": request})
        assert (echo.start, echo.end) == (FRAME, f"job:{ID}")
    only = {"prompt": "A fox", "keyframes": {"frame0": None}}
    assert echo_of(LUMA, {"request": only}).start == ""
    assert echo_of(LUMA, {"request": only}).end is None
    whole = only | {"aspect_ratio": "16:9"}
    assert echo_of(LUMA, {"request": whole}).end == ""


def test_apiframe_repeats_its_parameters_with_or_without_their_object() -> None:
    params = {"duration": 5, "aspect_ratio": "1:1", "start_image": FRAME, "end_image": LAST}
    for given in ({"prompt": "A fox", "lumaParams": params}, {"prompt": "A fox", **params}):
        echo = echo_of(APIFRAME, {"input": given})
        assert (echo.prompt, echo.duration_s, echo.start, echo.end) == ("A fox", 5, FRAME, LAST)


def test_gmi_repeats_pictures_but_not_comparable_ids() -> None:
    pictures = {"prompt": "A fox", "frame0_image": FRAME, "frame1_image": ""}
    echo = echo_of(GMI, {"payload": pictures})
    assert (echo.start, echo.end) == (FRAME, "")
    ids = {"prompt": "A fox", "aspect_ratio": "16:9", "start_frame_generation_id": "clip-1"}
    echo = echo_of(GMI, {"payload": ids})
    assert (echo.start, echo.end) == (None, "")
    assert echo_of(GMI, {"payload": {}}) == RequestEcho()


def test_the_universal_endpoint_repeats_nothing() -> None:
    assert echo_of(AIMLAPI, {}) == RequestEcho()


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, 5), (5.0, 5), ("5", 5), ("5s", 5), ("9 s", 9), ("5.0s", 5)]
    + [(odd, None) for odd in (0, -5, 5.5, 1e300, 10**40, "5m", "", None, True, [5], {"s": 5})],
)
def test_lengths(value: Any, expected: int | None) -> None:
    assert read_echo({"duration": value}).duration_s == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), (False, False), ("true", True), ("False", False)]
    + [(odd, None) for odd in (None, "yes", 2, [], {})],
)
def test_loops(value: Any, expected: bool | None) -> None:
    assert read_echo({"loop": value}).loop is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["push_in"], ("push_in",)),
        ([{"key": "push_in"}, "aerial"], ("push_in", "aerial")),
        ([], ()),
        (None, None),
        ("push_in", None),
        ([7], None),
        ([{"name": "push_in"}], None),
    ],
)
def test_concepts(value: Any, expected: tuple[str, ...] | None) -> None:
    assert read_echo({"concepts": value}).concepts == expected


@pytest.mark.parametrize("value", [7, True, [], {}, {"url": 7}, {"id": []}, "?q", "x" * 30_000])
def test_odd_ends_are_not_told(value: Any) -> None:
    echo = read_echo({"start_image": value})
    assert echo.start is None or len(echo.start) <= 20_000


@pytest.mark.parametrize("request_", [None, 7, "x", [], [{"prompt": "A fox"}]])
def test_an_odd_echo_is_no_echo(request_: Any) -> None:
    assert read_echo(request_) == RequestEcho()


def test_ends_of_a_job_compare_with_the_request() -> None:
    body = LUMA.answering(200, {}).payload(LUMA.shot(start=JobEnd(ID), end=ImageEnd(LAST)))
    echo = echo_of(LUMA, {"request": dict(body)})
    assert (echo.start, echo.end) == (f"job:{ID}", LAST)
