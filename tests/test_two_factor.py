"""Codes after the password: turning them on, asking for them, losing the phone."""

from __future__ import annotations

import base64
import re
import threading
import time
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.db import connection
from django.test import Client
from django.utils import timezone

from studio import vault
from studio.services import keys, two_factor
from studio.services.errors import StudioError
from tests.people import PASSWORD, make_cast, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it: 30 s are the next code."""
    now = [1_800_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def code_of(secret, steps=0):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def secret_of(user):
    return vault.unlock(Authenticator.objects.get(user=user, type="totp").data["secret"])


def turn_on(user, clock):
    """Codes on for this person, none of them used in this half minute; return the recovery codes."""
    secret = two_factor.new_secret()
    _, codes = two_factor.turn_on(user=user, secret=secret, code=code_of(secret))
    clock(60)
    return codes


def password(client, email="alice@example.com", **more):
    return client.post("/login/", {"username": email, "password": PASSWORD} | more)


def write(client, code):
    return client.post("/login/code/", {"code": code})


@pytest.mark.parametrize("zero", ["０", "٠", "०"])
def test_digits_of_every_keyboard_are_digits(clock, zero):
    alice = make_person("Alice")
    spare = turn_on(alice, clock)[0]
    for code in (code_of(secret_of(alice)), spare):
        client = Client()
        password(client)
        typed = "".join(chr(ord(zero) + int(d)) if d.isdigit() else d for d in code)
        assert write(client, typed).status_code == 302


# ---- Turning it on ---------------------------------------------------------------------
def test_a_person_turns_it_on_with_the_app_and_the_password(client, clock):
    alice = make_person("Alice")
    client.force_login(alice)
    page = client.get("/account/two-factor/").content.decode()
    shown = re.search(r'class="secret mono">([A-Z2-7 ]+)<', page).group(1).replace(" ", "")
    picture = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', page).group(1)
    assert base64.b64decode(picture).startswith(b"<?xml")
    assert shown in client.get("/account/two-factor/").content.decode().replace(" ", "")

    def post(**fields):
        form = {"code": code_of(shown), "password": PASSWORD} | fields
        return client.post("/account/two-factor/", form)

    assert "That is not your password." in post(password="wrong").content.decode()
    assert post(code="000000").status_code == 422
    assert not two_factor.is_on(alice)
    done = post()
    codes = re.findall(r"<li>(\d{5} \d{5})</li>", done.content.decode())
    assert len(set(codes)) == 10
    file = re.search(r'href="data:text/plain;base64,([^"]+)" download', done.content.decode())
    assert all(code in base64.b64decode(file.group(1)).decode() for code in codes)
    assert "no-store" in done["Cache-Control"]
    again = client.get("/account/two-factor/").content.decode()
    assert "It is on." in again and not any(code in again for code in codes)


def test_what_codes_are_made_of_is_encrypted(client, clock):
    alice = make_person("Alice")
    client.force_login(alice)
    page = client.get("/account/two-factor/").content.decode()
    shown = re.search(r'class="secret mono">([A-Z2-7 ]+)<', page).group(1).replace(" ", "")
    assert shown not in str(dict(client.session.items()))
    recovery = turn_on(alice, clock)
    kept = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret_of(alice) not in kept
    assert not any(code in kept for code in recovery)


def test_an_account_without_a_password_needs_the_code_alone(client, clock):
    alice = make_person("Alice")
    alice.set_unusable_password()
    alice.save()
    client.force_login(alice)
    page = client.get("/account/two-factor/").content.decode()
    shown = re.search(r'class="secret mono">([A-Z2-7 ]+)<', page).group(1).replace(" ", "")
    assert client.post("/account/two-factor/", {"code": code_of(shown)}).status_code == 200
    assert two_factor.is_on(alice)


def test_without_a_password_an_open_window_is_not_enough(client, monkeypatch):
    alice = make_person("Alice")
    alice.set_unusable_password()
    alice.save()
    client.force_login(alice)
    page = client.get("/account/two-factor/").content.decode()
    shown = re.search(r'class="secret mono">([A-Z2-7 ]+)<', page).group(1).replace(" ", "")
    later = timezone.now() + timedelta(minutes=11)
    monkeypatch.setattr(timezone, "now", lambda: later)
    answer = client.post("/account/two-factor/", {"code": code_of(shown)})
    assert answer.status_code == 422
    assert "Sign out, sign in again, and turn it on" in answer.content.decode()
    assert not two_factor.is_on(alice)


# ---- Signing in ------------------------------------------------------------------------
def test_the_password_alone_opens_nothing(client, clock):
    turn_on(make_person("Alice"), clock)
    assert password(client, next="/account/")["Location"] == "/login/code/"
    assert SESSION_KEY not in client.session
    assert client.get("/account/").status_code == 302
    assert "And the" in client.get("/login/code/").content.decode()


def test_the_code_opens_the_studio_where_one_wanted_to_go(client, clock):
    alice = make_person("Alice")
    turn_on(alice, clock)
    password(client, next="/account/")
    assert write(client, code_of(secret_of(alice)))["Location"] == "/account/"
    assert client.session[SESSION_KEY] == str(alice.pk)


def test_a_code_is_asked_of_nobody_without_a_password(client):
    assert client.get("/login/code/")["Location"] == "/login/"
    assert write(client, "123456")["Location"] == "/login/"


@pytest.mark.parametrize("steps", [-2, 2])
def test_a_code_of_another_minute_is_refused(client, clock, steps):
    alice = make_person("Alice")
    turn_on(alice, clock)
    password(client)
    assert write(client, code_of(secret_of(alice), steps)).status_code == 422
    assert write(client, code_of(secret_of(alice), -1)).status_code == 302


def test_a_code_works_once(client, clock):
    alice = make_person("Alice")
    turn_on(alice, clock)
    code = code_of(secret_of(alice))
    password(client)
    write(client, code)
    other = Client()
    password(other)
    answer = write(other, code)
    assert answer.status_code == 422
    assert "each works once" in answer.content.decode()
    # Nor the one before it, which nobody has used.
    assert write(other, code_of(secret_of(alice), -1)).status_code == 422


def test_wrong_codes_are_counted_for_the_account_whatever_the_address(client, clock):
    alice = make_person("Alice")
    turn_on(alice, clock)
    for number in range(5):
        guest = Client(REMOTE_ADDR=f"10.0.0.{number}")
        password(guest)
        assert "doesn’t fit" in write(guest, "000000").content.decode()
    password(client)
    answer = write(client, code_of(secret_of(alice)))
    assert answer.status_code == 422
    assert "Too many wrong codes. Wait 15 minutes" in answer.content.decode()
    clock(15 * 60 + 1)
    password(client)
    assert write(client, code_of(secret_of(alice))).status_code == 302


def test_the_password_must_be_new_after_a_quarter_of_an_hour(client, clock):
    alice = make_person("Alice")
    turn_on(alice, clock)
    password(client)
    clock(16 * 60)
    assert write(client, code_of(secret_of(alice)))["Location"] == "/login/"


def test_somebody_deactivated_meanwhile_does_not_come_in(client, clock):
    alice = make_person("Alice")
    turn_on(alice, clock)
    password(client)
    alice.is_active = False
    alice.save()
    assert write(client, code_of(secret_of(alice)))["Location"] == "/login/"
    assert SESSION_KEY not in client.session


def test_the_password_of_before_opens_nothing_with_a_code(client, clock):
    """Whoever had it may stand before the code while its owner shuts them out."""
    alice = make_person("Alice")
    turn_on(alice, clock)
    password(client)
    alice.set_password("another long password")
    alice.save()
    assert write(client, code_of(secret_of(alice)))["Location"] == "/login/"
    assert SESSION_KEY not in client.session


def test_a_recovery_code_signs_in_once(client, clock):
    codes = turn_on(make_person("Alice"), clock)
    password(client)
    assert write(client, f"{codes[3][:5]} {codes[3][5:]}").status_code == 302
    assert "9 are left" in client.get("/account/two-factor/").content.decode()
    other = Client()
    password(other)
    assert write(other, codes[3]).status_code == 422


def test_new_recovery_codes_end_the_old_ones(client, clock):
    alice = make_person("Alice")
    old = turn_on(alice, clock)
    client.force_login(alice)
    assert client.post("/account/two-factor/codes/", {"code": "000000"}).status_code == 422
    page = client.post("/account/two-factor/codes/", {"code": code_of(secret_of(alice))})
    new = re.findall(r"<li>(\d{5} \d{5})</li>", page.content.decode())
    assert len(new) == 10
    with pytest.raises(StudioError):
        two_factor.check(user=alice, code=old[0])
    two_factor.check(user=alice, code=new[0])


def test_turning_it_off_takes_a_code(client, clock):
    alice = make_person("Alice")
    turn_on(alice, clock)
    client.force_login(alice)
    assert client.post("/account/two-factor/off/", {"code": ""}).status_code == 422
    assert two_factor.is_on(alice)
    client.post("/account/two-factor/off/", {"code": code_of(secret_of(alice))})
    assert not Authenticator.objects.exists()
    client.post("/logout/")
    assert password(client)["Location"] == "/"


def test_turning_it_on_or_off_signs_out_everywhere_else(client, clock):
    alice = make_person("Alice")
    client.force_login(alice)
    elsewhere = Client()
    elsewhere.force_login(alice)
    page = client.get("/account/two-factor/").content.decode()
    shown = re.search(r'class="secret mono">([A-Z2-7 ]+)<', page).group(1).replace(" ", "")
    form = {"code": code_of(shown), "password": PASSWORD}
    assert client.post("/account/two-factor/", form).status_code == 200
    assert elsewhere.get("/account/").status_code == 302
    elsewhere.force_login(alice)
    clock(60)
    client.post("/account/two-factor/off/", {"code": code_of(secret_of(alice))})
    assert not two_factor.is_on(alice)
    assert client.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302


# ---- Required --------------------------------------------------------------------------
def test_required_of_staff_it_stands_before_everything_but_the_account(client, settings, clock):
    settings.REQUIRE_TWO_FACTOR = "staff"
    cast = make_cast()
    alice = cast.alice
    alice.is_staff = alice.is_superuser = True
    alice.save()
    password(client)
    project = f"/p/{cast.project.code}/"
    for path in (
        "/",
        project,
        f"{project}settings/",
        f"{project}spend/",
        "/admin/",
        "/admin/health/",
    ):
        assert client.get(path)["Location"] == "/account/two-factor/", path
    assert client.post(f"{project}invites/", {"role": "editor"}).status_code == 302
    assert not cast.project.invites.exists()
    fragment = client.get(project, headers={"HX-Request": "true"})
    assert fragment["HX-Redirect"] == "/account/two-factor/"
    assert client.get("/account/").status_code == 200
    page = client.get("/account/two-factor/").content.decode()
    assert "This studio requires it of you." in page
    shown = re.search(r'class="secret mono">([A-Z2-7 ]+)<', page).group(1).replace(" ", "")
    client.post("/account/two-factor/", {"code": code_of(shown), "password": PASSWORD})
    assert client.get("/admin/").status_code == client.get(project).status_code == 200


def test_required_it_ends_a_browser_that_came_in_without_a_code(client, settings, clock):
    root = make_person("Root", is_staff=True, is_superuser=True)
    client.force_login(root)
    turn_on(root, clock)
    assert client.get("/admin/").status_code == 200
    settings.REQUIRE_TWO_FACTOR = "staff"
    assert client.get("/admin/")["Location"] == "/login/"
    assert SESSION_KEY not in client.session
    password(client, "root@example.com", next="/admin/")
    assert write(client, code_of(secret_of(root)))["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    # And one whose codes were reset.
    two_factor.turn_off(user=root, by=root)
    assert client.get("/admin/")["Location"] == "/account/two-factor/"


def test_required_of_staff_it_is_not_asked_of_others(client, settings):
    cast = make_cast()
    client.force_login(cast.bob)
    for wanted, status in (("staff", 200), ("everyone", 302)):
        settings.REQUIRE_TWO_FACTOR = wanted
        assert client.get(f"/p/{cast.project.code}/").status_code == status


# ---- A lost phone ----------------------------------------------------------------------
def test_an_admin_resets_somebody_elses_and_it_is_logged(client, clock):
    root = make_person("Root", is_staff=True, is_superuser=True)
    alice = make_person("Alice")
    turn_on(alice, clock)
    turn_on(root, clock)
    client.force_login(root)
    act = f"/admin/studio/user/{alice.pk}/do/reset_two_factor/"
    assert "Be sure that they asked themselves." in client.post(act).content.decode()
    assert two_factor.is_on(alice)
    lost = Client()
    lost.force_login(alice)
    client.post(act, {"confirmed": "1"})
    assert not two_factor.is_on(alice)
    assert lost.get("/account/").status_code == 302
    assert LogEntry.objects.get().get_change_message() == "Two-factor sign-in was reset."
    # One's own goes with a code only.
    client.post(f"/admin/studio/user/{root.pk}/do/reset_two_factor/", {"confirmed": "1"})
    assert two_factor.is_on(root)


def test_the_encryption_key_can_be_changed(clock, settings):
    alice = make_person("Alice")
    recovery = turn_on(alice, clock)
    secret = secret_of(alice)
    settings.ENCRYPTION_KEYS = ["new", *settings.ENCRYPTION_KEYS]
    assert keys.look().older == 2
    assert keys.lock_again().older == 2
    settings.ENCRYPTION_KEYS = ["new"]
    two_factor.check(user=alice, code=code_of(secret))
    two_factor.check(user=alice, code=recovery[0])
    settings.ENCRYPTION_KEYS = ["lost"]
    assert len(keys.look().unreadable) == 2
    with pytest.raises(StudioError, match="STUDIO_ENCRYPTION_KEY has changed"):
        two_factor.check(user=alice, code=code_of(secret))


@pytest.mark.django_db(transaction=True)
def test_of_two_browsers_with_one_code_one_gets_in(clock):
    alice = make_person("Alice")
    turn_on(alice, clock)
    code, outcomes = code_of(secret_of(alice)), []
    ready = threading.Barrier(2)

    def use():
        ready.wait()
        try:
            two_factor.check(user=alice, code=code)
            outcomes.append("in")
        except StudioError:
            outcomes.append("out")
        finally:
            connection.close()

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["in", "out"]
