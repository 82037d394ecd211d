"""Mail to somebody about their own account: what changed, to whom, and when nothing can be sent."""

from __future__ import annotations

import smtplib

import pytest
from django.core import mail
from django.db import transaction

from studio import tasks
from studio.queue import kept_here
from studio.services import email_address, notices, two_factor
from tests.people import PASSWORD, make_person
from tests.test_two_factor import clock, code_of, password, secret_of, turn_on, write  # noqa: F401

pytestmark = pytest.mark.django_db
NEW = "another long password"


@pytest.fixture(autouse=True)
def post_office(settings):
    settings.EMAIL_URL = "smtp://mail.example"
    settings.PUBLIC_URL = "https://studio.example"


@pytest.fixture
def told(django_capture_on_commit_callbacks):
    """Give the mails sent for what is done within: (subject, to) of each."""

    def run(act):
        mail.outbox.clear()
        with kept_here() as asked, django_capture_on_commit_callbacks(execute=True):
            act()
        for name, args in asked:
            if name == "send_notice":
                getattr(tasks, name)(*args)
        return [(one.subject.removesuffix(" · Ray Studio"), one.to[0]) for one in mail.outbox]

    return run


@pytest.fixture
def alice(client):
    alice = make_person("Alice")
    client.force_login(alice)
    return alice


def change_password(client, old=PASSWORD):
    form = {"old_password": old, "new_password1": NEW, "new_password2": NEW}
    return client.post("/account/password/", form)


def test_a_new_password_is_told(client, alice, told):
    assert told(lambda: change_password(client)) == [
        ("Your password was changed", "alice@example.com")
    ]
    text = mail.outbox[0].body
    assert text.startswith("Hello Alice,")
    assert "https://studio.example/account/" in text and " UTC." in text
    assert NEW not in text


def test_without_an_address_of_its_own_the_mail_has_no_link(client, alice, told, settings):
    settings.PUBLIC_URL = ""
    told(lambda: change_password(client))
    assert "http" not in mail.outbox[0].body
    assert "on your account page." in mail.outbox[0].body


def test_what_was_refused_is_not_told(client, alice, told):
    assert told(lambda: change_password(client, old="wrong")) == []
    same = {"name": "Alicia", "email": "Alice@example.com"}
    assert told(lambda: client.post("/account/", same)) == []


def test_a_new_address_is_told_at_both(client, alice, told):
    token = email_address.make_token(alice, "berg@example.com")
    assert told(lambda: client.post("/account/email/", {"token": token})) == [
        ("Your e-mail address was changed", "alice@example.com"),
        ("Your e-mail address was changed", "berg@example.com"),
    ]


def test_two_factor_sign_in_is_told_each_time_it_changes(client, alice, told, clock):  # noqa: F811
    subjects = []

    def do(act):
        subjects.extend(subject for subject, _ in told(act))

    do(lambda: turn_on(alice, clock))
    code = code_of(secret_of(alice))
    do(lambda: client.post("/account/two-factor/codes/", {"code": code}))
    clock(60)
    code = code_of(secret_of(alice))
    do(lambda: client.post("/account/two-factor/off/", {"code": code}))
    do(lambda: two_factor.turn_off(user=alice, by=alice))  # it is off already
    assert subjects == [
        "Two-factor sign-in is on",
        "New recovery codes",
        "Two-factor sign-in is off",
    ]


def test_a_sign_in_with_a_recovery_code_is_told_and_one_with_the_app_is_not(
    client,
    told,
    clock,  # noqa: F811
):
    alice = make_person("Alice")
    codes = turn_on(alice, clock)
    password(client)
    assert told(lambda: write(client, codes[0])) == [
        ("A recovery code was used", "alice@example.com")
    ]
    client.post("/logout/")
    password(client)
    assert told(lambda: write(client, code_of(secret_of(alice)))) == []


def test_what_staff_change_is_told_to_whom_it_is_about(client, told, clock):  # noqa: F811
    alice, root = make_person("Alice"), make_person("Root", is_staff=True, is_superuser=True)
    turn_on(alice, clock)
    client.force_login(root)
    page = f"/admin/studio/user/{alice.pk}/"
    form = {"usable_password": "true", "password1": NEW, "password2": NEW, "set-password": "1"}
    assert told(lambda: client.post(f"{page}password/", form)) == [
        ("Your password was changed", "alice@example.com")
    ]
    assert told(lambda: client.post(f"{page}do/reset_two_factor/", {"confirmed": "1"})) == [
        ("Two-factor sign-in is off", "alice@example.com")
    ]
    form = {"name": "Alice", "email": "berg@example.com", "is_active": "on"}
    form |= {f"memberships-{key}_FORMS": 0 for key in ("TOTAL", "INITIAL")}
    assert told(lambda: client.post(f"{page}change/", form)) == [
        ("Your e-mail address was changed", "alice@example.com"),
        ("Your e-mail address was changed", "berg@example.com"),
    ]


# ---- Nothing waits for it --------------------------------------------------------------
def test_what_was_taken_back_is_not_told(alice, told):
    def act():
        with pytest.raises(RuntimeError), transaction.atomic():
            notices.tell(alice, notices.PASSWORD)
            raise RuntimeError

    assert told(act) == []


def test_without_a_mail_server_nothing_is_asked_for(client, alice, settings):
    settings.EMAIL_URL = ""
    with kept_here() as asked:
        assert change_password(client).status_code == 302
    assert not asked
    assert tasks.send_notice(alice.pk, notices.PASSWORD, alice.email, "now").startswith("nobody")


@pytest.mark.parametrize("trouble", [ConnectionRefusedError(), smtplib.SMTPServerDisconnected()])
def test_a_mail_server_that_is_away_harms_nothing(alice, monkeypatch, caplog, trouble):
    def away(*args, **kwargs):
        raise trouble

    monkeypatch.setattr("django.core.mail.EmailMessage.send", away)
    said = tasks.send_notice(alice.pk, notices.EMAIL, alice.email, "now")
    assert said == f"not sent: {type(trouble).__name__}"


def test_who_is_gone_is_not_told(alice):
    assert tasks.send_notice(alice.pk + 1, notices.PASSWORD, alice.email, "now").startswith(
        "nobody"
    )
    assert not mail.outbox
