"""A held account: nobody's shot fails, the cards say why, and a free probe or an admin lifts it."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from studio import lifecycle
from studio.lifecycle import SENDING
from studio.models import Generation, ProviderAccount
from studio.models.generation import State
from studio.providers import base
from studio.providers.base import Balance, Job, Status
from studio.providers.registry import make_provider
from studio.services import holds
from studio.services.doors import refresh_balance
from studio.services.money import agreement
from studio.services.work import clock, probing, recovery
from studio.services.work.submitting import submit_next
from tests.emulator import Emulator, Scripted
from tests.factories import make_user
from tests.paid import account_at, again, make_due, queue_shot, queue_shots

pytestmark = pytest.mark.django_db
ERRORS = {
    "credit": base.OutOfCredit("Luma is out of credit."),
    "key": base.AuthFailed("Luma does not accept the key."),
    "endpoint": base.WrongEndpoint("Luma answered with a web page. Nothing was charged."),
}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch):
    """Let these verbs of Luma's and GMI Cloud's adapters answer so: a value is returned, an error raised."""

    def set_(provider: str = "luma", **verbs: object) -> None:
        adapter = type(make_provider(provider, api_key="k" * 20))
        for name, outcome in verbs.items():

            def verb(self: object, *args: object, outcome: object = outcome) -> object:
                outcome = outcome() if callable(outcome) else outcome
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome

            monkeypatch.setattr(adapter, name, verb)

    return set_


def held(project, emulator: Emulator, answers, reason: str = "credit", count: int = 1, **fields):
    """Return the account at which so many shots wait since the first met this error."""
    answers(submit=ERRORS[reason])
    account = account_at(emulator, "luma")
    shots = queue_shots(project, account, count, **({"estimated_microusd": 800_000} | fields))
    submit_next(account.pk)
    account.refresh_from_db()
    assert account.hold_reason == reason
    return account, shots


def make_probe_due(account: ProviderAccount) -> None:
    past = timezone.now() - timedelta(seconds=1)
    ProviderAccount.objects.filter(pk=account.pk).update(next_probe_at=past)


@pytest.mark.parametrize("reason", ERRORS)
def test_the_shot_goes_back_in_the_queue_and_nobodys_fails(
    project, emulator, asked, answers, reason
):
    account, shots = held(project, emulator, answers, reason, 3)
    assert [again(shot).state for shot in shots] == [State.QUEUED] * 3
    first = again(shots[0])
    assert (first.raw_status, first.submitted_at, first.failure_code) == ("", None, "")
    assert asked.count("fail_over") == 0
    for _ in range(3):
        assert submit_next(account.pk).startswith("skipped")
        recovery.revive()
    assert asked.count("submit_next") == 0, "nothing is asked for that cannot be sent"
    assert emulator.jobs() == []


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        (
            "credit",
            "Luma is out of credit. Nothing was charged. 7 shots wait, about $5.60 in all. "
            "An admin can top it up.",
        ),
        (
            "key",
            "Luma does not accept the key. Nothing was charged. 7 shots wait, about $5.60 in all. "
            "An admin can enter a new key.",
        ),
        (
            "endpoint",
            "Luma answered with a web page. Nothing was charged. 7 shots wait, about $5.60 in all. "
            "An admin can correct its base URL.",
        ),
    ],
)
def test_every_waiting_card_says_why_and_what_it_would_cost(
    project, emulator, asked, answers, reason, says
):
    _, shots = held(project, emulator, answers, reason, 7)
    assert {again(shot).waiting_text for shot in shots} == {says}


def test_a_later_shot_says_so_within_one_sweep(project, emulator, asked, answers):
    account, (first,) = held(project, emulator, answers)
    assert "1 shot waits, about $0.80 in all." in again(first).waiting_text
    later = queue_shot(project, account, estimated_microusd=None)
    version = again(first).version
    recovery.revive()
    for shot in (first, later):
        assert "2 shots wait, at least $0.80 in all." in again(shot).waiting_text
    assert again(first).version > version, "its card is drawn anew"
    version = again(first).version
    recovery.revive()
    assert again(first).version == version, "and not again for nothing"


def test_a_switched_off_account_says_so_until_it_is_switched_on(project, emulator, asked):
    account = account_at(emulator, "luma")
    shot = queue_shot(project, account)
    left = queue_shot(project, account)
    Generation.objects.filter(pk=left.pk).update(raw_status=lifecycle.SENDING)
    ProviderAccount.objects.filter(pk=account.pk).update(enabled=False)
    recovery.revive()
    says = "Luma is switched off. Nothing was charged. An admin can switch it on."
    assert again(shot).waiting_text == says
    assert again(left).waiting_text == "Luma is switched off. An admin can switch it on."
    version = again(shot).version
    recovery.revive()
    assert again(shot).version == version, "not drawn again for nothing"
    ProviderAccount.objects.filter(pk=account.pk).update(enabled=True)
    recovery.revive()
    assert (again(shot).waiting_text, again(left).waiting_text) == ("", "")


def test_a_shot_that_is_held_for_its_price_meanwhile_keeps_that_reason(
    project, emulator, asked, answers, monkeypatch
):
    account, (first, second) = held(project, emulator, answers, count=2)
    costs_more = f"{agreement.COSTS_MORE}$2.00 instead of $0.80."
    write = lifecycle.explain_wait

    def write_late(project_id, pks, text):
        Generation.objects.filter(pk=second.pk).update(held=True, waiting_text=costs_more)
        return write(project_id, pks, text)

    monkeypatch.setattr(lifecycle, "explain_wait", write_late)
    queue_shot(project, account)
    holds.announce()
    assert "2 shots wait" not in again(first).waiting_text
    assert again(second).waiting_text == costs_more


def test_a_try_that_may_have_arrived_keeps_its_mark(project, emulator, asked, monkeypatch):
    emulator.configure(script=[Scripted("dropped", kind="submit")])
    shot = queue_shot(project, account_at(emulator, "apiframe"))
    submit_next(shot.account_id)
    make_due(shot)
    sent_at = again(shot).submitted_at
    emulator.configure(script=[Scripted("out_of_credit", kind="submit")])
    submit_next(shot.account_id)
    row = again(shot)
    assert (row.state, row.raw_status, row.submitted_at) == (State.QUEUED, SENDING, sent_at)
    assert row.account.hold_reason == "credit"
    holds.lift(row.account_id)
    emulator.configure(script=[])
    submit_next(shot.account_id)
    assert len(emulator.jobs()) == 1, "the same order number buys nothing twice"
    assert again(shot).provider_job_id == emulator.jobs()[0].id


# ---- Lifting it --------------------------------------------------------------------------------


def test_lifted_the_texts_go_at_once_and_the_shots_are_sent(project, emulator, asked, answers):
    account, shots = held(project, emulator, answers, count=2)
    asked.clear()
    answers(submit=Job("job-1", Status.QUEUED))
    assert holds.lift(account.pk)
    assert {again(shot).waiting_text for shot in shots} == {""}
    assert ("submit_next", (account.pk,)) in asked
    assert submit_next(account.pk).startswith("sent")
    assert not holds.lift(account.pk)


@pytest.mark.parametrize("reason", ERRORS)
def test_lifted_while_a_refusal_is_recorded_no_text_of_it_stays(
    project, emulator, asked, answers, monkeypatch, reason
):
    make_hold = holds.hold

    def hold_and_lift(account, error):
        made = make_hold(account, error)
        holds.lift(account.pk)
        return made

    monkeypatch.setattr(holds, "hold", hold_and_lift)
    answers(submit=ERRORS[reason])
    account = account_at(emulator, "luma")
    shot = queue_shot(project, account)
    submit_next(account.pk)
    account.refresh_from_db()
    assert (account.hold_reason, again(shot).waiting_text) == ("", "")


def test_lifted_while_the_cards_are_written_the_next_sweep_takes_the_text_away(
    project, emulator, asked, answers, monkeypatch
):
    account, shots = held(project, emulator, answers, "endpoint", 2)
    count = holds.waiting_at

    def lift_meanwhile(account_pk):
        waiting = count(account_pk)
        monkeypatch.setattr(holds, "waiting_at", count)
        holds.lift(account_pk)
        return waiting

    monkeypatch.setattr(holds, "waiting_at", lift_meanwhile)
    queue_shot(project, account)
    holds.announce()
    assert any(again(shot).waiting_text for shot in shots), "written after the hold was lifted"
    recovery.revive()
    assert {again(shot).waiting_text for shot in shots} == {""}


def test_a_balance_that_rose_lifts_it_and_one_that_did_not_does_not(
    project, emulator, asked, answers
):
    account, _ = held(project, emulator, answers, estimated_microusd=None)
    assert ("refresh_balance", (account.pk,)) in asked
    for left, is_held in ((100_000, True), (100_000, True), (40_000, True), (5_000_000, False)):
        answers(balance=Balance(microusd=left))
        probing.probe(account.pk)
        account.refresh_from_db()
        assert bool(account.hold_reason) is is_held, left


def test_any_fresh_balance_that_rose_lifts_it(project, emulator, asked, answers):
    account, _ = held(project, emulator, answers)
    for left in (100_000, 5_000_000):
        answers(balance=Balance(microusd=left))
        refresh_balance(account)
    account.refresh_from_db()
    assert account.hold_reason == ""


def test_what_the_refusal_said_is_left_is_what_is_compared(project, emulator, asked, answers):
    answers(submit=base.OutOfCredit("Out.", required=51, available=40))
    account = account_at(emulator, "luma")
    queue_shot(project, account)
    submit_next(account.pk)
    answers(balance=Balance(credits=140, unit="credits"))
    probing.probe(account.pk)
    account.refresh_from_db()
    assert account.hold_reason == "", "it was topped up before the first probe"


def test_enough_is_left_by_the_estimate_so_one_shot_tries(project, emulator, asked, answers):
    account, shots = held(project, emulator, answers, count=2)
    sent = []
    answers(balance=Balance(microusd=9_000_000))
    answers(submit=lambda: sent.append(1) or ERRORS["credit"])
    probing.probe(account.pk)
    account.refresh_from_db()
    assert (account.hold_reason, len(sent)) == ("credit", 1)
    assert all(again(shot).state == State.QUEUED for shot in shots)
    answers(submit=Job("job-1", Status.QUEUED))
    probing.probe(account.pk)
    account.refresh_from_db()
    assert (account.hold_reason, account.probes) == ("", 0)
    assert {again(shot).waiting_text for shot in shots} == {""}


def test_where_no_balance_is_told_one_shot_at_a_time_tries(project, emulator, asked, answers):
    account = account_at(emulator, "gmicloud")
    sent = []
    answers("gmicloud", submit=lambda: sent.append(1) or ERRORS["credit"])
    shots = queue_shots(project, account, 3)
    submit_next(account.pk)
    probing.probe(account.pk)
    assert len(sent) == 2
    assert submit_next(account.pk).startswith("skipped")
    answers("gmicloud", submit=Job("job-1", Status.QUEUED))
    probing.probe(account.pk)
    account.refresh_from_db()
    assert account.hold_reason == ""
    assert sorted(again(shot).state for shot in shots) == [
        State.QUEUED, State.QUEUED, State.RUNNING,
    ]  # fmt: skip


def test_one_dear_shot_does_not_hold_the_cheaper_ones_for_long(project, emulator, asked):
    """The cheapest is tried first; once it is taken the dear one waits, and the others go."""
    emulator.configure(credits=8)
    account = account_at(emulator, "gmicloud")
    dear = queue_shot(project, account, duration_s=9, estimated_microusd=9_000_000)
    cheap = queue_shots(project, account, 3, estimated_microusd=5_000_000)
    assert submit_next(account.pk).startswith("held")
    make_probe_due(account)
    assert probing.probe(account.pk).startswith("sent")
    account.refresh_from_db()
    assert account.hold_reason == ""
    emulator.configure(credits=15)
    for _ in range(3):
        submit_next(account.pk)
    assert [again(shot).state == State.QUEUED for shot in cheap] == [False] * 3
    row = again(dear)
    assert row.state == State.QUEUED and "is out of credit" in row.waiting_text
    recovery.revive()
    assert "is out of credit" in again(dear).waiting_text, "it says why it waits"
    emulator.configure(credits=100)
    make_due(dear)
    assert submit_next(account.pk).startswith("sent")


def test_a_balance_that_rose_sends_the_refused_shot_at_once(project, emulator, asked, answers):
    account, (shot,) = held(project, emulator, answers)
    assert again(shot).next_poll_at > timezone.now()
    holds.lift(account.pk)
    assert again(shot).next_poll_at is None


@pytest.mark.parametrize("reason", ["key", "endpoint"])
def test_a_key_that_works_lifts_it(project, emulator, asked, answers, reason):
    account, (shot,) = held(project, emulator, answers, reason)
    answers(check_key=ERRORS[reason])
    assert probing.probe(account.pk).startswith("still held")
    answers(check_key=None)
    assert probing.probe(account.pk).startswith("lifted")
    account.refresh_from_db()
    assert (account.hold_reason, again(shot).waiting_text) == ("", "")


def test_a_balance_says_nothing_of_a_key(project, emulator, asked, answers):
    account, _ = held(project, emulator, answers, "key")
    for left in (1, 2):
        holds.note_balance(account.pk, Balance(microusd=left))
    account.refresh_from_db()
    assert account.hold_reason == "key"


def test_the_probes_come_on_a_growing_schedule(project, emulator, asked, answers):
    account, _ = held(project, emulator, answers)
    waits = [account.next_probe_at - account.held_at]
    for _ in range(4):
        recovery.revive()
        assert asked.count("probe_account") == 0, "not before its time"
        make_probe_due(account)
        recovery.revive()
        recovery.revive()
        assert asked.count("probe_account") == 1, "claimed once"
        asked.clear()
        account.refresh_from_db()
        waits.append(account.next_probe_at - timezone.now())
    assert [round(wait.total_seconds() / 60) for wait in waits] == [1, 2, 5, 10, 10]


def test_lifted_by_a_probe_and_refused_again_the_schedule_goes_on(
    project, emulator, asked, answers
):
    """A key that may look but not buy: each round must not begin at a minute again."""
    account, _ = held(project, emulator, answers, "key")
    answers(check_key=None)
    for minutes in (2, 5, 10):
        make_probe_due(account)
        recovery.revive()
        assert probing.probe(account.pk).startswith("lifted")
        submit_next(account.pk)
        account.refresh_from_db()
        assert account.hold_reason == "key"
        wait = account.next_probe_at - account.held_at
        assert round(wait.total_seconds() / 60) == minutes


def test_what_was_said_of_an_earlier_key_holds_nothing(project, emulator, asked, answers):
    account = account_at(emulator, "luma")
    shot = queue_shot(project, account)

    def change_key() -> Exception:
        fresh = ProviderAccount.objects.get(pk=account.pk)
        fresh.set_key("a-newer-key")
        fresh.save()
        return ERRORS["key"]

    answers(submit=change_key)
    submit_next(account.pk)
    account.refresh_from_db()
    assert (account.hold_reason, again(shot).state) == ("", State.QUEUED)
    assert ("submit_next", (account.pk,)) in asked


def test_a_shot_that_is_taken_all_the_same_lifts_it(project, emulator, asked, answers):
    """It was on its way when another met the refusal."""
    account, _ = held(project, emulator, answers, count=2)
    answers(submit=Job("job-1", Status.QUEUED))
    submit_next(account.pk, despite_hold=True)
    account.refresh_from_db()
    assert account.hold_reason == ""


def test_a_clock_that_was_set_back_takes_the_probe_along(project, emulator, asked, answers):
    account, _ = held(project, emulator, answers)
    ahead = timezone.now() + timedelta(hours=5)
    ProviderAccount.objects.update(swept_at=ahead, next_probe_at=ahead + timedelta(minutes=5))
    clock.follow_clock()
    account.refresh_from_db()
    assert account.next_probe_at < timezone.now() + timedelta(minutes=6)


# ---- Who says so, and who lifts it ---------------------------------------------------------------


@pytest.fixture
def staff(client):
    person = make_user("Ada Admin", is_staff=True, is_superuser=True)
    client.force_login(person)
    return client


def test_saving_a_new_key_or_base_url_lifts_it(project, emulator, asked, answers, staff):
    for changes in ({"key": "another-key-0123456789"}, {"base_url": "https://api.example"}):
        account, (shot,) = held(project, emulator, answers, "key")
        page = f"/admin/studio/provideraccount/{account.pk}/change/"
        form = {
            "label": account.label, "enabled": "on", "base_url": account.base_url, "dialect": "",
            "concurrent_limit": "3", "monthly_limit_microusd": "", "key": "",
        }  # fmt: skip
        answer = staff.post(page, form)
        assert answer.status_code == 302, answer.content.decode()
        account.refresh_from_db()
        assert account.hold_reason == "key", "saving something else says nothing of the key"
        assert staff.post(page, form | changes).status_code == 302
        account.refresh_from_db()
        assert (account.hold_reason, again(shot).waiting_text) == ("", "")


@pytest.mark.parametrize(
    ("outcome", "is_held"), [(Balance(microusd=1), False), (ERRORS["key"], True)]
)
def test_the_test_button_lifts_it_where_the_key_works(
    project, emulator, asked, answers, staff, outcome, is_held
):
    account, _ = held(project, emulator, answers, "key")
    answers(balance=outcome)
    staff.post(
        "/admin/studio/provideraccount/", {"action": "test", "_selected_action": str(account.pk)}
    )
    account.refresh_from_db()
    assert bool(account.hold_reason) is is_held


def test_the_pages_say_so(project, emulator, asked, answers, me, client):
    account, (shot,) = held(project, emulator, answers)
    says = "Luma is out of credit. Nothing was charged. 1 shot waits, about $0.80 in all. An admin can top it up."
    for address in (f"/p/{project.code}/line/", f"/p/{project.code}/", f"/clips/{shot.code}/"):
        assert says in me.get(address).content.decode(), address
    assert "Luma is out of credit." in me.get(f"/p/{project.code}/new/").content.decode()
    holds.lift(account.pk)
    assert "out of credit" not in me.get(f"/p/{project.code}/line/").content.decode()


def test_the_control_room_says_so(project, emulator, asked, answers, staff):
    held(project, emulator, answers)
    for address in ("/admin/", "/admin/studio/provideraccount/"):
        assert "Luma is out of credit." in staff.get(address).content.decode(), address


def test_doctor_and_readyz_say_so(project, emulator, asked, answers, client):
    held(project, emulator, answers)
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["accounts"] == "held: Luma (out of credit)"
    assert client.get("/readyz?strict").status_code == 503
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("doctor", stdout=out)
    assert "is held, nothing is sent there: Luma is out of credit. 1 shot waits" in out.getvalue()
