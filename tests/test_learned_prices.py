"""What prices learn from: real charges, their median, what was really bought; nothing absurd."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studio import ledger, lifecycle
from studio.models import LedgerEntry, Price
from studio.models.generation import State
from studio.providers.base import Cost, Job, Status
from studio.providers.catalog import get_spec
from studio.providers.prices import PRICES
from studio.services.accounts import ensure_accounts
from studio.services.money.limits import limit_on
from studio.services.money.offers import list_offers
from studio.services.money.prices import MAX_CHARGES, learn_price
from studio.services.money.quotes import PriceTable
from studio.services.work.outcomes import read_job, watched
from tests.factories import make_generation
from tests.paid import account_at, again, at_provider
from tests.people import make_person
from tests.test_offers import WISH

pytestmark = pytest.mark.django_db
CENT = 10_000
LISTED = 707_789  # Luma's Ray 2, 5 s, 720p, 16:9


@pytest.fixture
def luma(project, emulator):
    ensure_accounts()
    return account_at(emulator, "luma")


@pytest.fixture
def learn(project, luma):
    def charge(microusd, **fields):
        clip = make_generation(
            project, charged="yes", actual_microusd=microusd,
            **{"account": luma, "model": "ray-2", "resolution": "720p", **fields},
        )  # fmt: skip
        return learn_price(clip)

    return charge


def row(**fields):
    return Price.objects.get(
        **{"provider": "luma", "model": "ray-2", "duration_s": 5, "resolution": "720p", **fields}
    )


def offer(**fields):
    wish = replace(WISH, **fields)
    return next(
        o
        for o in list_offers(wish=wish)
        if o.account and (o.spec.provider, o.spec.id) == ("luma", "ray-2")
    )


# ---- Learning -----------------------------------------------------------------------------
def test_nothing_is_learned_from_nothing(learn):
    assert not learn(0)
    assert row().charged_microusd is None
    assert offer().microusd == LISTED


def test_the_median_of_the_last_five_is_learned(learn):
    for microusd in (5_000_000, 80 * CENT, 90 * CENT, 85 * CENT, 95 * CENT, 90 * CENT):
        assert learn(microusd)
    assert [one["microusd"] for one in row().charges] == [
        80 * CENT,
        90 * CENT,
        85 * CENT,
        95 * CENT,
        90 * CENT,
    ]
    assert len(row().charges) == MAX_CHARGES
    assert (offer().microusd, offer().kind) == (90 * CENT, "learned")


def test_one_dear_charge_among_five_moves_no_price(learn):
    for microusd in (80 * CENT, 80 * CENT, 20_000_000, 80 * CENT, 80 * CENT):
        learn(microusd)
    assert offer().microusd == 80 * CENT


def test_a_cheaper_charge_waits_for_a_person(learn, client):
    learn(40 * CENT)
    found = offer()
    assert (found.microusd, found.kind) == (LISTED, "estimated")
    assert found.drift == pytest.approx(400_000 / LISTED - 1)
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    page = client.get(f"/admin/studio/price/{row().pk}/change/").content.decode()
    assert "quotes use the list until you accept it" in page
    client.post(f"/admin/studio/price/{row().pk}/do/accept_charges/")
    assert (row().edited, offer().microusd) == (True, 40 * CENT)


def test_an_absurd_charge_is_flagged_and_booked_but_not_learned(learn, client):
    assert not learn(1_000_000_000)
    assert (row().charges, row().charged_microusd, row().odd_microusd) == (
        None,
        None,
        1_000_000_000,
    )
    assert offer().microusd == LISTED
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    page = client.get("/admin/studio/price/").content.decode()
    assert "$1,000.00 was charged" in page


@pytest.mark.parametrize("microusd", [1, 500, 5_000])
def test_next_to_nothing_is_no_price_either(learn, project, emulator, microusd):
    """Nobody published this price: a budget of a cent must not buy by what one odd charge says."""
    other = {
        "account": account_at(emulator, "aimlapi"), "provider": "aimlapi", "model": "luma/ray-2",
    }  # fmt: skip
    assert not learn(microusd, **other)
    odd = row(provider="aimlapi", model="luma/ray-2")
    assert (odd.charged_microusd, odd.odd_microusd) == (None, microusd)
    assert learn(40 * CENT, **other)


def test_what_is_learned_is_of_what_was_bought(learn):
    learn(2_000_000, duration_s=9)
    learn(3_000_000, resolution="1080p")
    learn(1_000_000, model="ray-flash-2")
    assert offer().microusd == LISTED


def test_a_wider_frames_charge_is_learned_for_its_pixels(learn):
    learn(round(LISTED * 1.3125), aspect_ratio="21:9")
    assert row().charged_microusd == LISTED
    learn(round(2 * LISTED * 1.3125), aspect_ratio="21:9")
    learn(round(2 * LISTED * 1.3125), aspect_ratio="21:9")
    assert offer(aspect_ratio="21:9").microusd == pytest.approx(2 * 1.3125 * LISTED, abs=2)
    assert offer().microusd == pytest.approx(2 * LISTED, abs=2)


# ---- Where nobody published a price ------------------------------------------------------------
UNPUBLISHED = ("gmicloud", "luma-ray-3-2-generate")


@pytest.fixture
def charge_unpublished(learn, project, emulator):
    account = account_at(emulator, "gmicloud")

    def charge(*cents, **fields):
        for one in cents:
            assert learn(
                one * CENT,
                **{"account": account, "provider": "gmicloud", "model": UNPUBLISHED[1], **fields},
            )

    return charge


def unpublished(shape="16:9", size="720p"):
    quote = PriceTable.load().quote(
        get_spec(*UNPUBLISHED), None, duration_s=5, resolution=size, aspect_ratio=shape
    )
    return quote.microusd / CENT, str(quote.kind)


CEILING = 127.5  # cents, before anything was charged


@pytest.mark.parametrize(
    ("charges", "held", "kind"),
    [
        ([], CEILING, "ceiling"),
        ([3], CEILING / 2, "ceiling"),
        ([3, 3], CEILING / 2, "ceiling"),
        ([3, 90], 90, "ceiling"),
        ([90, 3, 3], 90, "ceiling"),
        ([3, 4, 5], CEILING / 2, "ceiling"),
        ([30, 32, 33], 32, "learned"),
        ([200], 200, "ceiling"),
        ([200, 200, 200], 200, "learned"),
        ([30, 30, 30, 90], 30, "learned"),
        ([30, 30, 90, 90, 90], 90, "learned"),
    ],
)
def test_a_price_is_learned_once_three_charges_agree(charge_unpublished, charges, held, kind):
    """Until then the most that was charged is held, and half the ceiling at least."""
    charge_unpublished(*charges)
    assert unpublished() == (pytest.approx(held), kind)


def test_the_price_list_says_that_a_charge_is_no_price_yet(charge_unpublished, client):
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    charge_unpublished(30, 31)
    words = "no price yet: 3 charges that agree make one"
    assert words in client.get("/admin/studio/price/").content.decode()
    charge_unpublished(31)
    assert words not in client.get("/admin/studio/price/").content.decode()


def test_one_cheap_charge_lowers_no_other_ceiling(charge_unpublished, learn, project, emulator):
    before = PriceTable.load().ceiling(get_spec("aimlapi", "luma/ray-3.2"), 5, "720p", "16:9")
    charge_unpublished(3)
    assert (
        PriceTable.load().ceiling(get_spec("aimlapi", "luma/ray-3.2"), 5, "720p", "16:9") == before
    )
    charge_unpublished(900)
    assert (
        PriceTable.load().ceiling(get_spec("aimlapi", "luma/ray-3.2"), 5, "720p", "16:9") > before
    )


def test_the_next_dear_shot_after_a_cheap_one_keeps_within_the_budget(
    charge_unpublished, project, emulator
):
    charge_unpublished(3)
    project.budget_microusd = 60 * CENT
    project.save(update_fields=["budget_microusd"])
    offer = next(o for o in list_offers(wish=WISH) if (o.spec.provider, o.spec.id) == UNPUBLISHED)
    assert offer.price_text == "at most $0.64"
    limit = limit_on(
        project=project,
        by=project.created_by,
        account=offer.account,
        spec=offer.spec,
        microusd=offer.microusd,
    )
    assert limit is not None


# ---- Luma by pixels -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shape", "factor"),
    [("16:9", 1), ("9:16", 1), ("21:9", 1.3125), ("9:21", 1.3125), ("1:1", 0.5625), ("4:3", 0.75)],
)
def test_luma_is_estimated_by_the_pixels_of_the_shape(luma, shape, factor):
    assert offer(aspect_ratio=shape).microusd == pytest.approx(LISTED * factor, abs=1)


def test_other_shops_price_every_shape_alike(project, emulator):
    ensure_accounts()
    account_at(emulator, "apiframe")
    both = [
        next(
            o.microusd
            for o in list_offers(wish=replace(WISH, aspect_ratio=shape))
            if o.spec.id == "luma-ray-2"
        )
        for shape in ("16:9", "21:9")
    ]
    assert both == [1_020_000, 1_020_000]


def test_the_seeds_are_of_16_9():
    assert next(
        p.microusd for p in PRICES
        if (p.provider, p.model, p.duration_s, p.resolution) == ("luma", "ray-2", 5, "720p")
    ) == LISTED  # fmt: skip


# ---- What counts as charged --------------------------------------------------------------------
@pytest.fixture
def running(project, emulator):
    ensure_accounts()
    shot = at_provider(project, account_at(emulator, "aimlapi"), estimated_microusd=50 * CENT)
    ledger.reserve([shot])
    return shot


def answered(shot, **job):
    move = read_job(watched(shot), Job(id=shot.provider_job_id, **job))
    assert lifecycle.move_many([move]) == {shot.pk}
    return again(shot)


def booked(shot):
    return sum(LedgerEntry.objects.filter(generation=shot).values_list("microusd", flat=True))


@pytest.mark.parametrize(
    ("cost", "charged", "becomes", "sum_"),
    [
        (Cost(microusd=25 * CENT), False, "yes", 25 * CENT),
        (Cost(microusd=0), True, "no", 0),
        (Cost(credits=500_000, unit="credits"), None, "yes", 25 * CENT),
        (Cost(credits=0, unit="credits"), None, "no", 0),
        (Cost(), False, "no", 0),
        (Cost(), None, "unknown", 50 * CENT),
        (Cost(microusd=-7 * CENT), None, "unknown", 50 * CENT),
    ],
)
def test_of_a_failed_job_the_figure_decides(running, cost, charged, becomes, sum_):
    shot = answered(running, status=Status.FAILED, error="No.", cost=cost, charged=charged)
    assert (shot.state, shot.charged, booked(shot)) == (State.FAILED, becomes, sum_)


def test_of_two_amounts_the_last_counts_and_the_change_is_a_row(running):
    running = answered(
        running,
        status=Status.SUCCEEDED,
        result_url="https://x/a.mp4",
        cost=Cost(microusd=40 * CENT),
    )
    lifecycle.mark_succeeded(running.pk, token="", clip="a.mp4")
    lifecycle.touch(running.pk, actual_microusd=55 * CENT)
    assert booked(running) == 55 * CENT
    assert LedgerEntry.objects.filter(generation=running).last().kind == "corrected"


def test_an_amount_that_comes_later_takes_the_place_of_the_estimate(running):
    answered(running, status=Status.SUCCEEDED, result_url="https://x/a.mp4", charged=True)
    lifecycle.mark_succeeded(running.pk, token="", clip="a.mp4")
    assert booked(running) == 50 * CENT
    lifecycle.touch(running.pk, actual_microusd=0)
    assert (booked(running), again(running).charged) == (0, "no")


def test_one_given_up_that_arrives_after_all_is_charged(running):
    lifecycle.move(running.pk, State.ABANDONED, charged="unknown")
    assert booked(running) == 50 * CENT
    lifecycle.move(running.pk, State.STORING, charged="yes", actual_microusd=45 * CENT)
    lifecycle.mark_succeeded(running.pk, token="", clip="a.mp4")
    assert booked(running) == 45 * CENT
