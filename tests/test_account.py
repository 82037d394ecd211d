from __future__ import annotations

import pytest
from django.test import Client

from studio.models import User
from tests.people import PASSWORD, make_person

pytestmark = pytest.mark.django_db
NEW = "another long password"
ELEVEN = "qvzx mplk 7"


@pytest.fixture
def alice(client):
    alice = make_person("Alice")
    client.force_login(alice)
    return alice


def change(client, **fields):
    form = {"name": "Alice", "email": "alice@example.com", "shortcuts": "on"}
    return client.post("/account/", form | fields)


def test_a_person_changes_the_name(client, alice):
    assert change(client, name=" Alice  Berg ")["Location"] == "/account/"
    alice.refresh_from_db()
    assert (alice.name, alice.email) == ("Alice Berg", "alice@example.com")


def test_shortcuts_can_be_switched_off(client, alice):
    assert 'data-shortcuts="off"' not in client.get("/account/").content.decode()
    client.post("/account/", {"name": "Alice", "email": "alice@example.com"})
    assert 'data-shortcuts="off"' in client.get("/account/").content.decode()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", " ", "Write the name your team knows you by."),
        ("email", "alice", "This does not look like an email."),
        ("email", "BOB@example.com", "This email already has an account."),
    ],
)
def test_a_wrong_field_is_named_and_nothing_changes(client, alice, settings, field, value, words):
    settings.EMAIL_URL = "smtp://mail.example"
    make_person("Bob")
    response = change(client, **({"name": "Alicia", "password": PASSWORD} | {field: value}))
    assert response.status_code == 422
    assert words in response.content.decode()
    assert 'account of Alice"' in response.content.decode()
    alice.refresh_from_db()
    assert (alice.name, alice.email) == ("Alice", "alice@example.com")


def test_nobody_makes_themselves_staff(client, alice):
    change(client, is_staff="on", is_superuser="on")
    alice.refresh_from_db()
    assert not alice.is_staff and not alice.is_superuser


def passwords(client, **fields):
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    return client.post("/account/password/", form | fields)


def test_a_new_password_signs_out_everywhere_else(client, alice):
    elsewhere = Client()
    elsewhere.force_login(alice)
    assert elsewhere.get("/account/").status_code == 200
    assert passwords(client)["Location"] == "/account/"
    assert User.objects.get().check_password(NEW)
    assert client.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"old_password": "wrong"}, "That is not your password now."),
        ({"new_password2": "something else"}, "The two new passwords are not the same."),
        ({"new_password1": ELEVEN, "new_password2": ELEVEN}, "at least 12 characters"),
        ({"old_password": ""}, "Fill this in."),
    ],
)
def test_a_password_is_not_changed_by_half(client, alice, fields, words):
    response = passwords(client, **fields)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert User.objects.get().check_password(PASSWORD)


@pytest.mark.parametrize("path", ["/account/", "/account/password/"])
def test_an_account_is_behind_sign_in(client, path):
    assert client.get(path).status_code == 302
    assert client.post(path)["Location"] == "/login/?next=%2F"


def test_a_shorter_password_from_before_goes_on_signing_in(client):
    person = make_person("Bob")
    person.set_password("ten chars.")
    person.save()
    client.post("/login/", {"username": person.email, "password": "ten chars."})
    page = client.get("/account/password/").content.decode()
    assert "At least 12 characters." in page
    twelve = "qvzx mplk 78"
    form = {"old_password": "ten chars.", "new_password1": twelve, "new_password2": twelve}
    assert client.post("/account/password/", form)["Location"] == "/account/"


def test_a_wrong_choice_of_news_shows_the_account_again(client, alice):
    answer = client.post("/account/news/", {"digest": "hourly"})
    assert answer.status_code == 422
    assert 'value="alice@example.com"' in answer.content.decode()
