"""The emulator itself: counts that can be trusted, faults that repeat, clips that play."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import av
import httpx
import pytest

from studio.providers.base import AlreadySubmitted, ProviderError, Status
from tests.emulator import FAULTS, Emulator, Scripted
from tests.emulator.faults import roll
from tests.emulator.media import clip_size
from tests.providers.accounts import APIFRAME, GMI, LEGACY, LUMA, Account

ROOT = Path(__file__).parents[2]


def submit_raw(emulator: Emulator, body: object, **headers: str) -> httpx.Response:
    url = f"{emulator.base_url('luma')}/generations/video"
    auth = {"Authorization": f"Bearer {emulator.key('luma')}", **headers}
    return httpx.post(url, json=body, headers=auth)


def test_the_clip_plays_at_the_asked_shape_and_length(emulator: Emulator) -> None:
    provider = LUMA.at(emulator)
    job = provider.submit(LUMA.shot(duration_s=9, aspect_ratio="9:16"))
    data = httpx.get(provider.fetch(job.id).result_url).content
    with av.open(io.BytesIO(data), "r") as clip:
        frames = list(clip.decode(video=0))
    assert len(frames) == 9 * 24
    assert (frames[0].width, frames[0].height) == clip_size("9:16") == (144, 256)


@pytest.mark.parametrize(
    "body",
    [
        {"model": "ray-2"},
        {"model": "ray-2", "prompt": "A fox", "seed": 7},
        {"model": "ray-2", "prompt": "A fox", "duration": 5},
        {"model": "ray-2", "prompt": "A fox", "concepts": ["push_in"]},
        {"model": "ray-1-6", "prompt": "A fox", "resolution": "720p"},
        {"model": "ray-99", "prompt": "A fox"},
        {"model": "ray-2", "prompt": "A fox", "keyframes": {"frame0": {"type": "image"}}},
    ],
)
def test_what_breaks_the_schema_is_refused_and_noted(
    emulator: Emulator, body: dict[str, object]
) -> None:
    assert submit_raw(emulator, body).status_code == 400
    assert len(emulator.violations) == 1
    assert emulator.stats["accepted"] == {}


def test_buying_the_same_prompt_twice_is_seen(emulator: Emulator) -> None:
    provider = LUMA.at(emulator)
    for prompt in ("One", "Two", "One"):
        provider.submit(LUMA.shot(prompt))
    assert emulator.stats["duplicates"] == {"luma One": 2}


def test_an_idempotency_key_buys_once(emulator: Emulator) -> None:
    provider = APIFRAME.at(emulator)
    shot = APIFRAME.shot("One", idempotency_key="key-1")
    first, second = provider.submit(shot), provider.submit(shot)
    assert first.id == second.id
    assert emulator.stats["accepted"] == {"apiframe": 1}
    assert emulator.stats["duplicates"] == {}
    with pytest.raises(AlreadySubmitted):
        provider.submit(APIFRAME.shot("Other", idempotency_key="key-1"))


def test_the_key_at_the_wrong_door_is_noted(emulator: Emulator) -> None:
    url = LUMA.at(emulator).fetch(LUMA.at(emulator).submit(LUMA.shot()).id).result_url
    httpx.get(url, headers={"Authorization": f"Bearer {emulator.key('luma')}"})
    assert emulator.violations == ["media: the provider key was sent to the media host"]


def test_faults_hit_by_seed_not_by_order(emulator: Emulator) -> None:
    def run(prompts: list[str]) -> dict[str, str]:
        emulator.reset()
        emulator.configure(seed=3, rates={"error_500": 0.3, "rate_limited": 0.3, "dropped": 0.3})
        outcome = {}
        for prompt in prompts:
            try:
                LUMA.at(emulator).submit(LUMA.shot(prompt))
                outcome[prompt] = "ok"
            except ProviderError as error:
                outcome[prompt] = f"{type(error).__name__} {error.message}"
        return outcome

    prompts = [f"Fox {n}" for n in range(20)]
    there = run(prompts)
    assert run(prompts[::-1]) == there
    assert len(set(there.values())) >= 3


def test_rolls_are_spread_evenly() -> None:
    rolls = [roll(f"{n}") for n in range(2000)]
    assert 0.45 < sum(rolls) / len(rolls) < 0.55
    assert 150 < sum(one < 0.1 for one in rolls) < 250


def test_a_script_skips_then_hits_as_often_as_told(emulator: Emulator) -> None:
    emulator.configure(script=[Scripted("error_500", kind="fetch", skip=1, times=2)])
    provider = GMI.at(emulator)
    job = provider.submit(GMI.shot())
    seen = []
    for _ in range(4):
        try:
            seen.append(provider.fetch(job.id).status.value)
        except ProviderError:
            seen.append("trouble")
    assert seen == ["succeeded", "trouble", "trouble", "succeeded"]
    assert emulator.stats["faults"] == {"error_500": 2}


def test_jobs_move_by_the_clock(emulator: Emulator, account: Account) -> None:
    emulator.configure(queue_s=60, finish_after_s=120)
    provider = account.at(emulator)
    job = provider.submit(account.shot())
    assert provider.fetch(job.id).status is Status.QUEUED
    (known,) = emulator.jobs()
    known.starts_at -= 90
    assert provider.fetch(job.id).status is Status.RUNNING
    emulator.finish_all()
    assert provider.fetch(job.id).status is Status.SUCCEEDED


def test_a_stuck_job_stays_queued(emulator: Emulator, account: Account) -> None:
    emulator.configure(script=[Scripted("stuck")])
    provider = account.at(emulator)
    job = provider.submit(account.shot())
    emulator.finish_all()
    assert provider.fetch(job.id).status is Status.QUEUED


@pytest.mark.parametrize(
    ("fault", "status"),
    [("media_404", 404), ("media_500", 500), ("media_html", 200), ("media_redirect_private", 302)],
)
def test_media_faults(emulator: Emulator, fault: str, status: int) -> None:
    emulator.configure(script=[Scripted(fault)])
    provider = LEGACY.at(emulator)
    url = provider.fetch(provider.submit(LEGACY.shot()).id).result_url
    assert httpx.get(url).status_code == status
    assert httpx.get(url).headers["content-type"] == "video/mp4"


@pytest.mark.parametrize("fault", ["dead_link", "expired"])
def test_a_link_may_be_dead_from_the_start(emulator: Emulator, fault: str) -> None:
    emulator.configure(script=[Scripted(fault)])
    provider = APIFRAME.at(emulator)
    job = provider.fetch(provider.submit(APIFRAME.shot()).id)
    assert (job.status, job.expired) == (Status.SUCCEEDED, fault == "expired")
    assert httpx.get(job.result_url).status_code == 404


def test_control_over_http(emulator: Emulator) -> None:
    control = f"{emulator.url}/_emulator"
    assert httpx.post(f"{control}/faults", json={"rates": {"error_500": 1}}).status_code == 200
    with pytest.raises(ProviderError):
        LUMA.at(emulator).submit(LUMA.shot())
    assert httpx.get(f"{control}/stats").json()["faults"] == {"error_500": 1}
    wrong = httpx.post(f"{control}/faults", json={"rates": {"gremlins": 1}})
    assert (wrong.status_code, "gremlins" in wrong.text) == (400, True)
    httpx.post(f"{control}/faults", json={"rates": {}, "script": [{"fault": "stuck"}]})
    LUMA.at(emulator).submit(LUMA.shot())
    assert httpx.get(f"{control}/jobs").json()[0]["outcome"] == "stuck"
    assert httpx.get(f"{control}/violations").json() == []
    httpx.post(f"{control}/reset")
    assert httpx.get(f"{control}/stats").json()["requests"] == {}


def test_a_wrong_path_is_a_violation(emulator: Emulator) -> None:
    assert httpx.get(f"{emulator.url}/apiframe/v1/imagine").status_code == 404
    assert emulator.violations == ["any: unknown path GET /apiframe/v1/imagine"]


def test_every_fault_can_be_ordered() -> None:
    with Emulator(rates=dict.fromkeys(FAULTS, 0.0)) as emulator:
        assert emulator.stats["violations"] == 0


def test_it_runs_by_hand_and_says_how_to_point_a_studio_at_it() -> None:
    command = [sys.executable, "-m", "tests.emulator", "--port", "0", "--fault", "hang=0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.stdout.readline()
        process.terminate()
        assert process.wait(10) == 0
    settings = dict(pair.split("=", 1) for pair in line.split())
    assert settings["APIFRAME_BASE_URL"].endswith("/apiframe")
    assert settings["APIFRAME_API_KEY"].startswith("afk_test")
    assert settings["STUDIO_MEDIA_HOSTS"].startswith("127.0.0.1:")
