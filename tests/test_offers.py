"""Every account's price for one shot, side by side, corrected by what was really charged."""

from __future__ import annotations

import pytest
from django.utils import timezone

from studio.models import Price
from studio.models.generation import Charged
from studio.providers.catalog import Wish
from studio.services.money.offers import list_offers
from studio.services.money.prices import learn_price
from tests.factories import make_generation
from tests.paid import account_at

WISH = Wish(prompt="A ridge at dawn", resolution="720p", duration_s=5)


def offer(provider: str, model: str, wish: Wish = WISH):
    return next(
        o
        for o in list_offers(wish=wish)
        if (o.spec.provider, o.spec.id) == (provider, model) and o.account
    )


def test_providers_without_a_key_are_shown_as_such(project):
    offers = list_offers(wish=WISH)
    assert offers[0].spec.provider == "previs"
    assert offers[0].able
    assert {o.spec.provider for o in offers if o.unavailable == "No key yet."} == {
        "apiframe", "aimlapi", "gmicloud", "luma",
    }  # fmt: skip
    assert all(o.value == "" for o in offers if o.unavailable)


def test_the_cheapest_able_one_is_marked(project, emulator):
    account_at(emulator, "luma")
    account_at(emulator, "apiframe")
    marked = [o for o in list_offers(wish=WISH) if o.cheapest]
    paid = [o for o in list_offers(wish=WISH) if o.able and o.microusd and not o.spec.deprecated]
    assert len(marked) == 1
    assert marked[0].microusd == min(o.microusd for o in paid)


def test_one_that_would_change_the_shot_says_how_and_what_that_costs(project, emulator):
    account_at(emulator, "apiframe")
    wide = Wish(prompt="A ridge at dawn", resolution="1080p")
    found = offer("apiframe", "luma-ray-2", wide)
    assert not found.able
    assert found.warn
    assert "720p only" in found.hint


def test_a_charge_corrects_the_list_and_the_drift_is_shown(project, emulator):
    account = account_at(emulator, "luma")
    Price.objects.filter(provider="luma", model="ray-2", duration_s=5, resolution="720p").update(
        microusd=700_000
    )
    clip = make_generation(
        project, account=account, model="ray-2", resolution="720p", charged=Charged.YES,
        actual_microusd=770_000,
    )  # fmt: skip
    assert learn_price(clip)
    found = offer("luma", "ray-2")
    assert found.microusd == 770_000
    assert found.drift == pytest.approx(0.1)
    assert found.source.startswith("charged on")


def test_a_price_set_by_hand_stands(project, emulator):
    account_at(emulator, "luma")
    Price.objects.filter(provider="luma", model="ray-2", duration_s=5, resolution="720p").update(
        microusd=500_000, edited=True, charged_microusd=770_000, charged_at=timezone.now()
    )
    assert offer("luma", "ray-2").microusd == 500_000


@pytest.mark.parametrize("charged", [Charged.NO, Charged.UNKNOWN])
def test_only_a_real_charge_teaches(project, emulator, charged):
    clip = make_generation(
        project, account=account_at(emulator, "luma"), model="ray-2", charged=charged, actual_microusd=1
    )  # fmt: skip
    assert not learn_price(clip)


def test_a_shop_nobody_had_a_price_for_gets_one(project, emulator):
    clip = make_generation(
        project, account=account_at(emulator, "gmicloud"), model="Luma-Ray2", resolution="720p",
        charged=Charged.YES, actual_microusd=640_000,
    )  # fmt: skip
    learn_price(clip)
    assert offer("gmicloud", "Luma-Ray2").microusd == 640_000


def test_the_number_of_queries_does_not_grow(project, emulator, django_assert_num_queries):
    for dialect in ("luma", "apiframe", "gmicloud", "aimlapi", "legacy"):
        account_at(emulator, dialect)
    with django_assert_num_queries(2):
        list_offers(wish=WISH)
