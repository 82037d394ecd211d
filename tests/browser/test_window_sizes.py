"""Windows between the desktop's and the phone's: nothing is cut off, and pictures get the room."""

from __future__ import annotations

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from studio.models import ImportRun
from tests.browser.conftest import PHONE, overflow, ready, still_box
from tests.factories import make_generation

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("width", [721, 768, 844, 941, 1024, 1080])
def test_the_top_bar_fits_and_says_whose_project_it_is(open_as, owner, project, url, width):
    for state in ("succeeded", "running"):
        make_generation(project, state=state)
    page = open_as(owner, url, viewport={"width": width, "height": 700})
    assert overflow(page) == 0
    assert still_box(page.locator(".top .switch > span"))["width"] >= 40
    account = still_box(page.locator(".top .avatar").first)
    assert account["x"] + account["width"] <= width
    expect(page.get_by_role("link", name="New shot")).to_be_visible()


@pytest.mark.parametrize("view", ["side", "flip", "difference"])
@pytest.mark.parametrize("count", [2, 4])
def test_in_a_low_window_most_of_the_room_is_the_pictures(
    open_as, owner, project, url, view, count
):
    clips = [make_generation(project, files=True) for _ in range(count)]
    asked = "&".join(f"clip={clip.code}" for clip in clips)
    page = open_as(
        owner, f"{url}compare/?{asked}&view={view}", viewport={"width": 720, "height": 450}
    )
    expect(page.locator("main.compare.ready")).to_have_attribute("data-view", view)
    assert overflow(page) == 0
    bar = still_box(page.locator("#transport"))
    assert bar["y"] + bar["height"] <= 450
    picture = still_box(page.locator(".pane.on > .pic > video"))
    seen = min(picture["y"] + picture["height"], bar["y"]) - picture["y"]
    # Side by side they are as wide as the window lets them be, and seen whole.
    assert seen >= (picture["height"] if view == "side" else 0.6 * 450)
    assert picture["width"] >= 330
    expect(page.locator("#transport [data-do=play] > span:visible")).to_have_count(1)


def test_the_tab_bars_button_stands_in_line_with_its_links(open_as, owner, project, url):
    page = open_as(owner, url, viewport=PHONE)
    review = still_box(page.locator(".tabbar a").last)
    more = still_box(page.locator(".tabbar button"))
    assert (more["y"], more["height"]) == (review["y"], review["height"])


def test_asking_for_changes_fits_beside_the_clip(open_as, reviewer, project, url):
    make_generation(project, files=True)
    page = ready(open_as(reviewer, f"{url}review/"))
    page.keyboard.press("r")
    expect(page.locator("#say-verb")).to_have_text("Ask for changes")
    assert overflow(page) == 0


def test_a_long_name_does_not_widen_the_page_of_imports(open_as, owner, project):
    ImportRun.objects.create(
        project=project, by=owner, file_name=f"{'winter' * 19}.zip", archive="x", state="done",
        finished_at=timezone.now(), problems=[f"stills/{'ridge' * 20}.png is no picture."],
    )  # fmt: skip
    page = open_as(owner, "/projects/import/", viewport=PHONE)
    expect(page.locator("#imports")).to_contain_text("is no picture.")
    assert overflow(page) == 0
