"""/metrics: who may read it, and that what it says is so, whichever process is asked."""

from __future__ import annotations

import multiprocessing
import os
from datetime import timedelta

import pytest
import sentry_sdk
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from sentry_sdk.transport import Transport

from studio import ledger
from studio.models import ProviderAccount
from studio.models.generation import State
from studio.operations import reports, request_counts
from studio.operations.context import about
from tests.factories import make_generation, make_previs, make_still
from tests.people import make_cast


@pytest.fixture
def cast(db):
    make_previs()
    return make_cast()


@pytest.fixture
def counting(settings, tmp_path, monkeypatch):
    """Count in a folder of the test's own."""
    settings.METRICS_DIR = tmp_path / "metrics"
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(settings.METRICS_DIR))
    request_counts._counters.cache_clear()
    yield settings.METRICS_DIR
    request_counts._counters.cache_clear()


def read(client) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return every sample by its name and the values of its labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.content
    families = text_string_to_metric_families(answer.content.decode())
    return {
        (sample.name, tuple(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }


# ---- Who may ------------------------------------------------------------------------------------


def test_this_machine_may_ask_and_others_may_not(client, cast, settings):
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 403
    assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 403
    settings.PUBLIC_URL = "https://studio.example"
    refused = client.get("/metrics")
    assert refused.status_code == 403
    assert "STUDIO_METRICS_TOKEN" in refused.content.decode()
    assert "studio_" not in refused.content.decode()


def test_with_a_token_it_takes_the_token(client, cast, settings):
    settings.METRICS_TOKEN = "a-long-enough-token"
    assert client.get("/metrics").status_code == 403
    for wrong in ("a-long-enough-token", "Bearer a-long-enough-tokem", "Bearer ünsinn"):
        assert client.get("/metrics", headers={"Authorization": wrong}).status_code == 403
    right = {"Authorization": "Bearer a-long-enough-token"}
    assert client.get("/metrics", headers=right, REMOTE_ADDR="192.0.2.7").status_code == 200


# ---- What it says ---------------------------------------------------------------------------------


def test_it_counts_what_the_database_has(client, cast, settings):
    luma = ProviderAccount.objects.create(
        provider="luma", label="main", monthly_limit_microusd=10_000_000, balance_microusd=5_000_000,
        paused_until=timezone.now() + timedelta(minutes=1),
    )  # fmt: skip
    running = make_generation(
        cast.project, state=State.RUNNING, account=luma, estimated_microusd=700_000,
        submitted_at=timezone.now() - timedelta(minutes=9),
        next_poll_at=timezone.now() - timedelta(seconds=30),
    )  # fmt: skip
    ledger.reserve([running])
    make_generation(cast.project, state=State.FAILED, account=luma, failure_code="refused")
    make_generation(cast.project, state=State.FAILED, account=luma, failure_code="refused")
    clip = make_generation(cast.project, files=True)
    still = make_still(cast.project)
    ProviderAccount.objects.filter(provider="previs").update(
        swept_at=timezone.now() - timedelta(seconds=40)
    )
    found = read(client)
    assert found["studio_generations", ("luma", "running")] == 1
    assert found["studio_generations_ended", ("luma", "refused", "failed")] == 2
    assert found["studio_generations_ended", ("previs", "", "succeeded")] == 1
    assert 540 <= found["studio_oldest_in_flight_seconds", ()] < 600
    assert 30 <= found["studio_poll_lag_seconds", ()] < 60
    assert 40 <= found["studio_sweep_age_seconds", ()] < 70
    assert found["studio_spend_dollars", ("main", "luma")] == 0.7
    assert found["studio_spend_limit_dollars", ("main", "luma")] == 10
    assert found["studio_balance_dollars", ("main", "luma")] == 5
    assert found["studio_account_paused", ("main", "luma")] == 1
    assert found["studio_account_paused", ("", "previs")] == 0
    assert found["studio_storage_bytes", ("clips",)] == clip.size_bytes
    assert found["studio_storage_bytes", ("stills",)] == still.size_bytes
    assert found["studio_disk_least_bytes", ()] == settings.DISK_LEAST_BYTES
    assert found["studio_disk_free_bytes", ()] > 0
    assert (found["studio_queue_up", ()], found["studio_queue_tasks", ()]) == (1, 0)


def test_a_studio_that_never_ran_is_told_from_one_that_stands(client, cast):
    assert read(client)["studio_sweep_age_seconds", ()] == -1


def test_what_costs_a_look_at_every_row_is_kept_a_while(
    client, cast, django_assert_max_num_queries
):
    read(client)
    make_generation(cast.project)
    with django_assert_max_num_queries(14):
        assert ("studio_generations_ended", ("previs", "", "succeeded")) not in read(client)
    cache.clear()
    assert read(client)["studio_generations_ended", ("previs", "", "succeeded")] == 1


def test_without_a_database_it_says_so(client, cast, monkeypatch):
    def fail():
        raise DatabaseError("gone")

    monkeypatch.setattr("studio.views.operations.metrics.exposition", fail)
    assert client.get("/metrics").status_code == 503


# ---- Requests -------------------------------------------------------------------------------------


def test_requests_are_counted_by_kind_and_status(client, cast, counting):
    client.force_login(cast.bob)
    clip = make_generation(cast.project, files=True)
    client.get(f"/p/{cast.project.code}/")
    client.get(f"/p/{cast.project.code}/changes/?since=0")
    client.get(f"/media/clips/{clip.code}.mp4")
    client.get(f"/clips/{cast.project.code}/")
    client.get("/admin/")
    client.get("/nowhere")
    found = read(client)
    assert found["studio_requests_total", ("page", "2xx")] == 1
    assert found["studio_requests_total", ("page", "4xx")] == 1
    assert found["studio_requests_total", ("media", "2xx")] == 1
    assert found["studio_requests_total", ("unknown", "4xx")] == 1
    assert (
        sum(v for (n, k), v in found.items() if n == "studio_requests_total" and k[0] == "poll")
        == 1
    )
    assert (
        sum(v for (n, k), v in found.items() if n == "studio_requests_total" and k[0] == "admin")
        == 1
    )
    assert found["studio_request_seconds_count", ("page",)] == 2
    assert found["studio_request_seconds_sum", ("page",)] > 0


def count_some(times: int) -> None:
    """Count in a process of its own, and die without a word."""
    request_counts._counters.cache_clear()
    for _ in range(times):
        request_counts._counters().count("page", 200, 0.02)
    os._exit(0)


def test_several_processes_add_up_and_successors_go_on(counting):
    forked = multiprocessing.get_context("fork")
    request_counts._counters().count("page", 200, 0.02)
    for times in (3, 4):
        child = forked.Process(target=count_some, args=(times,))
        child.start()
        child.join(30)
        assert child.exitcode == 0
    (requests,) = [
        family for family in request_counts.counted() if family.name == "studio_requests"
    ]
    assert sum(sample.value for sample in requests.samples) == 8
    files = sorted(path.name for path in counting.glob("*.db"))
    assert files == ["counter_0.db", "counter_1.db", "histogram_0.db", "histogram_1.db"]
    assert all(
        path.stat().st_blocks * 512 >= request_counts.FILE_BYTES for path in counting.glob("*.db")
    )


def test_a_page_is_answered_where_nothing_can_be_counted(client, cast, counting, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(request_counts, "_lay_out", fail)
    assert client.get("/login/").status_code == 200


# ---- Sentry -----------------------------------------------------------------------------------------


@pytest.fixture
def sent(settings):
    """What would leave for Sentry; nothing does."""
    events = []

    class Kept(Transport):
        def capture_envelope(self, envelope):
            if (event := envelope.get_event()) is not None:
                events.append(event)

    settings.SENTRY_DSN = "https://abcdefgh0123@sentry.example/1"
    # Not Django's, which would stay in its place for every test that follows.
    reports.begin(transport=Kept, default_integrations=False, auto_enabling_integrations=False)
    yield events
    sentry_sdk.init()


def test_an_error_is_reported_without_what_somebody_wrote(sent, settings):
    def fail():
        prompt = "A boat under the aurora"
        raise RuntimeError(f"broken with {settings.SECRET_KEY}\nDETAIL: Failing row: {prompt}")

    with about(request="the-request", clip="the-clip"):
        try:
            fail()
        except RuntimeError:
            sentry_sdk.capture_exception()
    (event,) = sent
    (raised,) = event["exception"]["values"]
    assert raised["value"] == "broken with (hidden)"
    assert [frame["function"] for frame in raised["stacktrace"]["frames"]][-1] == "fail"
    assert event["tags"] == {"request": "the-request", "clip": "the-clip"}
    assert "aurora" not in str(event)


def test_of_a_request_only_the_method_leaves():
    request = {
        "method": "POST", "url": "https://x/s/token-words/?q=query-words", "data": "prompt-words",
        "headers": {"Cookie": "sessionid=cookie-words"}, "query_string": "query-words",
    }  # fmt: skip
    event = {
        "transaction": "/s/<slug:token>/", "request": request, "user": {"email": "bob@example.com"},
        "logentry": {"message": "no /s/token-words/"}, "breadcrumbs": {"values": ["bread-words"]},
    }  # fmt: skip
    assert reports.scrubbed(event, {}) == {
        "transaction": "/s/<slug:token>/",
        "logentry": {"message": "no /s/(hidden)/"},
        "tags": {"method": "POST"},
    }


def test_a_wrong_address_is_refused_without_saying_it(settings):
    settings.SENTRY_DSN = "not-an-address-0123"
    with pytest.raises(ImproperlyConfigured, match="SENTRY_DSN cannot be read") as refused:
        reports.begin()
    assert "not-an-address-0123" not in str(refused.value)
