"""Whatever calls a provider's hook: refused or taken in, never a 500, and nothing of it believed."""

from __future__ import annotations

from hashlib import sha256
from hmac import new as hmac_new

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.models import Generation, ProviderAccount
from studio.models.generation import State
from tests import hostile
from tests.factories import make_previs
from tests.fuzzing import TIMES
from tests.paid import DIALECTS
from tests.people import make_cast, make_clip

pytestmark = pytest.mark.django_db
KEYS = [
    "id", "jobId", "generation_id", "request_id", "state", "status", "event", "failure_reason",
    "assets", "video", "url", "result", "data", "error", "progress", "",
]  # fmt: skip
HOSTILE = st.dictionaries(
    st.sampled_from(("X-Webhook-Signature", "X-Webhook-Event", "X-Request-ID", "Content-Type")),
    st.sampled_from(("", "sha256=", "sha256=²", "\u00ff" * 64, "x" * 5000, "application/xml")),
    max_size=2,
)


def account_of(dialect: str) -> ProviderAccount:
    legacy = dialect == "legacy"
    account = ProviderAccount(
        provider="aimlapi" if legacy else dialect, label=dialect, dialect=dialect if legacy else ""
    )
    account.set_key("a-key-of-" + dialect)
    account.save()
    return account


@pytest.mark.parametrize("dialect", [*DIALECTS, "previs"])
def test_no_call_breaks_a_hook(dialect, monkeypatch):
    monkeypatch.setattr("studio.views.operations.hooks.wake_sweep", lambda pk: None)
    account = make_previs() if dialect == "previs" else account_of(dialect)
    shot = make_clip(make_cast().project, state="running", account=account, provider_job_id="job-1")
    before = Generation.objects.values("state", "result_url", "failure_code").get(pk=shot.pk)
    key = sha256(b"a-key-of-" + dialect.encode()).digest()
    client = Client(enforce_csrf_checks=True)

    @settings(
        max_examples=25 * TIMES, derandomize=TIMES == 1, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(hostile.bodies(KEYS), HOSTILE, st.booleans(), st.booleans())
    def call(body: bytes, headers: dict[str, str], signed: bool, known: bool) -> None:
        if signed:
            headers = headers | {"X-Webhook-Signature": hmac_new(key, body, sha256).hexdigest()}
        token = account.webhook_token if known else shot.code
        kind = headers.pop("Content-Type", "application/json")
        address = f"/hooks/{account.provider}/{token}/"
        for _ in range(2):  # the same again: a replay
            answer = client.post(address, body, content_type=kind, headers=headers)
            assert answer.status_code in ({200, 403, 404, 413} if known else {404})

    call()
    assert Generation.objects.values(*before).get(pk=shot.pk) == before
    assert before["state"] == State.RUNNING
