from __future__ import annotations

import numpy as np
import pytest
from django.core.files import File
from django.utils import timezone
from playwright.sync_api import expect

from studio import leases, lifecycle
from studio.media.encode import VideoWriter
from studio.models import Comment, Generation, Membership
from studio.models.generation import State, Verdict
from studio.services import review
from tests.browser.conftest import DESKTOP, PHONE, axe, is_live, overflow, ready, soon, still_box
from tests.factories import (
    SIZES,
    attach_files,
    make_comment,
    make_generation,
    make_member,
    make_still,
    make_user,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AT = "document.querySelector('#player video').currentTime"


@pytest.fixture
def clip(project):
    return make_generation(project, title="Aurora over the fjord", files=True, seconds=4)


def url(generation):
    return f"/clips/{generation.code}/"


def at(page, seconds, within=0.05):
    page.wait_for_function(f"() => Math.abs({AT} - {seconds}) < {within}")


# ---- Look ----------------------------------------------------------------------------------


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize(
    "state", [State.SUCCEEDED, State.RUNNING, State.FAILED, State.UNCERTAIN, State.QUEUED]
)
def test_every_kind_of_page_passes_axe_without_sideways_scroll(
    open_as, owner, project, state, viewport
):
    made = make_generation(
        project,
        state=state,
        files=state == State.SUCCEEDED,
        title="A title long enough to need more than one line of the panel beside the picture",
        start_keyframe=make_still(project),
        verdict=Verdict.APPROVED if state == State.SUCCEEDED else "",
        verdict_by=owner,
        verdict_at=timezone.now(),
    )
    make_comment(made, owner, "Lower the ridge", at_ms=400)
    make_comment(made, owner, "x" * 300, resolved_at=timezone.now())
    make_generation(project, shot=made.shot, take=2, state=State.RUNNING, progress=40)
    page = open_as(owner, url(made), viewport=viewport)
    assert axe(page) == []
    assert overflow(page) == 0


@pytest.mark.parametrize("shape", SIZES)
def test_picture_transport_and_takes_are_seen_at_once(open_as, owner, project, shape):
    made = make_generation(project, files=True, aspect_ratio=shape)
    page = ready(open_as(owner, url(made)))
    bottom = still_box(page.locator("#takes"))
    assert bottom["y"] + bottom["height"] <= 900
    assert still_box(page.locator("#player video"))["height"] > 300


# ---- The player ------------------------------------------------------------------------------


def make_long_clip(project, tmp_path):
    """A minute of noise: several megabytes, so that seeking needs ranges."""
    made = make_generation(project, files=True, duration_s=60)
    path = tmp_path / "long.mp4"
    noise = np.random.default_rng(7).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    with VideoWriter(path, width=160, height=90, crf=30, preset="ultrafast") as writer:
        for index in range(24 * 60):
            writer.write(np.roll(noise, index * 7, axis=index % 2))
    with path.open("rb") as file:
        made.clip.save("long.mp4", File(file), save=False)
    Generation.objects.filter(pk=made.pk).update(
        clip=made.clip.name, duration_ms=60_000, size_bytes=path.stat().st_size
    )
    return Generation.objects.get(pk=made.pk)


def test_seeking_works_in_a_minute_of_film(open_as, owner, project, tmp_path):
    made = make_long_clip(project, tmp_path)
    assert made.size_bytes > 3 * 2**20
    page = open_as(owner, "/account/")
    parts = []
    page.on("response", lambda r: f"{made.code}.mp4" in r.url and parts.append(r.status))
    page.goto(page.url.replace("/account/", url(made)))
    ready(page)
    for seconds in (55, 3, 40):
        page.evaluate(
            """s => new Promise(done => {
              const video = document.querySelector("#player video");
              video.addEventListener("seeked", done, { once: true });
              video.currentTime = s;
            })""",
            seconds,
        )
        at(page, seconds)
        page.wait_for_function("() => document.querySelector('#player video').readyState >= 2")
    page.locator("#seek").fill("30000")
    at(page, 30)
    expect(page.locator("#now")).to_have_text("0:30.00")
    page.keyboard.press("k")
    page.wait_for_function(f"() => {AT} > 30.3")
    assert set(parts) == {206}


def test_the_keys_of_an_editing_desk(open_as, owner, clip):
    page = ready(open_as(owner, url(clip)))
    press = page.keyboard.press
    playing = "() => !document.querySelector('#player video').paused"
    press("Space")
    page.wait_for_function(playing)
    press("k")
    page.wait_for_function("() => document.querySelector('#player video').paused")
    press("Home")
    at(page, 0)
    press(".")
    press(".")
    at(page, 2.5 / 24, within=0.005)
    press(",")
    at(page, 1.5 / 24, within=0.005)
    press("ArrowRight")
    at(page, 1 + 1.5 / 24, within=0.005)
    press("ArrowLeft")
    at(page, 1.5 / 24, within=0.005)
    press("End")
    at(page, 4)
    press("l")
    expect(page.locator("[data-do=speed]")).to_contain_text("1.5×")
    press("j")
    press("j")
    expect(page.locator("[data-do=speed]")).to_contain_text("0.5×")
    press("m")
    expect(page.locator("[data-do=mute]")).to_have_attribute("aria-pressed", "true")
    press("o")
    expect(page.locator("[data-do=loop]")).to_have_attribute("aria-pressed", "true")
    press("f")
    page.wait_for_function("() => document.fullscreenElement?.id === 'player'")
    press("f")
    page.wait_for_function("() => !document.fullscreenElement")
    press("c")
    expect(page.locator("#say")).to_be_focused()
    press("k")
    expect(page.locator("#say")).to_have_value("k")


def test_space_and_arrows_belong_to_the_control_in_focus(open_as, owner, clip):
    make_comment(clip, owner, resolved_at=timezone.now())
    page = ready(open_as(owner, url(clip)))
    page.locator("#hide-done").focus()
    page.keyboard.press("Space")
    expect(page.locator("#hide-done")).to_be_checked()
    expect(page.locator(".comment")).to_be_hidden()
    page.locator("#rate-3").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#rate-4")).to_be_checked()
    expect(page.locator("#rate-4")).to_be_focused()
    assert page.evaluate("document.querySelector('#player video').paused")
    assert page.evaluate(AT) == 0
    soon(page, lambda: Generation.objects.get().rating, 4)


def test_brackets_lead_along_the_clips(open_as, owner, project, clip):
    newer = make_generation(project, files=True)
    page = ready(open_as(owner, url(clip)))
    page.keyboard.press("[")
    page.wait_for_url(f"**{url(newer)}")
    page.keyboard.press("]")
    page.wait_for_url(f"**{url(clip)}")


def test_a_letter_held_or_pressed_in_a_dialog_does_nothing_more(open_as, owner, clip):
    page = ready(open_as(owner, url(clip)))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Approve")
    page.keyboard.press("a")
    page.keyboard.press("k")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("document.querySelector('#player video').paused")
    page.keyboard.down("a")
    page.keyboard.down("a")
    page.keyboard.up("a")
    expect(page.locator("#approve")).to_have_attribute("aria-pressed", "true")
    soon(page, lambda: Generation.objects.get().verdict, Verdict.APPROVED)


def test_switched_off_letters_leave_space_and_arrows(open_as, project, clip):
    quiet = make_user("Reem Khalil", shortcuts=False)
    make_member(project, quiet, Membership.Role.EDITOR)
    page = ready(open_as(quiet, url(clip)))
    for key in ("k", ".", "m", "o", "a", "c", "l", "["):
        page.keyboard.press(key)
    assert page.evaluate("document.querySelector('#player video').paused")
    assert page.evaluate(AT) == 0
    expect(page.locator("[data-do=mute]")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("[data-do=loop]")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("[data-do=speed]")).to_contain_text("1×")
    page.keyboard.press("ArrowRight")
    at(page, 1)
    assert Generation.objects.get().verdict == ""


# ---- Judging -------------------------------------------------------------------------------


def test_a_comment_takes_the_playhead_and_marks_the_track(open_as, owner, clip):
    page = ready(open_as(owner, url(clip)))
    page.keyboard.press("ArrowRight")
    at(page, 1)
    page.keyboard.press("c")
    expect(page.locator("#say-at")).to_have_text("0:01.00")
    page.keyboard.type("Lower the ridge")
    page.locator("#say-it").click()
    expect(page.locator(".comment")).to_contain_text("Lower the ridge")
    expect(page.locator("#pins circle.pin")).to_have_attribute("cx", "25.00%")
    expect(page.locator("#say")).to_have_value("")
    expect(page.locator("#comment-count")).to_have_text("1")
    page.keyboard.press("Escape")
    page.locator("#player video").click()
    page.locator(".comment .tcbtn").click()
    at(page, 1)
    page.locator(".comment").hover()
    page.locator(".comment").get_by_role("button", name="Resolve").click()
    expect(page.locator("#pins circle.pin-done")).to_have_count(1)
    assert Comment.objects.get().at_ms == 1000


def test_resolving_leaves_a_half_written_comment_alone(open_as, owner, clip):
    make_comment(clip, owner)
    page = ready(open_as(owner, url(clip)))
    page.locator("#say").fill("Half a thou")
    page.locator(".comment").hover()
    page.locator(".comment").get_by_role("button", name="Resolve").click()
    expect(page.locator(".comment.done")).to_have_count(1)
    expect(page.locator("#say")).to_have_value("Half a thou")


def test_needs_changes_leads_to_the_comment_it_wants(open_as, owner, clip):
    page = ready(open_as(owner, url(clip)))
    page.get_by_role("button", name="Needs changes").click()
    expect(page.locator("#say-what")).to_have_text("What should change?")
    expect(page.locator("#say")).to_be_focused()
    page.keyboard.type("Slower")
    page.get_by_role("button", name="Ask for changes").click()
    expect(page.locator(".comment")).to_have_count(1)
    expect(page.locator("#ask-changes")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#verdict")).to_contain_text("Maja Aas")


def test_a_double_click_approves_once(open_as, owner, clip):
    page = ready(open_as(owner, url(clip)))
    page.get_by_role("button", name="Approve").dblclick()
    expect(page.locator("#approve")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Approved").click()
    expect(page.locator("#approve")).to_have_attribute("aria-pressed", "false")
    assert Generation.objects.get().verdict == ""


def test_stars_are_given_and_cleared(open_as, owner, clip):
    page = ready(open_as(owner, url(clip)))
    page.locator("#rating label").nth(3).click()
    expect(page.locator("#rate-4")).to_be_checked()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#rate-0")).to_have_count(0)
    expect(page.locator("#rating :checked")).to_have_count(0)
    assert Generation.objects.get().rating == 0


def test_renaming_in_place_and_its_refusal(open_as, owner, clip, console_errors):
    page = ready(open_as(owner, url(clip)))
    page.locator("#rename").click()
    page.locator("#title").fill("   ")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#title-error")).to_contain_text("1 to 120")
    expect(page.locator("#title")).to_be_focused()
    page.locator("#title").fill("Night water")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Night water")
    assert all("422" in error for error in console_errors)
    console_errors.clear()


def test_archive_and_undo(open_as, owner, project, clip):
    page = ready(open_as(owner, url(clip)))
    page.get_by_role("button", name="Archive").click()
    page.wait_for_url(f"**/p/{project.code}/")
    expect(page.locator(".clip")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".clip")).to_have_count(1)


# ---- With others ----------------------------------------------------------------------------


def test_what_others_do_appears_and_disturbs_nobody(open_as, owner, reviewer, clip):
    make_comment(clip, owner, "First", at_ms=0)
    page = ready(open_as(owner, url(clip)))
    page.evaluate("window.sameDocument = true")
    page.locator(".history summary").click()
    page.locator("#say").fill("I am still wri")
    page.locator("#say").press("End")
    make_comment(clip, reviewer, "The stars swim", at_ms=2000)
    review.decide(generation=clip, verdict=Verdict.APPROVED, by=reviewer)
    lifecycle.touch(clip.pk, rating=5, title="Aurora, second thoughts")
    expect(page.locator("#comment-list")).to_contain_text("The stars swim")
    expect(page.locator("#pins circle")).to_have_count(2)
    expect(page.locator("#rate-5")).to_be_checked()
    expect(page.locator("#verdict")).to_contain_text("Pia Lund")
    expect(page.locator("#verdict .status")).to_have_text("Approved")
    expect(page.get_by_role("heading", level=1)).to_have_text("Aurora, second thoughts")
    expect(page.locator("#say")).to_be_focused()
    page.keyboard.type("ting")
    expect(page.locator("#say")).to_have_value("I am still writing")
    assert page.evaluate("document.querySelector('.history').open")
    assert page.evaluate("window.sameDocument")


def test_a_title_being_typed_is_not_overtaken(open_as, owner, clip):
    page = ready(open_as(owner, url(clip)))
    page.locator("#rename").click()
    page.locator("#title").fill("Mine")
    with page.expect_response(lambda r: is_live(r.url) and r.status == 200):
        lifecycle.touch(clip.pk, title="Theirs", rating=3)
    expect(page.locator("#rate-3")).to_be_checked()
    expect(page.locator("#title")).to_have_value("Mine")
    expect(page.locator("#title")).to_be_focused()


def test_a_button_keeps_the_focus_when_it_changes(open_as, owner, clip):
    page = ready(open_as(owner, url(clip)))
    page.locator("#approve").focus()
    review.decide(generation=clip, verdict=Verdict.APPROVED, by=owner)  # in another window
    expect(page.locator("#approve")).to_have_text("Approved")
    expect(page.locator("#approve")).to_be_focused()


def test_playback_goes_on_while_others_comment(open_as, owner, reviewer, project):
    made = make_generation(project, files=True, seconds=4, loop=True)
    page = ready(open_as(owner, url(made)))
    page.keyboard.press("k")
    make_comment(made, reviewer, "Lovely")
    lifecycle.touch(made.pk)
    expect(page.locator("#comment-list")).to_contain_text("Lovely")
    assert not page.evaluate("document.querySelector('#player video').paused")


def test_a_shot_becomes_a_player_without_a_reload(open_as, owner, project):
    made = make_generation(project, state=State.RUNNING, progress=10)
    page = open_as(owner, url(made))
    page.evaluate("window.sameDocument = true")
    expect(page.locator("#stage")).to_contain_text("10%")
    page.locator("#rename").click()
    page.locator("#title").fill("Half a ti")
    lifecycle.touch(made.pk, progress=64)
    expect(page.locator("#stage")).to_contain_text("64%")
    assert lifecycle.move(made.pk, State.STORING, work_attempts=0)
    token = leases.claim_work(made.pk, state=State.STORING)
    row = Generation.objects.get(pk=made.pk)
    attach_files(row, seconds=4)
    lifecycle.mark_succeeded(
        made.pk, token=token, clip=row.clip.name, poster=row.poster.name, strip=row.strip.name,
        preview=row.preview.name, sha256=row.sha256, size_bytes=row.size_bytes, width=64,
        height=36, duration_ms=4000, fps=24,
    )  # fmt: skip
    ready(page)
    expect(page.locator("#title")).to_have_value("Half a ti")
    expect(page.locator("#title")).to_be_focused()
    page.locator("#player video").click()
    page.wait_for_function(f"() => {AT} > 0")
    page.keyboard.press("k")
    page.keyboard.press("Home")
    at(page, 0)
    assert page.evaluate("window.sameDocument")


def test_a_stopped_shot_says_so_where_it_is_watched(open_as, owner, project):
    made = make_generation(project, state=State.QUEUED)
    page = open_as(owner, url(made))
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#stage")).to_contain_text("Cancelled")
    page.get_by_role("button", name="Retry").click()
    page.wait_for_url(lambda address: str(made.code) not in address)
    expect(page.locator("#stage")).to_contain_text("Queued")
    expect(page.locator("#takes [aria-current]")).to_contain_text("Take 2")


# ---- Without script -----------------------------------------------------------------------


def test_it_works_without_script(open_as, owner, clip):
    page = open_as(owner, url(clip), java_script_enabled=False)
    expect(page.locator("#player video")).to_have_attribute("controls", "")
    expect(page.locator(".transport")).to_be_hidden()
    page.locator("#say").fill("Lower the ridge")
    page.locator("#say-it").click()
    expect(page.locator(".comment")).to_contain_text("Lower the ridge")
    page.get_by_role("button", name="Needs changes").click()
    expect(page.locator("#ask-changes")).to_have_attribute("aria-pressed", "true")
    page.locator("#rating label").nth(2).click()
    page.get_by_role("button", name="Rate").click()
    expect(page.locator("#rate-3")).to_be_checked()
    page.locator("#rename").click()
    page.locator("#title").fill("Night water")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Night water")


def test_nothing_plays_by_itself(open_as, owner, clip):
    for motion in ("reduce", "no-preference"):
        page = ready(open_as(owner, url(clip), reduced_motion=motion))
        assert page.evaluate("document.querySelector('#player video').paused")
