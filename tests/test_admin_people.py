from __future__ import annotations

import pytest
from axes.models import AccessAttempt
from django.core import mail
from django.test import Client

from studio.models import User
from tests.control_room import allow, make_staff
from tests.people import make_person

pytestmark = pytest.mark.django_db
LIST = "/admin/studio/user/"
NO_PROJECTS = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}


@pytest.fixture
def staff():
    return make_staff("view_user", "add_user", "change_user")


def form(person, **changes):
    return {"name": person.name, "email": person.email, "is_active": "on"} | NO_PROJECTS | changes


def test_a_person_is_made_with_a_password_and_nothing_is_sent(client, root):
    password = "a-long-enough-one"
    new = {"name": "Dee", "email": "Dee@Example.com", "password1": password, "password2": password}
    assert client.post(f"{LIST}add/", new).status_code == 302
    made = User.objects.get(name="Dee")
    assert made.email == "dee@example.com"
    assert made.check_password(password)
    assert (made.is_staff, made.is_superuser) == (False, False)
    assert mail.outbox == []


def test_an_address_in_use_is_refused_in_any_case(client, root):
    new = {
        "name": "Root",
        "email": "ROOT@example.com",
        "password1": "x-long-enough",
        "password2": "x-long-enough",
    }
    assert client.post(f"{LIST}add/", new).context["adminform"].form.errors["email"]
    assert User.objects.count() == 1


def test_a_new_password_opens_the_door_and_the_old_one_does_not(client, root):
    person = make_person("Bob")
    address = f"{LIST}{person.pk}/password/"
    new = {
        "password1": "another-long-one",
        "password2": "another-long-one",
        "usable_password": "true",
    }
    client.post(address, new)
    person.refresh_from_db()
    assert person.check_password("another-long-one")


@pytest.mark.parametrize("way", ["button", "form"])
def test_a_deactivated_persons_browsers_stay_signed_out_when_they_are_back(client, root, way):
    """A stolen laptop is no reason to be let in again with its owner."""
    person = make_person("Gone")
    theirs = Client()
    theirs.force_login(person)
    if way == "button":
        client.post(f"{LIST}{person.pk}/do/deactivate/", {"confirmed": "1"})
        client.post(f"{LIST}{person.pk}/do/activate/", {"confirmed": "1"})
    else:
        client.post(f"{LIST}{person.pk}/change/", form(person, is_active=""))
        person.refresh_from_db()
        assert not person.is_active
        client.post(f"{LIST}{person.pk}/change/", form(person))
    person.refresh_from_db()
    assert person.is_active
    assert theirs.get("/account/")["Location"].startswith("/login/")


def test_people_are_deactivated_and_never_deleted(client, root):
    person = make_person("Bob")
    client.post(f"{LIST}{person.pk}/do/deactivate/", {"confirmed": "1"})
    person.refresh_from_db()
    assert person.is_active is False
    assert client.post(f"{LIST}{person.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(LIST, {"action": "activate", "_selected_action": [person.pk]})
    person.refresh_from_db()
    assert person.is_active is True


def test_nobody_locks_themselves_out(client, root):
    client.post(f"{LIST}{root.pk}/do/deactivate/", {"confirmed": "1"})
    client.post(f"{LIST}{root.pk}/change/", form(root, is_active="", name="Root the second"))
    root.refresh_from_db()
    assert (root.is_active, root.is_staff, root.is_superuser) == (True, True, True)
    assert root.name == "Root the second"


def test_a_superuser_gives_the_control_room(client, root):
    person = make_person("Bob")
    client.post(f"{LIST}{person.pk}/change/", form(person, is_staff="on", is_superuser="on"))
    person.refresh_from_db()
    assert (person.is_staff, person.is_superuser) == (True, True)


def test_staff_cannot_give_itself_or_others_more(client, staff):
    client.force_login(staff)
    for person in (staff, make_person("Bob")):
        everything = {"is_staff": "on", "is_superuser": "on", "user_permissions": [1, 2, 3]}
        client.post(f"{LIST}{person.pk}/change/", form(person, **everything))
        before = person.user_permissions.count()
        person.refresh_from_db()
        assert person.is_superuser is False
        assert person.user_permissions.count() == before
    assert User.objects.get(name="Bob").is_staff is False


def test_staff_cannot_touch_a_superuser(client, staff):
    boss = make_person("Boss", is_staff=True, is_superuser=True)
    client.force_login(staff)
    new = {"password1": "taken-over-now", "password2": "taken-over-now", "usable_password": "true"}
    assert client.post(f"{LIST}{boss.pk}/password/", new).status_code == 403
    assert (
        client.post(f"{LIST}{boss.pk}/change/", form(boss, email="me@x.example")).status_code == 403
    )
    client.post(f"{LIST}{boss.pk}/do/deactivate/", {"confirmed": "1"})
    boss.refresh_from_db()
    assert boss.is_active
    assert boss.email == "boss@example.com"
    assert not boss.check_password("taken-over-now")


def test_only_superusers_change_permission_groups(client, staff):
    allow(staff, "view_group", "add_group", "change_group")
    client.force_login(staff)
    assert client.post("/admin/auth/group/add/", {"name": "Kings"}).status_code == 403


def test_somebody_locked_out_may_try_again(client, root):
    attempt = AccessAttempt.objects.create(
        username="bob@example.com", ip_address="127.0.0.1", failures_since_start=5
    )
    page = client.get("/admin/axes/accessattempt/").content.decode()
    assert "bob@example.com" in page
    client.post(f"/admin/axes/accessattempt/{attempt.pk}/do/let_in/")
    assert not AccessAttempt.objects.exists()
