from __future__ import annotations

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from studio.models import Comment, Generation, Membership
from studio.models.generation import State, Verdict
from studio.services import review
from studio.views.looking import light_table
from tests.browser.conftest import DESKTOP, PHONE, axe, overflow
from tests.factories import make_generation, make_member, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TOUCH = {"viewport": PHONE, "has_touch": True, "is_mobile": True}


def clips_of(project, count, **fields):
    return [make_generation(project, files=True, **fields) for _ in range(count)]


def look(page):
    return page.locator("#look")


def shows(page, clip):
    expect(look(page)).to_have_attribute("data-code", str(clip.code))


def kept(page, clip, **fields):
    """Wait until the server has it: what the page shows may be ahead of that."""
    for name, value in fields.items():
        for _ in range(200):
            if getattr(Generation.objects.get(pk=clip.pk), name) == value:
                break
            page.wait_for_timeout(100)
        assert getattr(Generation.objects.get(pk=clip.pk), name) == value


def swipe(page, selector, across):
    """Draw a finger sideways over the middle of an element, as a touch screen reports it.

    It rests before it is lifted: a finger in flight makes the browser swallow the next tap.
    """
    box = page.locator(selector).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)
    for kind, at in (("touchStart", 0), ("touchMove", across / 2), ("touchMove", across)):
        touch.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x + at, "y": y}]}
        )
    page.wait_for_timeout(150)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


# ---- Lightbox --------------------------------------------------------------------------------


def test_the_lightbox_goes_beyond_the_page_and_leads_back_to_its_card(
    open_as, owner, project, url, settings
):
    settings.GALLERY_PAGE_SIZE = 8
    clips = clips_of(project, 18)[::-1]
    make_generation(project, state=State.FAILED)
    page = open_as(owner, f"{url}?sort=newest")
    home = page.url
    title = page.locator(f"#clip-{clips[4].code} h3 a")
    title.focus()
    page.evaluate("scrollTo(0, 60)")
    page.keyboard.press("Space")
    shows(page, clips[4])
    assert page.url.endswith(f"/look/{clips[4].code}/?sort=newest")
    expect(page.locator("#look video")).to_have_js_property("paused", False)
    page.keyboard.press("Escape")
    expect(look(page)).to_have_count(0)
    expect(title).to_be_focused()
    assert page.url == home
    assert page.evaluate("scrollY") == 60

    # Along the whole filter, far past the page that was loaded; the gallery keeps up behind.
    page.locator(f"#clip-{clips[4].code}").hover()
    page.get_by_role("link", name=f"Look at {clips[4].title}").click()
    shows(page, clips[4])
    for clip in clips[5:]:
        page.keyboard.press("ArrowRight")
        shows(page, clip)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#look-said")).to_have_text("This is the last clip.")
    page.keyboard.press("ArrowLeft")
    shows(page, clips[-2])
    expect(page.locator(f"#clip-{clips[-2].code}")).to_have_count(1)
    page.go_back()
    expect(look(page)).to_have_count(0)
    expect(page.locator(f"#clip-{clips[-2].code} h3 a")).to_be_focused()
    expect(page.locator(f"#clip-{clips[-2].code}")).to_be_in_viewport()
    page.go_forward()
    shows(page, clips[-2])


def test_a_copied_address_opens_by_itself_and_sees_what_arrives(open_as, owner, project, url):
    one, two = clips_of(project, 2, rating=3)
    coming = make_generation(project, files=True, rating=3, state=State.RUNNING)
    page = open_as(owner, f"{url}look/{two.code}/?rating=3")
    expect(page.locator("#look-earlier")).to_have_attribute("aria-disabled", "true")
    Generation.objects.filter(pk=coming.pk).update(
        state=State.SUCCEEDED, finished_at=timezone.now(), duration_ms=1000
    )
    project.bump(project.pk)
    expect(page.locator("#look-earlier")).not_to_have_attribute("aria-disabled", "true")
    page.keyboard.press("[")
    shows(page, coming)
    page.keyboard.press("]")
    shows(page, two)
    page.locator("#look-later").click()
    shows(page, one)
    assert page.url.endswith(f"/look/{one.code}/?rating=3")
    page.keyboard.press("Escape")
    page.wait_for_url(f"**{url}?rating=3")


