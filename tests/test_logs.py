"""Log lines: one for each request and task, tied together by an id, and never a key in them."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import time
import uuid

import pytest
from django_q.signals import post_execute_in_worker, pre_execute

from studio.operations import logs
from studio.operations.context import about, facts
from studio.operations.logs import JsonFormatter, TextFormatter
from studio.operations.requests import HEADER
from studio.queue import enqueue
from studio.services.work.storing import store_clip
from studio.services.work.submitting import submit_next
from tests.factories import make_generation
from tests.paid import account_at, queue_shot
from tests.processes import ROOT


class Kept(logging.Handler):
    """Keeps what would be written, as JSON and as text."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict] = []
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(JsonFormatter().format(record)))
        self.texts.append(TextFormatter().format(record))


@pytest.fixture
def log():
    studio, each = logging.getLogger("studio"), logging.getLogger("studio.operations")
    kept, levels = Kept(), (studio.level, each.level)
    studio.addHandler(kept)
    studio.setLevel("DEBUG")
    each.setLevel("INFO")
    logs.secrets.cache_clear()
    yield kept
    studio.removeHandler(kept)
    studio.setLevel(levels[0])
    each.setLevel(levels[1])
    logs.secrets.cache_clear()


def said(message: str, *args: object, error: bool = False) -> tuple[str, str]:
    """Return what the two formats make of one record."""
    found = sys.exc_info() if error else None
    record = logging.LogRecord("studio.x", logging.WARNING, __file__, 1, message, args, found)
    return TextFormatter().format(record), JsonFormatter().format(record)


# ---- Requests --------------------------------------------------------------------------------


def test_each_request_has_one_line_and_its_id(client, cast, log):
    client.force_login(cast.bob)
    clip = make_generation(cast.project)
    answer = client.get(f"/clips/{clip.code}/?q=secret-words")
    (line,) = [line for line in log.lines if line["logger"] == "studio.operations.requests"]
    assert line["request"] == answer.headers[HEADER]
    assert (line["method"], line["status"]) == ("GET", 200)
    assert line["route"] == "/clips/<uuid:code>/"
    assert line["clip"] == str(clip.code)
    assert line["person"] == cast.bob.pk
    assert line["ms"] > 0
    assert "secret-words" not in json.dumps(log.lines)


def test_tokens_in_addresses_are_not_logged(client, db, log):
    for path in ("/s/a-guests-token/", "/join/an-invites-token/", "/digest/off/a-signed-token/"):
        client.get(path)
    assert "token/" not in json.dumps(log.lines).replace(":token>/", "")
    client.get("/joyn/a-mistyped-token/")
    assert "a-mistyped" not in json.dumps(log.lines)
    routes = {line["route"] for line in log.lines if "route" in line}
    assert routes >= {"/join/<str:token>/", "(no such address)"}


def test_an_id_is_taken_from_a_trusted_proxy_only(client, db, settings):
    ours = client.get("/healthz", headers={HEADER: "given-by-a-stranger"}).headers[HEADER]
    assert uuid.UUID(ours)
    settings.PROXIES = 1
    given = client.get("/healthz", headers={HEADER: "given-by-the-proxy"}).headers[HEADER]
    assert given == "given-by-the-proxy"
    for bad in ("short", "x" * 65, "with space 123", "line\x0bbreak-here"):
        assert client.get("/healthz", headers={HEADER: bad}).headers[HEADER] != bad


def test_health_checks_are_not_logged(client, db, log):
    client.get("/healthz")
    client.get("/readyz")
    assert not log.lines


def test_nothing_is_about_the_last_request_afterwards(client, db):
    client.get("/healthz")
    assert not facts()


# ---- Tasks and clips ---------------------------------------------------------------------------


def test_a_tasks_line_names_the_request_that_asked_for_it(monkeypatch, log):
    put = []
    monkeypatch.setattr("studio.queue.async_task", lambda *args, **options: put.append(options))
    monkeypatch.setattr("studio.queue.transaction.on_commit", lambda call: call())
    with about(request="the-request"):
        enqueue("store_clip", 7)
    task = {"id": "t1", "name": "store_clip:7", "func": "studio.tasks.store_clip"}
    task |= {"group": put[0]["group"], "success": True}
    pre_execute.send(sender=None, func=None, task=task)
    logging.getLogger("studio.services").warning("in the middle")
    post_execute_in_worker.send(sender=None, func=None, task=task | {"result": "stored"})
    middle, end = log.lines
    assert (middle["task"], middle["request"]) == ("t1", "the-request")
    assert (end["message"], end["task"], end["request"]) == (
        "store_clip:7: stored", "t1", "the-request",
    )  # fmt: skip
    assert end["ok"] is True
    assert not facts()


