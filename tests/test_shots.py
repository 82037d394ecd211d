from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from studio import lifecycle
from studio.models import Generation, Price, ProviderAccount
from studio.models.generation import Charged, State
from studio.services import shots
from studio.services.errors import StudioError
from studio.services.money.budgets import month_budget
from studio.services.shots import MAX_TAKES, NewShot, create_shots
from tests.factories import make_generation, make_previs, make_project, make_still
from tests.paid import again, queue_shot, reasons

pytestmark = pytest.mark.django_db
DOLLAR = 1_000_000


def ask(project, account=None, **fields):
    new = NewShot(
        **{
            "prompt": "Low cloud over the ridge",
            "account": account or make_previs(),
            "model": "previs-1",
            **fields,
        }
    )
    return create_shots(project=project, by=project.created_by, new=new)


@pytest.fixture
def luma(project):
    account = ProviderAccount(provider="luma", label="")
    account.set_key("luma-key-0123456789")
    account.save()
    return account


def test_each_take_is_queued_once_and_asked_to_be_sent(project, asked):
    made = ask(project, takes=3)
    assert [g.take for g in made] == [1, 2, 3]
    assert len({g.shot for g in made}) == 1
    assert len({g.idempotency_key for g in made}) == 3
    assert asked.count("submit_next") == 3
    assert ("sweep", ()) in asked


def test_no_sweep_is_asked_for_where_one_is_running(project, asked):
    account = make_previs()
    until = timezone.now() + timedelta(seconds=10)
    ProviderAccount.objects.filter(pk=account.pk).update(sweep_token="t", sweep_until=until)
    ask(project)
    assert asked.count("sweep") == 0


def test_the_same_token_twice_makes_one_shot(project, asked):
    token = uuid.uuid4()
    first = ask(project, request_token=token, takes=2)
    asked.clear()
    assert ask(project, request_token=token, takes=2) == first
    assert project.generations.count() == 2
    assert asked.tasks == []


def test_a_further_take_gets_the_next_number(project, asked):
    (first,) = ask(project)
    (second,) = ask(project, shot=first.shot)
    assert (second.shot, second.take) == (first.shot, 2)


def test_a_shot_over_the_budget_is_refused_and_nothing_is_queued(project, luma, asked):
    project.budget_microusd = DOLLAR
    project.save()
    with pytest.raises(StudioError, match="over budget.*is left in") as refusal:
        ask(project, luma, model="ray-2", takes=2)
    assert refusal.value.field == "offer"
    assert (project.generations.count(), asked.tasks) == (0, [])
    assert len(ask(project, luma, model="ray-2")) == 1


def test_shots_in_flight_count_against_the_budget(project, luma, asked):
    project.budget_microusd = DOLLAR
    project.save()
    ask(project, luma, model="ray-2")
    with pytest.raises(StudioError, match="over budget"):
        ask(project, luma, model="ray-2")


def test_what_was_not_charged_frees_the_budget_and_what_nobody_knows_does_not(project, luma, asked):
    project.budget_microusd = DOLLAR
    project.save()
    (made,) = ask(project, luma, model="ray-2")
    spent = month_budget(project).spent
    assert spent == made.estimated_microusd > 0
    lifecycle.move(made.pk, State.SUBMITTING)
    lifecycle.move(made.pk, State.FAILED, charged=Charged.UNKNOWN)
    assert month_budget(project).spent == spent
    lifecycle.touch(made.pk, charged=Charged.NO)
    assert month_budget(project).spent == 0


def test_a_price_nobody_knows_is_held_at_the_most_it_can_cost(project, luma, asked):
    Price.objects.filter(provider="luma").delete()
    made = ask(project, luma, model="ray-2")[0]
    assert (made.estimated_microusd, made.is_ceiling) == (
        1_275_000,
        True,
    )  # 1.25 x Apiframe's $1.02
    project.budget_microusd = 2 * DOLLAR
    project.save()
    with pytest.raises(StudioError, match=r"costs at most \$1.27 and \$0.72 is left"):
        ask(project, luma, model="ray-2")


