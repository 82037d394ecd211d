"""What nobody knows the price or the amount of: held at a ceiling, shown as unknown, never as $0."""

from __future__ import annotations

import pytest

from studio import ledger, lifecycle
from studio.models import LedgerEntry, Price, Project
from studio.models.generation import State
from studio.providers.catalog import get_spec
from studio.services.accounts import ensure_accounts
from studio.services.csv_text import csv_lines
from studio.services.money.budgets import month_budget
from studio.services.money.quotes import Kind, PriceTable
from studio.services.money.spending import ledger_rows, month, unknown_amounts
from studio.services.shots import NewShot, OverLimit, create_shots
from tests.paid import account_at, again
from tests.people import make_cast, make_clip
from tests.test_compose import paid, shot

pytestmark = pytest.mark.django_db
CENT = 10_000
FAMILY = ("gmicloud", "Luma-Ray2")  # Ray 2, whose highest price at 5 s and 720p is Apiframe's $1.02


@pytest.fixture
def cast():
    ensure_accounts()
    return make_cast()


def ceiling(provider, model, seconds=5, size="720p", shape="16:9"):
    return PriceTable.load().ceiling(get_spec(provider, model), seconds, size, shape)


def charged_without_amount(cast, **fields):
    clip = make_clip(
        cast.project, **{"provider": "gmicloud", "model": "Luma-Ray2", "charged": "yes",
        "estimated_microusd": None, "actual_microusd": None, **fields},
    )  # fmt: skip
    ledger.reserve([clip])
    ledger.settle([clip.pk])
    return clip


# ---- The ceiling -------------------------------------------------------------------------
def test_the_familys_highest_price_at_that_length_and_size_bounds_it(cast):
    assert ceiling(*FAMILY) == 1_275_000
    Price.objects.create(
        provider="aimlapi", model="luma/ray-2", duration_s=5, resolution="720p",
        charged_microusd=2_000_000,
    )  # fmt: skip
    assert ceiling(*FAMILY) == 2_500_000


def test_another_family_is_bounded_by_any_model_of_that_length_and_size(cast):
    assert ceiling("gmicloud", "luma-ray-3-2-generate") == 1_275_000


@pytest.mark.parametrize(
    "spec", [("gmicloud", "luma-ray-3-2-generate"), ("aimlapi", "luma/ray-3.2")]
)
def test_what_no_price_is_known_for_is_scaled_up_and_never_down(cast, spec):
    assert ceiling(*spec, seconds=10, size="1080p") > ceiling(*spec, seconds=5, size="1080p")
    assert ceiling(*spec, seconds=5, size="540p") <= ceiling(*spec, seconds=10, size="540p")
    assert ceiling(*spec, shape="21:9") > ceiling(*spec)


def test_nothing_is_refused_for_want_of_a_price_and_a_budget_holds(cast, client):
    client.force_login(cast.bob)
    Project.objects.filter(pk=cast.project.pk).update(budget_microusd=150 * CENT)
    offer = paid("gmicloud", "Luma-Ray2")
    form = shot(prompt="A boat", concepts=[], offer=offer)
    page = client.post(f"/p/{cast.project.code}/quote/", form, headers={"HX-Request": "true"})
    assert "At most $1.2" in page.content.decode()
    assert client.post(f"/p/{cast.project.code}/new/", form).status_code == 302
    made = cast.project.generations.get()
    assert (made.estimated_microusd, made.estimate_kind) == (1_275_000, Kind.CEILING)
    again_ = client.post(f"/p/{cast.project.code}/new/", form | {"request_token": ""})
    assert again_.status_code == 422
    assert "It costs at most" in again_.content.decode()
    assert month_budget(cast.project).spent == 1_275_000


def test_one_of_unknown_amount_keeps_its_ceiling_until_it_is_known(cast, emulator, asked):
    account = account_at(emulator, "gmicloud")
    new = NewShot(prompt="A boat", account=account, model="Luma-Ray2")
    (made,) = create_shots(project=cast.project, by=cast.bob, new=new)
    lifecycle.move(made.pk, State.SUBMITTING)
    lifecycle.move(made.pk, State.STORING, charged="yes")
    lifecycle.mark_succeeded(made.pk, token="", clip="a.mp4")
    assert month_budget(cast.project).spent == 1_275_000
    assert LedgerEntry.objects.get(generation=made, kind="charged").note == ledger.AMOUNT_UNKNOWN
    Project.objects.filter(pk=cast.project.pk).update(budget_microusd=200 * CENT)
    with pytest.raises(OverLimit):
        create_shots(
            project=cast.project,
            by=cast.bob,
            new=NewShot(prompt="B", account=account, model="Luma-Ray2"),
        )
    lifecycle.touch(made.pk, actual_microusd=64 * CENT)
    assert month_budget(cast.project).spent == 64 * CENT
    assert not again(made).amount_unknown


# ---- What is shown ------------------------------------------------------------------------
def test_the_spend_page_counts_them_and_shows_none_as_nothing(cast, client):
    for _ in range(3):
        charged_without_amount(cast)
    charged_without_amount(cast, estimated_microusd=128 * CENT, estimate_kind="ceiling")
    client.force_login(cast.bob)
    page = " ".join(client.get(f"/p/{cast.project.code}/spend/").content.decode().split())
    assert "4 clips charged with unknown amount" in page
    assert "At most $1.28 of the sum is held for them" in page
    assert page.count("Amount unknown") == 4
    assert ">$0.00</td>" not in page
    assert "at most $1.28 held" in page


def test_the_csv_calls_them_unknown(cast):
    charged_without_amount(cast)
    held = charged_without_amount(cast, estimated_microusd=70 * CENT)
    lines = list(csv_lines(ledger_rows(cast.project, None)))
    assert lines[0].rstrip().endswith(",amount,certainty")
    assert all(",unknown," in line for line in lines[1:])
    assert sorted(line.rstrip().rsplit(",", 1)[1] for line in lines[1:]) == [
        "about",  # what was charged: held as its estimate, for the bill is not known
        "exact",  # reserved and released, at the price that was agreed to
        "exact",
        "not known",
    ]
    assert any(",charged,unknown," in line for line in lines)
    lifecycle.touch(held.pk, actual_microusd=66 * CENT)
    told = [line for line in csv_lines(ledger_rows(cast.project, None)) if ",told," in line]
    assert len(told) == 4  # reserved, released, charged, corrected


def test_clip_page_control_room_and_guests_say_unknown(cast, client, django_user_model):
    clip = charged_without_amount(cast)
    client.force_login(cast.bob)
    assert (
        "<dt>Cost</dt><dd>Charged, amount not known</dd>"
        in client.get(f"/clips/{clip.code}/").content.decode()
    )
    assert clip.cost_microusd is None
    root = django_user_model.objects.create_superuser(
        "r@example.com", "correct horse battery", name="R"
    )
    client.force_login(root)
    assert "unknown, charged" in client.get("/admin/studio/generation/").content.decode()
    assert (
        "the amount is unknown"
        in client.get(f"/admin/studio/generation/{clip.pk}/change/").content.decode()
    )


def test_known_amounts_are_not_counted(cast):
    charged_without_amount(cast, actual_microusd=5 * CENT)
    charged_without_amount(cast, charged="no")
    assert unknown_amounts().shots == 0
    assert (
        month(
            cast.project, ledger.month_of(again(cast.project.generations.first()).created_at)
        ).unknown_shots
        == 0
    )
