"""The bell and the feed in a browser: told without reloading, read by a press, calm when hidden."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from studio import lifecycle, signals
from studio.models import Notification
from studio.models.generation import State
from studio.services.news import webhooks
from tests.browser.conftest import DESKTOP, PHONE, axe, overflow, soon
from tests.factories import make_comment, make_generation
from tests.people import make_cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
NOTED = """
  localStorage.setItem("ray-studio-desktop", "on");
  window.noted = [];
  window.Notification = class {
    static permission = "granted";
    constructor(title, { body }) { window.noted.push(body); }
  };
"""


@pytest.fixture
def cast(transactional_db):
    return make_cast()


@pytest.fixture
def clip(cast):
    return make_generation(cast.project, by=cast.bob, title="Aurora", files=True)


def mention(cast, clip, text="Lower the ridge, @Bob"):
    made = make_comment(clip, cast.carol, text, at_ms=500)
    made.mentions.set([cast.bob])
    lifecycle.touch(clip.pk)
    signals.comment_made.send_robust(None, generation=clip, comment=made, actor=cast.carol)
    return made


def finish(cast, **fields):
    made = make_generation(cast.project, state=State.STORING, **fields)
    done = {"clip": "a.mp4", "width": 64, "height": 36, "duration_ms": 1000}
    assert lifecycle.move(made.pk, State.SUCCEEDED, **done)


def test_the_bell_rings_without_reloading_and_is_read_by_a_press(open_as, cast, clip):
    page = open_as(cast.bob, f"/p/{cast.project.code}/")
    bell = page.get_by_role("button", name="Notifications")
    expect(bell).to_have_accessible_name("Notifications")
    made = mention(cast, clip)
    for _ in range(12):
        finish(cast, by=cast.bob)
    expect(bell).to_have_accessible_name(re.compile("13 unread"))

    bell.press("Enter")
    panel = page.get_by_role("dialog", name="Notifications")
    lines = panel.get_by_role("listitem")
    expect(lines).to_have_count(2)
    expect(lines.nth(0)).to_contain_text("12 shots are ready")
    expect(lines.nth(1)).to_contain_text("Carol mentioned you on “Aurora”")
    assert axe(page) == []
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(bell).to_be_focused()

    bell.click()
    lines.nth(1).get_by_role("link").click()
    page.wait_for_url(f"**/clips/{clip.code}/#comment-{made.code}")
    expect(bell).to_have_accessible_name(re.compile("12 unread"))

    bell.click()
    panel.get_by_role("button", name="Mark all read").click()
    expect(panel.get_by_role("button", name="Mark all read")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(bell).to_have_accessible_name("Notifications")
    assert not Notification.objects.filter(user=cast.bob, read_at=None).exists()


def test_a_hidden_tab_says_so_in_its_title_and_on_the_desktop(open_as, cast, clip):
    page = open_as(cast.bob, "/notifications/")
    page.add_init_script(NOTED)
    page.clock.install()
    page.reload()
    expect(page.get_by_role("heading", name="Notifications")).to_be_visible()
    mark = page.locator("link[rel=icon]")
    page.evaluate(HIDE, True)
    mention(cast, clip)
    page.clock.run_for(61_000)
    expect(page).to_have_title("(1) Notifications · Ray Studio")
    expect(mark).to_have_attribute("href", re.compile("mark-news"))
    soon(
        page, lambda: page.evaluate("window.noted"), ["Carol mentioned you on “Aurora” at 0:00.50"]
    )
    page.evaluate(HIDE, False)
    expect(page).to_have_title("Notifications · Ray Studio")
    expect(mark).not_to_have_attribute("href", re.compile("mark-news"))


def test_the_feed_moves_by_itself_and_can_be_narrowed(open_as, cast, clip):
    mention(cast, clip)
    page = open_as(cast.alice, f"/p/{cast.project.code}/activity/")
    lines = page.locator(".happening")
    expect(lines).to_have_count(1)
    for _ in range(3):
        finish(cast, by=cast.bob)
    expect(page.get_by_role("heading", name="While you are here")).to_be_visible()
    expect(lines.nth(0)).to_contain_text("Bob’s 3 shots are ready")
    expect(lines.nth(1)).to_contain_text("Carol commented on “Aurora” at 0:00.50")
    assert axe(page) == []

    page.get_by_role("group", name="Kind").get_by_text("Review").click()
    expect(lines).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?kind=review"))
    page.get_by_label("Person").select_option("Bob")
    expect(page.get_by_role("heading", name="Nothing of that kind")).to_be_visible()
    page.get_by_role("link", name="All activity").click()
    expect(lines).to_have_count(2)
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url(f"**/p/{cast.project.code}/")
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/activity/")


def test_what_is_new_since_the_last_visit_stands_above_a_line(open_as, cast, clip):
    mention(cast, clip)
    page = open_as(cast.alice, f"/p/{cast.project.code}/activity/")
    expect(page.locator(".happening")).to_have_count(1)
    expect(page.locator(".since")).to_have_count(0)
    page.goto(page.url.replace("activity/", ""))
    finish(cast, by=cast.bob)
    page.goto(page.url + "activity/")
    expect(page.locator(".since")).to_have_text(re.compile("New since your last visit"))
    above = page.locator(".happening").nth(0).bounding_box()
    line = page.locator(".since").bounding_box()
    below = page.locator(".happening").nth(1).bounding_box()
    assert above["y"] < line["y"] < below["y"]


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_page_of_it_fits_and_is_accessible(open_as, cast, clip, viewport):
    mention(cast, clip)
    hook = webhooks.create_webhook(
        project=cast.project, by=cast.alice, url="https://hooks.example/x", kinds=["failed"]
    )
    project = f"/p/{cast.project.code}/"
    page = open_as(cast.alice, f"{project}activity/", viewport=viewport)
    for path in (
        f"{project}activity/", "/notifications/", "/account/", f"{project}webhooks/",
        f"{project}webhooks/{hook.code}/",
    ):  # fmt: skip
        page.goto(page.url.split("/p/")[0].split("/notif")[0].split("/acc")[0] + path)
        expect(page.locator("h1")).to_be_visible()
        assert overflow(page) == 0, path
        assert axe(page) == [], path
    if viewport == PHONE:
        page.get_by_role("button", name="More").click()
        page.get_by_role("link", name="Activity").click()
        page.wait_for_url("**/activity/")
        page.get_by_role("button", name="Notifications").click()
        panel = page.get_by_role("dialog", name="Notifications")
        expect(panel.get_by_role("link", name="All notifications")).to_be_visible()
        assert overflow(page) == 0


def test_without_script_the_bell_leads_to_its_page(open_as, cast, clip):
    mention(cast, clip)
    page = open_as(cast.bob, "/", java_script_enabled=False)
    page.get_by_role("button", name="Notifications").click()
    page.get_by_role("link", name="All notifications").click()
    page.get_by_role("button", name="Mark all read").click()
    expect(page.get_by_role("button", name="Mark all read")).to_have_count(0)
    assert not Notification.objects.filter(user=cast.bob, read_at=None).exists()
