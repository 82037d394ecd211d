"""How often and how much each address takes: every address, held to the rule beside it."""

from __future__ import annotations

import io
import re
import uuid

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.db import transaction
from django.test import Client
from django.urls import get_resolver

from studio import address_rules, middleware
from studio.address_rules import Who, rule_at
from studio.launcher import web
from studio.media.images import MAX_UPLOAD_BYTES
from studio.services import tally
from studio.services.accounts import ensure_accounts
from studio.services.places import Places
from studio.views.operations.hooks import MAX_BODY_BYTES
from tests.people import make_cast, make_person
from tests.processes import ROOT
from tests.test_access import TABLE, address, answer_to, patterns, things  # noqa: F401 (a fixture)

pytestmark = pytest.mark.django_db
RULES = {name: rule_at(route) for name, route in TABLE.items()}
# What answers from a file that never changes, or may be kept for a day.
KEPT = {"clip-file", "still-file", "still-thumbnail", "favicon", "move-seen", "export-file"}


class Unread(io.RawIOBase):
    """A body that must not be read."""

    def read(self, *args):
        raise AssertionError("the body was read")

    readline = readinto = read


def any_address(name):
    """An address of this pattern, of things that do not exist."""
    route = TABLE[name]
    for pattern, value in (
        (r"<uuid:\w+>", str(uuid.uuid4())), (r"<int:\w+>", "1"), (r"<(?:slug|str|path):\w+>", "x"),
        (r"\(\?P<code>\[.*?\{12\}\)", str(uuid.uuid4())), (r"\(\?P<kind>.*?\)", ""), (r"\(\?P<suffix>.*?\)", "mp4"),
        (r"\(\?P<token>.*?\)", "x"), (r"\(\?P<extension>.*?\)", "jpg"), (r"\\\.", "."), (r"[\^$]", ""),
    ):  # fmt: skip
        route = re.sub(pattern, value, route)
    return f"/{route}"


def send(client, url, length, **more):
    return client.generic("POST", url, b"", CONTENT_LENGTH=str(length), **more)


def told(wrong):
    return "\n".join(map(str, wrong))


@pytest.mark.once  # refused by the request's head or form
def test_more_than_an_address_takes_is_refused_unread(client, monkeypatch):
    monkeypatch.setattr("django.test.client.FakePayload.read", Unread.read)
    client.force_login(make_person("Erin"))
    wrong = []
    for name, rule in RULES.items():
        for length in (rule.max_body + 1, "9" * 5000):
            answer = send(client, any_address(name), length)
            if (
                answer.status_code != 413
                or "the most that is taken here" not in answer.content.decode()
            ):
                wrong.append((name, length, answer.status_code))
    assert not wrong, told(wrong)


@pytest.mark.once  # refused by the request's head or form
def test_a_body_of_unknown_length_is_refused(client):
    answers = {
        name: client.post(any_address(name), headers={"Transfer-Encoding": "chunked"})
        for name in TABLE
    }
    assert {name: a.status_code for name, a in answers.items()} == dict.fromkeys(TABLE, 411)
    assert "does not say how long it is" in answers["login"].content.decode()


@pytest.mark.once  # refused by the request's head or form
def test_a_strangers_form_is_read_at_public_addresses_alone(monkeypatch):
    monkeypatch.setattr("django.test.client.FakePayload.read", Unread.read)
    client = Client(enforce_csrf_checks=True)
    client.cookies[settings.CSRF_COOKIE_NAME] = (
        "x" * 32
    )  # with one, a form would be read to find its other half
    for name, rule in RULES.items():
        if rule.who is not Who.PUBLIC:
            answer = client.post(any_address(name), {"text": "x" * 1000})
            assert answer.status_code == 302 and answer["Location"].startswith("/login/"), name


