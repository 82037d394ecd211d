from __future__ import annotations

import io

import pytest
from django.core.files.base import ContentFile
from PIL import Image
from playwright.sync_api import Page, expect

from studio.models import Generation, Keyframe, ProviderAccount
from studio.services.accounts import ensure_accounts
from studio.services.keyframes import store_keyframe
from tests.browser.conftest import DESKTOP, PHONE, axe, overflow, soon, still_box
from tests.people import make_cast, make_clip

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def cast():
    ensure_accounts()
    cast = make_cast()
    account = ProviderAccount(provider="apiframe")
    account.set_key("k-1")
    account.save()
    return cast


@pytest.fixture
def new(cast):
    return f"/p/{cast.project.code}/new/"


def picture(colour="navy", size=(1600, 900)):
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def still(cast, colour="navy", size=(1600, 900)):
    kept, _ = store_keyframe(
        project=cast.project, by=cast.bob, source=picture(colour, size), name=f"{colour}.png"
    )
    return kept


def file(colour="navy", size=(1600, 900), name="dawn.png"):
    return {"name": name, "mimeType": "image/png", "buffer": picture(colour, size)}


def give(page: Page, kind: str, selector: str, colours: list[str]):
    """Drop or paste pictures, as a person does with the mouse or the clipboard."""
    page.evaluate(
        """async ([kind, selector, colours]) => {
            const transfer = new DataTransfer();
            for (const colour of colours) {
                const canvas = new OffscreenCanvas(1600, 900);
                const pen = canvas.getContext("2d");
                pen.fillStyle = colour;
                pen.fillRect(0, 0, 1600, 900);
                const blob = await canvas.convertToBlob();
                transfer.items.add(new File([blob], `${colour}.png`, { type: "image/png" }));
            }
            const init = { bubbles: true, cancelable: true };
            const event = kind === "paste"
                ? new ClipboardEvent("paste", { ...init, clipboardData: transfer })
                : new DragEvent("drop", { ...init, dataTransfer: transfer });
            document.querySelector(selector).dispatchEvent(event);
        }""",
        [kind, selector, colours],
    )


def frames(page: Page) -> list[str]:
    return [page.locator(f"#{end}").input_value() for end in ("start", "end")]


def holds(page: Page, start: str, end: str) -> None:
    """The two frames come to be these stills."""
    expect(page.locator("#start")).to_have_value(start)
    expect(page.locator("#end")).to_have_value(end)


# ---- Writing a shot --------------------------------------------------------------------
def test_a_shot_with_two_frames_and_three_concepts_is_generated(open_as, cast, new):
    page = open_as(cast.bob, new)
    page.fill("#prompt", "Low cloud slides between the ridges")
    page.set_input_files("#start-file", file("navy"))
    expect(page.locator("#well-start img")).to_be_visible()
    page.set_input_files("#end-file", file("maroon", name="dusk.png"))
    expect(page.locator("#well-end img")).to_be_visible()
    for slug in ("push_in", "tilt_up", "handheld"):
        page.check(f"#c-{slug}")
    expect(page.locator(".finder .slate.t")).to_contain_text("Push in + Tilt up + Handheld")
    expect(page.locator(".finder .mv")).to_have_count(3)
    page.click("#generate")
    page.wait_for_url(f"**/p/{cast.project.code}/")
    expect(page.locator("#toasts")).to_contain_text("is queued.")
    made = Generation.objects.get()
    assert made.concepts == ["push_in", "tilt_up", "handheld"]
    assert (made.start_keyframe.name, made.end_keyframe.name) == ("dawn", "dusk")


def test_ctrl_enter_generates_and_a_double_press_makes_one(open_as, cast, new):
    page = open_as(cast.bob, new)
    page.fill("#prompt", "Waves")
    page.evaluate(
        """() => { const key = new KeyboardEvent("keydown",
            { key: "Enter", ctrlKey: true, bubbles: true, cancelable: true });
            prompt = document.getElementById("prompt");
            prompt.dispatchEvent(key); prompt.dispatchEvent(key); }"""
    )
    page.wait_for_url(f"**/p/{cast.project.code}/")
    assert Generation.objects.count() == 1


def test_choices_change_the_price_and_an_unfit_one_is_explained(open_as, cast, new):
    page = open_as(cast.bob, new)
    expect(page.locator("#cost")).to_contain_text("Free")
    expect(page.locator("#previs")).to_be_visible()
    page.locator("label[id^=offer-]", has_text="Apiframe, Ray 2 Flash").click()
    expect(page.locator("#cost")).to_contain_text("for 1 take")
    expect(page.locator("#cost b")).to_contain_text("$")
    expect(page.locator("#previs")).to_be_visible()
    before = page.locator("#cost b").inner_text()
    page.locator("label:has(#takes-2)").click()
    expect(page.locator("#cost")).to_contain_text("for 2 takes")
    expect(page.locator("#cost b")).not_to_have_text(before)
    expect(page.locator("#res-4k")).to_be_disabled()
    expect(page.locator("#takes-2")).to_be_focused()