def test_the_limit_of_an_account_holds_over_all_projects(project, luma, asked):
    ProviderAccount.objects.filter(pk=luma.pk).update(monthly_limit_microusd=DOLLAR)
    luma.refresh_from_db()
    ask(make_project(), luma, model="ray-2")
    with pytest.raises(
        StudioError, match="over the limit of this account.*Ask an admin"
    ) as refusal:
        ask(project, luma, model="ray-2")
    assert refusal.value.field == "offer"


def test_previs_costs_nothing_whatever_the_budget(project, asked):
    project.budget_microusd = 0
    project.save()
    assert ask(project)[0].estimated_microusd == 0


def test_the_estimate_is_kept_with_the_shot(project, luma, asked):
    (made,) = ask(project, luma, model="ray-2", duration_s=9, resolution="1080p")
    price = Price.objects.get(provider="luma", model="ray-2", duration_s=9, resolution="1080p")
    assert made.estimated_microusd == price.microusd


@pytest.mark.parametrize("takes", [0, MAX_TAKES + 1])
def test_takes_have_limits(project, takes):
    with pytest.raises(StudioError, match=f"Takes is {takes}; it must be from 1 to {MAX_TAKES}"):
        ask(project, takes=takes)


def test_an_archived_project_takes_no_shots(project):
    project.archived_at = timezone.now()
    project.save()
    with pytest.raises(StudioError, match="archived"):
        ask(project)


@pytest.mark.parametrize("columns", [{"enabled": False}, {"key_locked": ""}], ids=str)
def test_an_account_that_is_off_or_keyless_takes_no_shots(project, luma, columns):
    ProviderAccount.objects.filter(pk=luma.pk).update(**columns)
    luma.refresh_from_db()
    with pytest.raises(StudioError, match="switched off or has no key") as refusal:
        ask(project, luma, model="ray-2")
    assert refusal.value.field == "offer"


def test_a_model_nobody_has_is_refused_in_words(project, luma):
    with pytest.raises(StudioError) as refusal:
        ask(project, luma, model="ray-99")
    assert "ray-99" in refusal.value.message


@pytest.mark.parametrize("end", ["start", "end"])
def test_ends_of_another_project_are_refused(project, end):
    other = make_project()
    with pytest.raises(StudioError, match="not a still of this project") as refusal:
        ask(project, **{f"{end}_keyframe": make_still(other)})
    assert refusal.value.field == end
    with pytest.raises(StudioError, match="not a clip of this project"):
        ask(project, **{f"{end}_generation": make_generation(other)})


def test_an_end_that_will_never_be_a_clip_is_refused(project):
    with pytest.raises(StudioError, match="not rendered"):
        ask(project, start_generation=make_generation(project, state=State.FAILED))


def test_a_frame_must_be_cut_from_the_clip_beside_it(project):
    with pytest.raises(StudioError, match="not cut from that clip"):
        ask(project, start_keyframe=make_still(project), start_generation=make_generation(project))


def test_what_the_catalogue_refuses_is_refused_with_its_field(project, luma):
    with pytest.raises(StudioError) as refusal:
        ask(project, luma, model="ray-2", duration_s=7)
    assert refusal.value.field == "duration_s"


def test_a_retry_is_the_next_take_in_the_failed_cards_place(project, asked):
    (made,) = ask(project, prompt="A ridge at dawn", aspect_ratio="9:16", concepts=("push_in",))
    lifecycle.move(made.pk, State.FAILED)
    fresh = shots.retry(generation=again(made), by=project.created_by, request_token=uuid.uuid4())
    assert (fresh.shot, fresh.take, fresh.retry_of) == (made.shot, 2, made)
    same = ("prompt", "aspect_ratio", "concepts", "duration_s", "model", "account")
    assert all(getattr(fresh, name) == getattr(made, name) for name in same)
    assert fresh.idempotency_key != made.idempotency_key
    assert again(made).archived_at is not None


