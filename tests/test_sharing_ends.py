"""What becomes of a link and of what its guests said when something around it ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import ProtectedError
from django.urls import reverse
from django.utils import timezone

from studio.models import GivenVerdict, Project, Share, User
from studio.services import people, projects
from studio.services.errors import StudioError
from studio.services.gallery import bin as the_bin
from studio.services.gallery import views
from studio.services.sharing import guests, making, speaking
from tests.bulk import member
from tests.factories import make_generation
from tests.sharing import browser, share_clips


@pytest.fixture
def clip(cast):
    return make_generation(cast.project, clip="c/1.mp4", title="Ridge")


@pytest.fixture
def judged(cast, clip):
    """A link through which a guest approved the clip."""
    share, token = share_clips(cast.project, cast.bob, clip, may_decide=True)
    guest, _ = guests.introduce(share=share, name="Ingrid")
    speaking.decide(share=share, guest=guest, clip=clip, verdict="approved")
    return share, token, guest


def status(token):
    return browser().get(f"/s/{token}/", follow=True).status_code


# ---- An archived project ---------------------------------------------------------------------


def test_an_archived_projects_links_are_closed_until_it_is_back(client, cast, clip, judged):
    share, token, guest = judged
    ended, _ = share_clips(cast.project, cast.bob, clip, title="Last year")
    Share.objects.filter(pk=ended.pk).update(expires_at=timezone.now() - timedelta(days=1))
    media = f"/s/{token}/media/{clip.code}.mp4"
    settings_url, links = (f"/p/{cast.project.code}/{page}/" for page in ("settings", "shares"))
    client.force_login(cast.alice)
    assert (
        "Its 1 open link for guests closes until then." in client.get(settings_url).content.decode()
    )
    answer = client.post(f"/p/{cast.project.code}/archive/", follow=True)
    assert "Its links for guests are closed until it is back." in answer.content.decode()
    assert status(token) == 410
    assert browser().get(media).status_code == 404
    with pytest.raises(StudioError, match="closed a moment ago"):
        speaking.decide(share=share, guest=guest, clip=clip, verdict="")
    assert "Closed while the project is archived" in client.get(links).content.decode()
    answer = client.post(f"/shares/{share.code}/link/", follow=True)
    assert "Bring it back first" in answer.content.decode()
    with pytest.raises(StudioError, match="archived"):
        share_clips(Project.objects.get(), cast.bob, clip)
    assert "With it 1 link for guests opens again." in client.get(settings_url).content.decode()
    client.post(f"/p/{cast.project.code}/restore/")
    assert status(token) == 200


def test_a_link_revoked_meanwhile_stays_closed(cast, judged):
    share, token, _ = judged
    projects.archive_project(project=cast.project, by=cast.alice)
    making.revoke_share(share=share)
    projects.restore_project(project=Project.objects.get(), by=cast.alice)
    assert status(token) == 410


def test_an_older_undo_of_a_view_opens_no_link_that_was_revoked_since(client, cast, clip):
    view = views.save_view(
        project=cast.project, owner=cast.carol, name="All", query="sort=oldest", shared=True
    )
    _, token = making.create_share(
        project=cast.project,
        by=cast.bob,
        source=making.Source(saved_view=view),
        options=making.Options(),
    )
    first = views.delete_view(view=view)
    view = views.restore_view(project=cast.project, by=cast.carol, kept=first)
    assert status(token) == 200
    making.revoke_share(share=Share.objects.get())
    second = views.delete_view(view=view)
    for kept in (first, second):
        view = views.restore_view(project=cast.project, by=cast.carol, kept=kept)
        assert status(token) == 410
        views.delete_view(view=view)


# ---- Deleting --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what", ["share", "guest", "project", "givenverdict", "generation", "user"]
)
def test_the_control_room_deletes_nothing_a_guests_verdict_hangs_on(client, cast, judged, what):
    share, _, guest = judged
    rows = {
        "share": share,
        "guest": guest,
        "project": cast.project,
        "givenverdict": GivenVerdict.objects.get(),
        "generation": GivenVerdict.objects.get().generation,
        "user": cast.bob,
    }
    root = User.objects.create_superuser(email="root@example.com", name="Root", password="x")
    client.force_login(root)
    url = reverse(f"admin:studio_{what}_delete", args=[rows[what].pk])
    assert client.post(url, {"post": "yes"}).status_code == 403
    assert GivenVerdict.objects.get().guest == guest


@pytest.mark.parametrize("kind", [0, 2])
def test_the_database_itself_holds_on_to_who_gave_a_verdict(judged, kind):
    """From a shell too: a share or its guest goes only after what was decided through it."""
    with pytest.raises(ProtectedError), transaction.atomic():
        judged[kind].delete()


def test_a_clip_a_client_judged_leaves_its_files_and_no_more(cast, clip, judged):
    share, _, guest = judged
    owner = member(cast.alice, cast.project)
    making.revoke_share(share=share)
    moment = timezone.now()
    type(clip).objects.filter(pk=clip.pk).update(archived_at=moment, deleted_at=moment)
    clip.refresh_from_db()
    the_bin.delete_for_good(membership=owner, clip=clip)
    clip.refresh_from_db()
    assert clip.purged_at is not None
    assert GivenVerdict.objects.get().guest == guest


def test_who_made_the_link_may_leave(cast, judged):
    _, token, _ = judged
    people.remove_member(member=member(cast.bob, cast.project), by=cast.alice)
    assert Share.objects.get().created_by == cast.bob
    assert status(token) == 200


# ---- A member who is gone --------------------------------------------------------------------


def test_a_removed_members_links_go_on_and_the_owner_is_told_of_them(client, cast, clip, judged):
    _, token, _ = judged
    client.force_login(cast.alice)
    url = f"/p/{cast.project.code}/members/{cast.member('bob').pk}/remove/"
    page = client.post(url, follow=True).content.decode()
    assert "1 link for guests they made stays open; close what they should not hold" in page
    assert status(token) == 200
    # Only who is still a member changes or closes it.
    share = judged[0]
    client.force_login(cast.bob)
    assert client.post(f"/shares/{share.code}/link/").status_code == 404
    client.force_login(cast.alice)
    client.post(f"/shares/{share.code}/revoke/")
    assert status(token) == 410
