"""Several cameras cheaply in one press, one of them again at full quality."""

from __future__ import annotations

import dataclasses
import uuid

import pytest

from studio.models import Generation
from studio.models.generation import State
from studio.services import drafts
from studio.services.errors import StudioError
from studio.services.shots import NewShot
from tests.paid import account_at


@pytest.fixture
def master(project, emulator, asked) -> NewShot:
    return NewShot(
        prompt="A ridge at dawn, low cloud",
        account=account_at(emulator, "luma"),
        model="ray-2",
        concepts=("push_in", "crane_up", "orbit_left"),
        resolution="1080p",
        duration_s=9,
        request_token=uuid.uuid4(),
    )


def make(project, master):
    return drafts.create_drafts(
        project=project, by=project.created_by, master=master, draft_account=master.account,
        draft_model="ray-flash-2", draft_resolution="540p",
    )  # fmt: skip


def test_one_press_makes_one_cheap_draft_per_camera_word(project, master):
    made = make(project, master)
    assert [g.concepts for g in made] == [["push_in"], ["crane_up"], ["orbit_left"]]
    assert {(g.model, g.resolution, g.duration_s) for g in made} == {("ray-flash-2", "540p", 9)}
    assert len({g.shot for g in made}) == 3


def test_a_form_sent_twice_makes_them_once(project, master):
    assert make(project, master) == make(project, master)
    assert Generation.objects.count() == 3


@pytest.mark.parametrize("concepts", [(), ("push_in",), tuple(f"c{n}" for n in range(9))])
def test_it_takes_two_to_eight_camera_words(project, master, concepts):
    with pytest.raises(StudioError, match="choose 2 to 8") as refused:
        make(project, dataclasses.replace(master, concepts=concepts))
    assert refused.value.field == "concepts"
    assert not Generation.objects.exists()


def test_the_master_is_the_draft_at_full_quality(project, master):
    draft = make(project, master)[1]
    token = uuid.uuid4()
    once, twice = (
        drafts.render_master(draft=draft, by=project.created_by, request_token=token)
        for _ in range(2)
    )
    assert once == twice
    assert (once.model, once.resolution, once.duration_s) == ("ray-2", "1080p", 9)
    assert (once.concepts, once.prompt, once.shot, once.take) == (
        ["crane_up"],
        draft.prompt,
        draft.shot,
        2,
    )
    assert once.master == {}


def test_a_clip_that_is_no_draft_has_no_master(project, master):
    (plain,) = make(project, master)[:1]
    plain.master = {}
    assert drafts.master_of(plain) is None
    with pytest.raises(StudioError, match="not a draft"):
        drafts.render_master(draft=plain, by=project.created_by, request_token=uuid.uuid4())


def test_a_draft_whose_masters_account_is_off_says_so(project, master):
    draft = make(project, master)[0]
    Generation.objects.filter(pk=draft.pk).update(state=State.QUEUED)
    master.account.enabled = False
    master.account.save()
    assert drafts.master_of(draft) is None
