"""Credits become money at the rate of the account: in quotes, the ledger, budgets and prices."""

from __future__ import annotations

import pytest

from studio import ledger, lifecycle
from studio.models import LedgerEntry, Price, ProviderAccount
from studio.models.generation import State
from studio.providers.base import Cost
from studio.providers.prices import credits_in_microusd
from studio.services.accounts import ensure_accounts
from studio.services.money.bills import bill_columns, book_credits, charge_of
from studio.services.money.budgets import month_budget
from studio.services.money.offers import list_offers
from studio.services.money.prices import learn_price, take_charges
from tests.factories import make_generation
from tests.paid import account_at, again
from tests.people import make_person
from tests.test_offers import WISH

pytestmark = pytest.mark.django_db
CENT = 10_000
FLASH = "luma-ray-flash-2"


@pytest.fixture
def apiframe(project, emulator):
    ensure_accounts()
    return account_at(emulator, "apiframe")


@pytest.fixture
def bought(project, apiframe):
    """Return bought(credits): a shot of Ray 2 Flash whose charge was told in credits alone."""

    def buy(credits, **fields):
        shot = make_generation(
            project, account=apiframe, model=FLASH, resolution="720p", state="queued",
            estimated_microusd=51 * CENT,
        )  # fmt: skip
        ledger.reserve([shot])
        lifecycle.move(shot.pk, State.SUBMITTING)
        lifecycle.move(
            shot.pk,
            State.STORING,
            charged="yes",
            actual_credits=credits,
            credit_unit="credits",
            **fields,
        )
        lifecycle.mark_succeeded(shot.pk, token="", clip="a.mp4")
        return again(shot)

    return buy


def own_rate(account, nanousd):
    ProviderAccount.objects.filter(pk=account.pk).update(credit_nanousd=nanousd)


def offer(model=FLASH):
    return next(o for o in list_offers(wish=WISH) if o.account and o.spec.id == model)


def test_charges_in_credits_are_booked_in_money(bought, project):
    shots = [bought(credits) for credits in (10, 51, 200)]
    assert [shot.actual_microusd for shot in shots] == [10 * CENT, 51 * CENT, 200 * CENT]
    assert month_budget(project).spent == 261 * CENT
    charged = LedgerEntry.objects.filter(kind="charged").order_by("pk")
    assert [(row.microusd // CENT, row.credits) for row in charged] == [
        (10, 10),
        (51, 51),
        (200, 200),
    ]


def test_the_accounts_own_rate_counts_in_the_quote_and_in_the_charge(bought, apiframe):
    own_rate(apiframe, 8_300_000)  # $0.0083
    quoted = offer()
    assert (quoted.microusd, quoted.credits, quoted.rate_note) == (423_300, 51, "")
    assert bought(51).actual_microusd == quoted.microusd


def test_a_usual_rate_is_called_estimated(apiframe):
    assert offer().rate_note == "estimated at $0.01 a credit"


def test_a_new_rate_counts_from_now_on_and_changes_nothing_that_is_settled(
    bought, apiframe, project
):
    shot = bought(51)
    own_rate(apiframe, 20_000_000)
    ledger.settle([shot.pk])
    lifecycle.touch(shot.pk, actual_credits=51)
    assert again(shot).actual_microusd == 51 * CENT
    assert bought(51).actual_microusd == 102 * CENT
    # Told anew, the credits of a settled shot keep its rate; the difference is a correction.
    lifecycle.touch(shot.pk, actual_credits=61)
    assert again(shot).actual_microusd == 61 * CENT
    assert LedgerEntry.objects.filter(generation=shot).last().kind == "corrected"


def test_money_that_is_told_later_replaces_the_converted_amount(bought):
    shot = bought(51)
    lifecycle.touch(shot.pk, **bill_columns(Cost(microusd=47 * CENT, credits=51, unit="credits")))
    ledger.settle([shot.pk])
    assert again(shot).actual_microusd == 47 * CENT


def test_without_any_rate_the_amount_stays_unknown_until_there_is_one(project, emulator):
    gmi = account_at(emulator, "gmicloud")
    shot = make_generation(
        project, account=gmi, model="Luma-Ray2", charged="yes", actual_credits=3.0, estimated_microusd=90
    )  # fmt: skip
    ledger.settle([shot.pk])
    assert again(shot).amount_unknown
    own_rate(gmi, 500_000_000)
    gmi.refresh_from_db()
    assert book_credits(gmi) == 1
    assert again(shot).actual_microusd == 150 * CENT
    assert sum(row.microusd for row in shot.ledger.all()) == 150 * CENT


@pytest.mark.parametrize("credits", [-1.0, float("inf"), float("nan"), 1e300])
def test_credits_that_mean_nothing_are_no_money(credits):
    assert credits_in_microusd(credits, 10_000_000) is None


@pytest.mark.parametrize("cost", [Cost(microusd=-5), Cost(credits=-2.0), Cost(microusd=10**18)])
def test_amounts_that_no_provider_can_mean_are_unknown(cost):
    assert bill_columns(cost) == {}
    assert charge_of(cost, None) == "unknown"


def test_prices_learn_credits_and_show_the_drift(bought, apiframe):
    assert learn_price(bought(60))
    row = Price.objects.get(provider="apiframe", model=FLASH, duration_s=5)
    assert row.charges == [{"microusd": 60 * CENT, "credits": 60}]
    assert row.drift == pytest.approx(60 / 51 - 1)
    own_rate(apiframe, 20_000_000)
    assert (offer().microusd, offer().kind) == (120 * CENT, "learned")
    take_charges(row)
    assert (offer().microusd, offer().kind) == (120 * CENT, "published")


def test_staff_type_what_they_pay_and_are_told_what_counts(client, apiframe):
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    page = f"/admin/studio/provideraccount/{apiframe.pk}/change/"
    shown = client.get(page).content.decode()
    assert "estimated at $0.01 a credit" in shown
    assert "What I pay a credit" in shown
    form = {"label": "apiframe", "enabled": "on", "concurrent_limit": "50", "key": "",
            "base_url": apiframe.base_url, "dialect": "", "monthly_limit_microusd": ""}  # fmt: skip
    refused = client.post(page, form | {"credit_nanousd": "0"}).content.decode()
    assert "What you pay a credit is 0; it must be more." in refused
    assert client.post(page, form | {"credit_nanousd": "0.0083"}).status_code == 302
    apiframe.refresh_from_db()
    assert apiframe.credit_nanousd == 8_300_000
    assert "$0.0083 a credit, as you set it" in client.get(page).content.decode()
