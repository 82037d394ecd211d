"""Where somebody is signed in: the list, ending one or all others, and when it ends by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio.models import User
from studio.proxies import UNKNOWN_ADDRESS
from studio.services import people, sessions
from studio.services.browsers import browser_name
from tests.people import PASSWORD, make_cast, make_person

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)
OTHERS = "/account/sessions/others/"


@pytest.fixture
def clock(monkeypatch):
    """The studio's time, moved by days."""
    passed = [timedelta()]
    real = timezone.now
    monkeypatch.setattr("django.utils.timezone.now", lambda: real() + passed[0])
    return lambda **by: passed.__setitem__(0, passed[0] + timedelta(**by))


def signed_in(person, agent=FIREFOX):
    browser = Client(headers={"user-agent": agent})
    browser.post("/login/", {"username": person.email, "password": PASSWORD})
    return browser


def is_in(browser):
    return browser.get("/account/").status_code == 200


def row_of(browser):
    return UserSession.objects.get(session_key=browser.session.session_key)


# ---- The list --------------------------------------------------------------------------
def test_the_account_lists_where_one_is_signed_in_this_one_first():
    alice = make_person("Alice")
    here, _ = signed_in(alice), signed_in(alice, PHONE)
    signed_in(make_person("Bob"), "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36")
    html = here.get("/account/").content.decode()
    assert (
        html.index("Firefox on Linux") < html.index("(this one)") < html.index("Safari on iPhone")
    )
    assert "127.0.0.1" in html and "Chrome" not in html
    assert html.count("/account/sessions/") == 2  # the phone's, and all others


def test_alone_there_is_nothing_else_to_end():
    html = signed_in(make_person("Alice")).get("/account/").content.decode()
    assert "Firefox on Linux" in html and OTHERS not in html


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (PHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.5 Safari/605.1.15", "Safari on Mac"),
        ("curl/8.5.0", "A browser"),
        ("", "A browser"),
    ],
)  # fmt: skip
def test_a_browser_is_named_by_family_and_system(said, name):
    assert browser_name(said) == name


def test_a_password_set_by_somebody_else_takes_the_others_off_the_list():
    alice = make_person("Alice")
    signed_in(alice)
    alice.set_password("a much newer password")
    alice.save()
    here = Client()
    here.force_login(alice)
    assert "Firefox" not in here.get("/account/").content.decode()


def test_a_session_from_before_the_list_is_listed_once_it_is_used():
    alice = make_person("Alice")
    here = signed_in(alice)
    kept = here.session
    for name in (sessions.SINCE, sessions.SEEN, sessions.KEY):
        del kept[name]
    kept.save()
    UserSession.objects.all().delete()
    assert is_in(here)
    assert row_of(here).user == alice
    assert "(this one)" in here.get("/account/").content.decode()


@pytest.mark.parametrize("address", ["", "unix:", "10.0.0.4", "::1"])
def test_an_address_that_is_none_keeps_nobody_out(address):
    browser = Client(REMOTE_ADDR=address)
    alice = make_person("Alice")
    browser.post("/login/", {"username": alice.email, "password": PASSWORD})
    assert is_in(browser)
    assert row_of(browser).ip in {address, UNKNOWN_ADDRESS}


# ---- Ending ----------------------------------------------------------------------------
def test_one_click_signs_out_everywhere_else():
    alice = make_person("Alice")
    here, there, phone = signed_in(alice), signed_in(alice), signed_in(alice, PHONE)
    bobs = signed_in(make_person("Bob"))
    answer = here.post(OTHERS, follow=True)
    assert "Signed out everywhere else." in answer.content.decode()
    assert is_in(here) and is_in(bobs)
    assert not is_in(there) and not is_in(phone)
    assert UserSession.objects.filter(user=alice).get() == row_of(here)
    assert "nowhere else" in here.post(OTHERS, follow=True).content.decode()


def test_sessions_that_are_on_no_list_are_ended_too():
    alice = make_person("Alice")
    here, there = signed_in(alice), signed_in(alice)
    row_of(there).delete()
    here.post(OTHERS)
    assert not is_in(there) and is_in(here)


def test_one_browser_is_signed_out():
    alice = make_person("Alice")
    here, phone, other = signed_in(alice), signed_in(alice, PHONE), signed_in(alice)
    here.post(f"/account/sessions/{row_of(phone).pk}/end/")
    assert not is_in(phone) and is_in(other) and is_in(here)


def test_ending_the_one_in_use_is_signing_out():
    here = signed_in(make_person("Alice"))
    answer = here.post(f"/account/sessions/{row_of(here).pk}/end/")
    assert answer["Location"] == "/login/"
    assert not is_in(here) and not Session.objects.exists()