def test_two_tabs_that_try_again_buy_once(project, asked):
    (made,) = ask(project)
    lifecycle.move(made.pk, State.FAILED)
    row = again(made)
    first, second = (
        shots.retry(generation=row, by=project.created_by, request_token=uuid.uuid4())
        for _ in range(2)
    )
    assert first == second
    assert project.generations.count() == 2


def test_a_shot_whose_retry_failed_may_be_tried_again(project, asked):
    (made,) = ask(project)
    lifecycle.move(made.pk, State.FAILED)
    first = shots.retry(generation=again(made), by=project.created_by, request_token=uuid.uuid4())
    lifecycle.move(first.pk, State.FAILED)
    second = shots.retry(generation=again(made), by=project.created_by, request_token=uuid.uuid4())
    assert second.take == 3


@pytest.mark.parametrize("state", sorted(set(State) - shots.RETRIABLE_STATES))
def test_only_what_ended_without_a_clip_is_tried_again(project, state):
    made = make_generation(project, state=state)
    with pytest.raises(StudioError, match="failed or was cancelled"):
        shots.retry(generation=made, by=project.created_by, request_token=uuid.uuid4())


def test_cancelling_in_the_queue_costs_nothing(project, asked):
    (made,) = ask(project)
    assert shots.cancel(generation=made, by=project.created_by)
    row = again(made)
    assert (row.state, row.charged) == (State.CANCELLED, Charged.NO)
    assert row.events.last().actor == project.created_by


def test_cancelling_a_render_frees_its_place(project, asked):
    made = make_generation(project, state=State.RUNNING)
    assert shots.cancel(generation=made, by=project.created_by)
    assert again(made).state == State.CANCELLED
    assert ("submit_next", (made.account_id,)) in asked


@pytest.mark.parametrize("state", [State.SUBMITTING, State.RUNNING, State.STALLED, State.UNCERTAIN])
def test_what_is_at_a_paid_provider_is_not_called_cancelled(project, luma, state):
    made = make_generation(project, state=state, provider="luma", model="ray-2", account=luma)
    assert not shots.cancel(generation=made, by=project.created_by)
    assert again(made).state == state


def test_stopping_a_shot_that_may_have_arrived_looks_for_it(project, luma, asked):
    made = queue_shot(project, luma)
    token = lifecycle.claim_submit(made.pk)
    lifecycle.mark_sending(made.pk, token=token)
    lifecycle.return_to_queue(made.pk, reason="no answer", token=token, may_have_left=True)
    assert shots.cancel(generation=again(made), by=project.created_by)
    row = again(made)
    assert (row.state, row.charged) == (State.UNCERTAIN, Charged.PENDING)
    assert row.next_poll_at <= timezone.now()
    assert ("sweep", ()) in asked


def test_archiving_hides_and_restoring_brings_back(project, asked):
    made = make_generation(project)
    shots.archive(generations=[made])
    assert not Generation.objects.visible().filter(pk=made.pk).exists()
    shots.restore(generations=[made])
    assert Generation.objects.visible().filter(pk=made.pk).exists()
    assert reasons(made) == []


def test_nothing_in_flight_is_archived(project):
    clip, running = make_generation(project), make_generation(project, state=State.RUNNING)
    with pytest.raises(StudioError, match="still in flight"):
        shots.archive(generations=[clip, running])
    assert again(clip).archived_at is None


@pytest.mark.parametrize("title", ["", "   ", "x" * 121])
def test_a_title_has_a_length(project, title):
    with pytest.raises(StudioError, match="1 to 120"):
        shots.rename(generation=make_generation(project), title=title)


def test_a_title_is_kept_without_stray_spaces(project):
    made = make_generation(project)
    shots.rename(generation=made, title="  Dawn   ridge ")
    assert again(made).title == "Dawn ridge"
