"""Importing an archive in parts: lost connections, a closed page, cancelling, and without JavaScript."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from playwright.sync_api import Page, Route, expect

from studio.models import Generation, ImportRun, Project
from studio.services.exchange import archive_uploads, import_runs
from tests.browser.conftest import DESKTOP, PHONE, axe, overflow, soon
from tests.factories import make_generation, make_project, make_user
from tests.test_archives import archived

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGE = "/projects/import/"
PARTS = 8  # of which the archive has at least as many


@pytest.fixture
def archive(tmp_path, monkeypatch, owner):
    """An archive of a project that is not here (any more), which takes several parts."""
    project = make_project(make_user("Jonas"), name="Ridge")
    make_generation(project, files=True, seconds=1)
    path = tmp_path / "ridge.zip"
    path.write_bytes(archived(project))
    Generation.objects.filter(project=project).delete()
    project.delete()
    monkeypatch.setattr(archive_uploads, "PART_BYTES", path.stat().st_size // PARTS)
    return path


class Line:
    """The connection of a page, which may be cut after so many parts."""

    def __init__(self, page: Page, after: int) -> None:
        self.offsets: list[int] = []
        self.is_cut = False
        self._after = after
        page.route(re.compile(r"/part/\?offset="), self._part)
        page.route(re.compile(r"/uploads/[^/]+/$"), self._other)

    def _part(self, route: Route) -> None:
        if len(self.offsets) == self._after:
            self.is_cut = True
        if self.is_cut:
            return route.abort("internetdisconnected")
        self.offsets.append(int(route.request.url.split("offset=")[1]))
        return route.continue_()

    def _other(self, route: Route) -> None:
        if self.is_cut:
            route.abort("internetdisconnected")
        else:
            route.continue_()

    def mend(self) -> None:
        self._after, self.is_cut = -1, False


def choose_and_import(page: Page, archive) -> None:
    page.get_by_label("Archive", exact=True).set_input_files(archive)
    page.get_by_role("button", name="Import", exact=True).click()


def test_an_upload_survives_a_lost_connection(open_as, owner, archive, console_errors):
    page = open_as(owner, PAGE)
    line = Line(page, after=3)
    choose_and_import(page, archive)
    state = page.locator("#upload [role=status]")
    expect(state).to_contain_text("Connection lost. Trying again in")
    expect(page.locator("#upload .amount")).to_contain_text("37 %")
    # The pauses grow.
    expect(state).to_contain_text("in 2 s.")
    expect(state).to_contain_text("in 4 s.")
    line.mend()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#imports")).to_contain_text("ridge.zip")
    run = ImportRun.objects.get()
    size = archive_uploads.PART_BYTES
    assert line.offsets == [n * size for n in range(len(line.offsets))], "nothing is sent twice"
    import_runs.work(run.pk)
    expect(page.locator("#imports")).to_contain_text("1 clip came in.")
    assert Project.objects.filter(name="Ridge").count() == 1
    assert all("ERR_INTERNET_DISCONNECTED" in line for line in console_errors)
    console_errors.clear()  # Chromium lists what was cut there


def test_a_page_opened_again_goes_on_with_the_same_file(open_as, owner, archive, console_errors):
    page = open_as(owner, PAGE)
    page.on("dialog", lambda dialog: dialog.accept())
    Line(page, after=3)
    choose_and_import(page, archive)
    expect(page.locator("#upload [role=status]")).to_contain_text("Connection lost.")
    page.unroute_all()
    page.reload()
    expect(page.get_by_role("region", name="Unfinished uploads")).to_contain_text(
        "37 % is here already"
    )
    page.get_by_label("Archive", exact=True).set_input_files(archive)
    expect(page.locator("#archive-known")).to_have_text(
        "37 % is here already. The upload goes on from there."
    )
    line = Line(page, after=-1)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator("#imports")).to_contain_text("ridge.zip")
    expect(page.get_by_role("region", name="Unfinished uploads")).to_have_count(0)
    assert line.offsets[0] == 3 * archive_uploads.PART_BYTES
    import_runs.work(ImportRun.objects.get().pk)
    expect(page.locator("#imports")).to_contain_text("1 clip came in.")
    console_errors.clear()


def test_an_upload_is_cancelled_while_it_waits_and_when_the_page_is_opened_again(
    open_as, owner, archive, console_errors
):
    page = open_as(owner, PAGE)
    line = Line(page, after=2)
    choose_and_import(page, archive)
    expect(page.locator("#upload [role=status]")).to_contain_text("Connection lost.")
    line.mend()
    page.get_by_role("button", name="Cancel upload").click()
    expect(page.locator("#toasts")).to_contain_text("The upload of “ridge.zip” was cancelled.")
    expect(page.locator("#upload")).to_be_hidden()
    assert archive_uploads.unfinished(owner) == []

    line = Line(page, after=2)
    choose_and_import(page, archive)
    expect(page.locator("#upload [role=status]")).to_contain_text("Connection lost.")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    page.get_by_role("button", name="Cancel upload").click()
    expect(page.locator("#toasts")).to_contain_text("The upload of “ridge.zip” was cancelled.")
    soon(page, lambda: archive_uploads.unfinished(owner), [])
    console_errors.clear()


def test_whoever_is_signed_out_meanwhile_is_told_what_stays(
    open_as, owner, archive, console_errors
):
    page = open_as(owner, PAGE)
    line = Line(page, after=3)
    choose_and_import(page, archive)
    expect(page.locator("#upload [role=status]")).to_contain_text("Connection lost.")
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    line.mend()
    expect(page.locator("#archive-error")).to_contain_text("You are signed out.")
    expect(page.locator("#upload")).to_be_hidden()
    (upload,) = archive_uploads.unfinished(owner)
    assert upload.percent() == 37
    console_errors.clear()


def test_what_is_refused_is_said_beside_the_file(open_as, owner, archive, tmp_path, console_errors):
    page = open_as(owner, PAGE)
    path = tmp_path / "notes.zip"
    path.write_bytes(b"no zip")
    choose_and_import(page, path)
    expect(page.locator("#archive-error")).to_have_text(
        "Choose an archive: a ZIP made by Ray Studio."
    )
    expect(page.get_by_label("Archive", exact=True)).to_be_focused()
    choose_and_import(page, archive)
    expect(page.locator("#imports")).to_contain_text("ridge.zip")
    expect(page.locator("#archive-error")).to_be_hidden()
    console_errors.clear()  # Chromium lists the 422 there


def test_without_javascript_a_small_archive_is_a_form(open_as, owner, archive):
    page = open_as(owner, PAGE, java_script_enabled=False)
    expect(page.locator("noscript p")).to_have_text("Archives larger than 64 MB need JavaScript.")
    expect(page.locator("noscript p")).to_be_visible()
    choose_and_import(page, archive)
    expect(page.locator("#imports")).to_contain_text("ridge.zip")
    assert ImportRun.objects.get().archive.startswith("imports/")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_an_upload_under_way_fits_the_page(open_as, owner, archive, viewport, console_errors):
    page = open_as(owner, PAGE, viewport=viewport)
    Line(page, after=3)
    choose_and_import(page, archive)
    expect(page.locator("#upload [role=status]")).to_contain_text("Connection lost.")
    assert overflow(page) == 0 and axe(page) == []
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.get_by_role("region", name="Unfinished uploads")).to_be_visible()
    assert overflow(page) == 0 and axe(page) == []
    console_errors.clear()
