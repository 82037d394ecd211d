from __future__ import annotations

import threading
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import SESSION_KEY
from django.core import signing
from django.db import connection
from django.utils import timezone

from studio.models import Invite, Membership, Project, User
from studio.services import people
from studio.services.errors import StudioError
from tests.people import PASSWORD, make_cast, make_person

pytestmark = pytest.mark.django_db
NEW = {"name": "Maja Aasen", "email": "Maja@Example.com", "password": "a long enough one"}


def welcome_path():
    link = people.welcome_link("http://127.0.0.1:8000/")
    assert link.startswith("http://127.0.0.1:8000/welcome/?token=")
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


def test_the_first_owner_comes_in_by_the_link(client):
    path = welcome_path()
    assert "Make yourself" in client.get(path).content.decode()
    response = client.post(path, NEW)
    assert response["Location"] == "/"
    owner = User.objects.get()
    assert (owner.name, owner.email) == ("Maja Aasen", "maja@example.com")
    assert owner.is_superuser and owner.is_staff
    assert owner.check_password(NEW["password"])
    assert client.session[SESSION_KEY] == str(owner.pk)


def test_there_is_no_link_once_somebody_has_an_account():
    make_person("Alice")
    assert people.welcome_link("http://127.0.0.1:8000") is None


def test_a_used_link_says_where_to_go(client):
    path = welcome_path()
    client.post(path, NEW)
    client.post("/logout/")
    for response in (client.get(path), client.post(path, NEW | {"email": "b@example.com"})):
        assert response.status_code == 410
        assert "The studio has its owner." in response.content.decode()
        assert 'href="/login/"' in response.content.decode()
    assert User.objects.count() == 1


def test_a_link_ends_after_its_hours(client, monkeypatch):
    path = welcome_path()
    now = signing.time.time()
    monkeypatch.setattr(signing.time, "time", lambda: now + 24 * 3600 - 5)
    assert client.get(path).status_code == 200
    monkeypatch.setattr(signing.time, "time", lambda: now + 24 * 3600 + 5)
    response = client.get(path)
    assert response.status_code == 410
    assert "Restart the studio." in response.content.decode()
    assert client.post(path, NEW).status_code == 410
    assert not User.objects.exists()


@pytest.mark.parametrize("token", ["", "first-owner", "first-owner:1abcde:not-signed"])
def test_a_made_up_token_opens_nothing(client, token):
    assert client.post(f"/welcome/?token={token}", NEW).status_code == 410
    assert not User.objects.exists()


def test_a_token_of_another_kind_opens_nothing(client):
    other = signing.TimestampSigner(salt="elsewhere").sign("first-owner")
    assert not people.open_welcome(other)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "Write the name your team knows you by."),
        ("email", "maja", "This does not look like an email."),
        ("password", "short", "at least 12 characters"),
        ("password", "maja@example.com", "too similar to the email"),
    ],
)
def test_an_unfinished_form_makes_nobody(client, field, value, words):
    response = client.post(welcome_path(), NEW | {field: value})
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not User.objects.exists()


def test_a_second_first_owner_is_refused():
    people.make_first_owner(**NEW)
    with pytest.raises(StudioError, match="The studio already has an owner"):
        people.make_first_owner(**NEW | {"email": "other@example.com"})
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_first_owners_at_once_make_one():
    refused: list[str] = []
    start = threading.Barrier(4)

    def ask(n: int) -> None:
        start.wait()
        try:
            people.make_first_owner(**NEW | {"email": f"person{n}@example.com"})
        except StudioError as error:
            refused.append(error.message)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert User.objects.count() == 1
    assert len(refused) == 3


# ---- Invites ---------------------------------------------------------------------------
def invited(cast, role="editor"):
    return people.create_invite(project=cast.project, role=role, by=cast.alice, note="Dave")


def test_only_a_hash_of_the_token_is_kept():
    invite, token = invited(make_cast())
    assert token not in str(Invite.objects.filter(pk=invite.pk).values().get())


def test_a_signed_in_person_sees_and_accepts(client):
    cast = make_cast()
    invite, token = invited(cast, role="reviewer")
    client.force_login(cast.dave)
    page = client.get(f"/join/{token}/").content.decode()
    assert "Nordlys winter film" in page
    assert "invites you as reviewer" in page
    assert not Membership.objects.filter(user=cast.dave).exists()
    response = client.post(f"/join/{token}/")
    assert response["Location"] == f"/p/{cast.project.code}/"
    assert cast.member("dave").role == "reviewer"
    invite.refresh_from_db()
    assert invite.used_by == cast.dave


