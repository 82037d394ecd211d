from __future__ import annotations

import pytest
from playwright.sync_api import expect

from studio.models import Generation, SavedView, Tag
from tests.browser.conftest import PHONE, axe, numbers, overflow
from tests.factories import make_comment, make_generation

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_filters_count_search_marks_and_a_view_is_kept(
    open_as, owner, project, url, console_errors
):
    for rating in (5, 5, 0):
        make_generation(project, rating=rating, title="Slot canyon")
    said = make_generation(project, title="Dunes")
    make_comment(said, owner, "like the canyon")
    Tag.objects.create(project=project, name="hero").generations.add(said)
    page = open_as(owner, url)
    # A menu counts when it is opened, and the counts follow the other filters.
    page.get_by_role("button", name="Rating").click()
    expect(page.locator("#f-rating label", has_text="5 stars").locator(".count")).to_have_text("2")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("canyon")
    expect(page.locator("mark").first).to_be_visible()
    expect(page.locator(".applied")).to_contain_text("4 of 4 clips")
    expect(page.locator("#sort-name")).to_have_text("Best match first")
    expect(page.locator(f"#clip-{said.code} .found")).to_contain_text("like the canyon")
    page.locator("#b-more").click()
    page.locator("#f-more").get_by_role("button", name="Tag").click()
    page.locator("#f-tag").get_by_label("hero").check()
    expect(page.locator("#sheet > .clip")).to_have_count(1)
    assert "tag=hero" in page.url
    assert axe(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    # Kept under a name, found again, deleted, brought back.
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Save what is shown as a view").fill("Canyons")
    assert axe(page) == []
    page.locator("#f-views").get_by_role("button", name="Save").click()
    expect(page.get_by_text("“Canyons” is saved.")).to_be_visible()
    assert SavedView.objects.get().query == "q=canyon&tag=hero"
    page.get_by_role("link", name="Clear").click()
    expect(page.locator("#sheet > .clip")).to_have_count(4)
    page.keyboard.press("v")
    kept = page.locator("#f-views .view-line > a")
    expect(kept).to_have_text("Canyons")
    expect(kept).to_have_attribute("href", f"{url}?q=canyon&tag=hero")
    kept.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#sheet > .clip")).to_have_count(1)
    page.get_by_role("button", name="Views").click()
    page.locator("#f-views").get_by_label("Change Canyons").click()
    page.locator("#f-views").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("“Canyons” is back.")).to_be_visible()
    assert console_errors == []


def test_a_day_takes_the_place_of_a_preset(open_as, owner, project, url):
    make_generation(project)
    page = open_as(owner, url)
    page.locator("#b-more").click()
    page.locator("#f-more").get_by_role("button", name="Date").click()
    page.locator("#f-date").get_by_label("Today").check()
    expect(page.locator(".applied .chip")).to_have_text(["Today remove"])
    page.locator("#f-date").get_by_label("From").fill("2020-01-01")
    expect(page.locator(".applied .chip")).to_have_text(["From 2020-01-01 remove"])
    page.locator("#f-date").get_by_label("This month").check()
    expect(page.locator(".applied .chip")).to_have_text(["This month remove"])


def test_back_from_a_clip_leads_to_the_same_place(open_as, owner, project, url, settings):
    settings.GALLERY_PAGE_SIZE = 6
    for number in range(1, 31):
        make_generation(project, aspect_ratio="9:16", files=number == 12)
    page = open_as(owner, url, viewport={"width": 900, "height": 500})
    wanted = Generation.objects.get(project=project, number=12)
    card = page.locator(f"#clip-{wanted.code}")
    for _ in range(40):
        if card.count():
            break
        with page.expect_response(lambda r: "after=" in r.url):
            page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    card.scroll_into_view_if_needed()
    link = card.get_by_role("link", name=wanted.title, exact=True)
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/clips/**")
    make_generation(project)  # somebody else is at work
    page.go_back()
    expect(card).to_be_in_viewport()
    expect(link).to_be_focused()
    assert len(numbers(page)) == len(set(numbers(page)))
    shown = numbers(page)
    assert [n for n in range(30, 11, -1) if n not in shown] == []


def test_on_the_phone_and_without_script(open_as, owner, project, url):
    made = make_generation(project, title="Canyon")
    make_generation(project, title="Dunes")
    Tag.objects.create(project=project, name="hero").generations.add(made)
    page = open_as(owner, url + "?q=canyon&rating=nine", viewport=PHONE, has_touch=True)
    assert axe(page) == []
    page.get_by_role("button", name="Filter").click()
    page.locator("#f-all").get_by_role("button", name="Creator").click()
    expect(page.locator("#f-by label", has_text="Me").locator(".count")).to_have_text("1")
    assert overflow(page) == 0
    plain = open_as(owner, url, java_script_enabled=False)
    plain.goto(plain.url + "filters/tag/")
    plain.get_by_label("hero").check()
    plain.get_by_role("button", name="Apply").click()
    expect(plain.locator("#sheet > .clip")).to_have_count(1)
    plain.goto(plain.url.replace("?", "views/?"))
    plain.get_by_label("Save what is shown as a view").fill("Heroes")
    plain.get_by_role("button", name="Save").click()
    assert SavedView.objects.get().name == "Heroes"
