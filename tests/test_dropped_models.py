"""A model its provider dropped is not offered any more; shots that are there go on."""

from __future__ import annotations

import pytest

from studio.management.commands.generate import find_account
from studio.models.generation import State
from studio.providers.base import Status
from studio.providers.catalog import SPECS, Wish, get_spec
from studio.services.errors import StudioError
from studio.services.money.offers import list_offers
from studio.services.shots import NewShot, create_shots
from studio.services.work.submitting import submit_next
from tests.paid import account_at, again, make_due, queue_shot, sweep_once
from tests.providers.accounts import LUMA

pytestmark = pytest.mark.django_db

ID = "7c880e75-9892-4238-8464-49cb0c6deabd"


def test_every_model_says_when_it_was_last_seen():
    gone = {key for key, spec in SPECS.items() if spec.gone}
    assert gone == {("luma", "ray-1-6")}
    seen = {spec.last_seen for spec in SPECS.values() if not spec.gone}
    assert all(SPECS[key].last_seen < min(seen) for key in gone)


def test_it_is_not_offered(project, emulator):
    account_at(emulator, "luma")
    offered = {(o.spec.provider, o.spec.id) for o in list_offers(wish=Wish(prompt="A ridge"))}
    assert ("luma", "ray-2") in offered
    assert ("luma", "ray-1-6") not in offered


def test_it_cannot_be_asked_for(project, emulator):
    new = NewShot(prompt="A ridge", account=account_at(emulator, "luma"), model="ray-1-6")
    with pytest.raises(StudioError) as caught:
        create_shots(project=project, by=project.created_by, new=new)
    assert str(caught.value) == "Luma no longer offers Ray 1.6. Choose another model."
    assert not project.generations.exists()


def test_the_command_does_not_know_it(project, emulator):
    account_at(emulator, "luma")
    with pytest.raises(Exception, match="luma has ray-2, ray-flash-2"):
        find_account("luma", "ray-1-6")


def test_what_is_under_way_is_still_watched(project, emulator, asked):
    shot = queue_shot(project, account_at(emulator, "luma"), model="ray-1-6")
    submit_next(shot.account_id)
    emulator.finish_all()
    make_due(shot)
    sweep_once()
    assert again(shot).state == State.STORING
    assert get_spec("luma", "ray-1-6").name == "Luma, Ray 1.6"
    body = {"id": ID, "state": "dreaming", "model": "ray-1-6"}
    assert LUMA.answering(200, body).fetch(ID).status is Status.RUNNING
