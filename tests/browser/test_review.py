"""Two people at one clip; drawing, mentioning and judging with keys, and with a thumb."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from studio.models import Comment, GivenVerdict
from studio.services import review
from tests.browser.conftest import PHONE, axe, overflow, ready, soon, still_box
from tests.factories import make_generation

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ARROW = {"kind": "arrow", "colour": "blue", "points": [[0.25, 0.25], [0.75, 0.5]]}


@pytest.fixture
def clip(project):
    return make_generation(project, title="Aurora over the fjord", files=True, seconds=2)


def test_two_people_judge_one_clip_at_once(open_as, owner, reviewer, clip):
    maja = ready(open_as(owner, f"/clips/{clip.code}/"))
    pia = ready(open_as(reviewer, f"/clips/{clip.code}/"))
    # Maja is in the middle of a reply when Pia speaks and judges.
    review.comment(generation=clip, by=reviewer, text="Lower the ridge", at_ms=500)
    first = Comment.objects.get()
    maja.locator(f"#reply-{first.code}").click()
    expect(maja.locator("#say-what")).to_have_text("Reply to Pia Lund")
    maja.keyboard.type("I think that @Pi")
    expect(maja.get_by_role("option", name="Pia Lund")).to_have_attribute("aria-selected", "true")
    pia.locator("#say").fill("And darker")
    pia.keyboard.press("Control+Enter")
    pia.locator("#approve").click()
    expect(maja.locator("#comment-list")).to_contain_text("And darker")
    expect(maja.locator("#verdict .judges")).to_contain_text("Pia Lund")
    # What she types, her cursor and her open list are as they were.
    expect(maja.locator("#say")).to_be_focused()
    expect(maja.locator("#say")).to_have_value("I think that @Pi")
    expect(maja.locator("#mention-list")).to_be_visible()
    maja.keyboard.press("Enter")
    expect(maja.locator("#say")).to_have_value("I think that @Pia Lund ")
    maja.keyboard.press("Control+Enter")
    expect(pia.locator(f"#comment-{first.code} .reply .mention.me")).to_have_text("@Pia Lund")
    assert Comment.objects.get(parent=first).mentions.get() == reviewer
    # Needs changes asks for words first; words and verdict arrive together.
    maja.locator("#say").press("Escape")
    maja.keyboard.press("r")
    expect(maja.locator("#say-verb")).to_have_text("Comment")
    expect(pia.locator("#verdict .judges")).to_contain_text("Needs changes")
    soon(pia, lambda: GivenVerdict.objects.filter(current=True).count(), 2)


def test_needs_changes_opens_the_form_and_sends_both(open_as, reviewer, clip):
    pia = ready(open_as(reviewer, f"/clips/{clip.code}/"))
    pia.keyboard.press("r")
    expect(pia.locator("#say-what")).to_have_text("What should change?")
    expect(pia.locator("#say")).to_be_focused()
    pia.keyboard.type("Lower the ridge")
    pia.keyboard.press("Control+Enter")
    expect(pia.locator("#ask-changes")).to_have_attribute("aria-pressed", "true")
    expect(pia.locator("#comment-list")).to_contain_text("Lower the ridge")
    expect(pia.locator("#say-verb")).to_have_text("Comment")
    given = GivenVerdict.objects.get()
    assert (given.verdict, given.comment.text) == ("needs_changes", "Lower the ridge")


def test_drawing_with_a_pointer_and_with_keys(open_as, reviewer, clip):
    page = ready(open_as(reviewer, f"/clips/{clip.code}/"))
    page.keyboard.press("d")
    expect(page.locator("#inkbar")).to_be_visible()
    page.get_by_label("Box", exact=True).check()
    video = still_box(page.locator("#player video"))
    # The picture within the video's box: letterboxed, 16:9.
    wide = min(video["width"], video["height"] * 16 / 9)
    left, high = video["x"] + (video["width"] - wide) / 2, wide * 9 / 16
    top = video["y"] + (video["height"] - high) / 2
    page.mouse.move(left + wide * 0.25, top + high * 0.25)
    page.mouse.down()
    page.mouse.move(left + wide * 0.75, top + high * 0.5, steps=4)
    page.mouse.up()
    expect(page.locator("#ink-own rect")).to_have_count(1)
    page.get_by_label("Arrow", exact=True).check()
    page.locator("#ink").focus()
    for key in ("Enter", "Shift+ArrowRight", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#ink-own path:not(.ink-cross)")).to_have_count(1)
    expect(page.locator("#ink-said")).to_contain_text("2 shapes")
    page.keyboard.press("Escape")
    expect(page.locator("#say")).to_be_focused()
    page.keyboard.type("This part")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#comment-list .tcbtn")).to_have_attribute(
        "aria-label", "Go to 0:00.00, with an arrow and a box drawn on the frame"
    )
    box, arrow = Comment.objects.get().drawing
    assert box["points"] == [
        pytest.approx([0.25, 0.25], abs=0.01),
        pytest.approx([0.75, 0.5], abs=0.01),
    ]
    assert arrow["points"] == [[0.5, 0.5], [0.6, 0.6]]
    # It shows at its moment, and only there.
    page.locator("#comment-list .tcbtn").click()
    expect(page.locator("#ink-others > *")).to_have_count(2)
    page.keyboard.press("End")
    expect(page.locator("#ink-others > *")).to_have_count(0)


def test_a_drawing_lies_on_the_picture_at_any_size(open_as, owner, clip):
    said = review.comment(generation=clip, by=owner, text="Here", at_ms=500, drawing=[ARROW])
    page = ready(open_as(owner, f"/clips/{clip.code}/#comment-{said.code}"))
    for size in ({"width": 1440, "height": 900}, {"width": 700, "height": 500}, PHONE):
        page.set_viewport_size(size)
        expect(page.locator("#ink-others > path")).to_have_count(1)
        video = still_box(page.locator("#player video"))
        tail = page.evaluate(
            """() => { const path = document.querySelector("#ink-others > path");
              const at = path.getPointAtLength(0).matrixTransform(path.getScreenCTM()); return [at.x, at.y]; }"""
        )
        wide = min(video["width"], video["height"] * 16 / 9)
        assert tail == [
            pytest.approx(video["x"] + video["width"] / 2 - wide / 4, abs=2),
            pytest.approx(video["y"] + video["height"] / 2 - wide * 9 / 16 / 4, abs=2),
        ]


def test_deleting_offers_undo_without_leaving_the_page(open_as, reviewer, clip):
    said = review.comment(generation=clip, by=reviewer, text="Lower the ridge", at_ms=500)
    page = ready(open_as(reviewer, f"/clips/{clip.code}/"))
    page.locator("#say").fill("Half a sent")
    page.locator(f"#delete-{said.code}").click()
    expect(page.locator(f"#comment-{said.code}")).to_have_count(0)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(f"#comment-{said.code}")).to_be_visible()
    expect(page.locator("#say")).to_have_value("Half a sent")


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_the_review_page_goes_from_clip_to_clip(open_as, owner, reviewer, project, clip, phone):
    second = make_generation(project, title="The last boat in", files=True, seconds=2)
    options = {"viewport": PHONE, "has_touch": True} if phone else {}
    page = ready(open_as(reviewer, f"/p/{project.code}/review/", **options))
    expect(page.locator("h1")).to_have_text("The last boat in")
    assert axe(page) == []
    assert overflow(page) == 0
    if phone:
        approve = still_box(page.locator("#approve"))
        assert approve["height"] >= 44
        assert approve["y"] + approve["height"] <= PHONE["height"], "within reach at once"
        page.locator("#approve").tap()
    else:
        page.keyboard.press("a")
    expect(page.locator("h1")).to_have_text("Aurora over the fjord")
    expect(page.locator(f"#reel-{second.code}")).to_contain_text("Approved")
    review.comment(generation=clip, by=owner, text="Mind the ridge", at_ms=100)
    expect(page.locator("#comment-list")).to_contain_text("Mind the ridge")
    if phone:
        page.locator("#approve").tap()
    else:
        page.keyboard.press("a")
    expect(page.locator("h1")).to_have_text("Nothing waits for a verdict")