def test_a_scheduled_tasks_line_names_its_schedule(log):
    task = {"id": "t1", "name": "alpha-beta", "func": "studio.tasks.clear_up", "group": "retention"}
    pre_execute.send(sender=None, func=None, task=task)
    post_execute_in_worker.send(sender=None, func=None, task=task | {"success": False})
    (line,) = log.lines
    assert line["message"] == "retention: failed"
    assert "request" not in line


def test_provider_calls_say_which_clip_they_are_about_and_no_key(
    project, emulator, asked, log, settings, tmp_path
):
    settings.DATA_DIR = tmp_path
    emulator.configure(rates={"instant": 1.0})
    shot = queue_shot(project, account_at(emulator, "luma"))
    submit_next(shot.account_id)
    store_clip(shot.pk)
    calls = [line for line in log.lines if line["logger"] == "studio.providers.http"]
    assert calls
    about_it = [line for line in log.lines if line.get("clip") == str(shot.code)]
    assert {line["logger"] for line in about_it} >= {
        "studio.providers.http", "studio.services.work.submitting", "studio.services.work.storing",
    }  # fmt: skip
    everything = json.dumps(log.lines) + "".join(log.texts)
    assert emulator.key("luma") not in everything
    assert shot.prompt not in everything


# ---- What is never said ----------------------------------------------------------------------------


def test_secrets_of_the_settings_are_hidden(settings):
    settings.PROVIDER_ENVIRONMENT = {"luma": ("luma-key-0123456789", "")}
    settings.METRICS_TOKEN = "metrics-token-0123"
    logs.secrets.cache_clear()
    try:
        raise ValueError(f"no {settings.SECRET_KEY}, no luma-key-0123456789")
    except ValueError:
        found = said("asked with %s", "metrics-token-0123", error=True)
    logs.secrets.cache_clear()
    for text in found:
        assert "ValueError: no (hidden), no (hidden)" in text
        assert "asked with (hidden)" in text


@pytest.mark.parametrize(
    ("message", "left"),
    [
        ("Internal Server Error: /s/Zm9vYmFyYmF6/clips/", "/s/(hidden)/clips/"),
        ("GET /media/fetch/eyJhbGciOi.jpg", "/media/fetch/(hidden)"),
        ("Authorization: Bearer abcdefgh12345678", "Bearer (hidden)"),
        ('{"api_key": "abcdefgh12345678"}', '"api_key": "(hidden)'),
        ("signed with whsec_MfKQ9r8GKYqrTwjUPD8", "signed with (hidden)"),
        ("https://cdn.example/clip.mp4?Signature=abc", "https://cdn.example/clip.mp4?…"),
        ("smtp://ray:pass@mail", "smtp://"),
    ],
)
def test_what_looks_like_a_key_is_hidden(message, left):
    text, line = said(message)
    assert left in text
    assert left.replace('"', '\\"') in line


def test_words_are_left_alone():
    text, _ = said("the token was refused; password reset for 3 people; /projects/ is slow")
    assert text.endswith("the token was refused; password reset for 3 people; /projects/ is slow")


def test_a_line_of_json_is_one_line_with_its_traceback():
    try:
        raise KeyError("gone")
    except KeyError:
        _, line = said("two\nlines", error=True)
    assert "\n" not in line
    found = json.loads(line)
    assert found["message"] == "two\nlines"
    assert found["error"].endswith("KeyError: 'gone'")
    assert (found["level"], found["logger"]) == ("warning", "studio.x")


def test_both_formats_say_the_time_in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        record = logging.LogRecord("studio.x", logging.WARNING, __file__, 1, "late", (), None)
        record.created = 1_800_000_000.25
        text, line = TextFormatter().format(record), JsonFormatter().format(record)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert text == "2027-01-15T08:00:00.250+00:00 WARNING studio.x: late"
    assert json.loads(line)["at"] == "2027-01-15T08:00:00.250+00:00"


@pytest.mark.parametrize("name", ["", "gunicorn.http.wsgi", "a_package_nobody_named"])
def test_a_line_of_any_package_is_dated_and_masked(name):
    code = (
        "import django, logging; django.setup();"
        f"logging.getLogger({name!r}).warning('asked with Bearer abcdefgh12345678')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 WARNING \S+: asked with Bearer \(hidden\)\n",
        done.stderr,
    )


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_a_probe_is_no_line_of_requests(client, log, method, path):
    client.generic(method, path)
    assert log.lines == []
    client.generic(method, "/login/")
    assert [line["route"] for line in log.lines] == ["/login/"]