def test_a_new_person_makes_an_account_and_is_in(client):
    cast = make_cast()
    _, token = invited(cast)
    assert "Make my account and join" in client.get(f"/join/{token}/").content.decode()
    response = client.post(f"/join/{token}/", NEW)
    assert response["Location"] == f"/p/{cast.project.code}/"
    maja = User.objects.get(email="maja@example.com")
    assert client.session[SESSION_KEY] == str(maja.pk)
    assert not maja.is_staff
    assert Membership.objects.get(user=maja).role == "editor"


def test_an_email_with_an_account_is_sent_to_sign_in(client):
    cast = make_cast()
    _, token = invited(cast)
    response = client.post(f"/join/{token}/", NEW | {"email": "DAVE@example.com"})
    assert response.status_code == 422
    assert people.EMAIL_TAKEN in response.content.decode()
    assert f'href="/login/?next=%2Fjoin%2F{token}%2F"' in response.content.decode()
    assert not Membership.objects.filter(user=cast.dave).exists()
    assert cast.project.invites.get().is_open


def test_an_unfinished_join_form_uses_nothing_up(client):
    cast = make_cast()
    _, token = invited(cast)
    assert client.post(f"/join/{token}/", NEW | {"password": "x"}).status_code == 422
    assert cast.project.invites.get().is_open


def test_an_invite_lets_one_person_in(client):
    cast = make_cast()
    _, token = invited(cast)
    people.accept_invite(token=token, user=cast.dave)
    erin = make_person("Erin")
    with pytest.raises(StudioError, match="has been used"):
        people.accept_invite(token=token, user=erin)
    response = client.post(f"/join/{token}/", NEW)
    assert response.status_code == 410
    assert "This invite has been used." in response.content.decode()
    assert not User.objects.filter(email="maja@example.com").exists()


def test_losing_the_race_for_an_invite_makes_no_account(monkeypatch):
    cast = make_cast()
    _, token = invited(cast)
    found = people.find_invite(token)
    people.accept_invite(token=token, user=cast.dave)
    # The other request had read the invite while it was still open.
    monkeypatch.setattr(people, "find_invite", lambda token: found)
    with pytest.raises(StudioError, match="has been used"):
        people.join_as_new(token=token, **NEW)
    assert not User.objects.filter(email="maja@example.com").exists()


def test_a_member_stays_what_they_are_and_the_invite_stays_open(client):
    cast = make_cast()
    _, token = invited(cast, role="reviewer")
    client.force_login(cast.alice)
    for response in (client.get(f"/join/{token}/"), client.post(f"/join/{token}/")):
        assert response["Location"] == f"/p/{cast.project.code}/"
    assert people.accept_invite(token=token, user=cast.alice).role == "owner"
    assert cast.project.invites.get().is_open


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"revoked_at": timezone.now()}, "This invite was withdrawn."),
        ({"expires_at": timezone.now() - timedelta(minutes=1)}, "This invite ended on"),
    ],
)
def test_a_closed_invite_says_why(client, change, words):
    cast = make_cast()
    invite, token = invited(cast)
    Invite.objects.filter(pk=invite.pk).update(**change)
    client.force_login(cast.dave)
    for response in (client.get(f"/join/{token}/"), client.post(f"/join/{token}/")):
        assert response.status_code == 410
        assert words in response.content.decode()
        assert "Ask Alice for a new link." in response.content.decode()
    assert not Membership.objects.filter(user=cast.dave).exists()


def test_a_made_up_invite_says_so(client):
    response = client.get("/join/nothing-of-the-kind/")
    assert response.status_code == 410
    assert "was never an invite" in response.content.decode()


def test_the_way_back_from_sign_in_leads_to_the_invite(client):
    cast = make_cast()
    _, token = invited(cast)
    signed = client.post(
        "/login/",
        {"username": "dave@example.com", "password": PASSWORD, "next": f"/join/{token}/"},
    )
    assert signed["Location"] == f"/join/{token}/"


def test_projects_made_from_the_shell_get_the_first_owner():
    shell = User.objects.create_user("command-line@studio.invalid", name="Command line")
    project = Project.objects.create(name="From the shell", created_by=shell)
    Membership.objects.create(project=project, user=shell, role="owner")

    assert people.welcome_link("http://127.0.0.1:8000") is not None
    owner = people.make_first_owner(name="Alice", email="alice@example.org", password="x" * 12)

    assert project.memberships.get(user=owner).role == "owner"
    assert people.welcome_link("http://127.0.0.1:8000") is None
