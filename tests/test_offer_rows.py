from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.utils import timezone

from studio.models import Price, ProviderAccount
from studio.services.accounts import ensure_accounts
from studio.services.money.offers import offer_value
from tests.people import make_cast
from tests.test_compose import shot

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
RAY = {"provider": "apiframe", "model": "luma-ray-2", "duration_s": 5, "resolution": "720p"}


@pytest.fixture
def apiframe():
    ensure_accounts()
    account = ProviderAccount(provider="apiframe")
    account.set_key("k-1")
    account.save()
    return account


@pytest.fixture
def row(client, apiframe):
    """Return row(**changes): what staff see of Ray 2 at Apiframe for this form; the page is kept."""
    cast = make_cast()
    cast.bob.is_staff = True
    cast.bob.save()
    client.force_login(cast.bob)

    def ask(**changes):
        form = shot(**{"offer": offer_value(apiframe, "luma-ray-2")} | changes)
        answer = client.post(f"/p/{cast.project.code}/quote/", form, headers=HTMX)
        ask.page = answer.content.decode()
        rows = answer.context["rows"]
        return next(r for r in rows if r.offer.value == offer_value(apiframe, "luma-ray-2"))

    return ask


def has(account, ago=timedelta(hours=2), **left):
    ProviderAccount.objects.filter(pk=account.pk).update(balance_at=timezone.now() - ago, **left)


def prices(**columns):
    Price.objects.filter(**RAY).update(**columns)


def test_credits_stand_beside_the_money(row):
    prices(microusd=790_000, credits=158, unit="credits")
    assert row().credits == "158 credits"
    assert "$0.79" in row.page and "158 credits." in row.page


def test_the_source_and_its_date_are_said(row):
    prices(source="the price list", checked_on=date(2026, 11, 20))
    assert row().source == "The price list, 20 Nov 2026."
    assert 'title="The price list, 20 Nov 2026."' in row.page
    assert '<span class="cap">The price list' in row.page


def test_a_price_that_was_learned_says_when_it_was_charged(row):
    at = timezone.now().replace(year=2026, month=11, day=3)
    prices(microusd=1_000_000, charged_microusd=1_120_000, charged_at=at)
    shown = row()
    assert shown.source == "Charged on 03 Nov 2026."
    assert shown.drift == "The last charge was 12 % dearer than its list price."
    assert "$1.12" in row.page


@pytest.mark.parametrize(
    ("charged", "said"),
    [
        (920_000, "The last charge was 8 % cheaper than its list price."),
        (1_004_000, ""),
        (1_000_000, ""),
    ],
)
def test_drift_is_said_from_half_a_percent_on(row, charged, said):
    prices(microusd=1_000_000, charged_microusd=charged, charged_at=timezone.now())
    assert row().drift == said


def test_what_is_left_is_said_with_its_age(row, apiframe):
    prices(microusd=790_000, credits=158, unit="credits")
    has(apiframe, balance_credits=1204, balance_unit="credits")
    shown = row()
    assert (shown.balance, shown.short) == ("1,204 credits left 2 h ago.", False)
    has(apiframe, balance_credits=158, ago=timedelta(0))
    assert row().balance == "158 credits left now."
    has(apiframe, balance_credits=158, ago=timedelta(days=400))
    assert row().balance.startswith("158 credits left on ")


def test_too_little_for_all_takes_is_said_in_amber(row, apiframe):
    prices(microusd=790_000, credits=158, unit="credits")
    has(apiframe, balance_credits=200, balance_unit="credits")
    assert not row().short
    shown = row(takes="2")
    assert shown.short
    assert '<span class="warnc">200 credits left 2 h ago: not enough for this shot.' in row.page


def test_money_is_compared_with_money(row, apiframe):
    prices(microusd=790_000)
    has(apiframe, balance_microusd=500_000)
    assert row().balance == "$0.50 left 2 h ago: not enough for this shot."


def test_units_that_differ_are_not_compared(row, apiframe):
    prices(microusd=None, credits=158, unit="credits")
    has(apiframe, balance_credits=2, balance_unit="tokens")
    assert not row().short


def test_nothing_is_said_of_a_balance_nobody_asked_for(row):
    assert row().balance == ""
