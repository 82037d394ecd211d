"""A client on a link, and the team beside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from studio.models import Comment, Guest, Share
from studio.services.sharing import making
from studio.services.sharing.making import Options, Source
from tests.browser.conftest import DESKTOP, PHONE, Answering, axe, overflow, soon, still_box
from tests.chromium import watch
from tests.factories import make_generation

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
THUMB = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
TITLES = ("Ridge at first light", "The last boat in", "Koi under the ice")

Visit = Callable[..., Page]


@pytest.fixture
def clips(project):
    return [make_generation(project, title=title, files=True, seconds=4) for title in TITLES]


@pytest.fixture
def visit(
    browser: Browser, live_server: LiveServer, answering: Answering, console_errors: list[str]
) -> Iterator[Visit]:
    """Return visit(path, **context options): a page of a fresh profile without an account."""
    contexts: list[BrowserContext] = []

    def open_page(path: str, **options: object) -> Page:
        context = browser.new_context(**({"viewport": DESKTOP} | options))
        contexts.append(context)
        watch(context, console_errors)
        page = context.new_page()
        page.goto(live_server.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    answering.wait_for_none()


def link_to(clips, owner, **options):
    """Make a link to the clips; return the share and its path."""
    share, token = making.create_share(
        project=clips[0].project, by=owner, source=Source(clips=clips), options=Options(**options)
    )
    return share, f"/s/{token}/"


def ready(page):
    page.wait_for_function("() => document.querySelector('#player video')?.readyState >= 2")
    # The scripts are there once they have taken over the browser's own controls and form.
    expect(page.locator("#player .transport")).to_be_visible()
    expect(page.locator("#draw")).to_be_visible()


def sound(page):
    assert axe(page) == []
    assert overflow(page) == 0


def test_a_guest_who_works_by_keys_stays_where_they_were(visit, owner, clips):
    _, path = link_to(clips, owner, may_decide=True)
    page = visit(f"{path}clips/{clips[0].code}/")
    ready(page)
    page.locator("#say").fill("Lower the ridge")
    page.locator("#say-it").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Your name").fill("Ida")
    page.keyboard.press("Enter")
    expect(page.locator("#comment-list")).to_contain_text("Lower the ridge")
    expect(page.locator("#say-it")).to_be_focused()
    page.locator("#ask-changes").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#ask-changes")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#ask-changes")).to_be_focused()


def test_a_client_with_a_phone_sees_says_decides_saves_and_is_shut_out(
    visit, owner, clips, console_errors
):
    options = {"title": "Round 2", "may_decide": True, "may_download": True}
    share, path = link_to(clips, owner, password="vinterlys", **options)
    page = visit(path, **THUMB)
    # The door.
    sound(page)
    page.get_by_label("Password").fill("sommer")
    page.get_by_role("button", name="Open").tap()
    expect(page.get_by_role("alert")).to_contain_text("not the password")
    console_errors.clear()  # the browser counts the refusal as an error
    page.get_by_label("Password").fill("vinterlys")
    page.get_by_role("button", name="Open").tap()
    # The contact sheet.
    expect(page.get_by_role("heading", level=1)).to_have_text("Round 2")
    expect(page.locator("#reviewed")).to_have_text("0 of 3 reviewed")
    sound(page)
    page.get_by_role("link", name="The last boat in").tap()
    # The clip.
    ready(page)
    sound(page)
    for name in ("Approve", "Needs changes", "Comment"):
        assert still_box(page.get_by_role("button", name=name, exact=True))["height"] >= 44, name
    page.locator("#seek").evaluate(
        "seek => { seek.value = 2000; seek.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    expect(page.locator("#say-at")).to_have_text("0:02.00")
    page.get_by_label("Comment", exact=True).fill("The boat reads too big here.")
    page.locator("#say-it").tap()
    # The name, once.
    dialog = page.get_by_role("dialog", name="Who is speaking?")
    expect(dialog.get_by_label("Your name")).to_be_focused()
    sound(page)
    dialog.get_by_label("Your name").fill("Ingrid Vold")
    dialog.get_by_role("button", name="Send").tap()
    expect(dialog).to_be_hidden()
    said = page.locator("#comment-list .comment")
    expect(said).to_contain_text("The boat reads too big here.")
    expect(said.get_by_role("button", name="Go to 0:02.00")).to_be_visible()
    expect(page.locator("#pins circle")).to_have_count(1)
    expect(page.get_by_label("Comment", exact=True)).to_have_value("")
    expect(page.locator("#as-whom")).to_contain_text("Ingrid Vold")
    # The verdict: asking for changes without words is answered, then sent with them.
    page.get_by_role("button", name="Needs changes").tap()
    expect(page.get_by_role("button", name="Needs changes")).to_have_attribute(
        "aria-pressed", "true"
    )
    page.get_by_role("button", name="Approve").tap()
    expect(page.get_by_role("button", name="Approved")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#reviewed")).to_have_text("1 of 3 reviewed")
    expect(page.locator("#playlist [aria-current]")).to_contain_text("Approved:")
    sound(page)
    # The file.
    with page.expect_download() as saving:
        page.get_by_role("link", name="Download").tap()
    assert saving.value.suggested_filename == "round-2-02-the-last-boat-in.mp4"
    assert Path(saving.value.path()).read_bytes()[4:8] == b"ftyp"
    assert (Guest.objects.get().name, Comment.objects.get().at_ms) == ("Ingrid Vold", 2000)
    # Revoked: the open page goes by itself, and its media with it.
    media = page.locator("#player video").get_attribute("src")
    making.revoke_share(share=share)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link is closed.")
    sound(page)
    assert page.request.get(page.url.split("/s/")[0] + media).status == 404
    assert page.goto(page.url).status == 410
    console_errors.clear()


def test_client_and_team_hear_one_another_while_both_are_typing(visit, open_as, owner, clips):
    _, path = link_to(clips, owner, may_decide=True, shows_names=True)
    client = visit(f"{path}clips/{clips[0].code}/")
    ready(client)
    team = open_as(owner, f"/clips/{clips[0].code}/")
    ready(team)
    team.locator("#say").fill("I was just")
    client.locator("#say").press_sequentially("Lower the ridge")
    client.locator("#say").press("Control+Enter")
    client.get_by_label("Your name").fill("Ingrid")
    client.get_by_label("Your name").press("Enter")
    expect(team.locator("#comment-list")).to_contain_text("Lower the ridge", timeout=8000)
    expect(team.locator("#say")).to_have_value("I was just")
    expect(team.locator("#say")).to_be_focused()
    client.locator("#say").press_sequentially("And the")
    team.locator("#say").fill("Will do")
    team.locator("#say-it").click()
    expect(client.locator("#comment-list")).to_contain_text("Will do", timeout=8000)
    expect(client.locator("#say")).to_have_value("And the")
    expect(client.locator("#say")).to_be_focused()
    client.locator("#say").press("Escape")
    client.locator("#approve").click()
    expect(client.locator("#approve")).to_have_text("Approved")
    expect(client.locator("#comment-list")).to_contain_text("And the")  # words go with a verdict
    expect(team.locator("#verdict")).to_contain_text("Ingrid", timeout=8000)


def test_by_keyboard_from_clip_to_clip_with_a_drawing(visit, owner, clips, console_errors):
    _, path = link_to(clips, owner, may_decide=True)
    page = visit(path)
    sound(page)
    page.get_by_role("link", name=TITLES[0]).focus()
    page.keyboard.press("Enter")
    ready(page)
    page.keyboard.press("]")
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLES[1])
    ready(page)
    page.keyboard.press(".")
    page.keyboard.press("d")
    expect(page.locator("#inkbar")).to_be_visible()
    for key in ("Enter", "ArrowRight", "ArrowRight", "ArrowDown", "Enter", "Escape"):
        page.keyboard.press(key)
    expect(page.locator("#say")).to_be_focused()
    page.keyboard.type("Here")
    page.keyboard.press("Control+Enter")
    page.get_by_label("Your name").fill("Ingrid")
    page.keyboard.press("Enter")
    expect(page.locator("#comment-list .drew")).to_contain_text("a line")
    soon(page, lambda: len(Comment.objects.get().drawing), 1)
    expect(page.locator("#ink-others path")).to_have_count(1)
    expect(page.locator("#drawing")).to_have_value("")
    page.locator("#comment-list .tcbtn").focus()
    page.keyboard.press("r")  # she has said what
    expect(page.locator("#ask-changes")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("[")
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLES[0])
    page.locator("#ask-changes").click()
    expect(page.get_by_role("alert")).to_contain_text("what should change")
    expect(page.locator("#say")).to_be_focused()
    console_errors.clear()  # the browser counts the refusal as an error


def test_all_clips_play_in_a_row(visit, owner, clips):
    _, path = link_to(clips[:2], owner)
    page = visit(path)
    page.get_by_role("link", name="Play all").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLES[0])
    page.wait_for_function("() => document.querySelector('#player video').currentTime > 0")
    page.evaluate("document.querySelector('#player video').currentTime = 3.8")
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLES[1])


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_editor_makes_a_link_copies_it_and_closes_it(open_as, owner, clips, viewport):
    page = open_as(owner, f"/clips/{clips[0].code}/", viewport=viewport)
    page.locator("#share").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("New link")
    sound(page)
    page.get_by_label("Title").fill("For Ingrid")
    page.get_by_label("A day").check(force=True)
    expect(page.get_by_label("The last day")).to_be_visible()
    page.get_by_label("90 days").check(force=True)
    expect(page.get_by_label("The last day")).to_be_hidden()
    page.get_by_role("button", name="Make the link").click()
    link = page.locator("#share-link")
    expect(link).to_have_value(re.compile(r"^http://\S+/s/[\w-]{32}/$"))
    sound(page)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.get_by_role("link", name="All links").click()
    expect(page.get_by_role("heading", name="For Ingrid")).to_be_visible()
    sound(page)
    page.get_by_role("button", name="Revoke For Ingrid").click()
    expect(page.locator(".shares .status")).to_contain_text("Revoked")
    assert Share.objects.get().revoked_at is not None
