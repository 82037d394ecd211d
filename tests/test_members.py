from __future__ import annotations

import json

import pytest

from studio.models import Invite, Membership, User
from studio.services import people
from studio.services.errors import StudioError
from studio.services.news import webhooks

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def toast(response):
    return json.loads(response["HX-Trigger"])["toast"]


def member_url(cast, name, verb):
    return f"/p/{cast.project.code}/members/{cast.member(name).pk}/{verb}/"


# ---- Rights at the moment of writing -----------------------------------------------------
def change_role(member, by):
    people.change_role(member=member, role="owner", by=by)


def remove_member(member, by):
    people.remove_member(member=member, by=by)


@pytest.mark.parametrize("act", [change_role, remove_member])
@pytest.mark.parametrize("ending", ["demoted", "removed", "deactivated"])
def test_a_request_under_way_when_its_owner_loses_the_right_changes_nothing(cast, act, ending):
    """Both were owners when their requests began; the one that is later finds the right gone."""
    other = Membership.objects.create(project=cast.project, user=cast.dave, role="owner")
    if ending == "demoted":
        people.change_role(member=other, role="editor", by=cast.alice)
    elif ending == "removed":
        people.remove_member(member=other, by=cast.alice)
    else:
        User.objects.filter(pk=cast.dave.pk).update(is_active=False)
    with pytest.raises(StudioError, match="Only an owner of this project can do that"):
        act(cast.member("bob"), cast.dave)
    assert cast.member("bob").role == "editor"


def test_whoever_leaves_needs_no_right_and_the_command_line_none(cast):
    people.remove_member(member=cast.member("carol"), by=cast.carol)
    people.change_role(member=cast.member("bob"), role="reviewer")
    assert cast.member("bob").role == "reviewer"


def test_a_demoted_owner_does_not_make_themselves_one_again(cast):
    other = Membership.objects.create(project=cast.project, user=cast.dave, role="owner")
    people.change_role(member=other, role="reviewer", by=cast.alice)
    with pytest.raises(StudioError, match="Only an owner"):
        people.change_role(member=other, role="owner", by=cast.dave)
    assert cast.member("dave").role == "reviewer"


@pytest.mark.parametrize("act", ["remove", "role"])
def test_owners_are_told_which_webhooks_of_a_former_owner_go_on(client, cast, act):
    Membership.objects.create(project=cast.project, user=cast.dave, role="owner")
    for number in range(3):
        webhooks.create_webhook(
            project=cast.project,
            by=cast.dave,
            url=f"https://hooks.example/{number}",
            kinds=["comment"],
        )
    cast.project.webhooks.order_by("pk").filter(url__endswith="0").update(enabled=False)
    client.force_login(cast.alice)
    page = client.post(member_url(cast, "dave", act), {"role": "editor"}, follow=True)
    assert "2 webhooks they made go on; delete what should not be told any more" in (
        page.content.decode()
    )


def test_a_change_that_takes_no_right_away_tells_of_nothing(client, cast):
    webhooks.create_webhook(
        project=cast.project, by=cast.alice, url="https://hooks.example/", kinds=["comment"]
    )
    client.force_login(cast.alice)
    page = client.post(member_url(cast, "bob", "role"), {"role": "reviewer"}, follow=True)
    assert "webhook they made" not in page.content.decode()


# ---- Roles -----------------------------------------------------------------------------
def test_an_owner_changes_a_role(client, cast):
    client.force_login(cast.alice)
    response = client.post(member_url(cast, "bob", "role"), {"role": "reviewer"})
    assert response["Location"] == f"/p/{cast.project.code}/settings/"
    assert cast.member("bob").role == "reviewer"


def test_htmx_gets_the_panel_and_a_toast(client, cast):
    client.force_login(cast.alice)
    response = client.post(member_url(cast, "bob", "role"), {"role": "owner"}, headers=HTMX)
    assert '<section class="panel pad stack" id="members"' in response.content.decode()
    assert "<!doctype" not in response.content.decode()
    assert toast(response) == {"text": "Bob is now an owner."}