@pytest.mark.once  # refused by the request's head or form
def test_files_are_kept_of_their_own_addresses_alone(monkeypatch):
    client = Client(enforce_csrf_checks=True)
    client.cookies[settings.CSRF_COOKIE_NAME] = (
        "x" * 32
    )  # with one, every form is read to find its other half
    kept = []
    new_file = MemoryFileUploadHandler.new_file

    def note(self, *args, **kwargs):
        kept.append("a file")
        return new_file(self, *args, **kwargs)

    monkeypatch.setattr(MemoryFileUploadHandler, "new_file", note)
    ensure_accounts()
    erin = make_person("Erin")
    refused = 0
    for name, rule in RULES.items():
        if rule.files:
            continue
        client.force_login(erin)
        file = SimpleUploadedFile("a.bin", b"x" * 1000)
        with transaction.atomic():
            answer = client.post(any_address(name), {"archive": file, "stills": file})
            transaction.set_rollback(True)
        assert not kept and answer.status_code < 500, (name, answer.status_code)
        refused += answer.status_code == 400 and "takes no files" in answer.content.decode()
    assert refused > 100, "all but what reads no form"
    client = Client()
    client.force_login(erin)
    answer = client.post("/projects/import/", {"archive": SimpleUploadedFile("a.zip", b"x")})
    assert (answer.status_code, kept) == (422, ["a file"])


def test_addresses_with_files_are_these():
    assert {name for name, rule in RULES.items() if rule.files} == {
        "import-project", "still-list", "compose-shot", "quote-shot", "show-sent", "sketch-shot",
        "sketch-first", "compare-moves",
    }  # fmt: skip
    assert address_rules.HOOK_BYTES == MAX_BODY_BYTES


def test_no_address_takes_more_than_nginx_lets_through():
    front_server = (ROOT / "docs/deploy/nginx.conf").read_text()
    limits = re.findall(r"client_max_body_size (\w+);", front_server)
    assert limits == [f"{address_rules.MAX_BODY_BYTES // address_rules.MB}m"] == ["64m"]
    assert max(rule.max_body for rule in RULES.values()) == address_rules.MAX_BODY_BYTES
    # One picture of the largest size fits, with the form around it.
    assert address_rules.FORM_BYTES + MAX_UPLOAD_BYTES < address_rules.MAX_BODY_BYTES


def test_what_is_asked_too_often_waits(client, monkeypatch):
    counted = []

    def count(what):
        counted.append(what)
        return 10**6

    monkeypatch.setattr(tally, "count_this_minute", count)
    erin = make_person("Erin")
    client.force_login(erin)
    wrong = []
    for name, rule in RULES.items():
        counted.clear()
        answer = client.post(any_address(name))
        whose = "network 127.0.0.1" if rule.who is Who.PUBLIC else f"person {erin.pk}"
        right = answer.status_code == 429 and 1 <= int(answer["Retry-After"]) <= 60
        if not right or counted != [f"sends {TABLE[name]} {whose}"]:
            wrong.append((name, answer.status_code, counted))
        elif "within a minute. Try again in" not in answer.content.decode():
            wrong.append((name, answer.content))
        if rule.asks is not None and client.get(any_address(name)).status_code != 429:
            wrong.append((name, "asks"))
    assert not wrong, told(wrong)
    assert sum(rule.asks is not None for rule in RULES.values()) > 10


def test_one_sender_holds_few_threads_at_any_address(client, monkeypatch):
    """What is sent, and what is drawn when looked at: by person, and by a stranger's network."""
    erin = make_person("Erin")
    client.force_login(erin)
    without = {name for name, rule in RULES.items() if rule.sends.at_once is None}
    assert without == {"provider-hook"}
    wrong = []
    for name, rule in RULES.items():
        whose = "network 127.0.0.1" if rule.who is Who.PUBLIC else f"person {erin.pk}"
        for kind, pace, ask in (
            ("sends", rule.sends, client.post),
            ("asks", rule.asks, client.get),
        ):
            if pace is None or pace.at_once is None:
                continue
            places = Places()
            monkeypatch.setattr(middleware, "_at_once", places)
            what = f"{kind} {TABLE[name]} {whose}"
            assert pace.at_once <= web.threads // 2
            for _ in range(pace.at_once):
                assert places.take(what, pace.at_once)
            answer = ask(any_address(name))
            right = answer.status_code == 503 and answer["Retry-After"] == "1"
            if not right or len(places) != pace.at_once:
                wrong.append((name, kind, answer.status_code, len(places)))
    assert not wrong, told(wrong)
    places = Places()
    monkeypatch.setattr(middleware, "_at_once", places)
    assert client.post("/notifications/read/").status_code != 503
    assert len(places) == 0, "given back with the answer"


