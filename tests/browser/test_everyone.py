"""Everybody can work here: by keys alone, at 200 %, in colours of one's own, without motion."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from studio.models import (
    BulkRun,
    CollectionItem,
    Comment,
    Generation,
    GivenVerdict,
    Membership,
    Share,
)
from studio.services import chains, review
from studio.services.gallery import collections, tags
from studio.services.sharing import making
from studio.services.sharing.making import Options, Source
from tests.browser.conftest import come_to_rest, soon
from tests.factories import make_generation, make_member, make_project, make_still, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# 1440 x 900 at 200 %, in the colours of the person's own system, with motion switched off.
MAGNIFIED = {"viewport": {"width": 720, "height": 450}, "device_scale_factor": 2}
OWN_COLOURS = {"forced_colors": "active", "reduced_motion": "reduce"}


@pytest.fixture
def world(transactional_db):
    """A project in which every page has something to show."""
    maja, pia = make_user("Maja Aas"), make_user("Pia Lind")
    project = make_project(maja, name="Nordlys winter film")
    make_member(project, pia, Membership.Role.REVIEWER)
    clips = [
        make_generation(
            project, title=title, files=True, seconds=2, provider="luma", model="ray-2", rating=n
        )
        for n, title in enumerate(("Ridge at first light", "The last boat in", "Koi under ice"))
    ]
    take = make_generation(
        project, title=clips[0].title, files=True, seconds=2, shot=clips[0].shot, take=2
    )
    make_generation(project, state="running", progress=40, title="Still on its way")
    make_generation(project, state="failed", failure_text="Refused.", title="Refused shot")
    review.comment(generation=clips[0], by=pia, text="Hold this", at_ms=1000)
    review.decide(generation=clips[1], by=pia, verdict="approved")
    review.decide(generation=clips[2], by=pia, verdict="needs_changes", note="Slower")
    make_still(project)
    chain = chains.create(project=project, by=maja, title="Reel", clips=clips[:2])
    kept = collections.find_or_make(project=project, by=maja, code="", title="Short list")
    CollectionItem.objects.bulk_create(
        CollectionItem(collection=kept, generation=clip, position=n) for n, clip in enumerate(clips)
    )
    tags.get_or_make(project=project, name="night")
    share, token = making.create_share(
        project=project,
        by=maja,
        source=Source(clips=clips),
        options=Options(title="For Ingrid", may_decide=True, may_download=True),
    )
    return SimpleNamespace(
        maja=maja, pia=pia, project=project, clips=clips, take=take, chain=chain, share=share,
        token=token, kept=kept, home=f"/p/{project.code}/",
    )  # fmt: skip


def pages(world) -> dict[str, str]:
    """The pages people spend their time on, by name; a guest's own last."""
    first, second, third = world.clips
    return {
        "gallery": world.home,
        "lightbox": f"{world.home}look/{third.code}/",
        "compare": f"{world.home}compare/?clip={first.code}&clip={second.code}",
        "light table": f"{world.home}light-table/",
        "clip": third.get_absolute_url(),
        "review": f"{world.home}review/",
        "compose": f"{world.home}new/",
        "chain": f"/chains/{world.chain.code}/",
        "stills": f"{world.home}stills/",
        "spend": f"{world.home}spend/",
        "library": f"{world.home}library/",
        "activity": f"{world.home}activity/",
        "collection": f"/collections/{world.kept.code}/",
        "links": f"{world.home}shares/",
        "settings": f"{world.home}settings/",
        "account": "/account/",
        "projects": "/",
        # From here on nobody is signed in.
        "sign in": "/login/",
        "share": f"/s/{world.token}/",
        "shared clip": f"/s/{world.token}/clips/{first.code}/",
    }


