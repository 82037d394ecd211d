from __future__ import annotations

import re
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from studio import lifecycle, tasks
from studio.models import Chain, Generation, Segment
from studio.models.generation import MOVING_STATES, State
from studio.previs.shot import SHORT_SIDES_PX
from studio.services import chains, shots
from studio.services.shots import NewShot
from tests.browser.conftest import DESKTOP, PHONE, axe, overflow, soon, still_box
from tests.factories import make_generation, make_previs

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Notes how far both decks are just before one is raised above the other.
WATCH = """() => {
    window.raised = [];
    const decks = [...document.querySelectorAll(".decks video")];
    for (const video of decks) {
        const other = decks.find((one) => one !== video);
        const toggle = video.classList.toggle.bind(video.classList);
        video.classList.toggle = (name, on) => {
            if (name === "on" && on && !video.classList.contains("on")) raised.push({
                of: video.dataset.of, drawn: video.readyState >= 2, paused: video.paused,
                leaves: other.dataset.of, leftAt: other.currentTime, length: other.duration,
            });
            return toggle(name, on);
        };
    }
}"""


@pytest.fixture
def project(project):
    make_previs()
    return project


@pytest.fixture
def chain(project):
    clips = [
        make_generation(project, title=f"Shot {n}", files=True, seconds=1, concepts=["push_in"])
        for n in range(1, 6)
    ]
    return chains.create(
        project=project, by=project.created_by, title="The long night", clips=clips
    )


@pytest.fixture
def branch(chain):
    """A branch of two that leaves after the second segment."""
    made = Chain.objects.create(
        project=chain.project,
        title="City ending",
        created_by=chain.created_by,
        branched_from=chain,
        branched_position=2,
    )
    for position, title in ((3, "Wet street"), (4, "Last tram")):
        clip = make_generation(chain.project, title=title, files=True, seconds=1)
        Segment.objects.create(chain=made, position=position, generation=clip)
    return made


def ready(page: Page) -> Page:
    page.wait_for_function(
        "() => document.querySelector('.cut.ready') && document.querySelector('.decks video.on')?.readyState >= 2"
    )
    return page


def opened(open_as, owner, chain, query="", **options) -> Page:
    return ready(open_as(owner, f"/chains/{chain.code}/{query}", **options))


def order(chain):
    return [segment.generation.title for segment in chains.path_of(chain)]


def stands_on(page: Page, title: str) -> None:
    expect(page.locator(".seg-li[aria-current=true] > .seg-cap .t")).to_have_text(title)


def play_at(page: Page, speed: float) -> None:
    """Whatever plays, now and later, plays at this speed."""
    page.evaluate(
        """speed => {
          for (const video of document.querySelectorAll(".decks video")) video.defaultPlaybackRate = video.playbackRate = speed;
        }""",
        speed,
    )


def drain():
    """Do what the workers would: everything in flight, one after another."""
    while rows := list(Generation.objects.filter(state__in=MOVING_STATES).order_by("pk")):
        for row in rows:
            if row.state == State.QUEUED:
                tasks.submit_next(row.account_id)
            elif row.state == State.STORING:
                tasks.store_clip(row.pk)
            else:
                tasks.render_previs(row.pk)


# ---- Made through the pages ------------------------------------------------------------------


def write(page: Page, prompt: str) -> None:
    """Fill the compose page and press Generate; ends where the studio goes then."""
    page.fill("#prompt", prompt)
    page.click("#generate")
    page.wait_for_url(re.compile(r"/chains/|/p/[^/]+/$"))


