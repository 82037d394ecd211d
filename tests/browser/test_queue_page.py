"""The queue, and the buttons of a shot that is held, at both sizes."""

from __future__ import annotations

import pytest

from studio.models import ProviderAccount
from studio.models.generation import State
from studio.services.accounts import ensure_accounts
from studio.services.money.agreement import COSTS_MORE
from tests.browser.conftest import DESKTOP, PHONE, still_box
from tests.factories import make_generation, make_project, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])


@pytest.fixture
def held(transactional_db):
    """Return a shot that is held because it costs more now, at a price nobody knows."""
    ensure_accounts()
    account, _ = ProviderAccount.objects.get_or_create(provider="aimlapi", label="")
    account.set_key("a-key")
    account.save()
    owner = make_user("Maja Aas")
    return make_generation(
        make_project(owner), by=owner, account=account, provider="aimlapi", model="luma/ray-2",
        state=State.QUEUED, title="Under the ice", held=True, estimated_microusd=240_000,
        waiting_text=f"{COSTS_MORE}at most $0.50 instead of $0.24. Nothing was sent. "
        "Release it to accept the new price, or cancel it.",
    )  # fmt: skip


@SIZES
def test_everything_that_can_be_done_is_within_the_window(open_as, held, size):
    page = open_as(held.by, f"/p/{held.project.code}/line/", viewport=size)
    row = page.locator(f"#line-{held.code}")
    buttons = row.get_by_role("button")
    assert buttons.count() == 3
    for n in range(3):
        box = still_box(buttons.nth(n))
        assert box["x"] >= 0 and box["x"] + box["width"] <= size["width"]
    assert row.get_by_text("now at most $").is_visible(), "what a press accepts"


@SIZES
def test_the_buttons_of_a_held_shot_stand_together_under_its_sentence(open_as, held, size):
    page = open_as(held.by, f"/p/{held.project.code}/", viewport=size)
    card = page.locator(f"#clip-{held.code}")
    sentence = still_box(card.locator(".flight .soft"))
    release = still_box(card.get_by_role("button", name="Release for at most"))
    cancel = still_box(card.get_by_role("button", name="Cancel"))
    assert release["y"] >= sentence["y"] + sentence["height"]
    assert release["x"] == pytest.approx(sentence["x"], abs=1)
    assert sentence["y"] >= still_box(card.locator(".frame"))["y"], "nothing is cut off"
    beside = cancel["x"] - (release["x"] + release["width"])
    beneath = cancel["y"] - (release["y"] + release["height"])
    assert 4 <= max(beside, beneath) <= 16, "near its neighbour, not at the other end"
