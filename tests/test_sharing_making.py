"""Making, listing, changing, replacing and revoking links."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio.models import Chain, Collection, CollectionItem, SavedView, Segment, Share
from studio.models.generation import State
from studio.services.errors import StudioError
from studio.services.gallery.views import delete_view, restore_view
from studio.services.sharing import making, opening
from studio.services.sharing.making import Options, Source, hash_token
from studio.signals import share_made
from tests.factories import make_generation, make_project
from tests.sharing import browser, browser_of, share_clips

pytestmark = pytest.mark.django_db
FORM = {"title": "Round 2", "may_comment": "on", "expires": "30"}


@pytest.fixture
def clips(cast):
    return [
        make_generation(cast.project, title=f"Shot {n}", provider="luma", model="ray-2")
        for n in range(3)
    ]


def as_(user):
    client = Client()
    client.force_login(user)
    return client


def new_url(cast):
    return f"/p/{cast.project.code}/shares/new/"


def make(cast, clips, by=None, **more):
    """Press the button and return the link made and the answer."""
    data = FORM | {"clip": [str(c.code) for c in clips]} | more
    answer = as_(by or cast.bob).post(new_url(cast), data)
    return Share.objects.order_by("-pk").first(), answer


# ---- Making ------------------------------------------------------------------------------------
def test_it_makes_a_link_that_opens_the_chosen_clips_in_their_order(cast, clips):
    client = as_(cast.bob)
    order = [clips[2], clips[0]]
    answer = client.post(new_url(cast), FORM | {"clip": [str(c.code) for c in order]}, follow=True)
    share = Share.objects.get()
    link = answer.context["new_link"]
    token = link.rstrip("/").rsplit("/", 1)[1]
    assert share.token_hash == hash_token(token)
    shown = opening.listing(share, token).clips(0, 10)
    assert [c.code for c in shown] == [c.code for c in order]
    assert "Shot 2" in browser().get(f"/s/{token}/").content.decode()


def test_the_link_is_shown_once_and_kept_nowhere(cast, clips):
    client = as_(cast.bob)
    data = FORM | {"clip": str(clips[0].code)}
    page = client.post(new_url(cast), data, follow=True).content.decode()
    assert "/s/" in page and "data-copy" in page
    share = Share.objects.get()
    assert "/s/" not in client.get(f"/shares/{share.code}/").content.decode()
    token = page.split("/s/")[1].split("/")[0]
    assert token not in [str(value) for value in Share.objects.values_list().get()]


def test_everything_but_comments_is_off_and_it_ends_in_thirty_days_unless_said(cast, clips):
    page = as_(cast.bob).get(new_url(cast), {"clip": str(clips[0].code)})
    form = page.context["form"]
    on = [f.name for f in [*form.allows, *form.shows] if f.value()]
    assert on == ["may_comment"]
    assert form["expires"].value() == "30"
    share, _ = make(cast, clips[:1])
    assert timedelta(days=29) < share.expires_at - timezone.now() <= timedelta(days=30)
    assert not any(getattr(share, name) for name in ("may_decide", "may_download", "shows_prompts"))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("title", "x" * 121, "121 characters; 120 are allowed"),
        ("note", "x" * 501, "501 characters; 500 are allowed"),
        ("password", "abc", "3 characters; at least 6 are needed"),
        ("expires", "8", "Open for is “8”; choose one of the lengths"),
        ("expires", "", "Say how long the link is open"),
    ],
)
def test_bad_input_is_named_and_what_was_typed_survives(cast, clips, field, value, said):
    share, answer = make(cast, clips, **({"note": "A note of mine"} | {field: value}))
    assert share is None
    assert answer.status_code == 422
    page = answer.content.decode()
    assert said in page
    assert field == "note" or "A note of mine" in page


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("", "Say the last day"),
        ("2020-01-01", "must be today or later"),
        ("2099-01-01", "at most 5 years"),
        ("soon", "must be a date, such as 2026-12-31"),
    ],
)
def test_a_last_day_that_cannot_be_is_refused(cast, clips, day, said):
    share, answer = make(cast, clips, expires="date", expires_on=day)
    assert share is None
    assert said in answer.content.decode()


def test_what_cannot_be_shared_is_left_out_and_said(cast, clips):
    archived = make_generation(cast.project, archived_at=timezone.now())
    running = make_generation(cast.project, state=State.RUNNING)
    foreign = make_generation(elsewhere())
    codes = [str(c.code) for c in (clips[0], archived, running, foreign)] + ["nonsense"]
    answer = as_(cast.bob).get(new_url(cast), {"clip": codes})
    assert answer.context["count"] == 1
    assert "4 of the chosen shots cannot be shared" in answer.content.decode()
    share, _ = make(cast, [clips[0], archived, running, foreign])
    assert list(share.generations.all()) == [clips[0]]


def elsewhere():
    return make_project(name="Elsewhere")


def test_nothing_that_plays_makes_no_link(cast):
    running = make_generation(cast.project, state=State.RUNNING)
    share, answer = make(cast, [running])
    assert share is None
    assert answer.status_code == 422
    assert "nothing to open" in answer.content.decode()


def test_more_clips_than_a_link_opens_are_refused_with_the_numbers(cast):
    data = FORM | {"clip": [f"{n:032x}" for n in range(501)]}
    answer = as_(cast.bob).post(new_url(cast), data)
    assert answer.status_code == 422
    assert "501 clips are chosen; a link opens at most 500" in answer.content.decode()


def test_a_selection_too_long_for_an_address_comes_as_a_post(cast, clips):
    data = {"choose": "1", "clip": [str(c.code) for c in clips]}
    answer = as_(cast.bob).post(new_url(cast), data)
    assert answer.status_code == 200
    assert answer.context["count"] == 3
    assert not Share.objects.exists()


def test_a_chain_is_shared_as_it_is_at_each_look(cast, clips):
    chain = Chain.objects.create(project=cast.project, title="Night", created_by=cast.alice)
    Segment.objects.create(chain=chain, position=1, generation=clips[1])
    answer = as_(cast.bob).post(new_url(cast), FORM | {"chain": str(chain.code)})
    assert answer.status_code == 302
    share = Share.objects.get()
    assert list(opening.opened(share)) == [clips[1]]
    Segment.objects.create(chain=chain, position=2, generation=clips[0])
    assert list(opening.opened(share)) == [clips[1], clips[0]]
    Chain.objects.update(archived_at=timezone.now())
    assert list(opening.opened(Share.objects.get())) == []


def test_a_branch_opens_the_beginning_it_shares_but_not_the_other_ending(cast, clips):
    root = Chain.objects.create(project=cast.project, title="Night", created_by=cast.alice)
    for place, clip in enumerate(clips[:2], 1):
        Segment.objects.create(chain=root, position=place, generation=clip)
    branch = Chain.objects.create(
        project=cast.project, title="Other", created_by=cast.alice,
        branched_from=root, branched_position=1,
    )  # fmt: skip
    Segment.objects.create(chain=branch, position=2, generation=clips[2])
    share, _ = making.create_share(
        project=cast.project, by=cast.bob, source=Source(chain=branch), options=Options()
    )
    assert list(opening.opened(share)) == [clips[0], clips[2]]


def test_a_saved_view_lives(cast, clips):
    view = SavedView.objects.create(
        project=cast.project, owner=cast.bob, name="Best", query="rating=4&sort=oldest"
    )
    as_(cast.bob).post(new_url(cast), FORM | {"view": str(view.code)})
    share = Share.objects.get()
    assert list(opening.opened(share)) == []
    for clip in clips[1:]:
        clip.rating = 5
        clip.save()
    assert list(opening.opened(share)) == clips[1:]


@pytest.mark.parametrize("query", ["archived=with", "archived=only", "state=failed", ""])
def test_no_saved_view_opens_what_is_archived_or_does_not_play(cast, clips, query):
    make_generation(cast.project, archived_at=timezone.now())
    make_generation(cast.project, archived_at=timezone.now(), deleted_at=timezone.now())
    make_generation(cast.project, state=State.FAILED)
    view = SavedView.objects.create(project=cast.project, owner=cast.bob, name="V", query=query)
    share, _ = making.create_share(
        project=cast.project, by=cast.bob, source=Source(saved_view=view), options=Options()
    )
    assert set(opening.opened(share)) <= set(clips)


@pytest.mark.parametrize("query", ["rating=9", "tag=gone", "chain=nonsense", "shape=2:1", "from=x"])
def test_a_saved_view_with_a_condition_that_means_nothing_opens_nothing(cast, clips, query):
    view = SavedView.objects.create(project=cast.project, owner=cast.bob, name="V", query=query)
    share, _ = making.create_share(
        project=cast.project, by=cast.bob, source=Source(saved_view=view), options=Options()
    )
    assert list(opening.opened(share)) == []


def test_another_persons_saved_view_is_shared_only_if_it_is_the_projects(cast, clips):
    view = SavedView.objects.create(project=cast.project, owner=cast.alice, name="Mine", query="")
    answer = as_(cast.bob).post(new_url(cast), FORM | {"view": str(view.code)})
    assert answer.status_code == 422 or not Share.objects.exists()
    with pytest.raises(StudioError, match="not yours"):
        making.create_share(
            project=cast.project, by=cast.bob, source=Source(saved_view=view), options=Options()
        )
    view.shared = True
    view.save()
    assert as_(cast.bob).post(new_url(cast), FORM | {"view": str(view.code)}).status_code == 302


def test_a_collections_clips_are_taken_in_its_order(cast, clips):
    collection = Collection.objects.create(
        project=cast.project, title="Short list", created_by=cast.alice
    )
    for place, clip in enumerate(reversed(clips), 1):
        CollectionItem.objects.create(collection=collection, generation=clip, position=place)
    page = as_(cast.bob).get(new_url(cast), {"collection": str(collection.code)})
    assert page.context["clips"] == list(reversed(clips))
    make(cast, page.context["clips"])
    assert list(opening.opened(Share.objects.get())) == list(reversed(clips))


def test_a_title_card_whose_picture_is_the_prompt_is_pointed_out(cast, clips):
    card = make_generation(cast.project, provider="previs")
    client = as_(cast.bob)
    assert "is a title card" in client.get(new_url(cast), {"clip": card.code}).content.decode()
    page = client.get(new_url(cast), {"clip": clips[0].code}).content.decode()
    assert "title card" not in page


def test_making_is_said_aloud(cast, clips):
    heard = []

    def hear(sender, **kwargs):
        heard.append((kwargs["share"], kwargs["actor"]))

    share_made.connect(hear)
    try:
        share, _ = make(cast, clips)
    finally:
        share_made.disconnect(hear)
    assert heard == [(share, cast.bob)]


# ---- Who may -----------------------------------------------------------------------------------
def test_editors_and_owners_make_links_reviewers_only_see_them(cast, clips):
    share, _ = make(cast, clips)
    team = {
        f"/p/{cast.project.code}/shares/": (200, 200, 200),
        new_url(cast): (200, 200, 403),
        f"/shares/{share.code}/": (200, 200, 403),
    }
    for url, expected in team.items():
        people = (cast.alice, cast.bob, cast.carol)
        assert tuple(as_(p).get(url).status_code for p in people) == expected, url
        assert as_(cast.dave).get(url).status_code == 404
        assert Client().get(url).status_code == 302
    for action in ("link", "revoke"):
        url = f"/shares/{share.code}/{action}/"
        assert as_(cast.carol).post(url).status_code == 403
        assert as_(cast.dave).post(url).status_code == 404
        assert as_(cast.bob).get(url).status_code == 405
    assert (
        as_(cast.carol).post(new_url(cast), FORM | {"clip": str(clips[0].code)}).status_code == 403
    )
    assert (
        as_(cast.dave).post(new_url(cast), FORM | {"clip": str(clips[0].code)}).status_code == 404
    )
    share.refresh_from_db()
    assert share.revoked_at is None
    assert Share.objects.count() == 1


def test_a_chain_or_clip_of_another_project_cannot_be_shared_from_here(cast, clips):
    other = elsewhere()
    chain = Chain.objects.create(project=other, title="Theirs", created_by=other.created_by)
    answer = as_(cast.bob).post(new_url(cast), FORM | {"chain": str(chain.code)})
    assert "not here any more" in answer.content.decode()
    assert not Share.objects.exists()


# ---- Keeping ------------------------------------------------------------------------------------
def test_the_list_says_who_made_it_what_it_opens_and_who_came(cast, clips):
    share, _ = share_clips(cast.project, cast.bob, *clips, title="For Ingrid")
    browser_of(share, "Ingrid")
    Share.objects.update(visits=3, last_visit_at=timezone.now())
    page = as_(cast.alice).get(f"/p/{cast.project.code}/shares/").content.decode()
    for said in ("For Ingrid", "3 clips", "by Bob", "3 visits", "1 guest"):
        assert said in page


def test_the_list_costs_the_same_for_any_number_of_links(cast, clips):
    client = as_(cast.alice)
    url = f"/p/{cast.project.code}/shares/"

    def cost():
        with CaptureQueriesContext(
            connection,
        ) as asked:
            client.get(url)
        return len(asked)

    share_clips(cast.project, cast.bob, *clips)
    client.get(url)
    few = cost()
    for _ in range(12):
        share_clips(cast.project, cast.bob, *clips)
    assert cost() == few


def test_options_can_be_changed_and_clips_left_out(cast, clips):
    share, _ = share_clips(cast.project, cast.bob, *clips, password="vinterlys")
    kept = [str(clips[0].code), str(clips[2].code)]
    data = FORM | {"title": "Round 3", "may_download": "on", "expires": "never", "clip": kept}
    assert as_(cast.bob).post(f"/shares/{share.code}/", data).status_code == 302
    share.refresh_from_db()
    assert (share.title, share.may_download, share.expires_at) == ("Round 3", True, None)
    assert list(opening.opened(share)) == [clips[0], clips[2]]
    assert share.password  # an empty field leaves it
    as_(cast.bob).post(f"/shares/{share.code}/", data | {"no_password": "on"})
    share.refresh_from_db()
    assert share.password == ""
    refused = as_(cast.bob).post(f"/shares/{share.code}/", FORM | {"clip": []})
    assert "would open nothing" in refused.content.decode()
    assert opening.opened(share).count() == 2


def test_a_clip_that_is_archived_now_is_not_dropped_by_saving(cast, clips):
    share, _ = share_clips(cast.project, cast.bob, *clips)
    clips[1].archived_at = timezone.now()
    clips[1].save()
    assert list(opening.opened(share)) == [clips[0], clips[2]]
    data = FORM | {"clip": [str(clips[0].code)]}
    as_(cast.bob).post(f"/shares/{share.code}/", data)
    assert list(share.generations.order_by("number")) == clips[:2]


def test_a_new_link_replaces_the_old_one(cast, clips):
    share, old = share_clips(cast.project, cast.bob, *clips)
    page = as_(cast.bob).post(f"/shares/{share.code}/link/", follow=True)
    new = page.context["new_link"].rstrip("/").rsplit("/", 1)[1]
    assert new != old
    assert browser().get(f"/s/{old}/").status_code == 404
    assert browser().get(f"/s/{new}/").status_code == 200


def test_revoking_closes_it_and_a_new_link_opens_it_again(cast, clips):
    share, token = share_clips(cast.project, cast.bob, *clips)
    as_(cast.bob).post(f"/shares/{share.code}/revoke/")
    answer = browser().get(f"/s/{token}/")
    assert answer.status_code == 410
    assert "This link is closed." in answer.content.decode()
    page = as_(cast.bob).post(f"/shares/{share.code}/link/", follow=True)
    assert browser().get(f"/s/{token}/").status_code == 404
    new = page.context["new_link"].rstrip("/").rsplit("/", 1)[1]
    assert browser().get(f"/s/{new}/").status_code == 200


def test_one_out_of_date_needs_a_later_end_before_a_new_link(cast, clips):
    past = timezone.now() - timedelta(days=1)
    share, token = share_clips(cast.project, cast.bob, *clips, expires_at=past)
    assert browser().get(f"/s/{token}/").status_code == 410
    page = as_(cast.bob).post(f"/shares/{share.code}/link/", follow=True)
    assert "out of date" in page.content.decode()
    as_(cast.bob).post(f"/shares/{share.code}/", FORM | {"clip": str(clips[0].code)})
    assert browser().get(f"/s/{token}/", follow=True).status_code == 200


def test_links_to_a_view_that_is_deleted_are_closed_until_it_is_brought_back(cast, clips):
    view = SavedView.objects.create(project=cast.project, owner=cast.bob, name="All", query="")
    share, token = making.create_share(
        project=cast.project, by=cast.bob, source=Source(saved_view=view),
        options=Options(may_decide=True),
    )  # fmt: skip
    guest = browser_of(share, "Ingrid")
    url = f"/s/{token}/clips/{clips[0].code}/verdict/"
    assert guest.post(url, {"verdict": "approved"}).status_code == 302
    kept = delete_view(view=view)
    share.refresh_from_db()
    assert not share.is_open
    assert clips[0].verdicts.get().guest.name == "Ingrid"
    assert browser().get(f"/s/{token}/").status_code == 410
    restore_view(project=cast.project, by=cast.bob, kept=kept)
    assert browser().get(f"/s/{token}/").status_code == 200


def test_the_clip_page_says_where_it_is_shared(cast, clips):
    share_clips(cast.project, cast.bob, clips[0], title="For Ingrid")
    closed, _ = share_clips(cast.project, cast.bob, clips[0], title="For Nobody")
    making.revoke_share(share=closed)
    page = as_(cast.carol).get(f"/clips/{clips[0].code}/").content.decode()
    assert "For Ingrid" in page
    assert "For Nobody" not in page
    assert "For Ingrid" not in as_(cast.carol).get(f"/clips/{clips[1].code}/").content.decode()