def test_a_late_answer_does_not_undo_what_was_chosen_since(open_as, cast, new):
    page = open_as(cast.bob, new)
    held = []
    page.route("**/quote/", lambda route: held.append(route) if not held else route.continue_())
    with page.expect_request("**/quote/"):
        page.locator("label:has(#takes-2)").click()
    page.locator("label:has(#takes-4)").click()
    soon(page, lambda: len(held), 1)
    held[0].continue_()
    expect(page.locator("#cost")).to_contain_text("for 4 takes")
    expect(page.locator("#takes-4")).to_be_checked()


def test_a_price_that_cannot_be_asked_for_says_so(open_as, cast, new, console_errors):
    page = open_as(cast.bob, new)
    page.route("**/quote/", lambda route: route.fulfill(status=500, body="no"))
    page.locator("label:has(#takes-2)").click()
    expect(page.locator("#cost")).to_contain_text("This price may be out of date")
    page.unroute("**/quote/")
    page.locator("label:has(#takes-3)").click()
    expect(page.locator("#cost")).to_contain_text("for 3 takes")
    expect(page.locator("#cost")).not_to_contain_text("out of date")
    assert all("500" in line or "Response" in line for line in console_errors)
    console_errors.clear()


def test_a_refused_form_keeps_everything_and_points_at_the_field(
    open_as, cast, new, console_errors
):
    page = open_as(cast.bob, new)
    page.check("#c-crane_up")
    page.locator("label:has(#takes-3)").click()
    expect(page.locator("#cost")).to_contain_text("for 3 takes")
    page.click("#generate")
    expect(page.locator("#prompt-notes")).to_contain_text("The prompt is empty.")
    expect(page.locator("#prompt")).to_be_focused()
    expect(page.locator("#c-crane_up")).to_be_checked()
    expect(page.locator("#takes-3")).to_be_checked()
    page.fill("#prompt", "Waves")
    page.click("#generate")
    page.wait_for_url(f"**/p/{cast.project.code}/")
    assert Generation.objects.count() == 3
    # The browser writes a refused form into the console by itself.
    assert all("422" in line for line in console_errors)
    console_errors.clear()


def test_the_prompt_is_kept_until_it_is_sent(open_as, cast, new):
    page = open_as(cast.bob, new)
    page.fill("#prompt", "A draft of mine")
    expect(page.locator("#count")).to_contain_text("15 /")
    page.goto(page.url.replace("/new/", "/stills/"))
    page.goto(page.url.replace("/stills/", "/new/"))
    expect(page.locator("#prompt")).to_have_value("A draft of mine")
    page.click("#generate")
    page.wait_for_url(f"**/p/{cast.project.code}/")
    page.goto(page.url + "new/")
    expect(page.locator("#prompt")).to_have_value("")


def test_going_back_brings_a_page_that_can_send_again(open_as, cast, new):
    page = open_as(cast.bob, new)
    for wanted in (1, 2):
        page.fill("#prompt", f"Waves {wanted}")
        page.click("#generate")
        page.wait_for_url(f"**/p/{cast.project.code}/")
        assert Generation.objects.count() == wanted
        page.go_back()
        page.wait_for_url(f"**{new}")


def test_chips_take_concepts_away_and_opposites_are_noted(open_as, cast, new):
    page = open_as(cast.bob, new)
    page.check("#c-pan_left")
    page.check("#c-pan_right")
    note = page.locator("#picked-head")
    expect(note).to_contain_text("Pan left and Pan right cancel each other out.")
    page.click("#chip-pan_left")
    expect(page.locator("#c-pan_left")).not_to_be_checked()
    expect(note).not_to_contain_text("cancel")
    expect(page.locator("#c-pan_left")).to_be_focused()


def test_a_past_prompt_fills_the_field(open_as, cast, new):
    make_clip(cast.project, prompt="Fog rolls over the pier")
    page = open_as(cast.bob, new)
    page.get_by_role("button", name="Past prompts").click()
    page.locator("#past a").first.click()
    expect(page.locator("#prompt")).to_have_value("Fog rolls over the pier")
    expect(page.locator("#prompt")).to_be_focused()