def test_an_unknown_role_is_refused(client, cast):
    client.force_login(cast.alice)
    response = client.post(member_url(cast, "bob", "role"), {"role": "king"}, headers=HTMX)
    assert response.status_code == 409
    assert toast(response)["text"] == "Role is 'king'; it must be owner, editor or reviewer."
    assert cast.member("bob").role == "editor"


def test_the_last_owner_keeps_the_role(client, cast):
    client.force_login(cast.alice)
    url = member_url(cast, "alice", "role")
    refused = client.post(url, {"role": "editor"}, headers=HTMX)
    assert refused.status_code == 409
    assert toast(refused)["text"] == (
        "Alice is the only owner of this project. Make somebody else an owner first."
    )
    plain = client.post(url, {"role": "editor"}, follow=True)
    assert "Alice is the only owner of this project." in plain.content.decode()
    assert cast.member("alice").role == "owner"
    assert client.post(url, {"role": "owner"}).status_code == 302


def test_an_owner_who_steps_down_gets_a_fresh_page(client, cast):
    people.change_role(member=cast.member("bob"), role="owner")
    client.force_login(cast.alice)
    url = member_url(cast, "alice", "role")
    response = client.post(url, {"role": "editor"}, headers=HTMX)
    assert response["HX-Redirect"] == f"/p/{cast.project.code}/settings/"
    assert cast.member("alice").role == "editor"


# ---- Removing and leaving --------------------------------------------------------------
def test_an_owner_removes_a_member_once_or_twice(client, cast):
    client.force_login(cast.alice)
    url = member_url(cast, "bob", "remove")
    response = client.post(url, headers=HTMX)
    assert "bob@example.com" not in response.content.decode()
    assert toast(response) == {"text": "Bob is no longer a member."}
    again = client.post(url, headers=HTMX)
    assert again.status_code == 200
    assert "HX-Trigger" not in again
    client.force_login(cast.bob)
    assert client.get(f"/p/{cast.project.code}/settings/").status_code == 404


def test_a_member_of_another_project_is_out_of_reach(client, cast):
    other = Membership.objects.create(
        project=people.Project.objects.create(name="Other", created_by=cast.dave),
        user=cast.dave,
        role="owner",
    )
    client.force_login(cast.alice)
    base = f"/p/{cast.project.code}/members/{other.pk}"
    assert client.post(f"{base}/role/", {"role": "reviewer"}).status_code == 404
    client.post(f"{base}/remove/")
    assert Membership.objects.get(pk=other.pk).role == "owner"


@pytest.mark.parametrize("name", ["bob", "carol"])
def test_anybody_may_leave(client, cast, name):
    client.force_login(getattr(cast, name))
    response = client.post(f"/p/{cast.project.code}/leave/", headers=HTMX)
    assert response["HX-Redirect"] == "/"
    assert not Membership.objects.filter(user=getattr(cast, name)).exists()
    assert client.post(f"/p/{cast.project.code}/leave/").status_code == 404


def test_the_last_owner_cannot_leave(client, cast):
    client.force_login(cast.alice)
    response = client.post(f"/p/{cast.project.code}/leave/", follow=True)
    assert "Make somebody else an owner first, or archive the project." in response.content.decode()
    assert cast.member("alice").role == "owner"
    with pytest.raises(StudioError):
        people.remove_member(member=cast.member("alice"))


def test_an_owner_beside_one_who_is_deactivated_is_the_last(client, cast):
    people.change_role(member=cast.member("carol"), role="owner")
    User.objects.filter(pk=cast.carol.pk).update(is_active=False)
    with pytest.raises(StudioError, match="is the only owner"):
        people.remove_member(member=cast.member("alice"))
    with pytest.raises(StudioError, match="is the only owner"):
        people.change_role(member=cast.member("alice"), role="editor")
    people.remove_member(member=cast.member("carol"))
    assert cast.member("alice").role == "owner"


def test_an_owner_beside_another_may_leave(client, cast):
    people.change_role(member=cast.member("carol"), role="owner")
    client.force_login(cast.alice)
    assert client.post(f"/p/{cast.project.code}/leave/")["Location"] == "/"
    assert not Membership.objects.filter(user=cast.alice).exists()


