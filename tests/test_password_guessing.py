"""How many wrong passwords are judged: an account, a network, a browser; and that owners get in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.backends import ModelBackend
from django.test import Client
from django.utils import timezone

from studio.models import RateLimit
from studio.proxies import network_of
from studio.services import rate_limits, signing_in
from studio.services.known_browsers import cookie_name
from studio.services.rate_limits import Limit
from studio.services.retention import leftovers
from tests.factories import make_generation
from tests.people import PASSWORD, make_cast, make_person
from tests.sharing import share_clips

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it by seconds."""
    now = [timezone.now()]
    monkeypatch.setattr(timezone, "now", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + timedelta(seconds=seconds))


@pytest.fixture
def judged(monkeypatch):
    """The passwords that were compared with a hash."""
    seen, judge = [], ModelBackend.authenticate

    def watch(self, request, **credentials):
        seen.append(credentials["password"])
        return judge(self, request, **credentials)

    monkeypatch.setattr(ModelBackend, "authenticate", watch)
    return seen


def guess(address, email="alice@example.com", password="a wrong guess"):
    return Client(REMOTE_ADDR=address).post("/login/", {"username": email, "password": password})


def sign_in(client, email="alice@example.com", password=PASSWORD):
    return client.post("/login/", {"username": email, "password": password})


# ---- Guessing ----------------------------------------------------------------------------------
def test_a_network_of_ipv6_is_one_guesser(clock, judged):
    make_person("Alice")
    answers = [guess(f"2001:db8:1:2::{number:x}").status_code for number in range(150)]
    assert len(judged) == 5
    assert answers == [422] * 4 + [429] * 146
    assert guess("2001:db8:1:3::1").status_code == 422


def test_an_account_is_not_guessed_at_from_many_networks(clock, judged):
    make_person("Alice")
    answers = [guess(f"10.{number}.0.1") for number in range(60)]
    assert len(judged) == signing_in.PER_ACCOUNT.capacity
    assert answers[-1].status_code == 429
    # A day of it: the burst, and what comes back.
    clock(24 * 3600)
    judged.clear()
    for number in range(60):
        guess(f"10.{number}.0.2")
    assert len(judged) == signing_in.PER_ACCOUNT.capacity


def test_a_network_does_not_guess_at_many_accounts(clock, judged):
    for number in range(60):
        make_person(f"Person{number}")
    for number in range(60):
        guess("10.0.0.1", email=f"person{number}@example.com")
    assert len(judged) == signing_in.PER_NETWORK.capacity
    assert guess("10.0.0.2", email="person1@example.com").status_code == 422


def test_unknown_accounts_are_slowed_down_the_same_way(clock):
    make_person("Alice")
    assert [guess("10.0.0.1", email="nobody@example.com").status_code for _ in range(6)] == [
        422, 422, 422, 422, 429, 429,
    ]  # fmt: skip


def test_a_right_password_does_not_pay_for_guesses_at_others(clock, judged):
    make_person("Mallory")
    make_person("Alice")
    for number in range(80):
        guess("10.0.0.1", email=f"victim{number}@example.com")
        guess("10.0.0.1", email="mallory@example.com", password=PASSWORD)
    wrong = [password for password in judged if password != PASSWORD]
    assert len(wrong) == signing_in.PER_NETWORK.capacity


def test_the_wait_is_said_and_true(clock):
    make_person("Alice")
    answers = [guess("10.0.0.1") for _ in range(5)]
    assert "Wait 3 minutes, then try again." in answers[-1].content.decode()
    assert answers[-1]["Retry-After"] == "180"
    clock(60)
    assert "Wait 2 minutes" in guess("10.0.0.1").content.decode()
    # Tries that were not judged did not start the wait anew.
    clock(120)
    assert guess("10.0.0.1", password=PASSWORD).status_code == 302


# ---- The owner gets in -------------------------------------------------------------------------
def attack(email="alice@example.com"):
    for number in range(40):
        guess(f"10.{number}.0.1", email=email)


def test_a_browser_signed_in_with_before_has_tries_of_its_own(clock):
    make_person("Alice")
    own = Client(REMOTE_ADDR="192.0.2.1")
    sign_in(own)
    own.post("/logout/")
    AccessLog.objects.all().delete()  # the browser alone must be enough
    attack()
    for _ in range(40):  # and somebody behind the same router
        guess("192.0.2.1")
    assert sign_in(Client(REMOTE_ADDR="192.0.2.1")).status_code == 429
    assert sign_in(own).status_code == 302


def test_a_network_signed_in_from_before_has_tries_of_its_own(clock):
    make_person("Alice")
    sign_in(Client(REMOTE_ADDR="2001:db8::7"))
    attack()
    assert sign_in(Client(REMOTE_ADDR="198.51.100.1")).status_code == 429
    assert sign_in(Client(REMOTE_ADDR="2001:db8::99")).status_code == 302


def test_a_new_place_waits_minutes_at_most(clock):
    make_person("Alice")
    attack()
    clock(signing_in.PER_ACCOUNT.refill_s)
    assert sign_in(Client(REMOTE_ADDR="198.51.100.1")).status_code == 302


def test_a_known_browser_guesses_no_more_than_others(clock, judged):
    make_person("Alice")
    own = Client()
    sign_in(own)
    own.post("/logout/")
    judged.clear()
    statuses = [sign_in(own, password="wrong").status_code for _ in range(30)]
    assert len(judged) == 5 and statuses[4:] == [429] * 26


