from __future__ import annotations

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from studio import leases, lifecycle
from studio.models import Generation, Membership
from studio.models.generation import State
from tests.browser.conftest import (
    DESKTOP,
    PHONE,
    axe,
    card,
    come_to_rest,
    is_live,
    numbers,
    overflow,
    soon,
    still_box,
)
from tests.factories import (
    attach_files,
    make_generation,
    make_member,
    make_still,
    make_user,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHAPES = ("21:9", "9:16", "16:9", "1:1", "4:3", "3:4", "9:21")


def start(generation):
    """What the worker does up to a render that is under way."""
    assert lifecycle.claim_submit(generation.pk)
    assert lifecycle.record_running(
        generation.pk,
        job_id=f"job-{generation.pk}",
        deadline_at=None,
        next_poll_at=timezone.now(),
    )


def finish(generation):
    """What the worker does when the render is done: fetch, keep, say so."""
    assert lifecycle.move(generation.pk, State.STORING, work_attempts=0)
    token = leases.claim_work(generation.pk, state=State.STORING)
    made = Generation.objects.get(pk=generation.pk)
    attach_files(made)
    assert lifecycle.mark_succeeded(
        generation.pk,
        token=token,
        clip=made.clip.name,
        poster=made.poster.name,
        strip=made.strip.name,
        preview=made.preview.name,
        sha256=made.sha256,
        size_bytes=made.size_bytes,
        width=64,
        height=36,
        duration_ms=1000,
        fps=24,
    )


def shows(page, *wanted):
    """The sheet comes to hold these clips, in this order."""
    soon(page, lambda: numbers(page), list(wanted))


class Clock:
    """The page with its time in the test's hands. It has just asked when this is made."""

    STEP_MS = 100  # how well the test knows when the page asked
    # Counts how often the page has dealt with an answer: then it sets the time of its next question.
    COUNT = """() => {
      const plan = window.setTimeout;
      window.dealtWith = 0;
      window.setTimeout = (todo, ms, ...rest) => {
        if (todo.name === "ask" && ms >= 1000 && ms <= 8000) window.dealtWith += 1;  // not the bell's
        return plan(todo, ms, ...rest);
      };
    }"""

    def __init__(self, page):
        self.page = page
        self.asked = []
        page.clock.install()
        page.add_init_script(f"({self.COUNT})()")
        page.on("request", lambda r: is_live(r.url) and self.asked.append(r.url))
        page.reload()
        # Less than the page gives an answer to come: a question under way must not be given up.
        page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 10)
        for _ in range(50):
            if self.passes(self.STEP_MS):
                break
        else:
            raise AssertionError("It has not asked in five seconds.")

    def passes(self, ms):
        """Let this time pass, and return how often the page asked, all answers being dealt with."""
        before = self.page.evaluate("window.dealtWith")
        self.asked.clear()
        self.page.clock.run_for(ms)
        # A request of before is told of before this one.
        self.page.evaluate("fetch('/healthz').then((answer) => answer.status)")
        asked = len(self.asked)
        self.page.wait_for_function("n => window.dealtWith >= n", arg=before + asked)
        return asked