@pytest.mark.parametrize("pk", [0, 10**9, 10**30])
def test_what_is_not_there_is_not_found(pk):
    here = signed_in(make_person("Alice"))
    assert here.post(f"/account/sessions/{pk}/end/").status_code == 404


def test_nobody_ends_somebody_elses():
    bobs, here = signed_in(make_person("Bob")), signed_in(make_person("Alice"))
    assert here.post(f"/account/sessions/{row_of(bobs).pk}/end/").status_code == 404
    assert is_in(bobs)


@pytest.mark.parametrize("path", [OTHERS, "/account/sessions/1/end/"])
def test_ending_takes_a_post_with_a_token_from_somebody_signed_in(path):
    alice = make_person("Alice")
    assert Client().post(path)["Location"].startswith("/login/")
    assert signed_in(alice).get(path).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert strict.post(path).status_code == 403


def test_a_new_password_ends_the_others_for_good_and_keeps_this_one():
    alice = make_person("Alice")
    here, there = signed_in(alice), signed_in(alice, PHONE)
    since = row_of(here).created_at
    new = "another long password"
    here.post(
        "/account/password/",
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )
    assert is_in(here) and not is_in(there)
    kept = UserSession.objects.get()
    assert kept == row_of(here)
    assert abs(kept.created_at - since) < timedelta(seconds=2)


def test_a_required_second_factor_does_not_stand_before_signing_out(settings):
    alice = make_person("Alice")
    here, there = signed_in(alice), signed_in(alice)
    settings.REQUIRE_TWO_FACTOR = "everyone"
    here.post(OTHERS)
    settings.REQUIRE_TWO_FACTOR = ""
    assert is_in(here) and not is_in(there)


def test_signing_out_takes_it_off_the_list():
    alice = make_person("Alice")
    here, there = signed_in(alice), signed_in(alice, PHONE)
    there.post("/logout/")
    assert "iPhone" not in here.get("/account/").content.decode()


# ---- By itself -------------------------------------------------------------------------
def test_it_ends_seven_days_after_the_last_use(clock):
    here = signed_in(make_person("Alice"))
    for _ in range(3):
        clock(days=6)
        assert is_in(here)
    clock(days=7, minutes=1)
    assert not is_in(here)


def test_it_ends_thirty_days_after_signing_in_however_much_it_is_used(clock):
    here = signed_in(make_person("Alice"))
    for _ in range(5):
        clock(days=5, hours=23)
        assert is_in(here)
    clock(hours=4)
    # Whatever writes to the session does not put its end off.
    here.post("/account/news/", {"digest": "off"})
    assert is_in(here)
    clock(hours=2)
    assert not is_in(here)


def test_a_gallery_left_open_is_no_use_and_writes_nothing(clock):
    cast = make_cast()
    here = signed_in(cast.alice)
    seen = row_of(here).last_seen_at

    def poll():
        url = f"/p/{cast.project.code}/changes/?since=0"
        return here.get(url, headers={"HX-Request": "true"})

    clock(days=6)
    with CaptureQueriesContext(connection) as asked:
        assert poll().status_code < 300
    assert all(query["sql"].startswith("SELECT") for query in asked)
    assert row_of(here).last_seen_at == seen
    clock(days=1, minutes=1)
    assert poll().headers["HX-Redirect"].startswith("/login/")


def test_use_is_written_down_once_in_ten_minutes(clock):
    here = signed_in(make_person("Alice"))
    first = row_of(here).last_seen_at
    here.get("/account/")
    clock(minutes=9)
    here.get("/account/")
    assert row_of(here).last_seen_at == first
    clock(minutes=2)
    here.get("/account/")
    assert row_of(here).last_seen_at > first


def test_a_database_that_takes_no_note_keeps_nobody_from_a_page(clock, monkeypatch):
    here = signed_in(make_person("Alice"))
    clock(days=1)

    def full(**fields):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(UserSession.objects, "update_or_create", full)
    seen = here.session[sessions.SEEN]
    assert is_in(here)
    assert here.session[sessions.SEEN] == seen


def test_a_guest_is_no_row(client):
    client.get("/login/")
    assert not UserSession.objects.exists()


def test_people_who_join_are_on_their_own_list(client):
    cast = make_cast()
    _, token = people.create_invite(project=cast.project, role="editor", by=cast.alice)
    client.post(
        f"/join/{token}/",
        {"name": "Eve", "email": "eve@example.com", "password": "long enough for this"},
    )
    assert row_of(client).user == User.objects.get(email="eve@example.com")
