"""The month in money, and a request from asking to one tap that runs it."""

from __future__ import annotations

import random

import pytest
from playwright.sync_api import expect

from studio import ledger
from studio.models import Generation, ProviderAccount, SpendRequest
from studio.services.accounts import ensure_accounts
from tests.browser.conftest import PHONE
from tests.browser.test_library_pages import keep, look
from tests.factories import make_generation, make_member, make_project, make_still, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DOLLAR = 1_000_000


@pytest.fixture
def owner(transactional_db):
    ensure_accounts()
    account, _ = ProviderAccount.objects.get_or_create(provider="apiframe", label="")
    account.set_key("a-key")
    account.save()
    return make_user("Maja Aas")


@pytest.fixture
def project(owner):
    return make_project(owner, name="Nordlys winter film", budget_microusd=40 * DOLLAR)


def test_the_month_is_read_at_a_glance(open_as, owner, project, console_errors):
    editor = make_user("Jonas Thorne")
    make_member(project, editor, "editor")
    chance = random.Random(4)
    shops = [("luma", "ray-2"), ("apiframe", "luma-ray-2"), ("aimlapi", "luma/ray-2")]
    for number in range(24):
        provider, model = chance.choice(shops)
        account, _ = ProviderAccount.objects.get_or_create(provider=provider, label="")
        cents = chance.randint(30, 190)
        shot = make_generation(
            project, by=chance.choice([owner, editor]), provider=provider, model=model,
            account=account, title=f"Fjord road {number}", duration_ms=5000,
            verdict=chance.choice(["", "approved", "needs_changes"]), charged="yes",
            concepts=chance.choice([["push_in"], ["orbit_left"], ["push_in", "handheld"]]),
            estimated_microusd=cents * 10_000, actual_microusd=cents * 10_000,
        )  # fmt: skip
        ledger.reserve([shot])
        ledger.settle([shot.pk])
    page = open_as(owner, f"/p/{project.code}/spend/")
    expect(page.get_by_role("heading", name="Each day")).to_be_visible()
    expect(page.locator("#purse")).to_contain_text("of $40")
    assert page.locator("svg.plot rect").count() >= 1
    look(page, "spend")
    page.set_viewport_size(PHONE)
    page.get_by_role("navigation", name="Main").get_by_role("button", name="More").click()
    expect(page.get_by_role("link", name="Prompts and presets")).to_be_visible()
    keep(page, "more-menu")
    # Not axe: it takes the bar under an open sheet for something in front of it.
    links = page.locator("#more-menu a:visible")
    assert all(box.bounding_box()["height"] >= 44 for box in links.all())
    assert console_errors == []


def test_a_shot_over_the_limit_is_asked_for_and_approved_with_one_tap(
    open_as, owner, project, console_errors
):
    project.ask_above_microusd = DOLLAR // 10
    project.save()
    editor = make_user("Jonas Thorne")
    make_member(project, editor, "editor")
    still = make_still(project, size=(640, 360))
    page = open_as(
        editor, f"/p/{project.code}/new/?start={still.code}&concepts=push_in&prompt=A+boat"
    )
    page.get_by_text("Apiframe, Ray 2").first.click()
    expect(page.get_by_role("button", name="Ask for it")).to_be_enabled()
    page.get_by_label("Why you want it").fill("The client asked for the real thing")
    look(page, "ask")
    page.get_by_role("button", name="Ask for it").click()
    expect(page.get_by_role("heading", name="Jonas Thorne asks for")).to_be_visible()
    look(page, "request-mine")
    phone = open_as(owner, f"/p/{project.code}/spend/", viewport=PHONE)
    phone.get_by_role("link", name="Answer").click()
    expect(phone.get_by_text("The client asked for the real thing")).to_be_visible()
    look(phone, "request")
    phone.get_by_role("button", name="Approve and run").click()
    expect(phone.get_by_text("Approved.", exact=False).first).to_be_visible()
    found = SpendRequest.objects.get()
    assert found.state == "approved"
    assert Generation.objects.get(provider="apiframe").by == editor
    assert console_errors == []
