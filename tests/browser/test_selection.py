"""Choosing clips in the gallery and doing something to all of them, as people do it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from studio import lifecycle, tasks
from studio.models import BulkRun, Collection, Generation, Membership
from studio.services.gallery import tags
from tests.browser.conftest import DESKTOP, PHONE, axe, card, overflow, soon, still_box
from tests.bulk import make_clips, press
from tests.factories import make_generation, make_member, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TOUCH = {"viewport": PHONE, "has_touch": True, "is_mobile": True}


def box(page, clip):
    return card(page, clip).locator(".pick")


def tally(page, text):
    expect(page.locator("[data-tally]")).to_have_text(text)


def chosen(page):
    """The numbers of the cards that are ticked."""
    return page.eval_on_selector_all(
        "#sheet > .clip:has(.pick:checked)",
        "all => all.map(c => Number(c.dataset.n)).sort((a, b) => a - b)",
    )


def pick(page, clip, **options):
    card(page, clip).locator(".frame").hover()
    box(page, clip).click(**options)


def focus(page, clip):
    card(page, clip).locator("h3 a").focus()


def rating(clip):
    return Generation.objects.values_list("rating", flat=True).get(pk=clip.pk)


def test_mouse_and_keys_choose_and_the_choice_outlives_polls_and_filters(
    open_as, owner, project, url
):
    clips = [make_generation(project, files=True) for _ in range(8)]
    page = open_as(owner, url)
    bar = page.locator(".selbar")
    expect(bar).to_be_hidden()
    pick(page, clips[7])
    tally(page, "1 selected")
    expect(page.locator("[data-picked-said]")).to_have_text("1 selected")
    pick(page, clips[5], modifiers=["Shift"])
    soon(page, lambda: chosen(page), [6, 7, 8])
    # Once something is chosen the pictures choose too, and titles still lead to their clips.
    card(page, clips[0]).locator(".frame").click(position={"x": 60, "y": 60})
    tally(page, "4 selected")
    assert page.url.endswith(url)

    # What others do is swapped in beneath it.
    lifecycle.touch(clips[6].pk, title="Renamed meanwhile")
    made = make_generation(project, files=True)
    expect(card(page, clips[6])).to_contain_text("Renamed meanwhile")
    expect(card(page, made)).to_be_visible()
    soon(page, lambda: chosen(page), [1, 6, 7, 8])

    # A filter hides three of them, and the count says so.
    page.get_by_label("Search clips").fill("renamed")
    expect(page.locator("#sheet > .clip")).to_have_count(1)
    tally(page, "4 selected, 3 not shown")
    page.get_by_label("Search clips").fill("")
    expect(page.locator("#sheet > .clip")).to_have_count(9)
    tally(page, "4 selected")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    assert chosen(page) == []

    # X, shift and the arrows, X with shift.
    focus(page, clips[7])
    page.keyboard.press("x")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    soon(page, lambda: chosen(page), [6, 7, 8])
    page.keyboard.press("Shift+ArrowLeft")
    soon(page, lambda: chosen(page), [7, 8])
    focus(page, clips[3])
    page.keyboard.press("Shift+X")
    soon(page, lambda: chosen(page), [4, 5, 6, 7, 8])
    page.keyboard.press("x")
    soon(page, lambda: chosen(page), [5, 6, 7, 8])
    focus(page, clips[4])
    page.keyboard.press("x")
    page.keyboard.press("Escape")
    assert chosen(page) == []
    expect(page.locator("[data-picked-said]")).to_have_text("Nothing selected")


def test_the_choice_is_rated_tagged_undone_and_seen_by_others(
    open_as, owner, project, url, console_errors
):
    other = make_user("Jonas Thorne")
    make_member(project, other, Membership.Role.REVIEWER)
    clips = [make_generation(project, files=True) for _ in range(4)]
    tags.put(generation=clips[3], name="night exterior")
    watching = open_as(other, url)
    page = open_as(owner, url)
    for clip in clips[:3]:
        pick(page, clip)
    page.get_by_role("button", name="Rate", exact=True).click()
    page.get_by_role("button", name="4 of 5").click()
    toast = page.locator(".toast", has_text="Rated 3 clips 4 of 5.")
    expect(toast).to_be_visible()
    tally(page, "3 selected")
    expect(card(watching, clips[0]).get_by_label("4 of 5")).to_be_visible(timeout=6000)
    toast.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast", has_text="Undone for 3 clips.")).to_be_visible()
    soon(page, lambda: [rating(c) for c in clips[:3]], [0, 0, 0])

    page.get_by_role("button", name="More actions").click()
    page.get_by_role("button", name="Tag", exact=True).click()
    dialog = page.get_by_role("dialog", name="Tag")
    expect(dialog.locator("datalist option")).to_have_attribute("value", "night exterior")
    dialog.get_by_label("Tag").fill("a,b")
    dialog.get_by_role("button", name="Tag 3 clips").click()
    expect(dialog.get_by_role("alert")).to_contain_text("no comma")
    assert ["422" in console_errors.pop()] == [True], "which the browser tells as an error"
    expect(dialog.get_by_label("Tag")).to_have_value("a,b")
    dialog.get_by_label("Tag").fill("hero")
    page.keyboard.press("Enter")
    expect(page.locator(".toast", has_text="Tagged 3 clips")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(card(page, clips[1])).to_contain_text("hero")

    page.get_by_role("button", name="Delete", exact=True).click()
    toast = page.locator(".toast", has_text="Deleted 3 clips.")
    expect(toast).to_be_visible()
    expect(page.locator(".selbar")).to_be_hidden()
    expect(page.locator("#sheet > .clip")).to_have_count(1)
    expect(watching.locator("#sheet > .clip")).to_have_count(1, timeout=6000)
    toast.get_by_role("button", name="Undo").click()
    expect(page.locator("#sheet > .clip")).to_have_count(4)


def test_all_that_match_are_done_in_the_background_with_progress(
    open_as, owner, project, url, asked
):
    other = make_generation(project, files=True, rating=2)
    files = {name: getattr(other, name).name for name in ("clip", "poster", "strip", "preview")}
    make_clips(project, 130, **files)
    page = open_as(owner, url + "?rating=0")
    expect(page.locator("#sheet > .clip")).to_have_count(60)
    page.locator("#sheet > .clip").first.locator("h3 a").focus()
    page.keyboard.press("x")
    page.get_by_role("button", name="All 130").click()
    tally(page, "All 130 selected")
    expect(page.locator("[data-picked-said]")).to_have_text("All 130 selected")
    soon(page, lambda: len(chosen(page)), 60)
    page.locator(".more").scroll_into_view_if_needed()
    soon(page, lambda: len(chosen(page)), 120)
    # One taken out, and one that arrives now: neither is done.
    out = page.locator("#sheet > .clip").nth(1)
    number = int(out.get_attribute("data-n"))
    out.locator("h3 a").focus()
    page.keyboard.press("x")
    tally(page, "129 selected")
    late = make_generation(project, files=True)
    expect(card(page, late)).to_be_visible()
    expect(box(page, late)).not_to_be_checked()

    page.get_by_role("button", name="Rate", exact=True).click()
    page.get_by_role("button", name="5 of 5").click()
    toast = page.locator(".bulkrun")
    expect(toast).to_contain_text("Rating 129 clips")
    expect(page.locator(".selbar")).to_be_hidden()
    expect(toast.locator("progress")).to_be_visible()
    # Left and come back to while it goes on.
    page.reload()
    expect(page.locator(".bulkrun")).to_contain_text("Rating 129 clips")
    tasks.work_bulk(BulkRun.objects.get().pk)
    done = page.locator(".bulkrun", has_text="Rated 129 clips 5 of 5.")
    expect(done).to_be_visible()
    assert Generation.objects.filter(rating=5).count() == 129
    assert rating(late) == 0
    assert rating(other) == 2
    assert rating(Generation.objects.get(project=project, number=number)) == 0
    done.get_by_role("button", name="Undo").click()
    expect(page.locator(".bulkrun")).to_contain_text("Undoing")
    tasks.work_bulk(BulkRun.objects.get().pk)
    expect(page.locator(".bulkrun", has_text="Undone for 129 clips.")).to_be_visible()
    assert not Generation.objects.filter(rating=5).exists()


def long_press(page, place):
    """Hold a finger on this place for longer than a tap."""
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [place]})
    expect(page.locator("body")).to_have_class(re.compile("picking"))
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()


def middle(locator):
    found = still_box(locator)
    return {"x": found["x"] + found["width"] / 2, "y": found["y"] + found["height"] / 2}


def test_a_thumb_chooses_by_a_long_press_and_then_by_taps(open_as, owner, project, url):
    clips = [make_generation(project, files=True) for _ in range(3)]
    page = open_as(owner, url, **TOUCH)
    long_press(page, middle(card(page, clips[2]).locator(".frame")))
    tally(page, "1 selected")
    assert page.url.endswith(url), "the press did not open the clip"
    place = middle(card(page, clips[1]).locator(".frame"))
    page.touchscreen.tap(place["x"], place["y"])
    tally(page, "2 selected")
    assert axe(page) == []
    assert overflow(page) == 0
    for button in page.locator(".selbar .btn:visible").all():
        size = still_box(button)
        assert min(size["width"], size["height"]) >= 44, button.inner_text()
    page.get_by_role("button", name="Approve").tap()
    expect(page.locator(".toast", has_text="Approved 2 clips.")).to_be_visible()
    expect(card(page, clips[2])).to_contain_text("Approved")
    page.get_by_role("button", name="Clear selection").tap()
    expect(page.locator(".selbar")).to_be_hidden()


@pytest.mark.parametrize("options", [{"viewport": DESKTOP}, TOUCH], ids=["desktop", "phone"])
def test_every_page_and_dialog_is_sound(open_as, owner, project, url, options):
    clips = [make_generation(project, files=True, title=f"Ridge {n}") for n in range(4)]
    make_generation(project, state="failed", failure_text="No.", charged="no")
    for clip in clips[:2]:
        tags.put(generation=clip, name="night exterior")
    tags.put(generation=clips[0], name="hero")
    press(owner, project, "collect", clips[:3], collection="", title="Shortlist")
    press(owner, project, "delete", clips[3:])
    page = open_as(owner, url, **options)
    focus(page, clips[0])
    page.keyboard.press("x")
    focus(page, clips[1])
    page.keyboard.press("x")
    tally(page, "2 selected")
    assert axe(page) == []
    assert overflow(page) == 0
    for name, dialog in (
        ("Needs changes", "Needs changes"),
        ("Add to a collection", "Add to a collection"),
    ):
        page.get_by_role("button", name="More actions").click()
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("dialog", name=dialog)).to_be_visible()
        assert axe(page) == []
        page.get_by_role("button", name="Close").click()
    shortlist = Collection.objects.get()
    root = page.url.removesuffix(url)
    for path in ("bulk/", "bin/", "collections/", "tags/"):
        page.goto(root + url + path)
        assert axe(page) == [], path
        assert overflow(page) == 0, path
    for path in (f"/collections/{shortlist.code}/", f"/clips/{clips[3].code}/"):
        page.goto(root + path)
        assert axe(page) == [], path
        assert overflow(page) == 0, path


def test_a_collection_is_put_in_order_and_played(open_as, owner, project):
    clips = [make_generation(project, files=True, title=f"Ridge {n}") for n in range(3)]
    press(owner, project, "collect", clips, collection="", title="Shortlist")
    collection = Collection.objects.get()
    page = open_as(owner, f"/collections/{collection.code}/")

    def order():
        return page.eval_on_selector_all("#ordered > li", "all => all.map(c => c.dataset.title)")

    page.locator("#ordered > li").first.locator("h3 a").focus()
    page.keyboard.press("Alt+ArrowRight")
    soon(page, order, ["Ridge 1", "Ridge 0", "Ridge 2"])
    expect(page.locator("#moved")).to_have_text("Ridge 0 is 2 of 3")
    expect(page.locator("#ordered > li").nth(1).locator("h3 a")).to_be_focused()
    page.keyboard.press("Alt+ArrowRight")
    soon(page, order, ["Ridge 1", "Ridge 2", "Ridge 0"])
    page.get_by_text("Ridge 0").first.scroll_into_view_if_needed()
    page.locator("#ordered > li").nth(2).drag_to(
        page.locator("#ordered > li").first, target_position={"x": 8, "y": 60}
    )
    soon(page, order, ["Ridge 0", "Ridge 1", "Ridge 2"])
    page.locator("#ordered > li").nth(1).hover()
    page.get_by_role("button", name="Take Ridge 1 out").click()
    soon(page, order, ["Ridge 0", "Ridge 2"])
    page.locator(".toast").get_by_role("button", name="Undo").click()
    soon(page, order, ["Ridge 0", "Ridge 1", "Ridge 2"])

    page.get_by_role("button", name="Play all").click()
    reel = page.get_by_role("dialog", name="Playing Shortlist")
    expect(reel.locator("[data-place]")).to_have_text("3 of 3", timeout=15000)
    expect(reel.locator("[data-title]")).to_have_text("Ridge 2")
    page.get_by_role("button", name="Previous clip").click()
    expect(reel.locator("[data-place]")).to_have_text(re.compile("of 3"))
    page.keyboard.press("Escape")
    expect(reel).to_be_hidden()


def test_without_script_boxes_and_buttons_are_enough(open_as, owner, project, url):
    clips = [make_generation(project, files=True) for _ in range(3)]
    page = open_as(owner, url, java_script_enabled=False)
    for clip in clips[:2]:
        box(page, clip).check(force=True)
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("Approved 2 clips.")
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("Undone for 2 clips.")