def test_a_chain_of_twelve_with_two_branches_is_made_with_previs(
    open_as, owner, project, monkeypatch
):
    # Real renders, small: what counts here is how they join.
    monkeypatch.setitem(SHORT_SIDES_PX, "720p", 144)
    page = open_as(owner, f"/p/{project.code}/new/")
    write(page, "Ridge at first light.")
    drain()
    first = Generation.objects.get()
    page.goto(page.url.split("/p/")[0] + f"/clips/{first.code}/")
    page.click("#extend")
    expect(page.locator(".chip.on", has_text=f"Continues clip {first.number}")).to_be_visible()
    expect(page.locator("#providers")).to_contain_text("Continues from the clip's last frame.")
    expect(page.locator("input[name=aspect_ratio]:not(:disabled)")).to_have_count(1)
    write(page, "Segment 2.")
    chain = Chain.objects.get()
    assert f"/chains/{chain.code}/" in page.url
    # The next ones are queued on those still in flight.
    for n in range(3, 9):
        page.keyboard.press("e")
        page.wait_for_url(re.compile(r"after="))
        expect(page.locator("#drift")).to_contain_text("starts by itself")
        write(page, f"Segment {n}.")
    drain()
    page.goto(page.url.split("?")[0])
    expect(page.locator(".seg-li[data-src]")).to_have_count(8)
    ready(page)
    for at, name in ((3, "Storm"), (5, "City")):
        page.goto(page.url.split("/chains/")[0] + f"/chains/{chain.code}/")
        ready(page)
        page.locator(f"#seg-{chain.segments.get(position=at).pk} > .strip").click()
        expect(page.locator("#selected-h")).to_contain_text(f"Selected: {at},")
        page.keyboard.press("b")
        page.wait_for_url(re.compile(r"branch="))
        write(page, f"{name} one.")
        page.keyboard.press("e")
        page.wait_for_url(re.compile(r"after="))
        write(page, f"{name} two.")
    drain()
    storm, city = Chain.objects.filter(branched_from=chain).order_by("branched_position")
    assert order(chain) == ["Ridge at first light", *(f"Segment {n}" for n in range(2, 9))]
    assert order(storm) == [*order(chain)[:3], "Storm one", "Storm two"]
    assert order(city) == [*order(chain)[:5], "City one", "City two"]
    assert not Generation.objects.exclude(state=State.SUCCEEDED).exists()
    page.goto(page.url.split("/chains/")[0] + f"/chains/{chain.code}/")
    expect(page.locator(".seg-li[data-src]")).to_have_count(12)
    expect(page.locator(".line > .seg-li > ol.branch")).to_have_count(2)


def test_from_the_fourth_step_on_drift_is_said_and_fresher_starts_offered(open_as, owner, project):
    clip = make_generation(project, title="First", files=True, seconds=1)
    made = [clip]
    for _ in range(3):
        made.append(make_generation(project, files=True, seconds=1, start_generation=made[-1]))
    chains.create(project=project, by=owner, title="Drift", clips=made)
    page = open_as(owner, f"/p/{project.code}/new/?after={made[-1].code}")
    guard = page.locator(".driftguard")
    expect(guard).to_contain_text("4th segment in a row")
    expect(guard.locator("img")).to_have_count(2)
    page.click("#fresh-start")
    expect(page.locator("#start-file")).to_be_attached()
    expect(page.locator(".chip.on")).to_contain_text(f"After clip {made[-1].number}")
    expect(guard).to_have_count(0)
    page2 = open_as(owner, f"/p/{project.code}/new/?after={made[-2].code}")
    expect(page2.locator("#providers")).to_be_visible()
    expect(page2.locator(".driftguard")).to_have_count(0)


# ---- Playing -----------------------------------------------------------------------------------


def test_segments_play_one_after_another_without_a_gap(open_as, owner, chain):
    page = opened(open_as, owner, chain)
    page.evaluate(WATCH)
    page.keyboard.press("k")
    page.wait_for_function("() => window.raised.length >= 4")
    expect(page.locator("#cutter.playing")).to_have_count(0)  # it stops at the end
    raised = page.evaluate("window.raised")
    path = [f"seg-{s.pk}" for s in chains.own_segments(chain)]
    assert [(swap["leaves"], swap["of"]) for swap in raised] == list(pairwise(path))
    for swap in raised:
        # Not by the clock, which a busy machine stretches: what leaves has come to its last frame,
        # and what takes its place is drawn and moving by then.
        assert swap["leftAt"] > swap["length"] - 0.1, swap
        assert swap["drawn"] and not swap["paused"], swap
    stands_on(page, "Shot 5")
    expect(page.locator("#now")).to_have_text(re.compile(r"0:0(4\.[89]|5\.0)"))


