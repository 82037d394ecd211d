"""Whoever works by keys is never put back to the top of the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from studio.models import Comment, Generation
from tests.browser.conftest import card, ready, soon, still_box
from tests.factories import make_generation

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