# ---- Frames ----------------------------------------------------------------------------
def test_pictures_are_dropped_pasted_swapped_and_removed(open_as, cast, new):
    page = open_as(cast.bob, new)
    give(page, "drop", "#well-end", ["navy"])
    expect(page.locator("#well-end .frame img")).to_be_visible()
    give(page, "paste", "body", ["maroon"])
    expect(page.locator("#well-start .frame img")).to_be_visible()
    before = frames(page)
    assert all(before)
    page.click("#swap")
    holds(page, before[1], before[0])
    give(page, "paste", "body", ["green"])
    expect(page.locator("#toasts")).to_contain_text("Both frames are filled.")
    page.click("#remove-end")
    expect(page.locator("#end-file")).to_be_attached()
    holds(page, before[1], "")
    expect(page.locator("#end-file")).to_be_focused()


def test_two_pictures_dropped_together_fill_both_frames(open_as, cast, new):
    page = open_as(cast.bob, new)
    give(page, "drop", "main", ["navy", "maroon"])
    expect(page.locator("#well-start .frame img")).to_be_visible()
    expect(page.locator("#well-end .frame img")).to_be_visible()
    assert Keyframe.objects.count() == 2


def test_a_refused_picture_says_why_under_its_frame(open_as, cast, new, console_errors):
    page = open_as(cast.bob, new)
    page.fill("#prompt", "Waves")
    page.set_input_files(
        "#start-file", {"name": "notes.png", "mimeType": "image/png", "buffer": b"Dear diary"}
    )
    expect(page.locator("#well-start .error")).to_contain_text("not a picture that can be read")
    page.check("#c-aerial")
    expect(page.locator("#chip-aerial")).to_be_visible()
    expect(page.locator("#well-start .error")).to_be_visible()
    expect(page.locator("#prompt")).to_have_value("Waves")
    page.set_input_files("#start-file", file())
    expect(page.locator("#well-start .frame img")).to_be_visible()
    expect(page.locator("#well-start .error")).to_have_count(0)
    assert all("422" in line for line in console_errors)
    console_errors.clear()


def test_an_upload_shows_its_progress_and_holds_generate_back(open_as, cast, new):
    page = open_as(cast.bob, new)
    page.fill("#prompt", "Waves")
    held = []
    page.route("**/stills/", lambda route: held.append(route))
    page.set_input_files("#start-file", file())
    expect(page.locator("#well-start progress")).to_be_visible()
    page.check("#c-aerial")
    expect(page.locator("#chip-aerial")).to_be_visible()
    expect(page.locator("#well-start progress")).to_be_visible()
    page.click("#generate")
    expect(page.locator("#toasts")).to_contain_text("still being uploaded. Nothing was sent.")
    assert not Generation.objects.exists()
    soon(page, lambda: len(held), 1)
    held[0].continue_()
    expect(page.locator("#well-start progress")).to_have_count(0)
    expect(page.locator("#well-start .frame img")).to_be_visible()


def test_a_still_is_picked_from_the_project(open_as, cast, new):
    kept = still(cast)
    page = open_as(cast.bob, new)
    page.click("#pick-end")
    dialog = page.locator("dialog.picker[open]")
    expect(dialog).to_be_visible()
    dialog.locator(f"[data-pick='{kept.code}']").click()
    expect(dialog).to_have_count(0)
    expect(page.locator("#well-end .frame img")).to_be_visible()
    holds(page, "", str(kept.code))


def test_a_still_is_cropped_by_keys_to_the_shots_shape(open_as, cast, new):
    tall = still(cast, size=(900, 1600))
    page = open_as(cast.bob, f"{new}?start={tall.code}")
    expect(page.locator("#well-start")).to_contain_text("in 16:9 its edges are cut")
    page.click("#crop-start")
    window = page.locator("dialog.cropping .win")
    expect(window).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowDown")
    page.click("dialog.cropping button[type=submit]")
    expect(page.locator("#well-start")).not_to_contain_text("edges are cut")
    made = Keyframe.objects.get(cropped_from=tall)
    assert (made.width, made.height) == (900, 506)
    holds(page, str(made.code), "")


def test_a_crop_is_dragged(open_as, cast, new):
    tall = still(cast, size=(900, 1600))
    page = open_as(cast.bob, f"{new}?start={tall.code}")
    page.click("#crop-start")
    window = page.locator("dialog.cropping .win")
    expect(window).to_be_focused()
    top = float(page.locator("dialog input[name=y]").input_value())
    box = still_box(window)
    page.mouse.move(box["x"] + 30, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 30, box["y"] - 90, steps=4)
    page.mouse.up()
    dragged = page.locator("dialog input[name=y]")
    soon(page, lambda: float(dragged.input_value()) < top - 0.1, True)


