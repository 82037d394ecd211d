"""A real Chromium for tests marked `browser`: the fixtures `browser`, `page` and `console_errors`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

DESKTOP = {"width": 1440, "height": 900}
# How long to wait for what must come. Only a failing test waits so long, so it is generous: a
# machine that renders and tests at once can take seconds over one click.
PATIENCE_S = 20.0
# How htmx tells of a request that a page took along as it was left. One that fails is told of as
# htmx:sendError or htmx:responseError besides.
ABORTED = ("htmx:sendAbort,", "htmx:afterRequest,")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
]


def find_chromium() -> Path | None:
    """Return the Chromium to test with: CHROMIUM, else Debian's; None where there is none."""
    path = Path(os.environ.get("CHROMIUM") or "/usr/bin/chromium")
    return path if path.is_file() else None


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, started once. Skips the test where there is none, unless everything is required."""
    path = find_chromium()
    if path is None:
        reason = "No Chromium: install it, or set CHROMIUM to its path."
        if os.environ.get("STUDIO_TEST_REQUIRE_ALL") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    expect.set_options(timeout=PATIENCE_S * 1000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def console_errors() -> Iterator[list[str]]:
    """What the page's console complained about. Fails the test at its end if anything is left.

    A test that provokes an error on purpose checks it and clears the list.
    """
    errors: list[str] = []
    yield errors
    assert errors == [], "The browser's console has errors."


@pytest.fixture
def browser_context(browser: Browser, console_errors: list[str]) -> Iterator[BrowserContext]:
    """A fresh browser profile of 1440 x 900; all its pages report to `console_errors`."""
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    watch(context, console_errors)
    yield context
    context.close()


@pytest.fixture
def page(browser_context: BrowserContext) -> Page:
    """A page of that profile."""
    return browser_context.new_page()


def watch(context: BrowserContext, errors: list[str]) -> None:
    """Collect the console errors and uncaught exceptions of every page of this context.

    Its pages are waited for as long as PATIENCE_S.
    """
    context.set_default_timeout(PATIENCE_S * 1000)

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(ABORTED):
            errors.append(f"{message.text} ({message.location.get('url', '')})")

    context.on("console", on_console)
    context.on("weberror", lambda error: errors.append(str(error.error)))
