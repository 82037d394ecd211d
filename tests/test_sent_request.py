"""The text stored as sent is the text that is sent, and what was asked for is stored before it leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio import concepts
from studio.lifecycle import SENDING
from studio.models import Generation
from studio.models.generation import State
from studio.services import shots
from studio.services.shots import NewShot, create_shots
from studio.services.work import recovery, submitting
from studio.services.work.submitting import submit_next
from tests.emulator import Emulator, Scripted
from tests.factories import make_generation, make_still
from tests.paid import DIALECTS, MODELS, account_at, again, lapse, make_due, queue_shot

pytestmark = pytest.mark.django_db
PHRASE = " Camera: the camera pushes in slowly."


@pytest.fixture
def reworded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version words the concepts otherwise than the one that queued the shot."""
    monkeypatch.setattr(concepts, "phrase", lambda slugs: "Camera: in other words.")


def text_of(body: dict[str, Any]) -> str:
    return str(body.get("payload", body)["prompt"])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_stored_text_is_what_is_sent(project, emulator: Emulator, asked, reworded, dialect):
    text = f"A ridge.{PHRASE}"
    shot = queue_shot(
        project,
        account_at(emulator, dialect),
        prompt="A ridge.",
        sent_prompt=text,
        style_notes="Never said twice.",
        concepts=["push_in"],
    )
    submit_next(shot.account_id)
    (received,) = emulator.received
    assert text_of(received["body"]) == text
    assert again(shot).sent_request["prompt"] == text


@pytest.mark.parametrize("dialect", ["luma", "gmicloud"])
def test_the_text_of_a_new_shot_is_built_once(project, emulator, asked, monkeypatch, dialect):
    account = account_at(emulator, dialect)
    new = NewShot(
        prompt="A ridge.", style_notes="Muted blues.", account=account, model=MODELS[dialect],
        concepts=("push_in",), resolution="720p",
    )  # fmt: skip
    (shot,) = create_shots(project=project, by=project.created_by, new=new)
    monkeypatch.setattr(concepts, "phrase", lambda slugs: "Camera: in other words.")
    monkeypatch.setattr(shots, "sent_prompt", lambda *args: "built again")
    submit_next(account.pk)
    assert text_of(emulator.received[0]["body"]) == shot.sent_prompt
    assert shot.sent_prompt.startswith("A ridge. Muted blues.")


def test_an_older_row_gets_its_text_once_before_it_is_sent(project, emulator, asked, monkeypatch):
    emulator.configure(script=[Scripted("dropped", kind="submit")])
    account = account_at(emulator, "apiframe")
    shot = queue_shot(project, account, prompt="A ridge.", sent_prompt="", style_notes="Muted.")
    Generation.objects.filter(pk=shot.pk).update(sent_prompt="")
    submit_next(account.pk)
    assert again(shot).sent_prompt == "A ridge. Muted."
    Generation.objects.filter(pk=shot.pk).update(style_notes="Changed since.")
    make_due(shot)
    submit_next(account.pk)
    assert again(shot).state == State.RUNNING, "the same order number, the same body"
    assert len(emulator.jobs()) == 1


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.SUCCEEDED])
def test_the_request_preview_shows_the_stored_text(me, project, emulator, reworded, state):
    shot = make_generation(
        project, account=account_at(emulator, "gmicloud"), model="Luma-Ray2", resolution="720p",
        prompt="A ridge.", sent_prompt=f"A ridge.{PHRASE}", concepts=["push_in"], state=state,
        style_notes="Never said twice.",
    )  # fmt: skip
    page = me.get(f"/clips/{shot.code}/sent/").content.decode()
    assert "pushes in slowly" in page
    assert "in other words" not in page
    assert "Never said twice" not in page


def test_what_is_asked_for_is_stored_before_it_leaves(
    project, emulator, asked, monkeypatch, settings
):
    settings.PUBLIC_URL = "https://studio.example"
    account = account_at(emulator, "luma")
    parent = make_generation(
        project, account=account, provider="luma", provider_job_id="job-of-7",
        raw_answer={"id": "job-of-7", "outcome": {"generation_id": "clip-of-7"}},
    )  # fmt: skip
    shot = queue_shot(
        project, account, prompt="A ridge.", concepts=["push_in"], resolution="1080p", duration_s=9,
        end_keyframe=make_still(project), start_generation=parent,
    )  # fmt: skip
    seen: list[Generation] = []
    monkeypatch.setattr(submitting, "_post", lambda *args: seen.append(again(shot)) or "looked at")
    submit_next(account.pk)
    (row,) = seen
    sent = row.sent_request
    assert (row.state, row.raw_status, row.attempts) == (State.SUBMITTING, SENDING, 1)
    assert {name: sent[name] for name in ("model", "prompt", "duration_s", "aspect_ratio")} == {
        "model": "ray-2", "prompt": "A ridge.", "duration_s": 9, "aspect_ratio": "16:9",
    }  # fmt: skip
    assert (sent["resolution"], sent["loop"], sent["concepts"]) == ("1080p", False, ["push_in"])
    assert (sent["start"], sent["start_ids"]) == ("job:job-of-7", ["clip-of-7"])
    assert sent["end"].startswith("https://studio.example/media/fetch/")
    assert "?" not in sent["end"]
    assert sent["base_url"] == account.base_url
    assert account.reveal_key() not in json.dumps(sent)


@pytest.mark.parametrize(
    ("dialect", "bought"), [("luma", 0), ("gmicloud", 0), ("aimlapi", 0), ("apiframe", 1)]
)
def test_stopped_between_the_store_and_the_call(
    project, emulator, asked, monkeypatch, dialect, bought
):
    """Nothing left, but nobody can know: only an order number may send it again by itself."""
    shot = queue_shot(project, account_at(emulator, dialect))
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(submitting, "_post", lambda *args: 1 / 0)
        submit_next(shot.account_id)
    lapse(shot)
    recovery.revive()
    make_due(shot)
    asked.run("submit_next", "reconcile")
    assert len(emulator.jobs()) == bought
    assert again(shot).state == (State.RUNNING if bought else State.UNCERTAIN)
    assert again(shot).sent_request["prompt"] == shot.sent_prompt
