"""What the browser tests share.

A page changes by itself: htmx swaps nodes every few seconds, and a busy machine is slow. So what
is read must be waited for (`expect`, `soon`), nodes are looked up anew after a swap, and places on
the screen are read when nothing moves any more (`still_box`).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, FloatRect, Locator, Page
from pytest_django.live_server_helper import LiveServer

from studio.models import Generation, Membership, Project, User
from tests.chromium import PATIENCE_S, watch
from tests.factories import make_member, make_project, make_user

AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}

LEAVE_WITHIN_S = 180.0  # what the server was still drawing when the page went

OpenAs = Callable[..., Page]
Read = TypeVar("Read")


class Answering:
    """How many requests the live server is at. The test's own client is not counted."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    def began(self, **_: Any) -> None:
        self._add(1)

    def ended(self, **_: Any) -> None:
        self._add(-1)

    def _add(self, number: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            with self._changed:
                self._count += number
                self._changed.notify_all()

    def wait_for_none(self) -> None:
        with self._changed:
            done = self._changed.wait_for(lambda: self._count <= 0, LEAVE_WITHIN_S)
        assert done, f"The server still answers {self._count} requests of a page that is gone."


@pytest.fixture(scope="session")
def answering() -> Iterator[Answering]:
    found = Answering()
    request_started.connect(found.began)
    request_finished.connect(found.ended)
    yield found
    request_started.disconnect(found.began)
    request_finished.disconnect(found.ended)


@pytest.fixture
def open_as(
    browser: Browser, live_server: LiveServer, answering: Answering, console_errors: list[str]
) -> Iterator[OpenAs]:
    """Return open(user, path, **context options): a page of a fresh profile, signed in."""
    contexts: list[BrowserContext] = []

    def open_page(user: User, path: str, **options: object) -> Page:
        context = browser.new_context(**({"viewport": DESKTOP} | options))
        contexts.append(context)
        watch(context, console_errors)
        client = Client()
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
        page = context.new_page()
        page.goto(live_server.url + path)
        if options.get("java_script_enabled", True):
            page.evaluate("document.fonts.ready.then(() => null)")
        return page

    yield open_page
    for context in contexts:
        context.close()
    # What it still writes would be the next test's.
    answering.wait_for_none()


@pytest.fixture
def owner(transactional_db: None) -> User:
    return make_user("Maja Aas")


@pytest.fixture
def project(owner: User) -> Project:
    return make_project(owner, name="Nordlys winter film")


@pytest.fixture
def url(project: Project) -> str:
    """The address of the project's gallery."""
    return f"/p/{project.code}/"


@pytest.fixture
def reviewer(project: Project) -> User:
    user = make_user("Pia Lund")
    make_member(project, user, Membership.Role.REVIEWER)
    return user


def card(page: Page, generation: Generation) -> Locator:
    return page.locator(f"#clip-{generation.code}")


def numbers(page: Page) -> list[int]:
    """Return the numbers of the clips in the gallery, in order."""
    found: list[int] = page.eval_on_selector_all(
        "#sheet > .clip", "all => all.map(c => Number(c.dataset.n))"
    )
    return found


def ready(page: Page) -> Page:
    """Wait until the page's player can play."""
    page.wait_for_function("() => document.querySelector('#player video')?.readyState >= 2")
    return page


def is_live(url: str) -> bool:
    """Whether this asks what changed on the page; the bell asks for itself."""
    return re.search(r"/(p|clips|chains)/[^/]+/changes/\?", url) is not None


def soon(page: Page, read: Callable[[], Read], wanted: Read) -> None:
    """Assert that `read()` comes to be `wanted`: for rows, and whatever no locator can say."""
    until = time.monotonic() + PATIENCE_S
    while (found := read()) != wanted and time.monotonic() < until:
        page.wait_for_timeout(50)
    assert found == wanted


def come_to_rest(page: Page) -> None:
    """Wait until every transition that ends has ended, and what they brought in is drawn."""
    page.evaluate(
        """async () => {
          const ends = () => document.getAnimations().filter(
            (one) => one.playState === "running" && Number.isFinite(one.effect.getComputedTiming().endTime));
          // One may bring on another; some never stop doing so, such as a bar that follows progress.
          for (let round = 0; round < 5 && ends().length; round += 1) await Promise.allSettled(ends().map((one) => one.finished));
        }"""
    )


def still_box(locator: Locator) -> FloatRect:
    """Return where this is on the screen, once nothing on the page is moving."""
    locator.wait_for()
    come_to_rest(locator.page)
    # Found and measured in one go: a handle may be to a node that has just been swapped away.
    boxes: list[FloatRect] = locator.evaluate_all(
        """nodes => nodes.map((node) => {
          const { x, y, width, height } = node.getBoundingClientRect();
          return { x, y, width, height };
        })"""
    )
    assert len(boxes) == 1, f"{locator} is there {len(boxes)} times."
    return boxes[0]


def axe(page: Page) -> list[str]:
    """Return what axe-core finds on the page at WCAG 2.2 AA, as short lines.

    Colours half-way through a transition are nobody's: it waits until they have arrived.
    """
    come_to_rest(page)
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, preload: false}).then(r => r.violations.flatMap("
        "v => v.nodes.map(n => v.id + ': ' + n.target.join(' ') + ' ' + n.failureSummary)))",
        RULES,
    )
    return list(found)


def overflow(page: Page) -> int:
    """Return by how many pixels the page can be scrolled sideways."""
    return int(
        page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    )