# ---- Invites ---------------------------------------------------------------------------
def test_an_invite_link_is_shown_once(client, cast):
    client.force_login(cast.alice)
    url = f"/p/{cast.project.code}/invites/"
    page = client.post(url, {"role": "reviewer", "note": "Pia"}, follow=True).content.decode()
    assert 'value="http://testserver/join/' in page
    token = page.split("/join/")[1].split("/")[0]
    assert people.find_invite(token) == Invite.objects.get(note="Pia", role="reviewer")
    again = client.get(f"/p/{cast.project.code}/settings/").content.decode()
    assert "/join/" not in again
    assert "Pia" in again


def test_htmx_gets_the_link_at_once_with_the_public_address(client, cast, settings):
    settings.PUBLIC_URL = "https://studio.example"
    client.force_login(cast.alice)
    response = client.post(
        f"/p/{cast.project.code}/invites/", {"role": "editor", "note": ""}, headers=HTMX
    )
    assert 'value="https://studio.example/join/' in response.content.decode()


def test_a_link_made_in_one_project_does_not_show_in_another(client, cast):
    other = people.Project.objects.create(name="Other", created_by=cast.alice)
    Membership.objects.create(project=other, user=cast.alice, role="owner")
    client.force_login(cast.alice)
    client.post(f"/p/{cast.project.code}/invites/", {"role": "editor"})
    assert "/join/" not in client.get(f"/p/{other.code}/settings/").content.decode()


def test_a_wrong_invite_form_is_refused(client, cast):
    client.force_login(cast.alice)
    url = f"/p/{cast.project.code}/invites/"
    response = client.post(url, {"role": "king"}, headers=HTMX)
    assert response.status_code == 422
    assert "Role must be owner, editor or reviewer." in response.content.decode()
    plain = client.post(url, {"role": "king"}, follow=True)
    assert "Role must be owner, editor or reviewer." in plain.content.decode()
    assert not Invite.objects.exists()


def test_an_invite_is_withdrawn_once_or_twice(client, cast):
    invite, token = people.create_invite(project=cast.project, role="editor", by=cast.alice)
    client.force_login(cast.alice)
    url = f"/p/{cast.project.code}/invites/{invite.pk}/revoke/"
    assert client.post(url, headers=HTMX).status_code == 200
    first = Invite.objects.get().revoked_at
    assert client.post(url).status_code == 302
    assert Invite.objects.get().revoked_at == first
    with pytest.raises(StudioError, match="withdrawn"):
        people.accept_invite(token=token, user=cast.dave)


def test_withdrawing_a_used_invite_changes_nothing(cast):
    invite, token = people.create_invite(project=cast.project, role="editor", by=cast.alice)
    people.accept_invite(token=token, user=cast.dave)
    assert people.revoke_invite(invite=invite) is False
    assert Invite.objects.get().revoked_at is None


# ---- Who may ---------------------------------------------------------------------------
def owner_only(cast):
    invite, _ = people.create_invite(project=cast.project, role="editor", by=cast.alice)
    return [
        (member_url(cast, "bob", "role"), {"role": "owner"}),
        (member_url(cast, "carol", "remove"), {}),
        (f"/p/{cast.project.code}/invites/", {"role": "owner"}),
        (f"/p/{cast.project.code}/invites/{invite.pk}/revoke/", {}),
    ]


@pytest.mark.parametrize(("name", "status"), [("bob", 403), ("carol", 403), ("dave", 404)])
def test_people_are_the_owners_matter(client, cast, name, status):
    client.force_login(getattr(cast, name))
    for url, form in owner_only(cast):
        response = client.post(url, form, headers=HTMX)
        assert response.status_code == status, url
        assert response["Content-Type"].startswith("text/plain")
    assert cast.member("bob").role == "editor"
    assert cast.member("carol").role == "reviewer"
    assert cast.project.invites.filter(revoked_at=None).count() == 1


def test_members_actions_take_a_post_and_a_sign_in(client, cast):
    urls = [url for url, _ in owner_only(cast)] + [f"/p/{cast.project.code}/leave/"]
    for url in urls:
        assert client.post(url)["Location"].startswith("/login/"), url
    client.force_login(cast.alice)
    for url in urls:
        assert client.get(url).status_code == 405, url
