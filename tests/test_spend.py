"""Limits, spend requests and the spend page."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from studio import ledger, lifecycle
from studio.models import (
    Generation,
    LedgerEntry,
    Membership,
    Price,
    Project,
    ProviderAccount,
    SpendRequest,
)
from studio.models.generation import State
from studio.services.accounts import ensure_accounts
from studio.services.money.budgets import month_budget
from studio.services.shots import NewShot, OverLimit, create_shots
from tests.factories import make_still
from tests.people import make_cast, make_clip
from tests.test_compose import paid, shot

CENT = 10_000
COST = 707_789  # what Luma asks for the form's shot, micro-USD


@pytest.fixture
def cast(db):
    ensure_accounts()
    return make_cast()


@pytest.fixture
def at(client, cast):
    client.force_login(cast.bob)
    return f"/p/{cast.project.code}"


def limit(cast, **fields):
    Project.objects.filter(pk=cast.project.pk).update(**fields)
    cast.project.refresh_from_db()


def form(**changes):
    return shot(prompt="A boat", concepts=[], offer=paid("luma", "ray-2")) | changes


def asked(client, at, **changes):
    client.post(f"{at}/new/", form(do="ask", ask_reason="For the client", **changes))
    return SpendRequest.objects.latest("pk")


def decide(client, found, do="approve", **changes):
    data = {"do": do, "note": "", "most": found.estimated_microusd} | changes
    return client.post(f"/requests/{found.code}/decide/", data, follow=True)


def make_paid(project, *, cents=40, by=None, charged="yes", state="succeeded", **fields):
    """A shot whose money is in the ledger."""
    clip = make_clip(
        project, provider="luma", model="ray-2", by=by or project.created_by, state=state,
        estimated_microusd=cents * CENT, actual_microusd=cents * CENT if charged == "yes" else None,
        charged=charged if state != "running" else "",
        **({"provider_job_id": f"job-{fields.get('title', cents)}"} if state == "running" else {}),
        **fields,
    )  # fmt: skip
    ledger.reserve([clip])
    ledger.settle([clip.pk])
    return clip


# ---- Limits ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"budget_microusd": 30 * CENT},
            "This would go over budget. It costs about $0.71 and $0.30 is left",
        ),
        (
            {"ask_above_microusd": 50 * CENT},
            "a shot over $0.50 is asked for first. It costs about $0.71.",
        ),
    ],
)
def test_over_a_limit_the_button_asks(client, cast, at, fields, words):
    limit(cast, **fields)
    page = client.post(f"{at}/quote/", form()).content.decode()
    assert words in page
    assert 'value="ask"' in page
    assert "Why you want it" in page
    refused = client.post(f"{at}/new/", form())
    assert refused.status_code == 422
    assert not Generation.objects.exists()


def test_a_person_has_a_limit_of_their_own(client, cast, at):
    Membership.objects.filter(user=cast.bob).update(budget_microusd=COST)
    assert client.post(f"{at}/new/", form()).status_code == 302
    page = client.post(f"{at}/quote/", form()).content.decode()
    assert (
        "This would go over your own budget in this project. It costs about $0.71 and $0.00 is left"
        in page
    )
    assert "Ask Alice to raise the limit." in page
    client.force_login(cast.alice)
    assert client.post(f"{at}/new/", form()).status_code == 302


def test_owners_are_not_asked_but_told(client, cast, at):
    client.force_login(cast.alice)
    limit(cast, ask_above_microusd=CENT)
    assert 'value="generate"' in client.post(f"{at}/quote/", form()).content.decode()
    limit(cast, budget_microusd=CENT)
    page = client.post(f"{at}/quote/", form()).content.decode()
    assert "You can raise the limit in the project’s settings." in page
    assert 'value="ask"' not in page


def test_an_accounts_limit_is_not_an_owners_to_waive(client, cast, at):
    offer = form()
    ProviderAccount.objects.filter(provider="luma").update(monthly_limit_microusd=CENT)
    page = client.post(f"{at}/quote/", offer).content.decode()
    assert "the limit of this account" in page
    assert 'value="ask"' not in page
    assert client.post(f"{at}/new/", offer | {"do": "ask"}).status_code == 422
    assert not SpendRequest.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_tabs_cannot_spend_what_is_left_twice():
    ensure_accounts()
    cast = make_cast()
    offer = paid("luma", "ray-2")
    account = ProviderAccount.objects.get(pk=offer.split(":")[0])
    limit(cast, budget_microusd=COST + CENT)
    start = threading.Barrier(4)
    results: list[str] = []

    def press():
        try:
            start.wait(10)
            new = NewShot(prompt="A boat", account=account, model="ray-2")
            create_shots(project=cast.project, by=cast.bob, new=new)
            results.append("queued")
        except OverLimit:
            results.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == ["queued", "refused", "refused", "refused"]
    assert month_budget(cast.project).spent == COST
    connection.close()


# ---- Asking --------------------------------------------------------------------------------
def test_an_approved_request_runs_as_it_was_asked(client, cast, at):
    limit(cast, ask_above_microusd=CENT)
    found = asked(client, at, aspect_ratio="9:16", takes="2", concepts=["push_in"])
    assert (found.by, found.reason, found.estimated_microusd) == (
        cast.bob,
        "For the client",
        2 * COST,
    )
    client.force_login(cast.alice)
    page = client.get(f"/requests/{found.code}/").content.decode()
    for words in (
        "Bob asks for about $1.42",
        "For the client",
        "Push in",
        "9:16, 5 s, 720p",
        "A boat",
    ):
        assert words in page, words
    assert "Waiting for an answer" in client.get(f"{at}/spend/").content.decode()
    said = decide(client, found).content.decode()
    assert "Approved." in said
    made = list(Generation.objects.order_by("take"))
    assert [(g.by, g.aspect_ratio, g.concepts, g.take) for g in made] == [
        (cast.bob, "9:16", ["push_in"], 1), (cast.bob, "9:16", ["push_in"], 2),
    ]  # fmt: skip
    found.refresh_from_db()
    assert (found.state, found.decided_by) == ("approved", cast.alice)
    assert set(found.generations.all()) == set(made)


def test_the_approver_sees_the_still_or_the_clip_at_each_end(client, cast, at, settings):
    settings.PUBLIC_URL = "https://studio.example"  # Luma fetches the pictures
    limit(cast, ask_above_microusd=CENT)
    still, before = make_still(cast.project), make_clip(cast.project, title="The storm")
    found = asked(client, at, start_clip=before.code, end=still.code)
    client.force_login(cast.alice)
    page = client.get(f"/requests/{found.code}/").content.decode()
    assert f"Goes on from clip {before.number}, The storm" in page
    assert f'href="/clips/{before.code}/"' in page and before.poster_url in page
    assert "End frame" in page and still.thumbnail_url in page


def test_approved_twice_it_is_bought_once(client, cast, at):
    limit(cast, budget_microusd=0)
    found = asked(client, at)
    client.force_login(cast.alice)
    decide(client, found)
    again = decide(client, found).content.decode()
    assert "This request is approved already; nothing was changed." in again
    assert Generation.objects.count() == 1
    assert month_budget(cast.project).spent == COST


def test_a_form_sent_twice_asks_once(client, cast, at):
    limit(cast, ask_above_microusd=CENT)
    data = form(do="ask")
    for _ in range(2):
        assert client.post(f"{at}/new/", data).status_code == 302
    assert SpendRequest.objects.count() == 1


def test_a_dearer_price_than_was_seen_is_not_approved(client, cast, at):
    limit(cast, ask_above_microusd=CENT)
    found = asked(client, at)
    Price.objects.filter(provider="luma").update(microusd=900_000, edited=True)
    client.force_login(cast.alice)
    said = decide(client, found).content.decode()
    assert "you saw $0.71. Look at it again before you approve." in said
    assert not Generation.objects.exists()
    page = client.get(f"/requests/{found.code}/").content.decode()
    assert "$0.90" in page
    decide(client, found, most=900_000)
    assert Generation.objects.count() == 1


def test_a_refusal_says_why_and_a_request_can_be_withdrawn(client, cast, at):
    limit(cast, ask_above_microusd=CENT)
    first = asked(client, at)
    second = asked(client, at)
    client.force_login(cast.alice)
    assert "Say why" in decide(client, first, "refuse").content.decode()
    decide(client, first, "refuse", note="Use a previs first")
    client.force_login(cast.bob)
    page = client.get(f"/requests/{first.code}/").content.decode()
    assert "Use a previs first" in page
    decide(client, second, "withdraw")
    assert {one.state for one in SpendRequest.objects.all()} == {"refused", "withdrawn"}
    assert not Generation.objects.exists()


def test_what_can_no_longer_be_made_is_said_and_stays_open(client, cast, at):
    limit(cast, ask_above_microusd=CENT)
    found = asked(client, at)
    ProviderAccount.objects.filter(provider="luma").update(enabled=False)
    client.force_login(cast.alice)
    assert "Choose who renders the shot" in client.get(f"/requests/{found.code}/").content.decode()
    decide(client, found)
    found.refresh_from_db()
    assert found.state == "open"
    assert not Generation.objects.exists()


def test_a_reason_that_is_too_long_is_said_and_nothing_is_lost(client, cast, at):
    limit(cast, ask_above_microusd=CENT)
    page = client.post(f"{at}/new/", form(do="ask", ask_reason="x" * 501))
    assert page.status_code == 422
    assert "The reason has 501 characters; up to 500 are allowed." in page.content.decode()
    assert "x" * 501 in page.content.decode()


@pytest.mark.parametrize(
    ("name", "sees", "decides"),
    [("dave", 404, 404), ("carol", 403, 403), ("bob", 200, 403), ("alice", 200, 200)],
)
def test_owners_decide(client, cast, at, name, sees, decides):
    limit(cast, ask_above_microusd=CENT)
    found = asked(client, at)
    client.force_login(getattr(cast, name))
    assert client.get(f"/requests/{found.code}/").status_code == sees
    assert decide(client, found).status_code == decides
    if name != "bob":
        assert decide(client, found, "withdraw").status_code == (404 if name == "dave" else 403)


def test_nothing_is_asked_for_that_may_be_bought(client, cast, at):
    page = client.post(f"{at}/new/", form(do="ask"))
    assert "Nothing needs to be asked for now" in page.content.decode()
    assert not SpendRequest.objects.exists()


# ---- The page ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "status"), [("dave", 404), ("carol", 403), ("bob", 200), ("alice", 200)]
)
def test_the_page_is_for_those_who_spend(client, cast, name, status):
    client.force_login(getattr(cast, name))
    for path in ("spend/", "spend.csv"):
        assert client.get(f"/p/{cast.project.code}/{path}").status_code == status
    member = cast.member("bob")
    set_it = client.post(f"/p/{cast.project.code}/spend/people/{member.pk}/", {"budget": "5"})
    assert set_it.status_code == (302 if name == "alice" else 403 if status == 200 else status)


def test_the_month_adds_up(client, cast, at):
    limit(cast, budget_microusd=400 * CENT)
    make_paid(
        cast.project, cents=100, by=cast.bob, verdict="approved", duration_ms=5000, title="Kept"
    )
    make_paid(cast.project, cents=60, by=cast.alice, verdict="needs_changes", duration_ms=5000)
    make_paid(
        cast.project, cents=30, charged="no", state="failed", failure_text="No.", title="Lost"
    )
    make_paid(cast.project, cents=20, state="running", title="Flying")
    page = client.get(f"{at}/spend/").content.decode()
    for words in (
        "$1.80", "of $4.00 this month", "$2.20 left", "$0.20 held for 1 shot in flight",
        "Paid back", "Held", "Charged", "Approved", "Needs changes",
    ):  # fmt: skip
        assert words in page, words
    assert "$0.32" in page  # (100 + 60) cents for five approved seconds
    assert "50% of clips approved" in page
    assert page.count("<rect") >= 1


def test_the_page_asks_a_constant_number_of_queries(
    client, cast, at, django_assert_max_num_queries
):
    for n in range(3):
        make_paid(cast.project, title=f"One {n}")
    with django_assert_max_num_queries(40):
        client.get(f"{at}/spend/")
    with CaptureQueriesContext(connection) as few:
        client.get(f"{at}/spend/")
    for n in range(12):
        make_paid(cast.project, title=f"Two {n}", concepts=["push_in"])
    with CaptureQueriesContext(connection) as many:
        client.get(f"{at}/spend/")
    assert len(many) == len(few)


def test_the_csv_holds_every_row_and_no_formulas(client, cast, at):
    make_paid(cast.project, cents=100, title="=HYPERLINK(1)")
    answer = client.get(f"{at}/spend.csv")
    data = b"".join(answer.streaming_content)
    assert data.startswith(b"\xef\xbb\xbfdate,")
    lines = data.decode().splitlines()
    assert answer["Content-Disposition"].endswith('.csv"')
    assert len(lines) == 1 + LedgerEntry.objects.count() == 4
    assert "1.000000" in lines[-1]
    assert "'=HYPERLINK(1)" in lines[-1]
    assert "-1.000000" in lines[2]


def test_another_month_is_shown_and_a_wrong_one_is_not_found(client, cast, at):
    old = make_paid(cast.project, cents=70, title="Old")
    LedgerEntry.objects.filter(generation=old).update(month=datetime(2026, 3, 1, tzinfo=UTC).date())
    page = client.get(f"{at}/spend/?month=2026-03").content.decode()
    assert "$0.70" in page
    assert "in March" in page
    for month in ("abc", "9999-12", "2026-13", "0000-01", f"{datetime.now(UTC).year + 1}-01"):
        for page in ("spend/", "spend.csv"):
            assert client.get(f"{at}/{page}?month={month}").status_code == 404, month
    assert client.get(f"{at}/spend/?month=0001-01").status_code == 200


@pytest.mark.parametrize(
    ("typed", "said", "kept"),
    [("12.50", "may spend $12.50 a month here", 12_500_000), ("", "has no limit of their own now", None),
     ("abc", "The limit must be a number of dollars", None), ("-1", "The limit must be 0 or more.", None)],
)  # fmt: skip
def test_owners_set_what_a_person_may_spend(client, cast, at, typed, said, kept):
    client.force_login(cast.alice)
    member = cast.member("bob")
    page = client.post(f"{at}/spend/people/{member.pk}/", {"budget": typed}, follow=True)
    assert said in page.content.decode()
    member.refresh_from_db()
    assert member.budget_microusd == kept


def test_the_ledger_says_what_the_shots_say_after_a_busy_day(cast):
    make_paid(cast.project, cents=10)
    make_paid(cast.project, cents=20, charged="unknown", state="abandoned")
    running = make_paid(cast.project, cents=30, state="running", title="x")
    lifecycle.move(running.pk, State.FAILED, charged="no", failure_text="No.")
    rows = Generation.objects.filter(project=cast.project)
    assert month_budget(cast.project).spent == sum(ledger.due(row) for row in rows) == 30 * CENT
