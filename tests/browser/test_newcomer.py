"""The newcomer's way through the real studio, as one walk; it makes README's screenshots.

`STUDIO_TEST_SCREENSHOTS=docs/screenshots` keeps the pictures.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chromium import watch
from tests.processes import StudioProcess

pytestmark = [pytest.mark.browser, pytest.mark.processes]
SAMPLES = Path(__file__).resolve().parents[2] / "static/studio/samples"
RENDERED_MS = 240_000  # a busy machine may take minutes for seven clips


@pytest.fixture
def newcomer(browser: Browser, console_errors: list[str]):
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    watch(context, console_errors)
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


def keep(page: Page, name: str) -> None:
    """Take README's picture of this page at both sizes, where a folder for it is named."""
    folder = os.environ.get("STUDIO_TEST_SCREENSHOTS")
    if not folder:
        return
    page.wait_for_load_state("networkidle")
    for size, width, height in (("desktop", 1440, 900), ("phone", 390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(400)
        page.screenshot(path=Path(folder) / f"{name}-{size}.png")
    page.set_viewport_size({"width": 1440, "height": 900})


def test_a_newcomer_makes_a_clip(
    newcomer: Page, studio_process: StudioProcess, console_errors: list[str]
):
    page = newcomer
    sign_in(page, studio_process)
    fill_a_sample_project(page)
    ask_for_a_shot_of_ones_own(page)
    play_it(page)
    assert console_errors == []
    the_link_is_used_up(page, studio_process)
    console_errors.clear()  # Chromium lists the page's 410 there


def sign_in(page: Page, studio: StudioProcess) -> None:
    page.goto(studio.welcome_url)
    keep(page, "welcome")
    page.get_by_label("Your name").fill("Maja Aasen")
    page.get_by_label("Email").fill("maja@fjellvann.example")
    page.get_by_label("Password").fill("roll when ready")
    page.get_by_role("button", name="Open the studio").click()
    expect(page.get_by_role("button", name="account of Maja Aasen")).to_be_visible()


def fill_a_sample_project(page: Page) -> None:
    page.get_by_role("button", name="Make a sample project").click()
    expect(page.locator(".clip")).to_have_count(6)
    # Cards become playable without a reload.
    page.evaluate("window.here = true")
    expect(page.locator(".clip[data-preview]")).to_have_count(6, timeout=RENDERED_MS)
    assert page.evaluate("window.here") is True
    keep(page, "gallery")
    page.goto("/".join(page.url.split("/")[:3]) + "/")
    expect(page.get_by_role("link", name="Nordlys, a sample").first).to_be_visible()
    keep(page, "projects")
    page.get_by_role("link", name="Nordlys, a sample").first.click()


def ask_for_a_shot_of_ones_own(page: Page) -> None:
    page.get_by_role("link", name="New shot").first.click()
    page.get_by_label("What happens in the shot").fill(
        "The last of the aurora fades over the fjord and the sun clears the far ridge."
    )
    page.set_input_files("#start-file", SAMPLES / "aurora.webp")
    expect(page.locator("#frame-start img")).to_be_visible()
    page.set_input_files("#end-file", SAMPLES / "dawn.webp")
    expect(page.locator("#frame-end img")).to_be_visible()
    for camera in ("Push in", "Tilt up", "Handheld"):
        page.get_by_role("checkbox", name=camera, exact=True).check(force=True)
    expect(page.locator("#picked .chip")).to_have_count(3)
    expect(page.locator("#cost")).to_contain_text("Free")
    keep(page, "compose")
    page.get_by_role("button", name="Generate").click()
    # Sent once: the gallery leads with the new card.
    expect(page.locator(".clip")).to_have_count(7)
    expect(page.locator(".clip").first).to_contain_text("The last of the aurora")


def play_it(page: Page) -> None:
    first = page.locator(".clip").first
    expect(first).to_have_attribute("data-preview", re.compile(".+"), timeout=RENDERED_MS)
    first.locator("h3 a").click()
    video = page.locator("#player video")
    expect(video).to_be_visible()
    until(page, "document.querySelector('#player video').readyState >= 2")
    keep(page, "clip")
    page.keyboard.press("k")
    until(page, "document.querySelector('#player video').currentTime > 0.5")
    made = page.evaluate(
        "(v => [v.videoWidth, v.videoHeight, v.duration])(document.querySelector('#player video'))"
    )
    assert made == [960, 540, 5]
    expect(page.get_by_text("Push in + Tilt up + Handheld")).to_be_visible()


def until(page: Page, expression: str) -> None:
    """Wait for a script expression; Playwright's own way evaluates in the page, which the CSP forbids."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"never so: {expression}")


def the_link_is_used_up(page: Page, studio: StudioProcess) -> None:
    page.goto(studio.welcome_url)
    expect(page.get_by_label("Your name")).to_have_count(0)
