from __future__ import annotations

import json
import uuid
from datetime import timedelta
from hashlib import sha256
from hmac import new as hmac_new

import pytest
from django.test import Client
from django.utils import timezone

from studio.models import Generation, ProviderAccount
from studio.models.generation import State
from studio.views.operations.hooks import MAX_BODY_BYTES
from tests.factories import make_generation
from tests.paid import account_at, again, at_provider

pytestmark = pytest.mark.django_db
LATER = timedelta(minutes=10)


@pytest.fixture
def waiting(project, emulator, asked):
    """Return a function: a shot at this provider whose next poll is ten minutes away."""

    def make(dialect: str) -> Generation:
        account = account_at(emulator, dialect)
        return at_provider(project, account, "job-1", next_poll_at=timezone.now() + LATER)

    return make


def sign(body: bytes, key: str, *, hex_text: bool = False) -> str:
    digest = sha256(key.encode())
    secret = digest.hexdigest().encode() if hex_text else digest.digest()
    return "sha256=" + hmac_new(secret, body, sha256).hexdigest()


def call(account: ProviderAccount, data: object, *, token: object = None, **headers: str):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Client(enforce_csrf_checks=True).post(
        f"/hooks/{account.provider}/{token or account.webhook_token}/",
        body,
        content_type="application/json",
        headers=headers,
    )


def call_signed(shot: Generation, job_id: str = "job-1", **options):
    account = shot.account
    body = json.dumps({"event": "completed", "jobId": job_id, "status": "COMPLETED"}).encode()
    signature = sign(body, account.reveal_key(), **options)
    return call(account, body, **{"X-Webhook-Signature": signature})


def is_due(shot: Generation) -> bool:
    return again(shot).next_poll_at <= timezone.now()


@pytest.mark.parametrize("hex_text", [False, True])
def test_a_signed_call_makes_its_shot_due(waiting, asked, hex_text):
    shot = waiting("apiframe")
    assert call_signed(shot, hex_text=hex_text).status_code == 200
    assert is_due(shot)
    assert ("sweep", ()) in asked


@pytest.mark.parametrize("dialect", ["luma", "legacy"])
def test_an_unsigned_call_to_the_secret_address_makes_its_shot_due(waiting, dialect):
    shot = waiting(dialect)
    assert call(shot.account, {"id": "job-1", "state": "completed"}).status_code == 200
    assert is_due(shot)


def test_what_the_call_says_is_not_believed(waiting):
    shot = waiting("luma")
    assets = {"video": "https://evil.example/clip.mp4"}
    call(shot.account, {"id": "job-1", "state": "completed", "assets": assets})
    assert (again(shot).state, again(shot).result_url) == (State.RUNNING, "")


def test_a_replay_is_harmless(waiting, asked):
    shot = waiting("apiframe")
    version = shot.version
    asked.clear()
    assert [call_signed(shot).status_code for _ in range(3)] == [200, 200, 200]
    assert (again(shot).state, again(shot).version) == (State.RUNNING, version)
    assert shot.events.count() == 3
    assert asked.tasks == [("sweep", ())]


def test_a_call_that_is_late_leaves_an_ended_shot(waiting, asked):
    shot = waiting("apiframe")
    Generation.objects.filter(pk=shot.pk).update(
        state=State.FAILED, finished_at=timezone.now(), next_poll_at=None
    )
    asked.clear()
    assert call_signed(shot).status_code == 200
    assert (again(shot).state, again(shot).next_poll_at) == (State.FAILED, None)
    assert asked.tasks == []


def test_an_unknown_job_is_ignored(waiting, asked):
    shot = waiting("apiframe")
    asked.clear()
    assert call_signed(shot, "somebody else's").status_code == 200
    assert not is_due(shot)
    assert asked.tasks == []


@pytest.mark.parametrize("signature", ["", "sha256=", "sha256=" + "0" * 64, "ß" * 10])
def test_a_forged_call_is_refused(waiting, asked, signature):
    shot = waiting("apiframe")
    asked.clear()
    answer = call(shot.account, {"jobId": "job-1"}, **{"X-Webhook-Signature": signature})
    assert answer.status_code == 403
    assert not is_due(shot)
    assert asked.tasks == []


def test_a_signature_of_another_body_is_refused(waiting):
    shot = waiting("apiframe")
    signature = sign(b'{"jobId": "another"}', shot.account.reveal_key())
    answer = call(shot.account, {"jobId": "job-1"}, **{"X-Webhook-Signature": signature})
    assert answer.status_code == 403


@pytest.mark.parametrize("body", [b"[]", b"not json", b'{"id": 7', b"\xff\xfe"])
def test_a_body_that_cannot_be_read_is_refused(waiting, body):
    assert call(waiting("luma").account, body).status_code == 403


def test_a_wrong_token_is_not_found(waiting):
    shot = waiting("luma")
    assert call(shot.account, {"id": "job-1"}, token=uuid.uuid4()).status_code == 404
    assert not is_due(shot)


def test_one_providers_token_opens_no_other_hook(waiting):
    shot, other = waiting("luma"), waiting("gmicloud")
    answer = call(shot.account, {"id": "job-1"}, token=other.account.webhook_token)
    assert answer.status_code == 404


def test_one_accounts_call_reaches_no_other_accounts_shots(project, waiting):
    shot = waiting("luma")
    account = ProviderAccount.objects.create(provider="luma", label="another")
    call(account, {"id": "job-1", "state": "completed"})
    assert not is_due(shot)


@pytest.mark.parametrize("dialect", ["aimlapi", "gmicloud"])
def test_a_provider_without_calls_has_no_hook(waiting, dialect):
    assert call(waiting(dialect).account, {"id": "job-1"}).status_code == 404


def test_the_local_renderer_has_no_hook(project):
    assert call(make_generation(project).account, {"id": "job-1"}).status_code == 404


def test_a_body_that_is_too_large_is_refused_unread(waiting):
    account = waiting("luma").account
    answer = call(account, b'{"id": "job-1", "pad": "' + b"x" * MAX_BODY_BYTES + b'"}')
    assert answer.status_code == 413


def test_a_call_without_a_length_is_refused(waiting):
    account = waiting("luma").account
    answer = Client().generic(
        "POST", f"/hooks/luma/{account.webhook_token}/", "{}", CONTENT_LENGTH=""
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_only_post_is_taken(waiting, method):
    account = waiting("luma").account
    answer = getattr(Client(), method)(f"/hooks/luma/{account.webhook_token}/")
    assert answer.status_code == 405


def test_a_burst_of_calls_asks_for_no_sweep_where_one_is_running(waiting, asked):
    shot = waiting("luma")
    ProviderAccount.objects.filter(pk=shot.account_id).update(
        sweep_token="t", sweep_until=timezone.now() + timedelta(seconds=10)
    )
    asked.clear()
    for _ in range(3):
        call(shot.account, {"id": "job-1", "state": "completed"})
    assert is_due(shot)
    assert asked.tasks == []