def test_the_timeline_is_to_scale_and_the_playhead_on_it(open_as, owner, chain):
    Generation.objects.filter(title="Shot 2").update(duration_ms=1500)
    page = opened(open_as, owner, chain)
    widths = page.evaluate(
        "[...document.querySelectorAll('.line > .seg-li')].map(s => s.getBoundingClientRect().width + 3)"
    )
    assert widths[1] / widths[0] == pytest.approx(1.5, abs=0.01)
    third = page.locator(".line > .seg-li").nth(2)
    third.locator("> .strip").click(position={"x": 2, "y": 20})
    expect(page.locator("#now")).to_have_text(re.compile(r"0:02\.5"))
    expect(page.locator("#selected-h")).to_have_text("Selected: 3, Shot 3")
    box, head = still_box(third), still_box(page.locator("#playhead"))
    assert head["x"] == pytest.approx(box["x"] + 2, abs=4)


def test_a_click_and_the_slider_scrub_across_segments(open_as, owner, chain):
    page = opened(open_as, owner, chain)
    strip = page.locator(".line > .seg-li").nth(3).locator("> .strip")
    strip.click(position={"x": still_box(strip)["width"] / 2, "y": 20})
    page.wait_for_function("() => document.querySelector('video.on').currentTime > 0.3")
    stands_on(page, "Shot 4")
    page.locator("#scrubber").focus()
    page.evaluate(
        "() => { const s = document.getElementById('scrubber'); s.value = 1.5; s.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    expect(page.locator("#playing")).to_have_text("2, Shot 2")
    page.wait_for_function(
        "() => Math.abs(document.querySelector('video.on').currentTime - 0.5) < 0.05"
    )
    expect(page.locator("#selected-h")).to_have_text("Selected: 2, Shot 2")
    expect(page).to_have_url(re.compile("segment="))


def test_keys_go_along_segments_and_between_branches(open_as, owner, chain, branch):
    page = opened(open_as, owner, chain)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    stands_on(page, "Shot 3")
    page.keyboard.press("ArrowLeft")
    stands_on(page, "Shot 2")
    page.keyboard.press("ArrowDown")
    stands_on(page, "Wet street")
    page.wait_for_url(re.compile(f"/chains/{branch.code}/"))
    expect(page.locator("#chain-head h1")).to_have_text("City ending")
    page.keyboard.press("End")
    stands_on(page, "Last tram")
    page.keyboard.press("ArrowUp")
    page.wait_for_url(re.compile(f"/chains/{chain.code}/"))
    page.keyboard.press("Home")
    stands_on(page, "Shot 1")


def test_a_branch_plays_after_what_it_shares(open_as, owner, chain, branch):
    page = opened(open_as, owner, branch, f"?segment={chain.segments.get(position=2).pk}")
    page.evaluate(WATCH)
    page.keyboard.press(" ")
    page.wait_for_function("() => window.raised.length >= 2")
    stands_on(page, "Last tram")


def test_the_page_without_script_plays_one_segment_and_takes_actions(open_as, owner, chain):
    page = open_as(owner, f"/chains/{chain.code}/", java_script_enabled=False)
    page.locator(".line > .seg-li").nth(2).locator("> .strip").click()
    expect(page.locator("video")).to_have_attribute("controls", "")
    expect(page.locator("#selected-h")).to_have_text("Selected: 3, Shot 3")
    page.click("#remove-segment")
    expect(page.locator(".toast")).to_contain_text("is out of the chain")
    page.locator(".toast form button").click()
    assert order(chain) == [f"Shot {n}" for n in range(1, 6)]


# ---- What people do, here and elsewhere -------------------------------------------------------------


def test_removing_is_undone_without_leaving(open_as, owner, chain):
    page = opened(open_as, owner, chain)
    page.locator(".line > .seg-li").nth(1).locator("> .strip").click()
    expect(page.locator("#selected-h")).to_have_text("Selected: 2, Shot 2")
    page.click("#remove-segment")
    expect(page.locator(".line > .seg-li")).to_have_count(4)
    page.locator(".toast form button").click()
    expect(page.locator(".line > .seg-li")).to_have_count(5)
    assert order(chain) == [f"Shot {n}" for n in range(1, 6)]


def test_moving_and_make_main_show_at_once(open_as, owner, chain, branch):
    page = opened(open_as, owner, chain, f"?segment={chain.segments.get(position=5).pk}")
    page.click("#move-earlier")
    expect(page.locator(".line > .seg-li").nth(3).locator("> .seg-cap .t")).to_have_text("Shot 5")
    page.click(f"#main-{branch.code}")
    expect(page.locator(".line > .seg-li").nth(2).locator("> .seg-cap .t")).to_have_text(
        "Wet street"
    )
    assert order(chain) == ["Shot 1", "Shot 2", "Wet street", "Last tram"]
    expect(page.locator(".toast").last).to_contain_text("is the main cut")


def test_renaming_keeps_what_is_typed_while_others_work(open_as, owner, chain):
    page = opened(open_as, owner, chain)
    page.click("#rename")
    page.fill("#title", "Nightfall")
    chains.rename(chain=chain, title="Somebody else’s name")
    expect(page.locator("#crumb")).to_contain_text("Somebody else’s name")
    expect(page.locator("#title")).to_have_value("Nightfall")
    expect(page.locator("#title")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Nightfall")


def test_what_arrives_neither_stops_the_film_nor_takes_the_focus(open_as, owner, project, chain):
    new = NewShot(
        prompt="One more",
        account=make_previs(),
        model="previs-1",
        start_generation=chains.own_segments(chain)[-1].generation,
    )
    (shot,) = shots.create_shots(project=project, by=owner, new=new)
    page = opened(open_as, owner, chain)
    expect(page.locator(".seg-li.queued")).to_have_count(1)
    # However long the clip takes to come, the film has not ended by then.
    play_at(page, 0.1)
    page.evaluate(
        "() => { window.video = document.querySelector('video.on'); window.strip = document.querySelector('.strip'); }"
    )
    page.locator("[data-do=play]").click()
    page.locator("#branch-here").focus()
    lifecycle.claim_submit(shot.pk)
    done = make_generation(project, files=True)
    media = {name: getattr(done, name).name for name in ("clip", "poster", "strip", "preview")}
    Generation.objects.filter(pk=shot.pk).update(
        provider_job_id="job", state=State.STORING, lease_token="t"
    )
    lifecycle.mark_succeeded(
        shot.pk, token="t", duration_ms=1000, width=64, height=36, fps=24.0, **media
    )
    expect(page.locator(".seg-li[data-src]")).to_have_count(6)
    assert page.evaluate("window.strip.isConnected && window.video.isConnected")
    expect(page.locator("#branch-here")).to_be_focused()
    expect(page.locator("#cutter.playing")).to_have_count(1)
    play_at(page, 4)
    expect(page.locator("#playing")).to_have_text("6, One more")


def test_a_failed_segment_is_tried_again_in_its_place(open_as, owner, project, chain):
    shot = make_generation(project, title="Refused", state=State.FAILED)
    chains.insert_segment(chain=chain, generation=shot, position=3)
    page = opened(open_as, owner, chain)
    page.locator(".seg-li.lost").get_by_role("button", name="Retry").click()
    expect(page.locator(".seg-li.queued")).to_have_count(1)
    expect(page.locator(".seg-li.lost")).to_have_count(0)
    soon(page, lambda: order(chain)[2], "Refused")


# ---- How it looks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_pages_are_accessible_and_do_not_scroll_sideways(
    open_as, owner, project, chain, branch, viewport
):
    for state in (State.RUNNING, State.QUEUED, State.FAILED, State.UNCERTAIN):
        clip = make_generation(project, title=f"A shot that is {state}", state=state)
        chains.insert_segment(chain=chain, generation=clip, position=99)
    page = opened(open_as, owner, chain, viewport=viewport)
    for path in (
        f"/chains/{chain.code}/",
        f"/chains/{branch.code}/",
        f"/p/{project.code}/chains/",
        f"/chains/{chain.code}/join/",
        f"/clips/{chains.own_segments(chain)[0].generation.code}/bridge/",
        f"/clips/{chains.own_segments(chain)[0].generation.code}/",
    ):
        page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/")[2] + path)
        assert axe(page) == [], path
        assert overflow(page) <= 0, path


def test_an_empty_list_leads_to_the_clips(open_as, owner, project):
    page = open_as(owner, f"/p/{project.code}/chains/")
    expect(page.get_by_role("heading", name="No chains yet")).to_be_visible()
    assert axe(page) == []
