"""What the network can do to a call, and what must never come out of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import httpx
import pytest

from studio.providers.base import ProtocolError, ProviderUnavailable, SubmitUncertain
from studio.providers.calls import Call, read_retry_after
from studio.providers.http import MAX_ANSWER_BYTES, Door, _proxy_for
from studio.providers.masking import HIDDEN, mask_text, scrub

NEVER_SENT = [
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
]
MAY_HAVE_LEFT = [
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx.ReadError,
    httpx.WriteError,
    httpx.CloseError,
    httpx.RemoteProtocolError,
    httpx.DecodingError,
]
FREE = Call("GET", "/x", lambda data: data)
PAID = Call("POST", "/x", lambda data: data, json={}, paid=True)


def door(handler: object) -> Door:
    return Door(
        label="Testing",
        base_url="https://api.example/v1/",
        headers={"X-API-Key": "top-secret"},
        secrets=("top-secret",),
        explain=lambda answer: None,
        transport=httpx.MockTransport(handler),  # type: ignore[arg-type]
    )


def raising(error: type[Exception]) -> Door:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error("failed with top-secret")

    return door(handler)


@pytest.mark.parametrize("error", NEVER_SENT)
def test_a_paid_call_that_never_left_is_plainly_unavailable(error: type[Exception]) -> None:
    with pytest.raises(ProviderUnavailable, match="isn't answering"):
        raising(error).send(PAID)


@pytest.mark.parametrize("error", MAY_HAVE_LEFT)
def test_a_paid_call_that_may_have_left_is_uncertain(error: type[Exception]) -> None:
    with pytest.raises(SubmitUncertain) as caught:
        raising(error).send(PAID)
    assert "top-secret" not in caught.value.detail
    with pytest.raises(ProviderUnavailable):
        raising(error).send(FREE)


@pytest.mark.parametrize("error", [httpx.ConnectTimeout, aiohttp.ServerDisconnectedError])
def test_on_the_event_loop_only_a_refused_connection_proves_nothing_left(
    error: type[Exception],
) -> None:
    with pytest.raises(SubmitUncertain):
        asyncio.run(raising(error).asend(PAID))
    with pytest.raises(ProviderUnavailable):
        asyncio.run(raising(httpx.ConnectError).asend(PAID))


def test_an_endless_answer_is_cut_off() -> None:
    big = door(lambda request: httpx.Response(200, content=b"x" * (MAX_ANSWER_BYTES + 1)))
    with pytest.raises(ProtocolError, match="more data"):
        big.send(FREE)
    with pytest.raises(ProtocolError, match="more data"):
        asyncio.run(big.asend(FREE))
    with pytest.raises(SubmitUncertain):
        big.send(PAID)


def test_paths_join_the_base_url_and_carry_the_key_in_a_header_only() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"ok": True})

    gate = door(handler)
    assert gate.send(Call("GET", "/jobs", lambda data: data["ok"], params={"id": "a:b/c"})) is True
    assert str(seen[0].url) == "https://api.example/v1/jobs?id=a%3Ab%2Fc"
    assert seen[0].headers["x-api-key"] == "top-secret"
    assert "top-secret" not in repr(gate)


def test_presigned_uploads_go_without_the_key_and_over_https_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    gate = door(handler)
    gate.put_file("https://storage.example/put?sig=1", b"data", "image/png")
    assert "x-api-key" not in seen[0].headers
    assert seen[0].headers["content-type"] == "image/png"
    assert "sig=1" not in caplog.text
    with pytest.raises(ProtocolError):
        gate.put_file("http://storage.example/put", b"data", "image/png")
    with pytest.raises(ProtocolError):
        gate.put_file("file:///etc/passwd", b"data", "image/png")
    refusing = door(lambda request: httpx.Response(403))
    with pytest.raises(ProviderUnavailable, match="403"):
        refusing.put_file("https://storage.example/put", b"data", "image/png")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.5", "[::1]", "169.254.169.254", "inside.example"]
)
def test_a_presigned_upload_does_not_lead_inside(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    look_up = {"inside.example": ["203.0.114.7", "192.168.0.9"]}
    monkeypatch.setattr(
        "studio.providers.http.resolve_host",
        lambda name, port: look_up.get(name) or [name],
    )
    gate = door(lambda request: pytest.fail(f"{request.url} was asked"))
    with pytest.raises(ProtocolError, match="not public"):
        gate.put_file(f"https://{host}/put", b"data", "image/png")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("999999", 3600.0),
        ("inf", 3600.0),
        ("nan", None),
        ("soon", None),
    ],
)
def test_retry_after_in_seconds(value: str, expected: float | None) -> None:
    assert read_retry_after(value) == expected


def test_retry_after_as_a_date() -> None:
    later = read_retry_after(
        format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    )
    assert later is not None and 85 < later <= 90
    earlier = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    assert read_retry_after(earlier) == 0.0


def test_masking_hides_keys_queries_and_user_names() -> None:
    text = "key abc-123 at https://bob:pw@host/a.mp4?Signature=s&x=1 and https://host/b#frag end"
    masked = mask_text(text, ("abc-123", ""))
    assert masked == f"key {HIDDEN} at https://host/a.mp4?… and https://host/b?… end"


def test_scrubbing_keeps_the_shape() -> None:
    raw = {
        "input": {"webhookUrl": "https://x/hooks/t", "n": [1, None, True, "k-1"]},
        "callback_url": None,
        "k-1": 2,
    }
    assert scrub(raw, ("k-1",)) == {
        "input": {"webhookUrl": HIDDEN, "n": [1, None, True, HIDDEN]},
        "callback_url": None,
        HIDDEN: 2,
    }


def test_scrubbing_ends_on_deep_values() -> None:
    deep: object = "x"
    for _ in range(50):
        deep = [deep]
    assert "…" in str(scrub(deep))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example", "http://proxy.example:3128"),
        ("http://api.example", None),
        ("https://inside.example", None),
    ],
)
def test_the_event_loop_honours_the_environments_proxy(
    monkeypatch: pytest.MonkeyPatch, url: str, expected: str | None
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    proxy = _proxy_for(url)
    assert (str(proxy.url) if proxy else None) == expected