def hide(page, hidden):
    page.evaluate(
        """hidden => {
          Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


# ---- Look ----------------------------------------------------------------------------------


def test_rows_of_mixed_shapes_are_justified(open_as, owner, project, url):
    for index in range(21):
        make_generation(project, aspect_ratio=SHAPES[index % 7])
    page = open_as(owner, url)
    come_to_rest(page)
    boxes = page.eval_on_selector_all(
        "#sheet > .clip > .frame",
        "all => all.map(f => { const b = f.getBoundingClientRect(); return [b.top, b.right, b.height]; })",
    )
    right = page.eval_on_selector("#sheet", "s => s.getBoundingClientRect().right")
    rows = {}
    for top, edge, height in boxes:
        rows.setdefault(round(top), []).append((edge, height))
    assert len(rows) > 2
    for row in list(rows.values())[:-1]:
        assert abs(row[-1][0] - right) < 1.5, "a row ends where the sheet ends"
        heights = [height for _, height in row]
        assert max(heights) - min(heights) < 3, "pictures of one row are of one height"


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_state_passes_axe_without_sideways_scroll(open_as, owner, project, url, viewport):
    still = make_still(project)
    for state in State:
        make_generation(
            project,
            state=state,
            files=state == State.SUCCEEDED,
            start_keyframe=still,
            rating=3,
            failure_text="The prompt names a living person. " * 8 if state == State.FAILED else "",
        )
    page = open_as(owner, url + "?sort=oldest", viewport=viewport)
    assert axe(page) == []
    assert overflow(page) == 0


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_failed_card_shows_its_ways_out_whole(open_as, owner, project, url, viewport):
    for shape in ("9:16", "21:9", "1:1"):
        make_generation(
            project,
            state=State.FAILED,
            aspect_ratio=shape,
            failure_text="The provider could not reach the start picture at its address. " * 6,
            charged="no",
            provider="luma",
            model="ray-2",
            estimated_microusd=1_600_000,
        )
    page = open_as(owner, url, viewport=viewport)
    expect(page.locator(".clip .frame")).to_have_count(3)
    for frame in page.locator(".clip .frame").all():
        outer = still_box(frame)
        for inner in (frame.get_by_text("You were not charged."), frame.locator(".row")):
            box = still_box(inner)
            assert box["y"] + box["height"] <= outer["y"] + outer["height"]
            assert box["x"] + box["width"] <= outer["x"] + outer["width"]


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_empty_and_filtered_pages_pass_axe(open_as, owner, project, url, viewport):
    page = open_as(owner, url, viewport=viewport)
    expect(page.get_by_role("heading", name="Your first shot starts here")).to_be_visible()
    assert axe(page) == []
    make_generation(project)
    page.goto(page.url + "?q=nothing+like+it&state=ready")
    expect(page.get_by_role("heading", name="Nothing matches these filters")).to_be_visible()
    assert axe(page) == []
    assert overflow(page) == 0


# ---- Live ----------------------------------------------------------------------------------


def test_a_card_goes_from_the_queue_to_playing_without_a_reload(open_as, owner, project, url):
    made = make_generation(project, state=State.QUEUED, start_keyframe=make_still(project))
    page = open_as(owner, url)
    page.evaluate("window.sameDocument = true")
    shown = card(page, made)
    expect(shown).to_contain_text("next in line")
    start(made)
    expect(shown).to_contain_text("Rendering")
    token = leases.claim_work(made.pk, state=State.RUNNING)
    leases.renew_work(made.pk, token=token, state=State.RUNNING, progress=64)
    expect(shown).to_contain_text("64%")
    expect(page.locator("#queue-pill")).to_contain_text("1 in flight")
    finish(made)
    expect(page.locator("#toasts")).to_contain_text("is ready")
    expect(page.locator("#queue-pill")).to_be_hidden()
    shown.locator(".frame").hover()
    page.wait_for_function("() => document.querySelector('.hoverplay')?.currentTime > 0")
    assert page.evaluate("window.sameDocument")


def test_two_browsers_see_the_same_moves(open_as, owner, project, url):
    """How soon is told by the tests of the pace: what moves is asked about every two seconds."""
    other = make_user("Jonas Thorne")
    make_member(project, other, Membership.Role.REVIEWER)
    pages = [open_as(owner, url), open_as(other, url)]
    made = make_generation(project, state=State.QUEUED)
    for page in pages:
        expect(card(page, made)).to_contain_text("Queued")
    start(made)
    for page in pages:
        expect(card(page, made)).to_contain_text("Rendering")
    finish(made)
    for page in pages:
        expect(card(page, made)).to_have_attribute("data-preview", re.compile("preview"))


def test_new_shots_lead_and_the_empty_invitation_goes(open_as, owner, project, url):
    page = open_as(owner, url)
    make_generation(project, state=State.QUEUED)
    last = make_generation(project, state=State.QUEUED)
    expect(card(page, last)).to_be_visible()
    shows(page, 2, 1)
    expect(page.get_by_text("Your first shot starts here")).to_be_hidden()


def test_a_card_that_begins_to_match_takes_its_place(open_as, owner, project, url):
    make_generation(project)
    running = make_generation(project, state=State.RUNNING)
    make_generation(project)
    page = open_as(owner, url + "?state=ready")
    shows(page, 3, 1)
    finish(running)
    expect(card(page, running)).to_be_visible()
    shows(page, 3, 2, 1)


def test_a_card_of_a_later_page_changes_without_a_stir(
    open_as, owner, project, url, settings, console_errors
):
    settings.GALLERY_PAGE_SIZE = 3
    made = [make_generation(project, aspect_ratio="9:16") for _ in range(8)]
    page = open_as(owner, url, viewport={"width": 390, "height": 400})
    held = numbers(page)
    assert 1 not in held
    with page.expect_response(lambda r: is_live(r.url) and r.status == 200):
        lifecycle.touch(made[0].pk, rating=5)
    lifecycle.touch(made[-1].pk, title="Seen after it")
    expect(card(page, made[-1])).to_contain_text("Seen after it")
    assert 1 not in numbers(page)
    assert console_errors == []


def test_all_pages_load_by_scrolling_each_clip_once(open_as, owner, project, url, settings):
    settings.GALLERY_PAGE_SIZE = 6
    for _ in range(20):
        make_generation(project)
    page = open_as(owner, url)
    everything = list(range(20, 0, -1))
    assert len(numbers(page)) < len(everything)

    def scrolled_down():
        # The page is scrolled, not its sentinel: with each page that comes there is another.
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        return numbers(page)

    soon(page, scrolled_down, everything)
    expect(page.locator(".more")).to_have_count(0)
    assert numbers(page) == everything


def test_an_archived_card_goes_and_the_focus_moves_to_the_next(open_as, owner, project, url):
    rest, gone = make_generation(project), make_generation(project)
    page = open_as(owner, url)
    card(page, gone).get_by_role("link", name=gone.title, exact=True).focus()
    lifecycle.touch(gone.pk, archived_at=timezone.now())
    expect(card(page, gone)).to_have_count(0)
    expect(card(page, rest).get_by_role("link", name=rest.title, exact=True)).to_be_focused()


def test_the_focus_stays_when_a_card_changes_under_it(open_as, owner, project, url):
    made = make_generation(project, state=State.QUEUED)
    page = open_as(owner, url)
    link = card(page, made).get_by_role("link", name=made.title, exact=True)
    link.focus()
    start(made)
    expect(card(page, made)).to_contain_text("Rendering")
    expect(link).to_be_focused()
    card(page, made).get_by_role("button", name="Cancel").focus()
    finish(made)
    expect(card(page, made)).to_have_attribute("data-preview", re.compile("preview"))
    expect(link).to_be_focused()


def test_cancel_and_retry_act_on_the_page(open_as, owner, project, url):
    made = make_generation(project, state=State.QUEUED)
    page = open_as(owner, url)
    page.evaluate("window.sameDocument = true")
    card(page, made).get_by_role("button", name="Cancel").click()
    expect(card(page, made)).to_contain_text("Cancelled")
    card(page, made).get_by_role("button", name="Retry").dblclick()
    expect(card(page, made)).to_have_count(0)
    expect(page.locator("#sheet .queued")).to_have_count(1)
    soon(page, Generation.objects.count, 2)
    assert page.evaluate("window.sameDocument")


# ---- The pace of asking -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "every_ms"), [(State.RUNNING, 2000), (State.SUCCEEDED, 2500)], ids=["moving", "idle"]
)
def test_it_asks_again_at_the_pace_of_what_goes_on(open_as, owner, project, url, state, every_ms):
    made = make_generation(project, state=state)
    clock = Clock(open_as(owner, url))
    for title in ("Second thoughts", "Third thoughts"):
        lifecycle.touch(made.pk, title=title)
        assert clock.passes(every_ms - 2 * clock.STEP_MS) == 0
        assert clock.passes(2 * clock.STEP_MS) == 1
        expect(card(clock.page, made)).to_contain_text(title)


def test_a_hidden_tab_asks_nothing_and_catches_up_when_seen(open_as, owner, project, url):
    made = make_generation(project, state=State.RUNNING)
    clock = Clock(open_as(owner, url))
    hide(clock.page, True)
    assert clock.passes(120_000) == 0
    lifecycle.touch(made.pk, progress=77)
    hide(clock.page, False)
    assert clock.passes(100) == 1
    expect(card(clock.page, made)).to_contain_text("77%")


def test_with_nothing_in_flight_and_nobody_there_it_asks_nothing(open_as, owner, project, url):
    make_generation(project)
    clock = Clock(open_as(owner, url))
    clock.page.clock.fast_forward(11 * 60 * 1000)
    assert clock.passes(60_000) == 0
    clock.page.mouse.move(300, 300)
    assert clock.passes(100) == 1


def test_an_expired_sign_in_leads_to_the_door(open_as, owner, project, url):
    make_generation(project, state=State.RUNNING)
    page = open_as(owner, url)
    page.context.clear_cookies()
    page.wait_for_url("**/login/?next=**")


# ---- Looking and moving ---------------------------------------------------------------------


def test_moving_over_a_card_scrubs_its_strip_and_a_click_opens_it(open_as, owner, project, url):
    made = make_generation(project, files=True, aspect_ratio="21:9")
    page = open_as(owner, url)
    box = still_box(card(page, made).locator(".frame"))
    scrub = card(page, made).locator(".scrub")
    for part, frame in ((0.1, "0"), (0.6, "3"), (0.95, "5")):
        page.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] / 2)
        page.wait_for_function(
            """f => (getComputedStyle(document.querySelector(".scrub")).getPropertyValue("--f").trim() || "0") === f""",
            arg=frame,
        )
    expect(scrub).to_have_css("opacity", "1")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url(f"**/clips/{made.code}/")


def test_resting_plays_and_leaving_stops(open_as, owner, project, url):
    made = make_generation(project, files=True)
    page = open_as(owner, url)
    card(page, made).locator(".frame").hover()
    video = page.locator(".hoverplay")
    expect(video).to_have_count(1)
    page.wait_for_function("() => document.querySelector('.hoverplay')?.paused === false")
    expect(video).to_have_js_property("muted", True)
    lifecycle.touch(made.pk, rating=2)
    expect(card(page, made).locator(".stars")).to_have_attribute("aria-label", "2 of 5")
    expect(video).to_have_count(1)
    page.mouse.move(700, 20)
    expect(video).to_have_count(0)


def test_reduced_motion_plays_nothing_by_itself(open_as, owner, project, url):
    make_generation(project, files=True)
    page = open_as(owner, url, reduced_motion="reduce")
    page.clock.install()
    page.reload()
    page.locator(".clip .frame").hover()
    page.clock.run_for(5000)
    expect(page.locator(".hoverplay")).to_have_count(0)


def test_arrow_keys_move_between_cards_and_enter_opens(open_as, owner, project, url):
    made = [make_generation(project, files=True) for _ in range(9)]
    page = open_as(owner, url)
    focused = "document.activeElement.closest('.clip')?.dataset.n"
    for key, number in (("ArrowRight", 9), ("ArrowRight", 8), ("ArrowLeft", 9)):
        page.keyboard.press(key)
        soon(page, lambda: page.evaluate(focused), str(number))
    page.keyboard.press("ArrowDown")
    soon(page, lambda: int(page.evaluate(focused)) < 8, True)
    page.keyboard.press("ArrowUp")
    soon(page, lambda: page.evaluate(focused), "9")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/clips/{made[-1].code}/")


def test_number_keys_rate_the_card_in_focus(open_as, owner, project, url):
    made = make_generation(project, files=True)
    page = open_as(owner, url)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("4")
    expect(card(page, made).locator(".stars")).to_have_attribute("aria-label", "4 of 5")
    page.keyboard.press("0")
    expect(card(page, made).locator(".stars")).to_have_count(0)
    assert Generation.objects.get().rating == 0


# ---- Finding -------------------------------------------------------------------------------


def test_filters_act_at_once_and_back_undoes_them(open_as, owner, project, url):
    make_generation(project, title="Slot canyon")
    make_generation(project, title="Aurora", state=State.FAILED)
    page = open_as(owner, url)
    page.keyboard.press("/")
    page.keyboard.type("canyon")
    page.wait_for_url("**/?q=canyon")
    shows(page, 1)
    page.get_by_role("button", name="Status").click()
    page.locator("#f-state").get_by_label("Failed").check()
    page.wait_for_url("**/?q=canyon&state=failed")
    expect(page.get_by_role("heading", name="Nothing matches these filters")).to_be_visible()
    page.keyboard.press("Escape")
    page.go_back()
    page.wait_for_url("**/?q=canyon")
    expect(page.locator("#sheet > .clip")).to_have_count(1)
    page.locator(".applied .chip").click()
    expect(page.locator("#sheet > .clip")).to_have_count(2)


def test_the_sort_menu_says_what_is_chosen(open_as, owner, project, url):
    for _ in range(2):
        make_generation(project)
    page = open_as(owner, url)
    page.get_by_role("button", name="Newest first").click()
    page.locator("#f-sort").get_by_label("Oldest first").check()
    page.wait_for_url("**/?sort=oldest")
    expect(page.get_by_role("button", name="Oldest first")).to_be_visible()
    shows(page, 1, 2)


def test_a_phone_filters_from_below(open_as, owner, project, url):
    make_generation(project)
    make_generation(project, state=State.FAILED)
    page = open_as(owner, url, viewport=PHONE, has_touch=True)
    page.get_by_role("button", name="Filter").tap()
    sheet = still_box(page.locator("#f-all"))
    assert (sheet["x"], sheet["width"]) == (0, 390)
    assert sheet["y"] + sheet["height"] == 844
    page.locator("#f-all").get_by_role("button", name="Status").tap()
    page.locator("#f-state").get_by_label("Failed").check()
    page.wait_for_url("**/?state=failed")
    expect(page.locator("#filter-count")).to_have_text("1")
    shows(page, 2)
    assert overflow(page) == 0


# ---- Without script; shortcuts -----------------------------------------------------------------


def test_it_works_without_script(open_as, owner, project, url, settings):
    settings.GALLERY_PAGE_SIZE = 2
    for _ in range(2):
        make_generation(project, files=True)
    failed = make_generation(project, state=State.FAILED, title="Quay")
    page = open_as(owner, url, java_script_enabled=False)
    page.get_by_role("link", name="More clips").click()
    expect(page.locator(".clip")).to_have_count(1)
    page.goto(page.url.split("?")[0])
    page.get_by_role("searchbox").fill("quay")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".clip")).to_have_count(1)
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("Trying again.")).to_be_visible()
    assert Generation.objects.filter(retry_of=failed).count() == 1


def test_the_sheet_of_shortcuts_lists_this_pages_keys(open_as, owner, project, url):
    make_generation(project)
    page = open_as(owner, url)
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Shortcuts")
    expect(sheet).to_contain_text("Move between clips")
    expect(sheet).not_to_contain_text("Full screen")
    assert axe(page) == []
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    page.get_by_role("button", name="account of").click()
    page.get_by_role("button", name="Shortcuts").click()
    expect(sheet).to_be_visible()


def test_switched_off_keys_do_nothing(open_as, project, url):
    quiet = make_user("Reem Khalil", shortcuts=False)
    make_member(project, quiet, Membership.Role.EDITOR)
    made = make_generation(project, files=True)
    page = open_as(quiet, url)
    for key in ("n", "/", "?", "ArrowRight", "4"):
        page.keyboard.press(key)
    assert page.url.endswith(url)
    assert page.evaluate("document.activeElement === document.body")
    card(page, made).get_by_role("link", name=made.title, exact=True).focus()
    page.keyboard.press("4")
    page.get_by_role("button", name="account of").click()
    page.get_by_role("button", name="Shortcuts").click()
    expect(page.get_by_role("dialog", name="Shortcuts")).to_contain_text("switched off")
    assert Generation.objects.get().rating == 0
