"""The orphan sweep collects what is ours and notes what nobody knows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from studio import tasks
from studio.models import Generation, Orphan, ProviderAccount
from studio.models.generation import State
from studio.providers.base import ShotRequest
from studio.services.doors import open_door
from studio.services.errors import StudioError
from studio.services.work import orphans
from tests.factories import make_generation
from tests.paid import account_at


@pytest.fixture
def bought(emulator, monkeypatch, project):
    """A job bought at Luma directly, which the studio knows nothing of."""
    monkeypatch.setattr(orphans, "SETTLED", timedelta(0))
    account = account_at(emulator, "luma")
    with open_door(account) as door:
        job = door.submit(ShotRequest(model="ray-2", prompt="A clip bought elsewhere, three words"))
    return account, job


def test_a_job_nobody_knows_is_noted_once(bought):
    account, job = bought
    assert orphans.sweep_orphans().orphans == 1
    assert orphans.sweep_orphans().orphans == 0
    orphan = Orphan.objects.get(account=account)
    assert (orphan.job_id, orphan.status) == (job.id, "succeeded")
    assert orphan.prompt == "A clip bought elsewhere, three words"


def test_a_job_that_may_still_be_on_its_way_is_left_alone(bought, monkeypatch):
    monkeypatch.setattr(orphans, "SETTLED", timedelta(minutes=10))
    assert orphans.sweep_orphans().orphans == 0
    assert not Orphan.objects.exists()


def test_an_adopted_orphan_becomes_a_clip(bought, project, asked):
    orphans.sweep_orphans()
    orphan = Orphan.objects.get()
    made = orphans.adopt(orphan=orphan, project=project, by=project.created_by)
    assert orphans.adopt(orphan=orphan, project=project, by=project.created_by) == made
    asked.run("store_clip")
    made.refresh_from_db()
    assert made.state == State.SUCCEEDED
    assert made.width
    assert Generation.objects.count() == 1


def test_a_clip_given_up_too_early_is_fetched_after_all(bought, project, asked):
    account, job = bought
    given_up = make_generation(
        project, account=account, model="ray-2", state=State.ABANDONED, provider_job_id=job.id
    )
    found = orphans.sweep_orphans()
    assert (found.fetched, found.orphans) == (1, 0)
    asked.run("store_clip")
    given_up.refresh_from_db()
    assert given_up.state == State.SUCCEEDED


def test_an_orphan_without_a_clip_cannot_be_adopted(project, emulator):
    orphan = Orphan.objects.create(
        account=account_at(emulator, "luma"), job_id="x", model="ray-2", status="failed", found_at=timezone.now()
    )  # fmt: skip
    with pytest.raises(StudioError, match="no clip to fetch"):
        orphans.adopt(orphan=orphan, project=project, by=project.created_by)


def test_a_provider_in_trouble_is_named_and_the_others_are_asked(bought, emulator):
    broken = account_at(emulator, "gmicloud")
    broken.set_key("wrong")
    broken.save()
    found = orphans.sweep_orphans()
    assert found.orphans == 1
    assert any("GMI Cloud" in trouble for trouble in found.troubles)
    assert "unknown here" in tasks.sweep_orphans()


def test_the_control_room_looks_on_demand(bought, client, admin_user):
    client.force_login(admin_user)
    page = client.get("/admin/studio/orphan/")
    assert b"Look now" in page.content
    assert client.get("/admin/studio/orphan/look/").status_code == 405
    answer = client.post("/admin/studio/orphan/look/", follow=True)
    assert "1 not known here" in answer.content.decode()
    assert Orphan.objects.count() == 1


def test_staff_who_may_only_look_at_orphans_cannot_ask_for_them(bought, client, project):
    staff = project.created_by
    staff.is_staff = True
    staff.save()
    client.force_login(staff)
    assert client.post("/admin/studio/orphan/look/").status_code == 403


def test_a_job_that_another_account_of_the_provider_knows_is_no_orphan(bought, project):
    """Two accounts with one key."""
    account, job = bought
    second = ProviderAccount(provider="luma", label="second", base_url=account.base_url)
    second.set_key("k" * 24)
    second.save()
    make_generation(
        project, provider="luma", account=second, state=State.RUNNING, provider_job_id=job.id
    )
    orphans.sweep_orphans()
    assert not Orphan.objects.exists()
