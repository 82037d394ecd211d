"""Webhooks only say "look now": signed by Apiframe, bare from Luma and the older endpoint."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from studio.providers.base import WebhookHint
from studio.providers.registry import make_provider
from tests.emulator import Emulator, Scripted
from tests.providers.accounts import AIMLAPI, APIFRAME, GMI, LEGACY, LUMA, Account

KEY = "test-key-0123456789"
BODY = json.dumps({"event": "completed", "jobId": "j-1", "status": "COMPLETED"}).encode()


def signature(form: str, body: bytes = BODY, key: str = KEY) -> str:
    digest = sha256(key.encode())
    secret = digest.digest() if form == "raw digest" else digest.hexdigest().encode()
    return hmac.new(secret, body, sha256).hexdigest()


@pytest.mark.parametrize("prefix", ["sha256=", "", "SHA256="])
@pytest.mark.parametrize("form", ["raw digest", "hex text"])
def test_both_forms_of_the_signature_are_accepted(form: str, prefix: str) -> None:
    headers = {"x-WEBHOOK-signature": prefix + signature(form), "X-Webhook-Event": "completed"}
    hint = APIFRAME.answering(200).parse_webhook(headers, BODY)
    assert hint == WebhookHint("j-1", "completed", form)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Webhook-Signature": ""},
        {"X-Webhook-Signature": "sha256="},
        {"X-Webhook-Signature": "sha256=" + "0" * 64},
        {"X-Webhook-Signature": signature("raw digest", BODY + b" ")},
        {"X-Webhook-Signature": signature("raw digest", key="another-key")},
        {"X-Webhook-Signature": "é" * 64},
    ],
)
def test_a_forged_call_is_nothing(headers: dict[str, str]) -> None:
    assert APIFRAME.answering(200).parse_webhook(headers, BODY) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"not json", b'{"jobId": 5.5}', b"\xff"])
def test_a_signed_but_unreadable_call_is_nothing(body: bytes) -> None:
    headers = {"X-Webhook-Signature": signature("raw digest", body)}
    assert APIFRAME.answering(200).parse_webhook(headers, body) is None


def test_an_account_without_a_key_believes_nobody() -> None:
    provider = make_provider("apiframe", api_key="")
    headers = {"X-Webhook-Signature": signature("raw digest", key="")}
    assert provider.parse_webhook(headers, BODY) is None


@pytest.mark.parametrize("account", [LUMA, LEGACY], ids=lambda account: account.name)
def test_an_unsigned_call_names_its_job(account: Account) -> None:
    provider = account.answering(200)
    body = json.dumps({"id": "g-1", "state": "completed"}).encode()
    assert provider.parse_webhook({}, body) == WebhookHint("g-1", "completed")
    for broken in (b"", b"{}", b"[1]", b"null", b"[" * 100_000):
        assert provider.parse_webhook({}, broken) is None


@pytest.mark.parametrize("account", [AIMLAPI, GMI], ids=lambda account: account.name)
def test_who_calls_nobody_back_has_no_webhook(account: Account) -> None:
    with pytest.raises(NotImplementedError):
        account.answering(200).parse_webhook({}, BODY)


@contextmanager
def listener() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]], threading.Semaphore]]:
    calls: list[tuple[dict[str, str], bytes]] = []
    arrived = threading.Semaphore(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            calls.append((dict(self.headers), body))
            self.send_response(200)
            self.end_headers()
            arrived.release()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks/x/token", calls, arrived
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("form", ["raw digest", "hex text"])
def test_the_emulators_signature_is_believed_and_its_forgery_is_not(
    emulator: Emulator, form: str
) -> None:
    emulator.configure(signature=form, script=[Scripted("forged_webhook")])
    provider = APIFRAME.at(emulator)
    with listener() as (url, calls, arrived):
        job = provider.submit(APIFRAME.shot(callback_url=url))
        assert arrived.acquire(timeout=30) and arrived.acquire(timeout=30)
    forged, true = (provider.parse_webhook(*call) for call in calls)
    assert forged is None
    assert true == WebhookHint(job.id, "completed", form)


@pytest.mark.parametrize("account", [LUMA, LEGACY], ids=lambda account: account.name)
def test_callbacks_come_at_the_start_and_at_the_end(emulator: Emulator, account: Account) -> None:
    emulator.configure(finish_after_s=0.2)
    provider = account.at(emulator)
    with listener() as (url, calls, arrived):
        job = provider.submit(account.shot(callback_url=url))
        assert arrived.acquire(timeout=30) and arrived.acquire(timeout=30)
    hints = [provider.parse_webhook(*call) for call in calls]
    assert hints == [WebhookHint(job.id, "dreaming"), WebhookHint(job.id, "completed")]
