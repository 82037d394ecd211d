from __future__ import annotations

import pytest
from playwright.sync_api import expect

from studio.models import ProviderAccount
from studio.services.work.schedules import ensure_schedules
from tests.browser.conftest import PHONE, axe, overflow
from tests.factories import make_generation, make_project, make_still, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# An icon inside the label of Django's two-list widget carries a name no span may have.
DJANGOS_OWN = ".help-tooltip.search-label-icon"


@pytest.fixture
def owner():
    person = make_user("Ada Lind", is_staff=True, is_superuser=True)
    project = make_project(person)
    still = make_still(project)
    make_generation(project, files=True, start_keyframe=still)
    make_generation(project, state="failed", failure_text="The prompt was refused.")
    make_generation(project, state="running", progress=40)
    ProviderAccount.objects.create(provider="apiframe", label="Team", balance_credits=12)
    ensure_schedules()
    return person


def pages():
    still = "/admin/studio/keyframe/"
    return ["/admin/", "/admin/health/", "/admin/studio/generation/", still, "/admin/studio/user/"]


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_the_control_room_is_accessible_and_fits_the_screen(open_as, owner, console_errors, size):
    account = ProviderAccount.objects.get(provider="apiframe")
    project = owner.memberships.get().project
    clip = project.generations.get(state="succeeded")
    options = {"viewport": PHONE} if size == "phone" else {}
    page = open_as(owner, "/admin/", **options)
    home = page.url.removesuffix("/admin/")
    found: list[str] = []
    for path in (
        *pages(),
        f"/admin/studio/generation/{clip.pk}/change/",
        f"/admin/studio/provideraccount/{account.pk}/change/",
        f"/admin/studio/project/{project.pk}/change/",
        f"/admin/studio/user/{owner.pk}/change/",
        "/admin/studio/user/add/",
    ):
        page.goto(home + path)
        found += [f"{path}: {line}" for line in axe(page) if DJANGOS_OWN not in line]
        assert overflow(page) == 0, path
        assert console_errors == [], path
    assert "\n".join(found) == ""


def test_a_poster_shows_and_a_button_acts(open_as, owner):
    page = open_as(owner, "/admin/studio/generation/")
    poster = page.locator("#result_list img.thumb").first
    # In one go: a lazy picture is complete before it has begun to load.
    poster.scroll_into_view_if_needed()
    page.wait_for_function(
        "() => document.querySelector('#result_list img.thumb')?.naturalWidth > 0"
    )
    page.get_by_role("link", name="2. Clip number 2").click()
    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_text("Archived: 1.")).to_be_visible()
    expect(page.get_by_role("button", name="Bring back")).to_be_visible()
    page.goto(page.url.split("/admin/")[0] + "/admin/studio/orphan/")
    expect(page.get_by_role("button", name="Look now")).to_be_visible()


def test_members_are_found_by_typing(open_as, owner):
    friend = make_user("Bo Aas")
    project = owner.memberships.get().project
    page = open_as(owner, f"/admin/studio/project/{project.pk}/change/")
    page.get_by_role("button", name="Add another Member").click()
    page.locator("#memberships-1 .select2-selection").click()
    page.locator(".select2-search__field").fill("Bo")
    page.get_by_role("option", name="Bo Aas").click()
    page.locator("#id_memberships-1-role").select_option("editor")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert friend.memberships.get().role == "editor"


def test_the_owner_gets_there_and_back_from_the_account_menu(open_as, owner):
    page = open_as(owner, "/")
    page.locator("[popovertarget=account-menu]").click()
    page.get_by_role("link", name="Control room").click()
    expect(page.get_by_role("heading", name="Control room")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(page.url.split("/login")[0] + "/login/")
