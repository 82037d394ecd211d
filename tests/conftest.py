"""What every test runs with: no network beyond this machine, files apart, a browser, a studio.

A failed browser test, and no other, is run once more, in a fresh profile of the browser: a click
can be lost on a machine that is out of breath. It hides nothing: what passed only then is named,
with its traceback, at the end of the run, and more than MOST_SECOND_TRIES of them fail it.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis
from _pytest.terminal import TerminalReporter
from django.conf import LazySettings, settings
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Error

from studio.services.places import Places
from studio.views import streaming

pytest_plugins = [
    "tests.chromium",
    "tests.people",  # before the control room's, which imports it
    "tests.control_room",
    "tests.paid",
    "tests.processes",
]

# The same examples in every run: a property that fails today failed yesterday. No deadline: a
# busy machine is slow without anything being wrong.
hypothesis.settings.register_profile("studio", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("studio")

MOST_SECOND_TRIES = 3
SECOND_TRY = pytest.mark.flaky(reruns=1, only_rerun=[AssertionError, Error])

NEEDS_DATABASE = {"db", "transactional_db", "django_db_reset_sequences", "live_server"}
# A test is marked by what it uses; nobody has to remember.
MARKED_BY_FIXTURE = {"browser": "browser", "start_studio": "processes"}


def pytest_configure(config: pytest.Config) -> None:
    # Playwright's synchronous API keeps an event loop in the test's own thread.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    config.addinivalue_line("markers", "pure: touches no database; marked by itself")
    config.option.max_suite_reruns = MOST_SECOND_TRIES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser or processes, and what need not run again on another database."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        for fixture, mark in MARKED_BY_FIXTURE.items():
            if fixture in fixtures:
                item.add_marker(mark)
        marks = {mark.name for mark in item.iter_markers()}
        if not (marks & {"django_db", "browser", "processes"} or fixtures & NEEDS_DATABASE):
            item.add_marker("pure")
        if item.get_closest_marker("browser"):
            item.add_marker(SECOND_TRY)
    # Last of all: Playwright keeps an event loop in this thread, and then no test can run one.
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Name what passed only when it was run again, as loud as a failure."""
    failed = {
        report.nodeid
        for kind in ("failed", "error")
        for report in terminalreporter.getreports(kind)
    }
    lucky = [r for r in terminalreporter.getreports("rerun") if r.nodeid not in failed]
    if not lucky:
        return
    terminalreporter.section("Passed only on the second try", sep="!", red=True, bold=True)
    for report in lucky:
        terminalreporter.section(report.nodeid, sep="_", red=True)
        terminalreporter.write_line(report.longreprtext)


@pytest.fixture(autouse=True, scope="session")
def empty_queue() -> Iterator[None]:
    """Leave nothing in the Redis database that TEST_REDIS_URL lends to the tests."""
    yield
    if settings.REDIS_URL:
        redis.Redis.from_url(settings.REDIS_URL).flushdb()


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """What one test measured or counted is nothing to the next."""
    cache.clear()
    shutil.rmtree(settings.DATA_DIR / "tally", ignore_errors=True)


@pytest.fixture(autouse=True)
def no_open_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A download that one test left unread takes no place from the next."""
    monkeypatch.setattr(streaming, "_open", Places())


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold Django's clock still, so that no minute ends while a test counts within one."""
    moment = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: moment)


@pytest.fixture(autouse=True)
def files_apart(settings: LazySettings, tmp_path: Path) -> None:
    """Each test keeps its files in a folder of its own."""
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture(autouse=True, scope="session")
def this_machine_only() -> Iterator[None]:
    """Refuse every connection to another machine, so that no test depends on one."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def connect_here(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and not is_this_machine(str(address[0])):
            raise OSError(f"A test wanted to reach {address[0]}; tests stay on this machine.")
        connect(self, address)  # type: ignore[arg-type]

    def look_up_here(host: object, *args: object, **kwargs: object) -> object:
        if isinstance(host, str) and not is_this_machine(host):
            raise socket.gaierror(socket.EAI_NONAME, f"Tests look up no name, and {host} is one.")
        return look_up(host, *args, **kwargs)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_here)
        patch.setattr(socket, "getaddrinfo", look_up_here)
        yield


def is_this_machine(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host in {"", "localhost"}
    return address.is_loopback or address.is_unspecified
