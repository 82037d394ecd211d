"""An invite ends with the right of its maker: at its link, in the project, in the control room."""

from __future__ import annotations

import pytest
from django.test import Client

from studio.models import Membership, User
from studio.services import people
from studio.services.errors import StudioError
from tests.people import make_cast, make_person

pytestmark = pytest.mark.django_db
NEW = {"name": "Mallory", "email": "mallory@example.com", "password": "a long enough one"}
ENDED = "This invite has ended: whoever made it can no longer invite people."


@pytest.fixture
def cast(db):
    """The cast, with a second owner whose invites are tried."""
    cast = make_cast()
    Membership.objects.filter(user=cast.bob).update(role="owner")
    return cast


@pytest.fixture
def token(cast):
    return people.create_invite(project=cast.project, role="owner", by=cast.bob, note="Me")[1]


def remove(cast):
    people.remove_member(member=cast.member("bob"), by=cast.alice)


def demote(cast):
    people.change_role(member=cast.member("bob"), role="editor", by=cast.alice)


def deactivate(cast):
    User.objects.filter(pk=cast.bob.pk).update(is_active=False)


def leave(cast):
    people.remove_member(member=cast.member("bob"), by=cast.bob)


def remove_row(cast):
    """As an inline form of the control room does, past every service."""
    cast.member("bob").delete()


LOSSES = [remove, demote, deactivate, leave, remove_row]


@pytest.mark.parametrize("lose", LOSSES)
def test_nobody_comes_in_by_the_invite_of_somebody_without_the_right(cast, token, lose):
    lose(cast)
    guest = Client()
    for answer in (guest.get(f"/join/{token}/"), guest.post(f"/join/{token}/", NEW)):
        assert answer.status_code == 410
        page = answer.content.decode()
        assert ENDED in page and "Ask an owner of the project for a new link." in page
    assert not User.objects.filter(email=NEW["email"]).exists()
    with pytest.raises(StudioError, match="can no longer invite people"):
        people.accept_invite(token=token, user=cast.dave)
    assert not Membership.objects.filter(user=cast.dave).exists()


def test_a_removed_owner_does_not_return_by_their_own_invite(cast, token):
    client = Client()
    client.force_login(cast.bob)
    remove(cast)
    assert client.post(f"/join/{token}/").status_code == 410
    assert client.get(cast.project.get_absolute_url()).status_code == 404


@pytest.mark.parametrize("lose", LOSSES)
def test_such_an_invite_is_listed_as_ended(cast, token, lose):
    lose(cast)
    client = Client()
    client.force_login(cast.alice)
    page = client.get(f"/p/{cast.project.code}/settings/").content.decode()
    assert "Ended: Bob can no longer invite people" in page
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    page = client.get("/admin/studio/invite/").content.decode()
    assert "Ended: its maker can no longer invite" in page


def test_an_owners_invite_is_open_whatever_becomes_of_others(cast):
    _, token = people.create_invite(project=cast.project, role="editor", by=cast.alice)
    remove(cast)
    assert people.accept_invite(token=token, user=cast.dave).role == "editor"