# ---- By keys alone -----------------------------------------------------------------------------


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until this has the focus: whoever has no mouse comes to it, and sees where they are."""
    target.wait_for()
    for _ in range(80):
        if target.evaluate("node => node === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(target).to_be_focused()
    width = target.evaluate(
        """node => Math.max(...[node, node.closest("label"), node.closest(".clip")?.querySelector(".frame")]
          .map((one) => one && getComputedStyle(one).outlineStyle !== "none" ? parseFloat(getComputedStyle(one).outlineWidth) : 0))"""
    )
    assert width >= 2, f"{target} has the focus, and nobody sees it."


def test_a_reviewers_day_without_a_mouse(open_as, world):
    """Find a clip, look, rate, comment at a frame, approve, tag many, take it back, share."""
    _, second, third = world.clips
    page = open_as(world.maja, world.home)
    keys = page.keyboard
    keys.press("/")
    expect(page.get_by_label("Search clips")).to_be_focused()
    keys.type("last boat")
    expect(page.locator("#sheet > .clip")).to_have_count(1)
    title = page.locator(f"#clip-{second.code} h3 a")
    tab_to(page, title)
    keys.press("Space")
    expect(page.locator("#look")).to_be_visible()
    keys.press("4")
    soon(page, lambda: rating(second), 4)
    keys.press("Escape")
    expect(page.locator("#look")).to_be_hidden()
    expect(title).to_be_focused()

    keys.press("Enter")
    page.wait_for_url(f"**/clips/{second.code}/")
    page.wait_for_function("() => document.querySelector('#player video')?.readyState >= 2")
    keys.press(".")
    keys.press(".")
    keys.press("c")
    expect(page.locator("#say")).to_be_focused()
    keys.type("Hold on the bow")
    keys.press("Control+Enter")
    expect(page.locator("#comment-list")).to_contain_text("Hold on the bow")
    assert Comment.objects.get(text="Hold on the bow").at_ms > 0
    keys.press("Escape")
    keys.press("a")
    expect(page.locator("#approve")).to_have_attribute("aria-pressed", "true")
    assert GivenVerdict.objects.filter(
        generation=second, by=world.maja, verdict="approved"
    ).exists()

    keys.press("g")
    keys.press("c")
    page.wait_for_url(f"**{world.home}")
    tab_to(page, page.locator(f"#clip-{third.code} h3 a"))
    keys.press("x")
    keys.press("Shift+ArrowRight")
    expect(page.locator("[data-tally]")).to_have_text("2 selected")
    tab_to(page, page.get_by_role("button", name="More actions"))
    keys.press("Enter")
    tab_to(page, page.get_by_role("button", name="Tag", exact=True))
    keys.press("Enter")
    dialog = page.get_by_role("dialog", name="Tag")
    tab_to(page, dialog.get_by_label("Tag"))
    keys.type("hero")
    keys.press("Enter")
    toast = page.locator(".toast", has_text="Tagged 2 clips")
    tab_to(page, toast.get_by_role("button", name="Undo"))
    keys.press("Enter")
    soon(page, lambda: Generation.objects.filter(tags__name="hero").count(), 0)
    soon(page, lambda: BulkRun.objects.get().state, BulkRun.State.UNDONE)

    tab_to(page, page.locator(".selbar .btn.primary"))
    keys.press("Enter")
    page.wait_for_url("**/shares/new/**")
    tab_to(page, page.get_by_role("button", name="Make the link"))
    keys.press("Enter")
    link = page.locator("#share-link")
    expect(link).to_be_focused()
    made = Share.objects.get(title=world.project.name)
    assert set(made.generations.all()) == {second, third}


def rating(clip):
    return Generation.objects.values_list("rating", flat=True).get(pk=clip.pk)


# ---- Large, in one's own colours, without motion -------------------------------------------------

# What keeps somebody from using a page: sideways scrolling, a control out of reach or under
# something else once it is scrolled to, anything that moves or plays by itself.
FAULTS = """() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push(`scrolls sideways by ${root.scrollWidth - root.clientWidth}`);
  const name = (node) => `${node.tagName.toLowerCase()}#${node.id}.${[...node.classList].join(".")} “${(node.getAttribute("aria-label") || node.textContent).trim().slice(0, 30)}”`;
  const page = [...document.querySelectorAll("dialog[open]")].pop() || document;
  for (const node of page.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")) {
    if (node.disabled || node.closest("[inert], [aria-hidden=true]") || !node.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    node.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
    const box = node.getBoundingClientRect();
    if (box.width < 4 || box.height < 4) continue; // for ears alone, or drawn by its label
    if (box.left < -1 || box.right > innerWidth + 1) found.push(`out of reach: ${name(node)} ${Math.round(box.left)}–${Math.round(box.right)}`);
    const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    const own = top && (node.contains(top) || (top.contains(node) && top.closest("label, a, button, summary")) || [...(node.labels || [])].some((label) => label.contains(top)));
    if (!own) found.push(`covered: ${name(node)} by ${top ? name(top) : "nothing"}`);
  }
  for (const one of document.getAnimations()) if (one.playState === "running" && one.effect.getComputedTiming().endTime > 1) found.push(`moves: ${one.animationName || one.transitionProperty} of ${name(one.effect.target)}`);
  for (const video of document.querySelectorAll("video")) if (!video.paused) found.push(`plays: ${name(video)}`);
  return found;
}"""
# How a control looks: what is on must not look as what is off.
LOOKS = """node => [node, ...node.querySelectorAll("*")].slice(0, 3).map((one) => {
  const { backgroundColor, color, borderColor, borderStyle, outlineStyle, fill } = getComputedStyle(one);
  return [backgroundColor, color, borderColor, borderStyle, outlineStyle, fill].join();
}).join()"""
# By page: (what is on, what is off, of the same kind).
STATES = {
    "gallery": [(".tabbar [aria-current]", ".tabbar a:not([aria-current], .go)")],
    "lightbox": [
        (".fivebtn.on .i", ".fivebtn:not(.on) .i"),
        (".judge .no[aria-pressed=true]", ".judge .ok[aria-pressed=false]"),
    ],
    "compare": [(".seg label:has(:checked)", ".seg label:not(:has(:checked))")],
    "clip": [
        ("#ask-changes[aria-pressed=true]", "#approve[aria-pressed=false]"),
        (".ratebtns label:has(~ label :checked) .i", ".ratebtns label:has(:checked) ~ label .i"),
    ],
    "compose": [(".seg label:has(:checked)", ".seg label:not(:has(:checked), :has(:disabled))")],
    "shared clip": [(".playlist [aria-current] span:last-child", ".playlist a:not([aria-current]) span:last-child")],
}  # fmt: skip


def test_every_page_large_in_own_colours_and_still(open_as, world, live_server):
    """All at once, as many who need one of them need the others: each page is loaded once."""
    review.decide(generation=world.clips[2], by=world.maja, verdict="needs_changes", note="Grain")
    page = open_as(world.maja, "/", **MAGNIFIED, **OWN_COLOURS)
    faults, alike = {}, []
    for name, path in pages(world).items():
        if name == "sign in":
            page.context.clear_cookies()
        page.goto(live_server.url + path)
        come_to_rest(page)
        if found := page.evaluate(FAULTS):
            faults[name] = found
        for on, off in STATES.get(name, ()):
            looks = [page.locator(state).first.evaluate(LOOKS) for state in (on, off)]
            if looks[0] == looks[1]:
                alike.append(f"{name}: {on}")
    assert faults == {}
    assert alike == [], "On and off look the same."


def test_what_is_chosen_and_how_far_it_is_shows_in_own_colours(open_as, world):
    page = open_as(world.maja, world.home, **OWN_COLOURS)
    card = page.locator(f"#clip-{world.clips[2].code}")
    card.locator("h3 a").focus()
    page.keyboard.press("x")
    expect(card.locator(".pick")).to_be_checked()
    other = page.locator(f"#clip-{world.clips[1].code}")
    for part in (".pick", ".frame"):
        assert card.locator(part).evaluate(LOOKS) != other.locator(part).evaluate(LOOKS), part
    bar = page.locator(".clip.run progress")
    drawn = Image.open(io.BytesIO(bar.screenshot())).convert("RGB")
    done, left = (drawn.getpixel((int(drawn.width * at), drawn.height // 2)) for at in (0.2, 0.8))
    assert done != left and drawn.height >= 6


def test_resting_on_a_card_plays_nothing_where_motion_is_unwanted(open_as, world):
    page = open_as(world.maja, world.home, reduced_motion="reduce")
    card = page.locator(f"#clip-{world.clips[0].code}")
    card.hover()
    page.wait_for_timeout(900)  # longer than one rests before it plays
    expect(page.locator("video")).to_have_count(0)
    assert page.evaluate(FAULTS) == []
