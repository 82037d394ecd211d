"""How a continuation travels to each provider: by the clip's own id, or by its frame."""

from __future__ import annotations

import pytest

from studio import sweep
from studio.models import Chain, Generation
from studio.models.generation import State
from studio.providers.catalog import get_spec
from studio.services import chains, shots
from studio.services.film import drift
from studio.services.money.offers import list_offers
from studio.services.shots import NewShot
from tests.factories import make_generation
from tests.paid import DIALECTS, MODELS, account_at, again, make_due, sweep_once

pytestmark = pytest.mark.django_db

# What providers.md says of each dialect's Ray 2; the catalogue claims the same.
BY_ID = {"apiframe": False, "aimlapi": True, "legacy": True, "gmicloud": False, "luma": True}

GMI_NAMES = ("frame0_image", "frame1_image")


@pytest.fixture(autouse=True)
def brisk(monkeypatch, settings):
    monkeypatch.setattr(sweep, "TICK_S", 0.02)
    monkeypatch.setattr(sweep, "CARE_LEAVING_S", 0.05)
    settings.PUBLIC_URL = "https://studio.example"


@pytest.fixture(params=DIALECTS)
def dialect(request, emulator):
    emulator.configure(aimlapi_ids="uuid")
    return request.param


def ask(project, account, dialect, **ends):
    new = NewShot(
        prompt="Snow drifts over the ridge", account=account, model=MODELS[dialect], **ends
    )
    (made,) = shots.create_shots(project=project, by=project.created_by, new=new)
    return made


def render(shot, asked):
    """Let the provider make this shot, and fetch its clip."""
    asked.run("submit_next")
    make_due(shot)
    sweep_once()
    asked.run("store_next", "store_clip")
    row = again(shot)
    assert row.state == State.SUCCEEDED, (row.state, row.failure_text, row.waiting_text)
    return row


def ends_of(body, dialect):
    """What the provider saw at each end: a job's id, or "a picture"."""
    if dialect in ("aimlapi", "legacy", "luma"):
        frames = {side: frame for side, frame in (body.get("keyframes") or {}).items() if frame}
        seen = {
            side: frame["id"] if frame["type"] == "generation" else "a picture"
            for side, frame in frames.items()
        }
        return {"start": seen.get("frame0"), "end": seen.get("frame1")}
    held = body["lumaParams"] if dialect == "apiframe" else body["payload"]
    names = ("start_image", "end_image") if dialect == "apiframe" else GMI_NAMES
    return {
        side: "a picture" if held.get(name) else None
        for side, name in zip(("start", "end"), names, strict=True)
    }


def last_body(emulator):
    return emulator.received[-1]["body"]


def test_the_catalogue_claims_what_the_providers_can(dialect):
    provider = "aimlapi" if dialect == "legacy" else dialect
    spec = get_spec(provider, MODELS[dialect])
    assert spec.extend_by_id is spec.prepend_by_id is BY_ID[dialect]


def test_an_extension_goes_as_claimed(project, emulator, asked, dialect):
    account = account_at(emulator, dialect)
    clip = render(ask(project, account, dialect), asked)
    shot = render(ask(project, account, dialect, start_generation=clip), asked)
    by_id = clip.provider_job_id if BY_ID[dialect] else "a picture"
    assert ends_of(last_body(emulator), dialect) == {"start": by_id, "end": None}
    assert drift.by_frame(shot) is not BY_ID[dialect]
    assert [s.generation for s in chains.path_of(Chain.objects.get())] == [clip, shot]


def test_a_prepended_shot_goes_as_claimed(project, emulator, asked, dialect):
    account = account_at(emulator, dialect)
    clip = render(ask(project, account, dialect), asked)
    shot = render(ask(project, account, dialect, end_generation=clip), asked)
    by_id = clip.provider_job_id if BY_ID[dialect] else "a picture"
    assert ends_of(last_body(emulator), dialect) == {"start": None, "end": by_id}
    assert [s.generation for s in chains.path_of(Chain.objects.get())] == [shot, clip]


def test_a_bridge_goes_as_claimed(project, emulator, asked, dialect):
    account = account_at(emulator, dialect)
    first, last = (render(ask(project, account, dialect), asked) for _ in range(2))
    shot = ask(project, account, dialect, start_generation=first, end_generation=last)
    render(shot, asked)
    seen = ends_of(last_body(emulator), dialect)
    if BY_ID[dialect]:
        assert seen == {"start": first.provider_job_id, "end": last.provider_job_id}
    else:
        assert seen == {"start": "a picture", "end": "a picture"}


def test_a_clip_of_another_account_goes_by_its_frame(project, emulator, asked, dialect):
    account = account_at(emulator, dialect)
    other = "apiframe" if dialect == "gmicloud" else "gmicloud"
    clip = render(ask(project, account_at(emulator, other), other), asked)
    shot = render(ask(project, account, dialect, start_generation=clip), asked)
    assert ends_of(last_body(emulator), dialect) == {"start": "a picture", "end": None}
    assert again(shot).start_keyframe.grabbed_from == clip


def test_an_extension_of_a_clip_in_flight_waits_for_its_id(project, emulator, asked, dialect):
    account = account_at(emulator, dialect)
    emulator.configure(finish_after_s=600)
    first = ask(project, account, dialect)
    asked.run("submit_next")
    second = ask(project, account, dialect, start_generation=again(first))
    asked.run("submit_next")
    assert again(second).state == State.QUEUED
    assert len(emulator.received) == 1
    emulator.configure(finish_after_s=0)
    emulator.finish_all()
    clip = render(first, asked)
    render(second, asked)
    by_id = clip.provider_job_id if BY_ID[dialect] else "a picture"
    assert ends_of(last_body(emulator), dialect) == {"start": by_id, "end": None}


def test_every_row_says_how_it_would_go(project, emulator, asked, dialect):
    account = account_at(emulator, dialect)
    clip = make_generation(project, account=account, provider=account.provider)
    new = NewShot(prompt="Snow", account=account, model=MODELS[dialect], start_generation=clip)
    offers = list_offers(wish=new.wish(), start=clip)
    said = {offer.spec.id: offer.hint for offer in offers if offer.account == account}
    expected = (
        "Continues the clip by its own id."
        if BY_ID[dialect]
        else "Continues from the clip's last frame, sent as a picture."
    )
    assert said[MODELS[dialect]].endswith(expected)
    previs = next(offer for offer in offers if offer.spec.local)
    assert previs.hint.endswith("Continues from the clip's last frame.")
    assert Generation.objects.count() == 1