# ---- Looks -----------------------------------------------------------------------------
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_is_accessible_and_fits(open_as, cast, new, console_errors, size):
    first = still(cast)
    address = f"{new}?start={first.code}&concepts=push_in&concepts=pull_out&prompt=Dawn"
    page = open_as(cast.bob, address, viewport=size, reduced_motion="reduce")
    page.locator("label[id^=offer-]", has_text="Apiframe, Ray 2 Flash").click()
    expect(page.locator("#previs")).to_be_visible()
    assert overflow(page) <= 0
    generate = still_box(page.locator("#generate"))
    assert generate["y"] + generate["height"] <= size["height"]
    assert console_errors == []
    found = axe(page)
    page.click("#pick-end")
    expect(page.locator("dialog.picker[open]")).to_be_visible()
    found += axe(page)
    console_errors.clear()  # axe adds styles of its own, which our policy refuses
    assert found == []


@pytest.mark.parametrize("size", [(900, 1600), (2400, 700)], ids=["tall", "wide"])
def test_the_crop_dialog_is_accessible_and_fits_a_phone(open_as, cast, new, console_errors, size):
    page = open_as(
        cast.bob,
        f"{new}?end={still(cast, size=size).code}",
        viewport=PHONE,
        reduced_motion="reduce",
    )
    page.click("#crop-end")
    dialog = page.locator("dialog.cropping[open]")
    box = still_box(dialog)
    assert box["x"] >= 0 and box["width"] <= PHONE["width"] and box["height"] <= PHONE["height"]
    assert console_errors == []
    found = axe(page)
    console_errors.clear()
    assert found == []


# ---- The stills page -------------------------------------------------------------------
def test_many_stills_are_uploaded_with_a_word_on_each_bad_one(open_as, cast, console_errors):
    page = open_as(cast.bob, f"/p/{cast.project.code}/stills/")
    page.set_input_files(
        "#files",
        [
            file("navy", name="one.png"),
            file("maroon", name="two.png"),
            {"name": "bad.png", "mimeType": "image/png", "buffer": b"no"},
        ],
    )
    expect(page.locator(".still")).to_have_count(2)
    expect(page.locator(".upload.bad")).to_contain_text("bad.png")
    expect(page.locator(".upload.bad")).to_contain_text("not a picture that can be read")
    give(page, "paste", "body", ["green"])
    expect(page.locator(".still")).to_have_count(3)
    page.set_input_files("#files", file("navy", name="again.png"))
    expect(page.locator("#toasts")).to_contain_text("“one” was here already and is kept once.")
    assert Keyframe.objects.count() == 3
    assert all("422" in line for line in console_errors)
    console_errors.clear()


def test_a_still_is_renamed_and_deleted_in_place(open_as, cast, console_errors):
    kept = still(cast)
    page = open_as(cast.bob, f"/p/{cast.project.code}/stills/")
    page.locator(".still > button").click()
    page.locator(".menu input[name=name]").fill("First light")
    page.locator(".menu .rename-still button").click()
    expect(page.locator(".still h2")).to_have_text("First light")
    assert axe(page) == []
    console_errors.clear()
    page.locator(".still > button").click()
    page.locator(".menu summary", has_text="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator(".still")).to_have_count(0)
    expect(page.locator("#toasts")).to_contain_text("“First light” is deleted.")
    assert not Keyframe.objects.filter(pk=kept.pk).exists()


# ---- Without script --------------------------------------------------------------------
def test_the_whole_form_works_without_script(open_as, cast, new):
    page = open_as(cast.bob, new, java_script_enabled=False)
    page.fill("#prompt", "Waves")
    page.locator("label:has(#takes-2)").click()
    page.locator("label", has_text="Push in").click()
    page.set_input_files("#start-file", file())
    page.locator("noscript button, .scroll button", has_text="Update price").click()
    expect(page.locator("#cost")).to_contain_text("for 2 takes")
    expect(page.locator("#well-start .frame img")).to_have_count(1)
    page.click("#generate")
    page.wait_for_url(f"**/p/{cast.project.code}/")
    expect(page.locator("#toasts")).to_contain_text("is queued, 2 takes.")
    assert Generation.objects.count() == 2
    assert Generation.objects.first().start_keyframe.name == "dawn"


def test_a_clip_at_the_start_shows_its_last_frame(open_as, cast, new):
    clip = make_clip(cast.project)
    clip.strip.save("strip.webp", ContentFile(picture(size=(640, 60))))
    page = open_as(cast.bob, f"{new}?start_clip={clip.code}")
    expect(page.locator("#well-start .plate").last).to_have_text("Last frame of clip 1")