def test_judging_in_the_lightbox(open_as, owner, project, url):
    one, two = clips_of(project, 2)
    reviewer = make_user("Pia Lund")
    make_member(project, reviewer, Membership.Role.REVIEWER)
    page = open_as(owner, url)
    card = page.locator(f"#clip-{two.code}")
    card.locator("h3 a").focus()
    page.keyboard.press("Space")
    shows(page, two)
    page.keyboard.press("4")
    expect(page.locator("#look .fivebtn.on")).to_have_count(4)
    kept(page, two, rating=4)
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Approved")).to_have_attribute("aria-pressed", "true")
    kept(page, two, verdict=Verdict.APPROVED)

    page.keyboard.press("ArrowRight")
    shows(page, one)
    page.keyboard.press("r")
    words = page.get_by_label("What should change?")
    expect(words).to_be_focused()
    page.keyboard.type("1 a slower [ pan")  # no shortcut fires inside
    # What others do meanwhile shows, and takes nothing from whoever types.
    review.decide(generation=two, by=reviewer, verdict="approved")
    review.rate(generation=one, rating=5)
    expect(card.locator(".status.ok")).to_have_count(1)
    expect(words).to_have_value("1 a slower [ pan")
    page.keyboard.press("Escape")
    expect(words).to_be_hidden()
    shows(page, one)
    page.keyboard.press("r")
    page.get_by_role("button", name="Ask for changes").click()
    expect(page.locator("#look .judge")).to_have_attribute("data-verdict", "needs_changes")
    assert Comment.objects.get(generation=one).text == "1 a slower [ pan"
    expect(page.locator("#look .fivebtn.on")).to_have_count(5)
    page.keyboard.press("0")
    expect(page.locator("#look .fivebtn.on")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(look(page)).to_have_count(0)
    expect(page.locator(f"#clip-{one.code}")).to_contain_text("Needs changes")


def test_the_lightbox_by_thumb(open_as, owner, project, url):
    one, two = clips_of(project, 2)
    page = open_as(owner, url, **TOUCH)
    page.get_by_role("link", name=f"Look at {two.title}").tap()
    shows(page, two)
    swipe(page, ".look-stage", -160)
    shows(page, one)
    swipe(page, ".look-stage", 160)
    shows(page, two)
    swipe(page, ".look-stage", 20)
    page.get_by_role("button", name="5 stars").tap()
    kept(page, two, rating=5)
    shows(page, two)
    page.get_by_role("link", name="Close").tap()
    expect(look(page)).to_have_count(0)


# ---- Compare ----------------------------------------------------------------------------------

# The clips' own clocks, read in one go; frames of a difference between any two that still play.
DRIFT = """() => {
  const playing = [...document.querySelectorAll('.pane video')].filter(v => !v.ended && v.currentTime < v.duration - 0.1);
  const at = playing.map(v => v.currentTime);
  return (Math.max(...at) - Math.min(...at)) * 24;
}"""
# The worst of 30 looks in a row while everything plays, once that is under two frames.
STEADY = f"""() => {{
  const drift = {DRIFT};
  window.looks ??= [];
  const videos = [...document.querySelectorAll('.pane video')];
  if (videos.every(v => !v.paused && v.currentTime > 0.2 && v.currentTime < v.duration - 0.2)) looks.push(drift());
  else looks.length = 0;
  if (looks.length > 30) looks.shift();
  return looks.length === 30 && Math.max(...looks) < 2 && Math.max(...looks) + 1e-9;
}}"""


@pytest.fixture
def takes(project):
    first = make_generation(project, files=True, seconds=4, title="Ridge")
    return [first] + [
        make_generation(project, files=True, seconds=s, shot=first.shot, take=n, title="Ridge")
        for n, s in ((2, 4), (3, 2))
    ]


def compared(url, clips, more=""):
    return f"{url}compare/?" + "&".join(f"clip={g.code}" for g in clips) + more


def test_one_playhead_drives_all_clips(open_as, owner, url, takes):
    page = open_as(owner, compared(url, takes))
    worst = page.wait_for_function(STEADY, polling="raf").json_value()
    print(f"worst drift while playing: {worst:.2f} frames")
    page.keyboard.press("k")
    expect(page.locator(".compare.playing")).to_have_count(0)
    standing = (
        "() => [...document.querySelectorAll('.pane video')].every(v => v.paused && !v.seeking)"
    )
    page.wait_for_function(standing)
    assert page.evaluate(DRIFT) < 0.1

    def stands_at(*seconds):
        page.wait_for_function(
            """wanted => [...document.querySelectorAll('.pane video')].every(
                (v, i) => v.paused && !v.seeking && Math.abs(v.currentTime - wanted[i]) < 0.005)""",
            arg=list(seconds),
        )

    half = 0.5 / 24
    page.keyboard.press("Home")
    stands_at(0, 0, 0)
    page.keyboard.press(".")
    page.keyboard.press(".")
    stands_at(2 / 24 + half, 2 / 24 + half, 2 / 24 + half)
    page.keyboard.press(",")
    stands_at(1 / 24 + half, 1 / 24 + half, 1 / 24 + half)
    # Past the end of the shortest the others go on, and it says that it is over.
    page.locator("#seek").fill("3000")
    stands_at(3, 3, 2 - half)
    expect(page.locator("#pane-C .over")).to_be_visible()
    expect(page.locator("#pane-A .over")).to_be_hidden()
    expect(page.locator("#now")).to_have_text("0:03.00")
    page.locator("#seek").blur()
    page.keyboard.press("l")
    expect(page.locator("[data-do=speed]")).to_contain_text("1.5×")
    page.keyboard.press("o")
    page.keyboard.press("Space")
    # Without looping it stops on the last frame of the longest.
    stands_at(4 - half, 4 - half, 2 - half)
    page.keyboard.press("o")
    page.keyboard.press("Space")
    page.wait_for_function(
        "() => { const v = document.querySelector('video'); return !v.paused && v.currentTime < 2; }"
    )


def test_flip_in_place_difference_and_judging(open_as, owner, url, takes):
    page = open_as(owner, compared(url, takes))
    pane = {letter: page.locator(f"#pane-{letter}") for letter in "ABC"}
    main = page.locator("main.compare")

    def seen():
        return page.evaluate(
            "() => [...document.querySelectorAll('.pane')].filter(p => getComputedStyle(p.querySelector('.pic')).opacity === '1').map(p => p.id.slice(-1)).join('')"
        )

    assert seen() == "ABC"
    page.keyboard.press("f")
    expect(main).to_have_attribute("data-view", "flip")
    place = page.locator("#pane-A .pic").bounding_box()
    assert seen() == "A"
    page.keyboard.press("f")
    assert seen() == "B"
    assert page.locator("#pane-B .pic").bounding_box() == place
    page.keyboard.press("[")
    assert seen() == "A"
    page.keyboard.press("d")
    assert seen() == "AB"
    expect(page.locator("#which")).to_have_text("A against B")
    blend = "getComputedStyle(document.querySelector('#pane-B .pic')).mixBlendMode"
    assert page.evaluate(blend) == "difference"
    page.keyboard.press("f")
    expect(page.locator("#which")).to_have_text("A against C")
    assert page.url.endswith("&view=difference")
    page.reload()
    expect(page.locator("main.compare.ready")).to_have_attribute("data-view", "difference")
    page.keyboard.press("s")
    expect(main).to_have_attribute("data-view", "side")

    page.keyboard.press("]")
    expect(pane["B"].locator("[data-choose]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("3")
    expect(pane["B"].locator(".fivebtn.on")).to_have_count(3)
    kept(page, takes[1], rating=3)
    page.keyboard.press("r")
    pane["B"].get_by_label("What should change?").fill("Calmer sea")
    pane["B"].get_by_role("button", name="Ask for changes").click()
    expect(pane["B"].locator(".judge")).to_have_attribute("data-verdict", "needs_changes")
    assert Comment.objects.get().generation == takes[1]
    pane["A"].get_by_role("button", name="Approve").click()
    expect(pane["A"].locator(".judge")).to_have_attribute("data-verdict", "approved")
    # What somebody else decides is there soon.
    review.rate(generation=takes[2], rating=5)
    expect(pane["C"].locator(".fivebtn.on")).to_have_count(5)
    assert axe(page) == []
    pane["C"].get_by_role("link", name="Remove").click()
    expect(page.locator(".pane")).to_have_count(2)


def test_comparing_on_the_phone_flips(open_as, owner, url, takes):
    page = open_as(owner, f"/clips/{takes[0].code}/", **TOUCH)
    page.get_by_role("link", name="Compare takes").tap()
    expect(page.locator("main.compare.ready")).to_have_attribute("data-view", "flip")
    expect(page.locator("#pane-A .about")).to_be_visible()
    expect(page.locator("#pane-B .about")).to_be_hidden()
    page.locator("#pane-A .pic").tap(force=True)
    expect(page.locator("#pane-B .about")).to_be_visible()
    assert overflow(page) == 0
    assert axe(page) == []


# ---- Light table -------------------------------------------------------------------------------


def test_rating_at_speed_with_undo_and_the_next_unrated(open_as, owner, project, url):
    clips = clips_of(project, 6)[::-1]
    Generation.objects.filter(pk__in=[clips[3].pk, clips[4].pk]).update(rating=2)
    page = open_as(owner, f"{url}light-table/")
    place, unrated = page.locator("#lt-place"), page.locator("#lt-unrated")
    title = page.locator("#lt-title")
    expect(page.locator("#lt-saved")).to_be_attached()
    expect(page.locator("#lt-stage video")).to_have_js_property("paused", False)
    for stars in "513":
        page.keyboard.press(stars)
    expect(title).to_have_text(clips[3].title)
    expect(place).to_have_text("4")
    expect(unrated).to_have_text("1")
    expect(page.locator("#lt-saved")).to_have_text("Saved")
    assert [Generation.objects.get(pk=g.pk).rating for g in clips[:3]] == [5, 1, 3]

    page.keyboard.press("u")
    expect(title).to_have_text(clips[5].title)
    page.keyboard.press("0")  # no rating, and on; this is the last
    expect(page.locator("#lt-flash")).to_have_text("That was the last one")
    page.keyboard.press("z")
    page.keyboard.press("z")
    expect(title).to_have_text(clips[2].title)
    expect(page.locator("#lt-desk .fivebtn.on")).to_have_count(0)
    kept(page, clips[2], rating=0)
    page.keyboard.press("a")
    kept(page, clips[2], verdict=Verdict.APPROVED)
    page.keyboard.press("n")
    page.get_by_label("What should change?").fill("4 less fog")
    page.get_by_role("button", name="Ask for changes").click()
    kept(page, clips[2], verdict=Verdict.NEEDS_CHANGES)
    assert Comment.objects.get().text == "4 less fog"
    expect(title).to_have_text(clips[2].title)
    page.locator(f"#lt-{clips[0].code}").click()
    expect(title).to_have_text(clips[0].title)
    assert page.url.endswith(f"?clip={clips[0].code}")
    page.keyboard.press("Escape")
    page.wait_for_url(f"**{url}")


def test_the_strip_goes_on_for_as_long_as_there_are_clips(
    open_as, owner, project, url, monkeypatch
):
    monkeypatch.setattr(light_table, "AFTER", 4)
    monkeypatch.setattr(light_table, "PAGE", 6)
    clips = clips_of(project, 24)[::-1]
    page = open_as(owner, f"{url}light-table/?clip={clips[9].code}")
    expect(page.locator("#lt-place")).to_have_text("10")
    for clip in clips[10:]:
        page.keyboard.press("ArrowRight")
        expect(page.locator("#lt-title")).to_have_text(clip.title)
    expect(page.locator("#lt-place")).to_have_text("24")
    fresh = clips_of(project, 1)[0]
    page.goto(page.url.replace(str(clips[-1].code), str(clips[0].code)))
    fresher = clips_of(project, 1)[0]
    for clip in (fresh, fresher):
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#lt-title")).to_have_text(clip.title)
    expect(page.locator("#lt-place")).to_have_text("1")
    expect(page.locator("#lt-total")).to_have_text("26")


def test_what_cannot_be_sent_is_kept_said_and_sent_later(
    open_as, owner, project, url, console_errors
):
    clips = clips_of(project, 3)[::-1]
    page = open_as(owner, f"{url}light-table/")
    saved = page.locator("#lt-saved")
    page.route("**/judge/", lambda route: route.abort())
    page.keyboard.press("4")
    page.keyboard.press("2")
    expect(saved).to_have_text("2 not saved yet. Trying again.")
    assert not Generation.objects.filter(rating__gt=0).exists()
    # Even when the page is closed meanwhile.
    page.reload()
    expect(page.locator(f"#lt-{clips[0].code}")).to_have_attribute("data-rating", "4")
    expect(saved).to_have_text("2 not saved yet. Trying again.")
    page.unroute("**/judge/")
    expect(saved).to_have_text("Saved")
    assert [Generation.objects.get(pk=g.pk).rating for g in clips] == [4, 2, 0]
    # What the server refuses is said, and shown as it is.
    Generation.objects.filter(pk=clips[2].pk).update(state=State.FAILED)
    page.keyboard.press("5")
    expect(page.locator(".toast.bad")).to_contain_text("Only a finished clip can be rated.")
    expect(page.locator(f"#lt-{clips[2].code}")).to_have_attribute("data-rating", "0")
    expect(saved).to_have_text("Saved")
    for _ in range(100):
        if any("422" in error for error in console_errors):
            break
        page.wait_for_timeout(50)
    console_errors.clear()


def test_the_light_table_by_thumb(open_as, owner, project, url):
    one, two, three = clips_of(project, 3)
    page = open_as(owner, f"{url}light-table/", **TOUCH)
    title = page.locator("#lt-title")
    page.get_by_role("button", name="4 stars").tap()
    expect(title).to_have_text(two.title)
    swipe(page, "#lt-stage", -160)
    expect(title).to_have_text(one.title)
    swipe(page, "#lt-stage", 160)
    expect(title).to_have_text(two.title)
    page.get_by_role("button", name="Approve").tap()
    kept(page, two, verdict=Verdict.APPROVED)
    page.get_by_role("button", name="Undo").tap()
    kept(page, two, verdict=Verdict.NONE)
    kept(page, three, rating=4)
    for star in page.locator("#lt-desk .fivebtn").all():
        assert min(star.bounding_box()["width"], star.bounding_box()["height"]) >= 44


# ---- Density -----------------------------------------------------------------------------------


def test_density_is_kept_and_comes_without_a_jump(open_as, owner, project, url):
    clips = clips_of(project, 30)
    page = open_as(owner, url)
    slider = page.get_by_role("slider", name="Clips in a row")
    width = "() => document.querySelector('#sheet > .clip').getBoundingClientRect().width"
    before = page.evaluate(width)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#main")).to_have_attribute("data-density", "5")
    expect(slider).to_have_attribute("aria-valuetext", "Contact sheet")
    assert page.evaluate(width) < before / 2
    assert not [address for address in asked if "/p/" in address and "changes" not in address]
    page.reload()
    expect(slider).to_have_value("5")
    shift = page.evaluate(
        """() => new Promise(done => new PerformanceObserver(list => done(list.getEntries().reduce((sum, e) => sum + e.value, 0)))
          .observe({type: 'layout-shift', buffered: true}) ?? setTimeout(() => done(0), 300))"""
    )
    assert shift < 0.02
    # The smallest cards open, scrub and are named all the same.
    card = page.locator(f"#clip-{clips[-1].code}")
    card.locator("h3 a").focus()
    page.keyboard.press("4")
    kept(page, clips[-1], rating=4)
    expect(card.get_by_role("link", name=f"Look at {clips[-1].title}")).to_be_visible()
    assert axe(page) == []
    # The clip at the top stays where it is while the rows around it change.
    page.keyboard.press("End")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator("#main")).to_have_attribute("data-density", "1")
    assert overflow(page) == 0


# ---- Keys and access --------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"viewport": DESKTOP}, TOUCH], ids=["desktop", "phone"])
def test_every_page_passes_axe_without_sideways_scroll(
    open_as, owner, project, url, takes, options
):
    page = open_as(owner, f"{url}look/{takes[0].code}/", **options)
    base = page.url.split(url)[0]
    for path in (f"{url}look/{takes[0].code}/", compared(url, takes), f"{url}light-table/"):
        page.goto(base + path)
        expect(page.locator("video").first).not_to_have_attribute("controls", "")
        assert axe(page) == []
        assert overflow(page) == 0
        page.keyboard.press("r")
        expect(page.get_by_label("What should change?").first).to_be_focused()
        assert axe(page) == []


def test_the_sheet_lists_the_keys_of_where_one_is(open_as, owner, project, url, takes):
    page = open_as(owner, url)
    sheet = page.get_by_role("dialog", name="Shortcuts")

    def listed(*there, without=()):
        page.keyboard.press("?")
        for words in there:
            expect(sheet).to_contain_text(words)
        for words in without:
            expect(sheet).not_to_contain_text(words)
        assert axe(page) == []
        page.keyboard.press("Escape")
        expect(sheet).to_have_count(0)

    listed("New shot", "Look at it in the lightbox", without=["Undo", "Flip", "Full screen"])
    page.locator(f"#clip-{takes[0].code} h3 a").focus()
    page.keyboard.press("Space")
    shows(page, takes[0])
    listed("Back to the clips", "Needs changes", without=["New shot", "Search", "Undo"])
    shows(page, takes[0])  # Escape closed the sheet alone
    page.goto(page.url.split("/p/")[0] + f"{url}light-table/")
    listed("Next unrated clip", "Undo", without=["New shot", "Chains", "Flip"])
    page.goto(page.url.split("/p/")[0] + compared(url, takes))
    listed("Flip to the next in place", "Difference", "Chains", without=["Undo"])


def test_switched_off_keys_and_reduced_motion_are_honoured(open_as, project, url):
    quiet = make_user("Reem Khalil", shortcuts=False)
    make_member(project, quiet, Membership.Role.REVIEWER)
    one, two = clips_of(project, 2)
    page = open_as(quiet, f"{url}look/{two.code}/", reduced_motion="reduce")
    expect(page.locator("#look video")).to_have_js_property("paused", True)
    for key in ("4", "a", "r", "]", "?"):
        page.keyboard.press(key)
    shows(page, two)
    page.keyboard.press("ArrowRight")
    shows(page, one)
    expect(page.locator("#look video")).to_have_js_property("paused", True)
    page.goto(page.url.split("/look/")[0] + "/light-table/")
    for key in ("4", "a", "u"):
        page.keyboard.press(key)
    expect(page.locator("#lt-title")).to_have_text(two.title)
    expect(page.locator("#lt-stage video")).to_have_js_property("paused", True)
    assert not Generation.objects.exclude(rating=0, verdict="").exists()


def test_without_script_everything_still_goes_on(open_as, owner, project, url):
    one, two = clips_of(project, 2)
    page = open_as(owner, f"{url}look/{two.code}/", java_script_enabled=False)
    page.get_by_role("link", name="Next clip").click()
    page.get_by_role("button", name="4 stars").click()
    assert page.url.endswith(f"/look/{one.code}/")
    assert Generation.objects.get(pk=one.pk).rating == 4
    page.get_by_text("Needs changes").click()
    page.get_by_label("What should change?").fill("Slower")
    page.get_by_role("button", name="Ask for changes").click()
    assert Generation.objects.get(pk=one.pk).verdict == Verdict.NEEDS_CHANGES
    page.get_by_role("link", name="Close").click()
    page.goto(page.url + "light-table/")
    page.get_by_role("button", name="5 stars").click()
    assert Generation.objects.get(pk=two.pk).rating == 5
    expect(page.get_by_role("heading", name=one.title)).to_be_visible()
    page.goto(page.url.split("/p/")[0] + compared(url, [one, two]))
    page.locator("#pane-B").get_by_role("button", name="Approve").click()
    expect(page.locator("#pane-B .judge")).to_have_attribute("data-verdict", "approved")
    assert "/compare/" in page.url
