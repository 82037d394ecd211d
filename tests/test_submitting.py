from __future__ import annotations

import functools
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.db import OperationalError, connection
from django.utils import timezone

from studio import lifecycle
from studio.lifecycle import MOST_SAME_KEY, SENDING
from studio.models import Generation, ProviderAccount
from studio.models.generation import Charged, State
from studio.providers import base, http
from studio.providers.base import Job, Status
from studio.providers.registry import make_provider
from studio.services import doors
from studio.services.work import patience, reconcile, recovery, storing, submitting
from studio.services.work.submitting import submit_next
from tests.emulator import Emulator, Scripted
from tests.emulator.media import make_clip
from tests.factories import make_generation, make_previs, make_still
from tests.paid import (
    DIALECTS,
    account_at,
    again,
    lapse,
    make_due,
    queue_shot,
    queue_shots,
    reasons,
    sweep_once,
)

pytestmark = pytest.mark.django_db
LISTLESS = ("aimlapi", "legacy", "gmicloud", "luma")  # those without an idempotency key

# Faults of a submit -> does the request count as one that may have been bought?
UNKNOWN_OUTCOME = {
    "error_500": False,
    "error_503": False,
    "reset": False,
    "html": False,
    "hang": False,
    "truncated": True,
    "dropped": True,
    "error_after": True,
    "html_after": True,
    "empty_after": True,
    "hang_after": True,
}  # fault -> was it accepted in truth


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait seconds for an answer that never comes, not half a minute."""
    quick = functools.partial(make_provider, timeout_s=1.5)
    monkeypatch.setattr(doors, "make_provider", quick)


@pytest.fixture
def submit_raises(monkeypatch: pytest.MonkeyPatch):
    """Let the adapter answer every submit with this error, job or function."""

    def answer(outcome: object) -> None:
        def submit(self: object, request: object) -> Job:
            result = outcome(request) if callable(outcome) else outcome
            if isinstance(result, Exception):
                raise result
            assert isinstance(result, Job)
            return result

        for adapter in {type(make_provider(s, api_key="k" * 20)) for s in ("luma", "apiframe")}:
            monkeypatch.setattr(adapter, "submit", submit)

    return answer


def put_off(shot: Generation) -> timedelta:
    account = again(shot).account
    assert account.paused_until
    return account.paused_until - timezone.now()


def release(shot: Generation) -> None:
    """Let the pauses of this shot and of its account be over."""
    ProviderAccount.objects.filter(pk=shot.account_id).update(paused_until=None)
    if again(shot).next_poll_at:
        make_due(shot)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_shot_is_sent_and_its_job_recorded(project, emulator: Emulator, asked, dialect):
    emulator.configure(finish_after_s=60)
    shot = queue_shot(project, account_at(emulator, dialect))
    assert submit_next(shot.account_id).startswith("sent:")
    row = again(shot)
    (job,) = emulator.jobs()
    assert (row.state, row.provider_job_id, row.attempts) == (State.RUNNING, job.id, 1)
    assert row.next_poll_at > timezone.now()
    assert row.deadline_at > timezone.now() + timedelta(minutes=40)
    assert reasons(row) == [State.QUEUED, State.SUBMITTING, State.RUNNING]


def test_an_answer_that_is_the_end_already_goes_straight_to_storing(project, emulator, asked):
    emulator.configure(rates={"instant": 1.0})
    shot = queue_shot(project, account_at(emulator, "luma"))
    submit_next(shot.account_id)
    row = again(shot)
    assert (row.state, row.charged) == (State.STORING, Charged.YES)
    assert row.provider_job_id
    assert ("store_next", ()) in asked


def test_nothing_is_sent_where_nothing_waits(project, emulator, asked):
    assert submit_next(account_at(emulator, "luma").pk).startswith("skipped")


def test_a_shot_the_account_cannot_pay_this_month_lets_cheaper_ones_pass(project, emulator, asked):
    account = account_at(emulator, "luma", monthly_limit_microusd=1_500_000)
    dear = queue_shots(project, account, 10, estimated_microusd=1_600_000)
    cheap = queue_shots(project, account, 3, estimated_microusd=710_000)
    said = [submit_next(account.pk) for _ in range(5)]
    assert sum(text.startswith("sent") for text in said) == 2
    assert [again(shot).state == State.QUEUED for shot in cheap] == [False, False, True]
    for shot in (*dear, cheap[-1]):
        assert (again(shot).state, again(shot).held) == (State.QUEUED, False)
        assert "go over this account’s limit" in again(shot).waiting_text
    account.refresh_from_db()
    assert account.paused_until is None
    versions = {shot.pk: again(shot).version for shot in dear}
    make_due(*dear)
    for _ in range(2):
        assert submit_next(account.pk).startswith("skipped")
    assert {shot.pk: again(shot).version for shot in dear} == versions, "nothing new to tell"
    ProviderAccount.objects.filter(pk=account.pk).update(monthly_limit_microusd=None)
    make_due(*dear)
    assert submit_next(account.pk).startswith("sent")


def test_no_more_than_the_limit_are_at_the_provider(project, emulator, asked):
    emulator.configure(finish_after_s=60)
    account = account_at(emulator, "luma", concurrent_limit=2)
    queue_shots(project, account, 3)
    said = [submit_next(account.pk) for _ in range(4)]
    assert [text.startswith("sent") for text in said] == [True, True, False, False]
    assert len(emulator.jobs()) == 2


def test_nothing_is_sent_past_the_limit_of_the_account(project, emulator, asked):
    account = account_at(emulator, "luma", monthly_limit_microusd=1_000_000)
    first, second = queue_shots(project, account, 2, estimated_microusd=710_000)
    assert submit_next(account.pk).startswith("sent")
    assert submit_next(account.pk).startswith("skipped")
    row = again(second)
    assert row.state == State.QUEUED
    assert row.waiting_text.startswith("It would go over this account’s limit for ")
    assert "Nothing was charged. It is sent once an admin raises the limit" in row.waiting_text
    Generation.objects.filter(pk=first.pk).update(charged=Charged.NO)
    make_due(second)
    assert submit_next(account.pk).startswith("sent")
    assert len(emulator.jobs()) == 2


@pytest.mark.parametrize("dialect", LISTLESS)
@pytest.mark.parametrize("fault", UNKNOWN_OUTCOME)
def test_an_unknown_outcome_is_never_sent_again_by_itself(project, emulator, asked, dialect, fault):
    emulator.configure(script=[Scripted(fault, kind="submit")])
    shot = queue_shot(project, account_at(emulator, dialect))
    submit_next(shot.account_id)
    row = again(shot)
    assert row.state == State.UNCERTAIN
    assert "may be charged" in row.waiting_text
    assert row.events.last().reason.split(". ")[0][:100] in row.waiting_text, "the cause is said"
    assert row.charged == Charged.PENDING
    assert len(emulator.jobs()) == UNKNOWN_OUTCOME[fault]
    asked.run("submit_next")
    recovery.revive()
    asked.run("submit_next")
    assert again(shot).state == State.UNCERTAIN
    assert len(emulator.jobs()) == UNKNOWN_OUTCOME[fault]


@pytest.mark.parametrize("fault", UNKNOWN_OUTCOME)
def test_with_an_order_number_it_is_sent_again_and_bought_once(project, emulator, asked, fault):
    emulator.configure(script=[Scripted(fault, kind="submit")], finish_after_s=60)
    shot = queue_shot(project, account_at(emulator, "apiframe"))
    submit_next(shot.account_id)
    row = again(shot)
    assert (row.state, row.raw_status, row.charged) == (State.QUEUED, SENDING, Charged.PENDING)
    assert row.next_poll_at > timezone.now()
    assert submit_next(shot.account_id).startswith("skipped")
    make_due(shot)
    submit_next(shot.account_id)
    row = again(shot)
    assert (row.state, row.attempts) == (State.RUNNING, 2)
    assert [job.id for job in emulator.jobs()] == [row.provider_job_id]


@pytest.mark.parametrize("change", ["key", "base URL"])
def test_with_another_key_or_base_url_an_order_number_is_not_used_again(
    project, emulator, asked, change
):
    """The account behind them may be another one, which does not know the order and would sell it anew."""
    emulator.configure(script=[Scripted("dropped", kind="submit")], finish_after_s=60)
    account = account_at(emulator, "apiframe")
    shot = queue_shot(project, account)
    submit_next(account.pk)
    assert again(shot).raw_status == SENDING
    with Emulator(finish_after_s=60) as other:
        if change == "key":
            account.set_key(account.reveal_key() + "-of-another-account")
        else:
            account.base_url = other.base_url("apiframe")
        account.save()
        make_due(shot)
        submit_next(account.pk)
        row = again(shot)
        assert (row.state, row.attempts) == (State.UNCERTAIN, 1)
        assert "key or base URL was changed" in row.waiting_text
        assert other.jobs() == []
    assert len(emulator.jobs()) == 1


def test_a_resend_waits_longer_each_time_and_then_asks_a_person(project, emulator, asked):
    emulator.configure(rates={"dropped": 1.0})
    shot = queue_shot(project, account_at(emulator, "apiframe"))
    waits = []
    for _ in range(MOST_SAME_KEY):
        submit_next(shot.account_id)
        row = again(shot)
        if row.state == State.QUEUED:
            waits.append(round((row.next_poll_at - timezone.now()).total_seconds()))
            make_due(shot)
    assert waits == [5, 10, 20, 40, 60]
    assert (row.state, row.attempts) == (State.UNCERTAIN, MOST_SAME_KEY)
    assert len(emulator.jobs()) == 1


def test_one_resend_keeps_nobody_else_waiting(project, emulator, asked):
    emulator.configure(script=[Scripted("dropped", kind="submit")])
    first, second = queue_shots(project, account_at(emulator, "apiframe"), 2)
    submit_next(first.account_id)
    submit_next(first.account_id)
    assert (again(first).state, again(second).state) == (State.QUEUED, State.RUNNING)


def test_a_resend_carries_the_same_picture_address(project, emulator, asked):
    emulator.configure(script=[Scripted("dropped", kind="submit")])
    account = account_at(emulator, "apiframe")
    shot = queue_shot(project, account, start_keyframe=make_still(project, size=(400, 300)))
    submit_next(account.pk)
    make_due(shot)
    submit_next(account.pk)
    assert again(shot).state == State.RUNNING
    assert (emulator.stats["uploads"], len(emulator.jobs())) == (1, 1)


def test_an_order_number_taken_by_another_body_is_looked_up(
    project, emulator, asked, submit_raises
):
    submit_raises(base.AlreadySubmitted("Apiframe has it already."))
    shot = queue_shot(project, account_at(emulator, "apiframe"))
    submit_next(shot.account_id)
    assert again(shot).state == State.UNCERTAIN


def test_an_order_number_too_old_to_be_remembered_is_not_used_again(project, emulator, asked):
    emulator.configure(script=[Scripted("dropped", kind="submit")])
    shot = queue_shot(project, account_at(emulator, "apiframe"))
    submit_next(shot.account_id)
    Generation.objects.filter(pk=shot.pk).update(
        submitted_at=timezone.now() - timedelta(hours=23), next_poll_at=None
    )
    submit_next(shot.account_id)
    assert again(shot).state == State.UNCERTAIN
    assert emulator.stats["requests"]["apiframe.submit"] == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (base.Refused("Luma refuses this shot: too dark."), "refused"),
        (base.Refused("The prompt was refused.", code="moderation"), "moderation"),
        (base.Refused("A frame cannot be read.", code="image"), "image"),
        (base.EndUnusable("This clip cannot be continued."), "end"),
        (base.NotFound("Luma does not know this model."), "refused"),
    ],
    ids=["refused", "moderation", "image", "end", "not found"],
)
def test_a_refusal_ends_unbought_and_says_why(project, emulator, asked, submit_raises, error, code):
    submit_raises(error)
    shot = queue_shot(project, account_at(emulator, "luma"))
    submit_next(shot.account_id)
    row = again(shot)
    assert (row.state, row.charged, row.failure_code) == (State.FAILED, Charged.NO, code)
    assert row.failure_text == error.message
    assert row.account.paused_until is None
    assert ("submit_next", (shot.account_id,)) in asked
    assert ("fail_over", (shot.pk,)) in asked


@pytest.mark.parametrize(
    ("error", "wait_s", "says"),
    [
        (base.ProviderUnavailable("Luma isn't answering."), 30, "isn’t answering"),
        (base.RateLimited("Fewer, please."), 20, "is busy"),
        (base.RateLimited("Fewer, please.", retry_after_s=7), 7, "try again in 7 s"),
    ],
    ids=["unavailable", "limited", "limited with a time"],
)
def test_what_never_left_waits_and_is_tried_again(
    project, emulator, asked, submit_raises, error, wait_s, says
):
    submit_raises(error)
    shot = queue_shot(project, account_at(emulator, "luma"))
    submit_next(shot.account_id)
    row = again(shot)
    assert (row.state, row.raw_status) == (State.QUEUED, ""), row.failure_text
    assert says in row.waiting_text
    assert "Your shot is safe" in row.waiting_text
    assert timedelta(seconds=wait_s - 2) < put_off(shot) <= timedelta(seconds=wait_s)
    release(shot)
    submit_raises(Job("job-7", Status.QUEUED))
    submit_next(shot.account_id)
    assert again(shot).provider_job_id == "job-7"


@pytest.mark.parametrize(
    "error",
    [base.SubmitUncertain("No answer came."), base.ProtocolError("A web page came.")],
    ids=lambda error: type(error).__name__,
)
def test_an_answer_that_cannot_be_read_may_be_a_purchase(
    project, emulator, asked, submit_raises, error
):
    submit_raises(error)
    shot = queue_shot(project, account_at(emulator, "luma"))
    submit_next(shot.account_id)
    assert again(shot).state == State.UNCERTAIN


def test_a_refused_resend_does_not_make_the_first_try_unbought(
    project, emulator, asked, submit_raises
):
    emulator.configure(script=[Scripted("dropped", kind="submit")])
    shot = queue_shot(project, account_at(emulator, "apiframe"))
    submit_next(shot.account_id)
    make_due(shot)
    submit_raises(base.Refused("No."))
    submit_next(shot.account_id)
    row = again(shot)
    assert (row.state, row.charged) == (State.UNCERTAIN, Charged.PENDING)


def test_a_busy_answer_to_a_resend_keeps_the_mark(project, emulator, asked, submit_raises):
    emulator.configure(script=[Scripted("dropped", kind="submit")])
    shot = queue_shot(project, account_at(emulator, "apiframe"))
    submit_next(shot.account_id)
    make_due(shot)
    submit_raises(base.RateLimited("Fewer, please."))
    submit_next(shot.account_id)
    assert (again(shot).state, again(shot).raw_status) == (State.QUEUED, SENDING)


def test_a_pause_is_never_made_shorter(project, emulator):
    account = account_at(emulator, "luma")
    doors.pause(account, seconds=300, trouble="Out of credit.")
    doors.pause(account, seconds=5, trouble="Busy.")
    account.refresh_from_db()
    assert account.trouble == "Out of credit."
    assert account.paused_until > timezone.now() + timedelta(seconds=200)


def test_success_clears_old_trouble_but_not_newer_trouble(project, emulator):
    account = account_at(emulator, "luma")
    doors.pause(account, seconds=1, trouble="Busy.")
    account.refresh_from_db()
    read_before = ProviderAccount.objects.get(pk=account.pk)
    doors.clear_trouble(account)
    account.refresh_from_db()
    assert (account.trouble, account.paused_until) == ("", None)
    doors.pause(account, seconds=60, trouble="Out of credit.")
    doors.clear_trouble(read_before)
    account.refresh_from_db()
    assert account.trouble == "Out of credit."


def test_an_id_that_is_not_accepted_goes_as_its_frame(project, emulator, asked, settings):
    settings.PUBLIC_URL = "https://studio.example"
    emulator.configure(aimlapi_ids="nanoid", finish_after_s=60)
    account = account_at(emulator, "aimlapi")
    clip = make_generation(
        project, account=account, provider="aimlapi", provider_job_id="nano-id-123"
    )
    clip.clip.save("clip.mp4", ContentFile(make_clip("16:9", 1)))
    shot = queue_shot(project, account, start_generation=clip)
    submit_next(account.pk)
    row = again(shot)
    assert (row.state, row.raw_status) == (State.QUEUED, ""), row.failure_text
    assert row.start_keyframe.grabbed_from == clip
    asked.run("submit_next")
    assert again(shot).state == State.RUNNING
    (body,) = [entry["body"] for entry in emulator.received]
    assert body["keyframes"]["frame0"]["type"] == "image"


def test_without_a_public_address_such_a_shot_ends_with_words(project, emulator, asked):
    emulator.configure(aimlapi_ids="nanoid")
    account = account_at(emulator, "aimlapi")
    clip = make_generation(
        project, account=account, provider="aimlapi", provider_job_id="nano-id-123"
    )
    clip.clip.save("clip.mp4", ContentFile(make_clip("16:9", 1)))
    shot = queue_shot(project, account, start_generation=clip)
    submit_next(account.pk)
    assert (again(shot).state, again(shot).charged) == (State.FAILED, Charged.NO)


def test_a_still_that_cannot_be_read_ends_the_shot_unbought(project, emulator, asked):
    account = account_at(emulator, "apiframe")
    still = make_still(project)
    still.file.storage.delete(still.file.name)
    shot = queue_shot(project, account, start_keyframe=still)
    submit_next(account.pk)
    row = again(shot)
    assert (row.state, row.charged) == (State.FAILED, Charged.NO)
    assert row.failure_text == "Its start or end frame cannot be read."
    assert emulator.jobs() == []


def test_a_key_that_cannot_be_decrypted_holds_the_account(project, emulator, asked, settings):
    shot = queue_shot(project, account_at(emulator, "luma"))
    settings.ENCRYPTION_KEYS = ["another key altogether"]
    submit_next(shot.account_id)
    row = again(shot)
    assert (row.state, row.account.hold_reason) == (State.QUEUED, "key")
    assert "STUDIO_ENCRYPTION_KEY" in row.waiting_text


def test_a_model_that_left_the_catalogue_ends_the_shot_with_words(project, emulator, asked):
    shot = queue_shot(project, account_at(emulator, "luma"), model="ray-0")
    submit_next(shot.account_id)
    assert again(shot).state == State.FAILED
    assert "ray-0" in again(shot).failure_text


def test_a_worker_that_lost_the_shot_does_not_send_it(project, emulator, asked, monkeypatch):
    shot = queue_shot(project, account_at(emulator, "luma"))
    build = submitting.build_request

    def lose(generation: Generation, *rest: object) -> object:
        Generation.objects.filter(pk=generation.pk).update(lease_token="of somebody else")
        return build(generation, *rest)

    monkeypatch.setattr(submitting, "build_request", lose)
    assert submit_next(shot.account_id).startswith("stopped")
    assert emulator.jobs() == []


def test_the_mark_is_written_before_the_request_leaves(project, emulator, asked, submit_raises):
    shot = queue_shot(project, account_at(emulator, "luma"))
    seen = []

    def look(request: object) -> Job:
        seen.append(again(shot))
        return Job("job-1", Status.QUEUED)

    submit_raises(look)
    submit_next(shot.account_id)
    assert [(row.state, row.raw_status) for row in seen] == [(State.SUBMITTING, SENDING)]


def test_no_provider_is_called_inside_a_transaction(project, emulator, asked, monkeypatch):
    account = account_at(emulator, "luma")
    outside, depths = len(connection.atomic_blocks), []
    send = http.Door.send

    def seen(self, call):
        depths.append(len(connection.atomic_blocks) - outside)
        return send(self, call)

    monkeypatch.setattr(http.Door, "send", seen)
    emulator.configure(script=[Scripted("dropped", kind="submit")])
    shots = queue_shots(project, account, 2)
    for _ in shots:
        submit_next(account.pk)
    make_due(*shots)
    reconcile.reconcile_account(account.pk)
    make_due(*shots)
    sweep_once()
    for shot in shots:
        storing.store_clip(shot.pk)
    assert [again(shot).state for shot in shots] == [State.SUCCEEDED] * 2
    assert len(depths) >= 3
    assert set(depths) == {0}


def test_a_job_that_is_another_shots_already_waits_for_a_person(
    project, emulator, asked, submit_raises
):
    submit_raises(Job("job-1", Status.QUEUED))
    first, second = queue_shots(project, account_at(emulator, "luma"), 2)
    submit_next(first.account_id)
    submit_next(first.account_id)
    assert again(first).state == State.RUNNING
    assert again(second).state == State.UNCERTAIN


def test_an_answer_after_giving_up_keeps_the_job_findable(project, emulator, asked, submit_raises):
    shot = queue_shot(project, account_at(emulator, "luma"))

    def give_up(request: object) -> Job:
        lapse(shot)
        recovery.revive()
        assert lifecycle.move(shot.pk, State.ABANDONED, charged=Charged.UNKNOWN)
        return Job("job-1", Status.QUEUED)

    submit_raises(give_up)
    submit_next(shot.account_id)
    assert (again(shot).state, again(shot).provider_job_id) == (State.ABANDONED, "job-1")


@pytest.mark.django_db(transaction=True)
def test_an_answer_is_recorded_although_the_database_is_away_for_a_while(
    project, emulator, asked, monkeypatch
):
    """At AI/ML API nobody could find the job again: neither an order number nor a list."""
    shot = queue_shot(project, account_at(emulator, "aimlapi"))
    record, away = submitting.record_submitted, iter(range(3))

    def unsteady(*args):
        if next(away, None) is not None:
            raise OperationalError("the connection is closed")
        return record(*args)

    monkeypatch.setattr(submitting, "record_submitted", unsteady)
    monkeypatch.setattr(patience, "AGAIN_S", 0)
    monkeypatch.setattr(patience, "WITHIN_S", 1)
    assert submit_next(shot.account_id).startswith("sent")
    assert again(shot).provider_job_id == emulator.jobs()[0].id


def test_an_answer_that_cannot_be_recorded_is_in_the_log(project, emulator, asked, monkeypatch):
    shot = queue_shot(project, account_at(emulator, "aimlapi"))

    def gone(*args):
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(submitting, "record_submitted", gone)
    monkeypatch.setattr(patience, "WITHIN_S", 0)
    told = []
    monkeypatch.setattr(patience.logger, "error", lambda text, *args: told.append(text % args))
    with pytest.raises(OperationalError):
        submit_next(shot.account_id)
    assert emulator.jobs()[0].id in told[0]
    assert again(shot).state == State.SUBMITTING, "the next worker looks at what may have left"


def test_an_answer_that_comes_after_the_lease_is_still_recorded(
    project, emulator, asked, submit_raises
):
    shot = queue_shot(project, account_at(emulator, "luma"))

    def slowly(request: object) -> Job:
        lapse(shot)
        recovery.revive()
        assert again(shot).state == State.UNCERTAIN
        return Job("job-1", Status.QUEUED)

    submit_raises(slowly)
    submit_next(shot.account_id)
    assert (again(shot).state, again(shot).provider_job_id) == (State.RUNNING, "job-1")


def test_an_answer_that_comes_when_it_is_back_in_line_is_not_asked_for_again(
    project, emulator, asked, submit_raises
):
    shot = queue_shot(project, account_at(emulator, "apiframe"))

    def slowly(request: object) -> Job:
        lapse(shot)
        recovery.revive()
        assert again(shot).state == State.QUEUED
        return Job("job-1", Status.QUEUED)

    submit_raises(slowly)
    submit_next(shot.account_id)
    assert (again(shot).state, again(shot).provider_job_id) == (State.QUEUED, "job-1")
    submit_raises(AssertionError("sent a second time"))
    assert submit_next(shot.account_id) == "sent before: job-1"
    assert (again(shot).state, again(shot).provider_job_id) == (State.RUNNING, "job-1")


# ---- After a worker died ----------------------------------------------------------------


def claimed(project, emulator, dialect: str, *, sending: bool) -> Generation:
    shot = queue_shot(project, account_at(emulator, dialect))
    token = lifecycle.claim_submit(shot.pk)
    assert token
    if sending:
        lifecycle.mark_sending(shot.pk, token=token)
    lapse(shot)
    return shot


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_had_not_left_goes_back_in_line(project, emulator, asked, dialect):
    shot = claimed(project, emulator, dialect, sending=False)
    recovery.revive()
    assert (again(shot).state, again(shot).raw_status) == (State.QUEUED, "")


@pytest.mark.parametrize("dialect", LISTLESS)
def test_what_may_have_left_waits_for_a_person(project, emulator, asked, dialect):
    shot = claimed(project, emulator, dialect, sending=True)
    recovery.revive()
    assert again(shot).state == State.UNCERTAIN


def test_what_may_have_left_with_an_order_number_is_sent_again(project, emulator, asked):
    shot = claimed(project, emulator, "apiframe", sending=True)
    recovery.revive()
    assert (again(shot).state, again(shot).raw_status) == (State.QUEUED, SENDING)


def test_a_lease_that_is_still_held_is_left_alone(project, emulator, asked):
    shot = queue_shot(project, account_at(emulator, "luma"))
    lifecycle.claim_submit(shot.pk)
    recovery.revive()
    assert again(shot).state == State.SUBMITTING


@pytest.mark.parametrize("attempts", [1, recovery.MOST_PREPARATIONS])
@pytest.mark.parametrize("lease_s", [30, -1], ids=["in time", "by another clock"])
def test_a_worker_that_goes_on_at_this_moment_is_not_taken_for_a_dead_one(
    project, emulator, asked, monkeypatch, attempts, lease_s
):
    """It sends after recovery has read the row, and before recovery acts on what it read."""
    shot = claimed(project, emulator, "luma", sending=False)
    Generation.objects.filter(pk=shot.pk).update(work_attempts=attempts)
    recover = recovery._recover_submit

    def late(generation, now):
        token = generation.lease_token
        assert lifecycle.mark_sending(generation.pk, token=token, seconds=lease_s)
        return recover(generation, now)

    monkeypatch.setattr(recovery, "_recover_submit", late)
    recovery.revive()
    assert (again(shot).state, again(shot).raw_status) == (State.SUBMITTING, SENDING)


def test_a_shot_that_stops_every_worker_is_ended(project, emulator, asked):
    shot = queue_shot(project, account_at(emulator, "luma"))
    for _ in range(recovery.MOST_PREPARATIONS):
        assert lifecycle.claim_submit(shot.pk)
        lapse(shot)
        recovery.revive()
    assert (again(shot).state, again(shot).charged) == (State.FAILED, Charged.NO)
    assert "stopped 5 workers" in again(shot).failure_text


def test_a_shot_that_stops_every_worker_while_sending_waits_for_a_person(project, emulator, asked):
    shot = queue_shot(project, account_at(emulator, "apiframe"))
    for _ in range(MOST_SAME_KEY):
        token = lifecycle.claim_submit(shot.pk)
        assert token
        lifecycle.mark_sending(shot.pk, token=token)
        lapse(shot)
        recovery.revive()
    assert again(shot).state == State.UNCERTAIN


def test_previs_is_started_without_a_provider(project, asked):
    shot = queue_shot(project, make_previs())
    submit_next(shot.account_id)
    assert again(shot).state == State.RUNNING
    assert ("render_previs", (shot.pk,)) in asked


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("error", "write", "state"),
    [
        (base.Refused("The prompt is too long."), "mark_failed", State.FAILED),
        (base.OutOfCredit("Luma is out of credit."), "return_to_queue", State.QUEUED),
        (base.RateLimited("Luma is busy."), "return_to_queue", State.QUEUED),
    ],
    ids=["refused", "out of credit", "rate limited"],
)
def test_a_refusal_is_recorded_although_the_database_was_busy(
    project, emulator, asked, submit_raises, monkeypatch, error, write, state
):
    record, busy = getattr(lifecycle, write), iter(range(2))

    def unsteady(*args, **columns):
        if next(busy, None) is not None:
            raise OperationalError("deadlock detected")
        return record(*args, **columns)

    monkeypatch.setattr(lifecycle, write, unsteady)
    monkeypatch.setattr(patience, "AGAIN_S", 0)
    monkeypatch.setattr(patience, "WITHIN_S", 5)
    shot = queue_shot(project, account_at(emulator, "luma"))
    submit_raises(error)
    submit_next(shot.account_id)
    row = again(shot)
    assert (row.state, next(busy, None)) == (state, None)
    assert row.failure_text or row.waiting_text
