"""Nobody in the control room changes the account of somebody who holds more rights there."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group, Permission
from django.test import Client

from studio.models import User
from tests.control_room import allow, make_staff
from tests.people import PASSWORD, make_person

pytestmark = pytest.mark.django_db
LIST = "/admin/studio/user/"
NO_PROJECTS = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
NEW = "taken over by the window"


@pytest.fixture
def actor(client):
    """Staff who may change people, and nothing else."""
    staff = make_staff("view_user", "add_user", "change_user")
    client.force_login(staff)
    return staff


def by_own_right(person):
    allow(person, "change_provideraccount")


def by_group(person):
    group = Group.objects.create(name="Keys")
    group.permissions.add(Permission.objects.get(codename="change_provideraccount"))
    person.is_staff = True
    person.save()
    person.groups.add(group)


def by_everything(person):
    person.is_staff = person.is_superuser = True
    person.save()


def deactivated(person):
    by_own_right(person)
    person.is_active = False
    person.save()


def not_staff_now(person):
    by_own_right(person)
    person.is_staff = False
    person.save()


@pytest.fixture(params=[by_own_right, by_group, by_everything, deactivated, not_staff_now])
def holder(request, actor):
    """Somebody with a right the actor lacks, with a second factor and single sign-on."""
    person = make_person("Kim")
    request.param(person)
    Authenticator.objects.create(user=person, type="totp", data={"secret": "x"})
    SocialAccount.objects.create(user=person, provider="oidc-x", uid="1")
    return person


def snapshot(person):
    row = User.objects.values().get(pk=person.pk)
    return (
        row,
        list(person.groups.values_list("pk", flat=True)),
        list(person.user_permissions.values_list("pk", flat=True)),
        Authenticator.objects.filter(user=person).count(),
        SocialAccount.objects.filter(user=person).count(),
    )


def every_attempt(person):
    """Yield (address, form) of every way to change a person."""
    page = f"{LIST}{person.pk}/"
    whole = {"name": "Taken", "email": "mine@example.com", "is_active": "on"} | NO_PROJECTS
    yield f"{page}change/", whole
    yield (
        f"{page}change/",
        whole | {"is_staff": "on", "is_superuser": "on", "groups": [], "user_permissions": [1]},
    )
    yield f"{page}password/", {"password1": NEW, "password2": NEW, "usable_password": "true"}
    yield f"{page}password/", {"usable_password": "false"}
    for action in ("deactivate", "activate", "reset_two_factor", "unlink", "trust_address"):
        yield f"{page}do/{action}/", {"confirmed": "1"}
        yield LIST, {"action": action, "_selected_action": [person.pk], "confirmed": "1"}
    yield f"{page}delete/", {"post": "yes"}


def test_nothing_about_them_can_be_changed(client, holder):
    theirs = Client()
    theirs.force_login(holder)
    before = snapshot(holder)
    signed_in = theirs.get("/account/").status_code
    for address, form in every_attempt(holder):
        client.post(address, form)
        assert snapshot(holder) == before, (address, form)
    assert theirs.get("/account/").status_code == signed_in
    page = client.get(f"{LIST}{holder.pk}/change/").content.decode()
    assert 'name="email"' not in page and "/do/" not in page


def test_a_refusal_says_why(client, actor):
    person = make_person("Kim")
    by_own_right(person)
    answer = client.post(f"{LIST}{person.pk}/do/activate/", follow=True)
    assert answer.status_code == 200
    User.objects.filter(pk=person.pk).update(is_active=False)
    answer = client.post(f"{LIST}{person.pk}/do/activate/", follow=True)
    assert "Kim holds rights in the control room that you do not." in answer.content.decode()


def test_somebody_with_the_same_rights_or_fewer_can_be_changed(client, actor):
    person = make_person("Kim")
    allow(person, "view_user")
    form = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert client.post(f"{LIST}{person.pk}/password/", form).status_code == 302
    person.refresh_from_db()
    assert person.check_password(NEW)


@pytest.mark.parametrize("right", ["change_group", "change_permission"])
def test_nobody_gives_themselves_rights_or_groups(client, actor, right):
    if right == "change_group":
        allow(actor, right)
    group = Group.objects.create(name="Keys")
    everything = list(Permission.objects.values_list("pk", flat=True))
    form = {"is_active": "on"} | NO_PROJECTS
    more = {
        "is_staff": "on",
        "is_superuser": "on",
        "groups": [group.pk],
        "user_permissions": everything,
    }
    before, kim = snapshot(actor)[1:3], make_person("Kim")
    for person in (actor, kim):
        mine = form | {"name": person.name, "email": person.email} | more
        client.post(f"{LIST}{person.pk}/change/", mine)
    kings = {"name": "Keys", "permissions": everything}
    assert client.post(f"/admin/auth/group/{group.pk}/change/", kings).status_code == 403
    actor.refresh_from_db()
    kim.refresh_from_db()
    assert (actor.is_superuser, snapshot(actor)[1:3]) == (False, before)
    assert (kim.is_staff, kim.is_superuser, snapshot(kim)[1:3]) == (False, False, ([], []))
    assert not group.permissions.exists()


def test_ones_own_password_takes_the_one_of_now(client, actor):
    form = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    answer = client.post(f"{LIST}{actor.pk}/password/", form)
    assert answer["Location"] == "/account/password/"
    actor.refresh_from_db()
    assert actor.check_password(PASSWORD)


def test_unlinking_ends_the_sessions(client, actor):
    person = make_person("Kim")
    SocialAccount.objects.create(user=person, provider="oidc-x", uid="1")
    theirs = Client()
    theirs.force_login(person)
    client.post(f"{LIST}{person.pk}/do/unlink/")
    assert not SocialAccount.objects.exists()
    assert theirs.get("/account/").status_code == 302