def test_the_cookie_of_one_account_says_nothing_of_another(clock, judged):
    make_person("Mallory")
    make_person("Alice")
    own = Client(REMOTE_ADDR="10.0.0.1")
    sign_in(own, email="mallory@example.com")
    own.post("/logout/")
    attack()
    judged.clear()
    assert sign_in(own, password="wrong").status_code == 429
    assert judged == []


@pytest.mark.parametrize("value", ["", "x", "W10:1abc:forged"])
def test_a_forged_cookie_is_none(clock, value):
    make_person("Alice")
    client = Client()
    client.cookies[cookie_name()] = value
    assert sign_in(client).status_code == 302


def test_the_cookie_lets_nobody_in_and_scripts_cannot_read_it(clock):
    make_person("Alice")
    client = Client()
    sign_in(client)
    cookie = client.cookies[cookie_name()]
    assert cookie["httponly"] and cookie["samesite"] == "Lax"
    other = Client()
    other.cookies[cookie_name()] = cookie.value
    assert other.get("/account/").status_code == 302
    assert SESSION_KEY not in other.session


def test_staff_let_somebody_try_again(clock, client):
    make_person("Alice")
    attack()
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    row = AccessAttempt.objects.filter(username="alice@example.com").first()
    client.post(f"/admin/axes/accessattempt/{row.pk}/do/let_in/")
    assert sign_in(Client(REMOTE_ADDR="198.51.100.1")).status_code == 302


# ---- Every form with the current password ------------------------------------------------------
def change_password(client, password):
    new = "another long one here"
    form = {"old_password": password, "new_password1": new, "new_password2": new}
    return client.post("/account/password/", form)


def turn_codes_on(client, password):
    client.get("/account/two-factor/")
    return client.post("/account/two-factor/", {"code": "000000", "password": password})


@pytest.mark.parametrize("ask", [change_password, turn_codes_on])
def test_the_current_password_is_guessed_at_no_more_often(clock, judged, ask):
    client = Client()
    client.force_login(make_person("Alice"))
    answers = [ask(client, f"wrong {number}") for number in range(20)]
    assert len(judged) == 5
    assert [one.status_code for one in answers] == [422] * 4 + [429] * 16
    assert "Four tries left." in answers[0].content.decode()
    assert (
        "Too many wrong passwords. Wait 3 minutes, then try again." in answers[-1].content.decode()
    )
    assert answers[-1]["Retry-After"] == "180"
    assert ask(client, PASSWORD).status_code == 429


def test_those_forms_and_the_sign_in_page_count_together(clock, judged):
    make_person("Alice")
    client = Client()
    sign_in(client)
    judged.clear()
    for ask in (change_password, turn_codes_on) * 4:
        ask(client, "wrong")
    assert len(judged) == 5


def test_a_wrong_new_password_costs_no_try(clock):
    client = Client()
    client.force_login(make_person("Alice"))
    for _ in range(8):
        form = {"old_password": PASSWORD, "new_password1": "short", "new_password2": "short"}
        assert client.post("/account/password/", form).status_code == 422


def test_a_links_password_is_guessed_at_by_network_too(clock):
    cast = make_cast()
    clip = make_generation(cast.project, files=True)
    _, token = share_clips(cast.project, cast.bob, clip, password="under the bridge")
    statuses = [
        Client(REMOTE_ADDR=f"2001:db8:1:2::{number:x}")
        .post(f"/s/{token}/open/", {"password": "wrong"})
        .status_code
        for number in range(12)
    ]
    assert statuses[6:] == [429] * 6 and 429 not in statuses[:6]


# ---- The parts ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("not an address", "0.0.0.0"),
    ],
)
def test_a_network_is_what_one_line_has(address, network):
    assert network_of(address) == network


def test_a_bucket_empties_and_fills_at_its_pace(clock):
    limit = Limit(capacity=2, refill_s=60)
    takes = [rate_limits.authorize(("x", limit)) for _ in range(3)]
    assert [(one.allowed, one.left, one.wait_s) for one in takes] == [
        (True, 1, 0), (True, 0, 60), (False, 0, 60),
    ]  # fmt: skip
    clock(59)
    assert rate_limits.authorize(("x", limit)).wait_s == 1
    clock(1)
    assert rate_limits.authorize(("x", limit)).allowed
    clock(-3600)  # a clock that was set back brings nothing, and nobody waits for it
    assert rate_limits.authorize(("x", limit)).wait_s == 60


def test_of_two_buckets_none_is_taken_from_where_one_is_empty(clock):
    small, large = ("small", Limit(1, 60)), ("large", Limit(9, 60))
    assert rate_limits.authorize(small, large).allowed
    for _ in range(5):
        assert not rate_limits.authorize(small, large).allowed
    assert rate_limits.authorize(large).left == 7


def test_full_buckets_are_cleared_away(clock):
    rate_limits.authorize(("x", Limit(2, 60)))
    assert not [one for one in leftovers.old_rows() if one.key == "rate limits"]
    clock(61)
    [thing] = [one for one in leftovers.old_rows() if one.key == "rate limits"]
    leftovers.remove_rows(thing)
    assert not RateLimit.objects.exists()


def test_the_limits_are_these():
    # As docs/security.md lists them.
    assert Limit(capacity=5, refill_s=180) == signing_in.PER_BROWSER
    assert Limit(capacity=5, refill_s=180) == signing_in.PER_ACCOUNT_AND_NETWORK
    assert Limit(capacity=20, refill_s=180) == signing_in.PER_ACCOUNT
    assert Limit(capacity=30, refill_s=60) == signing_in.PER_NETWORK
    assert signing_in.KNOWN_NETWORK_DAYS == 30
