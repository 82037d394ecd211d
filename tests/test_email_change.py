"""A new e-mail address: proved by who asks, confirmed by who reads it, and never a way into an account."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import SESSION_KEY
from django.core import mail
from django.test import Client
from django.utils import timezone

from studio import tasks
from studio.models import User
from studio.queue import kept_here
from studio.services import email_address, sso
from studio.services.errors import StudioError
from tests.people import PASSWORD, make_person
from tests.test_sso import go, issuer, make_without_password  # noqa: F401 (a fixture)
from tests.test_two_factor import clock, code_of, secret_of, turn_on  # noqa: F401 (a fixture)

pytestmark = pytest.mark.django_db
NEW = "berg@example.com"


@pytest.fixture(autouse=True)
def mail_is_set(settings):
    settings.EMAIL_URL = "smtp://mail.example"
    settings.PUBLIC_URL = "https://studio.example"


@pytest.fixture
def alice(client):
    alice = make_person("Alice")
    client.force_login(alice)
    return alice


def ask(client, **fields):
    """Ask for a new address; return the answer and the path of the link that was mailed, if any."""
    mail.outbox.clear()
    with kept_here() as asked:
        answer = client.post(
            "/account/", {"name": "Alice", "email": NEW, "shortcuts": "on"} | fields
        )
    for name, args in asked:
        getattr(tasks, name)(*args)
    links = re.findall(
        r"https://studio\.example(/account/email/\S+)", "".join(one.body for one in mail.outbox)
    )
    return answer, (links[0] if links else "")


@pytest.fixture(autouse=True)
def commits(monkeypatch):
    """What waits for a commit is done at once: a test's transaction has none."""
    monkeypatch.setattr("django.db.transaction.on_commit", lambda act, *a, **k: act())


def email_of(person):
    return User.objects.values_list("email", flat=True).get(pk=person.pk)


# ---- Asking ------------------------------------------------------------------------------------
def test_the_address_changes_by_the_password_and_the_mailed_link(client, alice):
    answer, link = ask(client, password=PASSWORD)
    assert answer["Location"] == "/account/"
    assert mail.outbox[0].to == [NEW]
    assert email_of(alice) == "alice@example.com"
    assert NEW in client.get(link).content.decode()
    assert email_of(alice) == "alice@example.com"  # opened by a program that reads mail
    token = link.partition("token=")[2]
    assert client.post("/account/email/", {"token": _unquoted(token)})["Location"] == "/account/"
    alice.refresh_from_db()
    assert (alice.email, alice.email_confirmed) == (NEW, True)
    assert client.get("/account/").status_code == 200


def _unquoted(token):
    return token.replace("%3A", ":")


@pytest.mark.parametrize(
    ("password", "words"),
    [("", "Write your password to change the email."), ("wrong", "That is not your password.")],
)
def test_an_open_window_is_not_enough(client, alice, password, words):
    answer, link = ask(client, password=password)
    assert (answer.status_code, link) == (422, "")
    assert words in answer.content.decode()


def test_guessing_the_password_there_is_slowed_down(client, alice):
    statuses = [ask(client, password=f"wrong {number}")[0].status_code for number in range(8)]
    assert statuses == [422] * 4 + [429] * 4
    assert ask(client, password=PASSWORD)[0].status_code == 429


def test_without_a_password_a_code_is_asked(client, clock):  # noqa: F811
    alice = make_without_password("Alice")
    turn_on(alice, clock)
    client.force_login(alice)
    assert "Write your code to change the email." in ask(client)[0].content.decode()
    assert ask(client, code="000000")[0].status_code == 422
    answer, link = ask(client, code=code_of(secret_of(alice)))
    assert answer.status_code == 302 and link


def test_without_either_the_sign_in_must_be_fresh(client, monkeypatch):
    client.force_login(make_without_password("Alice"))
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(minutes=11))
    answer, link = ask(client)
    assert "Sign out, sign in again" in answer.content.decode() and not link
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(minutes=9))
    answer, link = ask(client)
    assert answer.status_code == 302 and link


def test_without_mail_only_staff_changes_it(client, alice, settings):
    settings.EMAIL_URL = ""
    page = client.get("/account/").content.decode()
    assert "Whoever runs this studio can change it." in page
    answer, link = ask(client, password=PASSWORD)
    assert (answer.status_code, link, email_of(alice)) == (302, "", "alice@example.com")
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    form = {"name": "Alice", "email": NEW, "is_active": "on"}
    client.post(
        f"/admin/studio/user/{alice.pk}/change/",
        form | {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0},
    )
    assert email_of(alice) == NEW


def test_the_rest_of_the_form_asks_for_nothing(client, alice):
    answer, link = ask(client, name="Alice Berg", email="alice@example.com")
    assert (answer.status_code, link) == (302, "")
    alice.refresh_from_db()
    assert alice.name == "Alice Berg"


