"""Whoever works by keys is never put back to the top of the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from studio.models import Comment, Generation
from tests.browser.conftest import card, ready, soon, still_box
from tests.factories import make_comment, make_generation

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def title(page, clip):
    return card(page, clip).locator("h3 a")


def test_deleting_leads_to_the_next_card_and_escape_to_what_was_chosen(
    open_as, owner, project, url
):
    clips = [make_generation(project, files=True) for _ in range(5)]
    page = open_as(owner, url)
    for clip in (clips[3], clips[2]):
        title(page, clip).focus()
        page.keyboard.press("x")
    page.locator("#picked button[value=delete]").focus()
    page.keyboard.press("Enter")
    soon(page, lambda: Generation.objects.filter(deleted_at=None).count(), 3)
    expect(card(page, clips[2])).to_have_count(0)
    expect(title(page, clips[1])).to_be_focused()
    # With the last ones gone, the one before has it.
    for clip in (clips[1], clips[0]):
        title(page, clip).focus()
        page.keyboard.press("x")
    page.locator("#picked button[value=delete]").focus()
    page.keyboard.press("Enter")
    expect(card(page, clips[0])).to_have_count(0)
    expect(title(page, clips[4])).to_be_focused()
    page.keyboard.press("x")
    page.locator("#picked button[value=chain]").focus()
    page.keyboard.press("Escape")
    expect(page.locator(".selbar")).to_be_hidden()
    expect(title(page, clips[4])).to_be_focused()


def test_a_dialog_about_many_clips_begins_with_its_first_field(open_as, owner, project, url):
    clip = make_generation(project, files=True)
    page = open_as(owner, url)
    for action, field in (("chain", "#bulk-new-chain"), ("collect", "#bulk-title")):
        title(page, clip).focus()
        if not page.locator(".selbar").is_visible():
            page.keyboard.press("x")
        button = page.locator(f"#picked button[value={action}]")
        if not button.is_visible():
            page.get_by_role("button", name="More actions").click()
        button.click()
        expect(page.locator(field)).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)


def test_a_comment_is_sent_and_the_clip_can_be_played_again(open_as, owner, project):
    clip = make_generation(project, files=True, seconds=2)
    page = ready(open_as(owner, f"/clips/{clip.code}/"))
    page.keyboard.press("d")
    frame = still_box(page.locator("#ink"))
    page.mouse.move(frame["x"] + frame["width"] * 0.3, frame["y"] + frame["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(frame["x"] + frame["width"] * 0.5, frame["y"] + frame["height"] * 0.5, steps=4)
    page.mouse.up()
    page.locator("#say").fill("Lower the ridge")
    page.locator("#say-it").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#comment-list")).to_contain_text("Lower the ridge")
    assert Comment.objects.get().drawing
    expect(page.locator("#say-it")).to_be_focused()
    expect(page.locator("#player")).not_to_have_class("drawing")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()


def test_undo_in_a_toast_leads_back_to_where_it_was_pressed_from(open_as, owner, project, url):
    clip = make_generation(project, files=True)
    page = open_as(owner, url)
    title(page, clip).focus()
    page.keyboard.press("x")
    share = page.locator("#picked .btn.primary")
    for way_out in ("Undo", "Dismiss"):
        more = page.get_by_role("button", name="More actions")
        more.focus()
        page.keyboard.press("Enter")
        page.locator("#pick-more").get_by_role("button", name="Tag", exact=True).focus()
        page.keyboard.press("Enter")
        page.get_by_role("dialog", name="Tag").get_by_label("Tag").fill(f"hero {way_out}")
        page.keyboard.press("Enter")
        toast = page.locator(".toast", has_text=f"“hero {way_out}”")
        expect(more).to_be_focused()
        share.focus()
        toast.get_by_role("button", name=way_out).focus()
        page.keyboard.press("Enter")
        expect(toast).to_have_count(0)
        expect(share).to_be_focused()


def test_undo_of_a_deleted_comment_leads_back_into_the_page(open_as, owner, project):
    clip = make_generation(project, files=True, seconds=2)
    make_comment(clip, owner, "Lower the ridge")
    page = ready(open_as(owner, f"/clips/{clip.code}/"))
    page.locator("#comment-list").get_by_role("button", name="Delete").click()
    page.locator("#say").focus()
    # A toast fades where it is put into the page's toasts itself.
    expect(page.locator("#toasts > .toast[data-fades]")).to_have_count(1)
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#comment-list")).to_contain_text("Lower the ridge")
    expect(page.locator("#say")).to_be_focused()


def test_a_toast_does_not_fade_under_the_focus(open_as, owner, project, url):
    make_generation(project, files=True)
    page = open_as(owner, url)
    page.evaluate(
        """() => document.getElementById("toasts").insertAdjacentHTML("beforeend",
        "<div> <div class='toast' data-fades='300'><button type='button'>Undo</button></div> </div>")"""
    )
    undo = page.locator(".toast button")
    undo.focus()
    page.wait_for_timeout(600)
    expect(undo).to_be_focused()
    title(page, Generation.objects.get()).focus()
    expect(undo).to_have_count(0)


def test_a_saved_view_and_its_undo_leave_the_focus_at_the_menu(open_as, owner, project, url):
    make_generation(project, files=True, rating=5)
    page = open_as(owner, f"{url}?rating=5")
    views = page.locator("#b-views")
    views.focus()
    page.keyboard.press("Enter")
    page.get_by_label("Save what is shown as a view").fill("Best")
    page.keyboard.press("Enter")
    expect(page.get_by_text("“Best” is saved.")).to_be_visible()
    expect(views).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("#f-views summary").focus()
    page.keyboard.press("Enter")
    page.locator("#f-views").get_by_role("button", name="Delete").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The view “Best” is deleted.")).to_be_visible()
    expect(views).to_be_focused()
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("“Best” is back.")).to_be_visible()
    expect(views).to_be_focused()


def test_what_is_refused_in_a_dialog_leaves_its_button_the_focus(
    open_as, owner, project, url, console_errors
):
    failed = make_generation(project, state="failed")
    page = open_as(owner, url)
    title(page, failed).focus()
    page.keyboard.press("x")
    page.get_by_role("button", name="More actions").focus()
    page.keyboard.press("Enter")
    page.locator("#pick-more").get_by_role("button", name="Retry what failed").focus()
    page.keyboard.press("Enter")
    again = page.locator("dialog[open] button.primary")
    again.focus()
    Generation.objects.all().delete()
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Choose at least one clip first.")
    expect(again).to_be_focused()
    # Chromium puts an answer of 409 into the console.
    assert len(console_errors) == 1
    console_errors.clear()


def test_retrying_what_did_not_fail_leaves_the_focus_at_the_menu(
    open_as, owner, project, url, console_errors
):
    clip = make_generation(project, files=True)
    page = open_as(owner, url)
    title(page, clip).focus()
    page.keyboard.press("x")
    more = page.get_by_role("button", name="More actions")
    more.focus()
    page.keyboard.press("Enter")
    page.locator("#pick-more").get_by_role("button", name="Retry what failed").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("None of these failed")
    expect(more).to_be_focused()
    console_errors.clear()
