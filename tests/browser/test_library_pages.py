"""Presets on the compose page, prompts kept at hand, and a blind test judged by key."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from studio.models import BlindVote, Preset
from studio.services.accounts import ensure_accounts
from studio.services.library import blind
from tests.browser.conftest import DESKTOP, PHONE, axe, overflow
from tests.factories import make_generation, make_project, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def owner(transactional_db):
    ensure_accounts()
    return make_user("Maja Aas")


@pytest.fixture
def project(owner):
    return make_project(owner, name="Nordlys winter film", style_notes="Soft grain, muted blues.")


def keep(page: Page, name: str) -> None:
    if folder := os.environ.get("STUDIO_TEST_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def look(page: Page, name: str) -> None:
    """Check a page at both sizes; keep a picture where STUDIO_TEST_SHOTS names a folder."""
    for size, box in (("desktop", DESKTOP), ("phone", PHONE)):
        page.set_viewport_size(box)
        assert axe(page) == [], f"{name} {size}"
        assert overflow(page) == 0, f"{name} {size}"
        keep(page, f"{name}-{size}")
    page.set_viewport_size(DESKTOP)


def test_settings_become_a_preset_and_come_back(open_as, owner, project, console_errors):
    page = open_as(owner, f"/p/{project.code}/new/")
    page.get_by_label("What happens in the shot").fill("A paper boat on a still lake")
    page.locator("label[data-ar='9:16']").click()
    page.get_by_role("button", name="Presets").click()
    page.get_by_label("Save these settings as").fill("Tall")
    page.get_by_label("Save these settings as").press("Enter")
    expect(page.get_by_text("Saved the preset “Tall”.")).to_be_visible()
    assert Preset.objects.get().settings["aspect_ratio"] == "9:16"
    page.locator("label[data-ar='1:1']").click()
    expect(page.locator("#finder[data-ar='1:1']")).to_be_visible()
    page.get_by_role("button", name="Presets").click()
    look(page, "presets")
    page.get_by_role("button", name="Tall").click()
    expect(page.locator("#finder[data-ar='9:16']")).to_be_visible()
    expect(page.get_by_label("What happens in the shot")).to_have_value(
        "A paper boat on a still lake"
    )
    look(page, "compose-style")
    assert console_errors == []


def test_a_prompt_is_starred_and_used_again(open_as, owner, project, console_errors):
    for prompt in ("A lighthouse at dusk, waves breaking below", "Fog slides between pines"):
        make_generation(project, prompt=prompt, rating=4, verdict="approved")
    page = open_as(owner, f"/p/{project.code}/library/")
    look(page, "library-plain")
    row = page.get_by_role("listitem").filter(has_text="Fog slides")
    row.get_by_role("button", name="Keep this prompt at hand").click()
    expect(row.locator("[aria-pressed=true]")).to_be_visible()
    page.reload()
    kept = page.get_by_role("region", name="Kept at hand")
    expect(kept).to_contain_text("Fog slides between pines")
    Preset.objects.create(
        project=project, owner=owner, name="Tall close-ups",
        settings={"aspect_ratio": "9:16", "duration_s": 9, "resolution": "720p", "takes": 2,
                  "loop": 0, "concepts": ["push_in", "handheld"]},
    )  # fmt: skip
    page.reload()
    look(page, "library")
    kept.get_by_role("link", name="Use it").click()
    expect(page.get_by_label("What happens in the shot")).to_have_value("Fog slides between pines")
    assert console_errors == []


def test_a_blind_test_is_judged_by_key_and_then_names_are_shown(
    open_as, owner, project, console_errors
):
    codes = []
    for _ in range(2):
        shot = uuid4()
        pair = [
            make_generation(
                project, shot=shot, take=take, provider=provider, model=model, files=True,
                title="The boat", charged="yes", actual_microusd=cost,
            )
            for take, provider, model, cost in (
                (1, "apiframe", "luma-ray-2", 400_000), (2, "luma", "ray-2", 710_000),
            )
        ]  # fmt: skip
        codes.append((pair[0].code, pair[1].code))
    page = open_as(owner, f"/p/{project.code}/blind/")
    look(page, "blind-list")
    page.get_by_label("Title").fill("Who does water best?")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Make the test").click()
    expect(page.get_by_text("Pair 1 of 2")).to_be_visible()
    look(page, "blind-vote")
    page.keyboard.press("1")
    expect(page.get_by_text("Pair 2 of 2")).to_be_visible()
    page.keyboard.press("3")
    expect(page.get_by_role("table")).to_be_visible()
    look(page, "blind-result")
    assert BlindVote.objects.count() == 2
    assert sum(one.wins for one in blind.results_of(BlindVote.objects.first().pair.test)) == 1
    assert console_errors == []
