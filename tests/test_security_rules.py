"""Rules that hold for the studio as a whole, each over every address or every module."""

from __future__ import annotations

import ast

import pytest
from django.conf import settings
from django.core.signing import BadSignature
from django.test import Client
from django_q.signing import SignedPackage

from studio import settings as studio_settings
from studio.address_rules import rule_at
from tests.people import PASSWORD, make_person
from tests.processes import ROOT
from tests.test_access import TABLE
from tests.test_address_rules import any_address

# Asked by machines that have no cookie, each with a secret of its own in the address.
WITHOUT_TOKEN = {"provider-hook", "digest-off"}
# Looked at as often as these, a page is a load: it searches or draws, or makes a whole file anew.
COUNTED_LOOKS = {
    "activity", "chain-handover", "clip-list", "collection-archive", "compare-moves",
    "count-matching", "filter-menu", "library", "light-table", "move-seen", "people",
    "name-guest", "open-share", "project-archive", "share-changes", "share-home", "shared-clip",
    "shared-clip-changes", "spend", "spend-csv", "sso", "sso-callback", "tag-names",
}  # fmt: skip
FORBIDDEN_CALLS = {"eval", "exec", "compile", "os.system", "os.popen", "pickle.load", "yaml.load"}


@pytest.mark.django_db
def test_every_address_refuses_a_form_without_its_token():
    person = make_person("Erin")
    taken = set()
    for name in TABLE:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(person)
        answer = strict.post(any_address(name), {"text": "x"})
        if answer.status_code != 403 or "form" not in answer.content.decode():
            taken.add(name)
    assert taken == WITHOUT_TOKEN


@pytest.mark.django_db
def test_signing_in_begins_a_new_session(client):
    person = make_person("Erin")
    client.get("/sso/link/")
    session = client.session
    session["planted"] = "by somebody else"
    session.save()
    before = session.session_key
    client.cookies[settings.SESSION_COOKIE_NAME] = before
    client.post("/login/", {"username": person.email, "password": PASSWORD})
    after = client.session.session_key
    assert "_auth_user_id" in client.session and after != before and len(after) == 32
    assert not type(session)().exists(before)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    ["/media/", "/media/clips/", "/media/stills/", "/static/", "/.git/config", "/studio.sqlite3", "/var/"],
)  # fmt: skip
def test_no_folder_is_listed(client, path):
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    assert client.get(path).status_code == 404


@pytest.mark.django_db
def test_the_control_room_lists_sign_ins_and_failures_with_address_and_time(client):
    person = make_person("Erin")
    stranger = Client(REMOTE_ADDR="192.0.2.44")
    stranger.post("/login/", {"username": person.email, "password": "not this one at all"})
    Client(REMOTE_ADDR="192.0.2.45").post(
        "/login/", {"username": person.email, "password": PASSWORD}
    )
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    failed = client.get("/admin/axes/accessattempt/").content.decode()
    assert person.email in failed and "192.0.2.44" in failed and "<time" in failed
    came = client.get("/admin/axes/accesslog/").content.decode()
    assert person.email in came and "192.0.2.45" in came and "<time" in came


@pytest.mark.django_db
def test_a_long_password_counts_to_its_last_character():
    long = "grå hval 🐋 " * 340
    person = make_person("Erin")
    person.set_password(long)
    assert person.check_password(long)
    assert not person.check_password(long[:-1])


def test_passwords_are_hashed_by_djangos_own_choice():
    # Of the studio's settings: the tests' own hash fast.
    assert not hasattr(studio_settings, "PASSWORD_HASHERS")
    from django.conf import global_settings
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    first = global_settings.PASSWORD_HASHERS[0]
    assert first == "django.contrib.auth.hashers.PBKDF2PasswordHasher"
    assert PBKDF2PasswordHasher.iterations >= 600_000


def test_a_task_that_was_not_signed_here_is_not_read():
    package = SignedPackage.dumps({"func": "studio.tasks.sweep"})
    assert SignedPackage.loads(package)["func"] == "studio.tasks.sweep"
    for forged in (package[:-1] + ("A" if package[-1] != "A" else "B"), "x" + package, "none"):
        with pytest.raises(BadSignature):
            SignedPackage.loads(forged)


def test_addresses_that_search_or_make_files_are_counted_when_looked_at():
    counted = {name for name, route in TABLE.items() if (rule := rule_at(route)) and rule.asks}
    assert counted == COUNTED_LOOKS


def calls():
    """Yield (file, line, name) of every call in the studio's modules."""
    for path in sorted((ROOT / "studio").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield path.name, node, ast.unparse(node.func)


def test_nothing_is_run_that_was_read():
    forbidden = [
        (file, node.lineno, name)
        for file, node, name in calls()
        if name in FORBIDDEN_CALLS or any(word.arg == "shell" for word in node.keywords)
    ]
    assert forbidden == []