def test_what_starts_long_work_or_leaves_the_studio_is_rare():
    rare = {name for name, rule in RULES.items() if rule.sends == address_rules.RARE}
    assert rare == {
        "import-project", "begin-upload", "create-project", "create-sample", "chain-exports",
        "retry-export", "test-webhook", "send-again-webhook",
    }  # fmt: skip


def test_what_strangers_look_at_holds_few_threads():
    """Pages that ask the database much, or wait for somebody else; not files, nor what answers at once."""
    unbounded = {
        name for name, rule in RULES.items()
        if rule.who is Who.PUBLIC and (rule.asks is None or rule.asks.at_once is None)
    }  # fmt: skip
    assert unbounded == {
        # Answered without the database, or by one row.
        "healthz", "favicon", "robots", "login", "logout", "welcome", "join", "sign-in-code", "sso-link",
        "digest-off", "provider-hook", "guest-comment", "guest-verdict",
        # Files, many beside each other on a page.
        "shared-file", "picture-by-token",
        # For machines.
        "readyz", "metrics",
    }  # fmt: skip


def status_of(client, at):
    """Of an answer read to its end: one that is made while it is read has a place until then."""
    answer = client.get(at)
    list(answer)
    return answer.status_code


def test_the_count_is_of_one_person_and_of_a_strangers_network(client, stopped_clock):
    cast = make_cast()
    at = f"/p/{cast.project.code}/spend.csv"
    most = RULES["spend-csv"].asks.person
    client.force_login(cast.bob)
    for _ in range(most):
        assert status_of(client, at) == 200
    assert status_of(client, at) == 429
    client.force_login(cast.alice)
    assert status_of(client, at) == 200
    most = RULES["spend-csv"].asks.network
    client.logout()
    statuses = [client.get(at, REMOTE_ADDR=f"2001:db8::{n:x}").status_code for n in range(most + 1)]
    assert statuses == [302] * most + [429]
    assert client.get(at, REMOTE_ADDR="2001:db8:1::1").status_code == 302


def test_the_control_room_is_held_to_its_rule_too(client, monkeypatch):
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    assert send(client, "/admin/studio/user/1/change/", 6 * 2**20).status_code == 413
    file = SimpleUploadedFile("a.bin", b"x")
    assert client.post("/admin/studio/user/add/", {"file": file}).status_code == 400
    monkeypatch.setattr(tally, "count_this_minute", lambda what: 10**6)
    assert client.post("/admin/studio/user/add/").status_code == 429
    assert client.get("/admin/").status_code == 200


def test_nothing_of_a_person_is_kept_by_others(client, things):  # noqa: F811 (a fixture)
    """Every answer to a member says who may keep it; all but media and pages: nobody."""
    client.force_login(things["cast"].alice)
    wrong = []
    for name, rule in RULES.items():
        if rule.who in (Who.SEE, Who.CREATE, Who.MANAGE, Who.SIGNED_IN):
            url = f"/{TABLE[name]}" if rule.who is Who.SIGNED_IN else address(name, things)
            answer = client.get(url)
            kept = answer.headers.get("Cache-Control", "")
            page = answer.headers.get("Content-Type", "").startswith("text/html")
            right = "private" in kept if page or name in KEPT else "no-store" in kept
            if not right:
                wrong.append((name, answer.status_code, kept))
    assert not wrong, "\n".join(map(str, wrong))
    assert {name for name, _ in patterns(get_resolver()) if name} == set(TABLE)
    assert answer_to(client, "/healthz").headers["Cache-Control"]
