"""What may not be bought any more is not sent: asked again when a queued shot's turn comes."""

from __future__ import annotations

import pytest
from django.utils import timezone

from studio import lifecycle
from studio.models import Generation, Membership, Project, User
from studio.models.generation import State
from studio.services import shots
from studio.services.errors import StudioError
from studio.services.work.submitting import submit_next
from tests.paid import account_at, again, asked, emulator, queue_shots
from tests.test_quoted_prices import cast

__all__ = ["asked", "cast", "emulator"]


def archive(project):
    Project.objects.filter(pk=project.pk).update(archived_at=timezone.now())


def remove(project):
    Membership.objects.filter(project=project, user=project.created_by).delete()


def deactivate(project):
    User.objects.filter(pk=project.created_by_id).update(is_active=False)


def withdraw_account(project):
    Project.objects.filter(pk=project.pk).update(all_accounts=False)


CHANGES = {
    archive: "This project is archived",
    remove: "may not make shots in this project",
    deactivate: "may not make shots in this project",
    withdraw_account: "may not use that paid account",
}


@pytest.mark.parametrize(("change", "reason"), CHANGES.items())
def test_what_may_not_be_bought_any_more_is_held(cast, emulator, asked, change, reason):
    account = account_at(emulator, "luma")
    Project.objects.filter(pk=cast.project.pk).update(budget_microusd=10_000_000)
    User.objects.filter(pk=cast.project.created_by_id).update(is_staff=False)
    queued = queue_shots(cast.project, account, 3, estimated_microusd=800_000)
    change(cast.project)
    assert submit_next(account.pk).startswith("skipped")
    for shot in map(again, queued):
        assert (shot.state, shot.held) == (State.QUEUED, True)
        assert reason in shot.waiting_text
        assert "Nothing was charged. Release it when this has changed" in shot.waiting_text
        with pytest.raises(StudioError, match=reason):
            shots.hold(generation=shot, held=False)
        assert again(shot).held


def test_a_shot_that_is_allowed_again_is_released_and_sent(cast, emulator, asked):
    account = account_at(emulator, "luma")
    (shot,) = queue_shots(cast.project, account, 1, estimated_microusd=800_000)
    archive(cast.project)
    submit_next(account.pk)
    Project.objects.filter(pk=cast.project.pk).update(archived_at=None)
    shots.hold(generation=again(shot), held=False)
    assert (again(shot).held, again(shot).waiting_text) == (False, "")
    assert submit_next(account.pk).startswith("sent")


def test_a_shot_that_may_have_left_is_not_judged_anew(cast, emulator, asked):
    account = account_at(emulator, "luma")
    (left,) = queue_shots(cast.project, account, 1, estimated_microusd=800_000)
    Generation.objects.filter(pk=left.pk).update(raw_status=lifecycle.SENDING)
    archive(cast.project)
    submit_next(account.pk)
    assert not again(left).held
