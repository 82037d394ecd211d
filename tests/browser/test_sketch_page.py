from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from studio.models import Generation, ProviderAccount
from studio.services import sketches
from studio.services.accounts import ensure_accounts
from studio.services.keyframes import store_keyframe
from tests.browser.conftest import PHONE, axe, overflow
from tests.people import make_cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SEEN = ".concept:has(#c-{}) .seen img"
PATIENT_MS = 60_000  # a render, on a machine that may be busy


@pytest.fixture
def cast(settings, tmp_path, monkeypatch):
    settings.DATA_DIR = tmp_path
    # A busy machine draws slowly; whom it then sends away is told of in a test of its own.
    monkeypatch.setattr(sketches, "WAIT_S", 60)
    monkeypatch.setattr(sketches, "LONGEST_RENDER_S", 120)
    ensure_accounts()
    account = ProviderAccount(provider="apiframe")
    account.set_key("k-1")
    account.save()
    return make_cast()


@pytest.fixture
def new(cast):
    """The address of the compose page with a start frame."""
    across, down = np.meshgrid(np.linspace(0, 1, 320), np.linspace(0, 1, 180))
    pixels = np.stack([across * 220, down * 180, across * down * 250], axis=-1).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    kept, _ = store_keyframe(project=cast.project, by=cast.bob, source=out.getvalue(), name="a.png")
    return f"/p/{cast.project.code}/new/?start={kept.code}&prompt=Waves&concepts=push_in"


def playing(page: Page):
    expect(page.locator(".finder.playing .sketch video")).to_be_visible(timeout=PATIENT_MS)


def test_previs_plays_in_the_finder_and_is_kept_only_when_asked(open_as, cast, new):
    page = open_as(cast.bob, new)
    page.keyboard.press("Control+Shift+Enter")
    playing(page)
    expect(page.locator("#sketch-said")).to_have_text("The previs plays in the finder.")
    assert page.evaluate("document.querySelector('.sketch video').loop")
    assert not Generation.objects.exists()
    page.locator("label:has(#takes-2)").click()
    expect(page.locator("#cost")).to_contain_text("for 2 takes")
    playing(page)
    assert axe(page) == []
    page.click("#keep")
    page.wait_for_url(f"**/p/{cast.project.code}/")
    assert {g.provider for g in Generation.objects.all()} == {"previs"}


def test_a_look_that_is_no_longer_true_goes(open_as, cast, new):
    page = open_as(cast.bob, new)
    page.click("#previs")
    playing(page)
    page.check("#c-tilt_up")
    expect(page.locator(".sketch")).to_have_count(0)
    expect(page.locator(".finder .rough")).to_be_visible()
    expect(page.locator("#keep")).to_be_hidden()


def test_a_title_card_is_seen_too_and_nothing_at_all_is_said(open_as, cast):
    page = open_as(cast.bob, f"/p/{cast.project.code}/new/")
    page.click("#previs")
    expect(page.locator("#prompt-notes")).to_contain_text("Write what happens in the shot")
    page.fill("#prompt", "A winter film")
    page.click("#previs")
    playing(page)


def test_trouble_is_said_and_the_finder_is_as_before(open_as, cast, new, console_errors):
    page = open_as(cast.bob, new)
    page.route("**/sketch/**", lambda route: route.abort())
    page.click("#previs")
    expect(page.locator("#toasts")).to_contain_text("Connection lost. Nothing was drawn")
    expect(page.locator(".finder .rough")).to_be_visible()
    expect(page.locator("#previs.is-busy")).to_have_count(0)
    console_errors.clear()


def test_a_tile_under_the_pointer_plays_on_the_start_frame(open_as, cast, new):
    page = open_as(cast.bob, new)
    page.hover(".concept:has(#c-tilt_up)")
    expect(page.locator(SEEN.format("tilt_up"))).to_be_visible(timeout=PATIENT_MS)
    page.hover("#prompt")
    expect(page.locator(".seen")).to_have_count(0)
    page.focus("#c-tilt_up")
    page.keyboard.press("Tab")
    expect(page.locator(SEEN.format("tilt_down"))).to_be_visible(timeout=PATIENT_MS)


def test_a_tile_and_a_cell_wait_their_turn_on_a_busy_machine(open_as, cast, new, console_errors):
    page = open_as(cast.bob, new)
    refused = []

    def first_refuse(route):
        if route.request.url in refused:
            return route.continue_()
        refused.append(route.request.url)
        return route.fulfill(status=503, body="Previs is busy. Try again in a moment.")

    page.route("**/tilt_up.webp*", first_refuse)
    page.hover(".concept:has(#c-tilt_up)")
    expect(page.locator(SEEN.format("tilt_up"))).to_be_visible(timeout=PATIENT_MS)
    page.click("#compare")
    expect(page.locator("[data-strip=tilt_up] img")).to_be_visible(timeout=PATIENT_MS)
    assert len(refused) == 2
    assert all("503" in line for line in console_errors)
    console_errors.clear()


def test_tiles_stay_drawn_without_a_frame_or_where_motion_is_unwelcome(open_as, cast, new):
    for path, options in ((new, {"reduced_motion": "reduce"}), (new.partition("?")[0], {})):
        page = open_as(cast.bob, path, **options)
        asked = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.hover(".concept:has(#c-tilt_up)")
        page.click("#compare")
        expect(page.locator("#moves")).to_be_visible()
        assert page.locator(".seen").count() == 0
        assert not [url for url in asked if "tilt_up.webp" in url and "aspect_ratio" not in url]


@pytest.mark.parametrize("viewport", [None, PHONE])
def test_a_move_is_chosen_from_the_contact_sheet(open_as, cast, new, viewport):
    page = open_as(cast.bob, new, **({"viewport": viewport} if viewport else {}))
    page.click("#compare")
    cells = page.locator("#moves .cell img")
    expect(cells).to_have_count(8, timeout=PATIENT_MS)
    expect(page.locator("[data-choose=push_in]")).to_have_attribute("aria-pressed", "true")
    page.click("[data-choose=orbit_left]")
    expect(page.locator("[data-choose=orbit_left]")).to_have_attribute("aria-pressed", "true")
    assert axe(page) == [] and overflow(page) <= 0
    page.click("#moves .dlg-foot [data-close]")
    expect(page.locator("#c-orbit_left")).to_be_checked()
    expect(page.locator("#picked")).to_contain_text("Orbit left")


def test_what_will_be_sent_follows_the_form(open_as, cast, new):
    page = open_as(cast.bob, new)
    page.locator("#sent-box summary").click()
    expect(page.locator("#sent")).to_contain_text("nothing is sent anywhere")
    page.locator("label[id^=offer-]", has_text="Apiframe, Ray 2 Flash").click()
    expect(page.locator("#sent pre")).to_contain_text("luma-ray-flash-2")
    page.fill("#prompt", "A quiet harbour")
    expect(page.locator("#sent pre")).to_contain_text("A quiet harbour")
    assert axe(page) == []


def test_drafts_are_switched_on_and_made(open_as, cast, new):
    page = open_as(cast.bob, new)
    page.check("#c-tilt_up")
    page.check("#drafts")
    expect(page.locator("#generate")).to_contain_text("Make 2 drafts")
    expect(page.locator("#cost")).to_contain_text("A master then is free.")
    page.click("#generate")
    page.wait_for_url(f"**/p/{cast.project.code}/")
    assert [g.concepts for g in Generation.objects.order_by("number")] == [["push_in"], ["tilt_up"]]