def test_nobody_is_flooded_with_mail(client, alice):
    answers = [ask(client, password=PASSWORD, email=f"a{n}@example.com") for n in range(7)]
    assert [bool(link) for _, link in answers] == [True] * 5 + [False] * 2
    assert "Too many mails were asked for. Wait 12 minutes" in answers[-1][0].content.decode()


# ---- The link ----------------------------------------------------------------------------------
def test_a_link_is_for_one_person_one_address_and_one_use(client, alice):
    token = email_address.make_token(alice, NEW)
    bob = make_person("Bob")
    with pytest.raises(StudioError, match="This link has ended"):
        email_address.confirm(user=bob, token=token)
    email_address.confirm(user=alice, token=token)
    alice.refresh_from_db()
    with pytest.raises(StudioError, match="This link has ended"):
        email_address.confirm(user=alice, token=token)


def test_a_used_link_stays_used_when_the_address_has_gone_back(alice):
    there, back = email_address.make_token(alice, NEW), alice.email
    email_address.confirm(user=alice, token=there)
    alice.refresh_from_db()
    email_address.confirm(user=alice, token=email_address.make_token(alice, back))
    alice.refresh_from_db()
    with pytest.raises(StudioError, match="This link has ended"):
        email_address.confirm(user=alice, token=there)
    assert email_of(alice) == back
    # Asked for anew, it goes there again.
    assert email_address.confirm(user=alice, token=email_address.make_token(alice, NEW)) == NEW


def test_a_link_to_an_address_that_was_taken_meanwhile_is_not_used_up(alice):
    token, berg = email_address.make_token(alice, NEW), make_person("Berg")
    with pytest.raises(StudioError, match="already has an account"):
        email_address.confirm(user=alice, token=token)
    berg.email = "other@example.com"
    berg.save()
    assert email_address.confirm(user=alice, token=token) == NEW


@pytest.mark.parametrize("change", ["password", "address", "time", "forged", "taken"])
def test_a_link_that_ended_changes_nothing(client, alice, monkeypatch, change):
    token = email_address.make_token(alice, NEW)
    if change == "password":
        alice.set_password("another long password")
    elif change == "address":
        alice.email = "third@example.com"
    elif change == "time":
        later = 25 * 3600
        real = __import__("time").time()
        monkeypatch.setattr("django.core.signing.time.time", lambda: real + later)
    elif change == "forged":
        token = f"{token}x"
    else:
        make_person("Berg")
    alice.save()
    client.force_login(alice)
    before = email_of(alice)
    answer = client.post("/account/email/", {"token": token})
    assert answer.status_code == 410
    assert email_of(alice) == before


def test_a_stranger_opens_no_link(alice):
    token = email_address.make_token(alice, NEW)
    assert Client().post("/account/email/", {"token": token})["Location"].startswith("/login/")
    assert email_of(alice) == "alice@example.com"


# ---- Single sign-on ----------------------------------------------------------------------------
def test_a_typed_address_links_nobody(client, issuer, settings):  # noqa: F811
    settings.PUBLIC_URL = ""
    mallory = make_without_password("Mallory")
    User.objects.filter(pk=mallory.pk).update(email="alice@example.com", email_confirmed=False)
    answer = go(client, issuer)
    assert answer.status_code == 403
    assert "was typed here and never confirmed" in answer.content.decode()
    assert SESSION_KEY not in client.session and not SocialAccount.objects.exists()


def test_an_address_that_staff_types_links_nobody_until_staff_says_so(client, issuer, settings):  # noqa: F811
    settings.PUBLIC_URL = ""
    person = make_without_password("Person")
    root = Client()
    root.force_login(make_person("Root", is_staff=True, is_superuser=True))
    page = f"/admin/studio/user/{person.pk}/"
    form = {"name": "Person", "email": "alice@example.com", "is_active": "on"}
    root.post(
        f"{page}change/", form | {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    )
    assert email_of(person) == "alice@example.com"
    assert go(client, issuer).status_code == 403
    assert "Are these addresses theirs?" in root.post(f"{page}do/trust_address/").content.decode()
    assert go(client, issuer).status_code == 403
    root.post(f"{page}do/trust_address/", {"confirmed": "1"})
    assert go(client, issuer).status_code == 302
    assert client.session[SESSION_KEY] == str(person.pk)


def test_after_an_unlink_the_old_session_is_gone(client, issuer, settings):  # noqa: F811
    settings.PUBLIC_URL = ""
    alice = make_without_password("Alice")
    go(client, issuer)
    assert client.get("/account/").status_code == 200
    root = Client()
    root.force_login(make_person("Root", is_staff=True, is_superuser=True))
    root.post(f"/admin/studio/user/{alice.pk}/do/unlink/")
    assert client.get("/account/").status_code == 302


def test_who_comes_by_single_sign_on_has_a_confirmed_address(settings):
    settings.SSO_NEW_PEOPLE = "person"
    make_person("Alice")
    person = sso.make_person(sso.Claims("7", NEW, "Berg"))
    assert person.email_confirmed
    sso.link(user=User.objects.get(name="Alice"), subject="8")
    assert User.objects.get(name="Alice").email_confirmed
