from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.test import Client

from studio.cookie_names import named_for
from studio.uploads import may_be_sent
from tests.factories import PASSWORD, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def test_two_studios_at_one_address_have_cookies_of_their_own():
    names = {
        named_for(kind, secret, behind_tls=tls)
        for kind in ("session", "csrf")
        for secret in ("one", "other")
        for tls in (False, True)
    }
    assert len(names) == 8
    assert all(re.fullmatch(r"(__Host-)?ray-(session|csrf)-[0-9a-f]{8}", name) for name in names)
    assert {settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME}.isdisjoint(
        {"sessionid", "csrftoken"}
    )


def test_every_cookie_of_a_sign_in_is_this_studios_own():
    person, client = make_user("Maja Aasen"), Client()
    client.post("/login/", {"username": person.email, "password": PASSWORD})
    assert SESSION_KEY in client.session
    own = re.compile(r"ray-(session|csrf|browser)-[0-9a-f]{8}")
    assert len(client.cookies) >= 2 and all(own.fullmatch(name) for name in client.cookies)


def earlier_browser(**options) -> Client:
    """Return a browser that signed in before the names changed."""
    before = Client()
    before.force_login(make_user("Maja Aasen"))
    client = Client(**options)
    client.cookies["sessionid"] = before.cookies[settings.SESSION_COOKIE_NAME].value
    return client


def test_an_upgrade_signs_nobody_out():
    client = earlier_browser()
    answer = client.get("/account/")
    assert answer.status_code == 200
    given = answer.cookies[settings.SESSION_COOKIE_NAME]
    assert given.value == client.cookies["sessionid"].value and given["httponly"]
    assert 0 < int(given["max-age"]) <= settings.SESSION_MOST_S
    # From now on by its own name; another program's cookie of the earlier name is left alone.
    client.cookies["sessionid"] = "of-another-program"
    answer = client.get("/account/")
    assert answer.status_code == 200 and "sessionid" not in answer.cookies


def test_a_form_opened_before_an_upgrade_is_taken():
    client = earlier_browser(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "x" * 32
    answer = client.post("/projects/", {"csrfmiddlewaretoken": "x" * 32, "name": ""})
    assert answer.status_code != 403


def test_the_large_body_of_somebody_signed_in_before_is_received(monkeypatch):
    monkeypatch.setattr("studio.uploads.close_old_connections", lambda: None)
    session = earlier_browser().cookies["sessionid"].value
    assert may_be_sent("/projects/import/", 1000, f"sessionid={session}")
    assert not may_be_sent("/projects/import/", 1000, "sessionid=of-another-program")


@pytest.mark.parametrize("value", ["of-another-program", "", "\u00ff" * 40])
def test_another_programs_session_is_nobodys_here(value):
    client = Client()
    client.cookies["sessionid"] = value
    answer = client.get("/account/")
    assert answer.status_code == 302 and settings.SESSION_COOKIE_NAME not in answer.cookies
