"""Links that open more clips than a page shows, and what a view that lives keeps back."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studio.models import Collection, CollectionItem, Generation, SavedView
from studio.services.sharing import guests, making, speaking
from studio.services.sharing.making import Options, Source
from studio.services.sharing.opening import opened
from tests.bulk import make_clips
from tests.factories import make_still
from tests.sharing import browser

MANY = 130


def share_view(cast, query="sort=oldest", **options):
    name = f"View {SavedView.objects.count()}"
    view = SavedView.objects.create(
        project=cast.project, owner=cast.bob, name=name, query=query, shared=True
    )
    return making.create_share(
        project=cast.project,
        by=cast.bob,
        source=Source(saved_view=view),
        options=Options(**options),
    )


@pytest.fixture
def clips(cast):
    return make_clips(cast.project, MANY, provider="luma", model="ray-2", rating=5)


def codes(page):
    return [clip.code for clip in page.context["clips"]]


def test_a_view_of_many_clips_comes_in_pages_that_miss_none(cast, clips):
    share, token = share_view(cast, may_decide=True)
    guest, _ = guests.introduce(share=share, name="Ingrid")
    speaking.decide(share=share, guest=guest, clip=clips[100], verdict="approved")
    home = f"/s/{token}/"
    client = browser()
    first, second, last = (client.get(f"{home}?page={page}") for page in (1, 2, 3))
    assert codes(first) + codes(second) + codes(last) == [clip.code for clip in clips]
    assert "Clips 61–120 of 130" in second.content.decode()
    assert f"1 of {MANY}" in first.content.decode(), "reviewed, of all and not of the page"
    assert codes(client.get(f"{home}?page=99")) == codes(last)
    assert codes(client.get(f"{home}?page=-1")) == codes(first)
    cursor = second.context["cursor"]
    assert client.get(f"{home}changes/?page=2&since={cursor}").status_code == 204
    fresh = client.get(f"{home}changes/?page=2&since=old")
    assert codes(fresh) == codes(second)


def test_a_clip_knows_its_place_among_all_and_its_neighbours(cast, clips):
    _, token = share_view(cast)
    page = browser().get(f"/s/{token}/clips/{clips[100].code}/")
    assert f"Clip 101 of {MANY}" in page.content.decode()
    assert page.context["previous"].code == clips[99].code
    assert page.context["following"].code == clips[101].code
    assert len(page.context["clips"]) == 60
    assert f'href="/s/{token}/?page=2" aria-label="All clips"' in page.content.decode()
    last = browser().get(f"/s/{token}/clips/{clips[-1].code}/")
    assert last.context["following"] is None


def test_pages_cost_the_same_for_any_number_of_clips(cast):
    def queries(path):
        with CaptureQueriesContext(connection) as found:
            assert browser().get(path, headers={"user-agent": "a bot/1"}).status_code == 200
        return len(found)

    few = make_clips(cast.project, 5, provider="luma", model="ray-2")
    _, token = share_view(cast, shows_names=True, may_decide=True)
    paths = [f"/s/{token}/", f"/s/{token}/clips/{few[2].code}/"]
    before = [queries(path) for path in paths]
    make_clips(cast.project, MANY, provider="luma", model="ray-2")
    assert [queries(path) for path in paths] == before


def test_each_file_asks_whether_its_clip_is_in_the_view_now(cast, clips):
    _, token = share_view(cast, "rating=5&sort=oldest")
    clip = clips[125]
    clip.poster.save("poster.webp", ContentFile(b"RIFF"))
    url = f"/s/{token}/media/{clip.code}-poster.webp"
    assert browser().get(url).status_code == 200
    Generation.objects.filter(pk=clip.pk).update(rating=2)
    assert browser().get(url).status_code == 404
    assert browser().get(f"/s/{token}/clips/{clip.code}/").status_code == 404


def test_a_collection_is_opened_as_it_is_and_a_view_of_it_as_it_becomes(client, cast, clips):
    kept = Collection.objects.create(
        project=cast.project, title="Short list", created_by=cast.alice
    )
    CollectionItem.objects.bulk_create(
        CollectionItem(collection=kept, generation=clip, position=n)
        for n, clip in enumerate(clips[:90])
    )
    client.force_login(cast.bob)
    url = f"/p/{cast.project.code}/shares/new/"
    page = client.get(url, {"collection": str(kept.code)})
    assert len(page.context["clips"]) == 90
    assert "To share what it becomes, filter the gallery" in page.content.decode()
    share, token = share_view(cast, f"collection={kept.code}&sort=oldest")
    assert opened(share).count() == 90
    CollectionItem.objects.create(collection=kept, generation=clips[95], position=90)
    assert codes(browser().get(f"/s/{token}/?page=2"))[-1] == clips[95].code


def test_a_collection_larger_than_a_link_is_refused_with_the_way_out(
    client, cast, clips, monkeypatch
):
    monkeypatch.setattr("studio.views.sharing.shares.MOST_CLIPS", 80)
    kept = Collection.objects.create(project=cast.project, title="All", created_by=cast.alice)
    CollectionItem.objects.bulk_create(
        CollectionItem(collection=kept, generation=clip, position=n) for n, clip in enumerate(clips)
    )
    client.force_login(cast.bob)
    page = client.get(f"/p/{cast.project.code}/shares/new/", {"collection": str(kept.code)})
    assert "more clips than the 80 a link opens" in page.content.decode()


def test_a_view_keeps_title_cards_back_unless_prompts_are_shown(client, cast):
    """They are the prompt, in letters: nobody who made the link saw the later ones come."""
    [card] = make_clips(cast.project, 1)
    [film] = make_clips(cast.project, 1, provider="luma", model="ray-2")
    [moved] = make_clips(cast.project, 1, start_keyframe=make_still(cast.project))
    share, token = share_view(cast)
    assert list(opened(share)) == [film, moved]
    assert browser().get(f"/s/{token}/clips/{card.code}/").status_code == 404
    client.force_login(cast.bob)
    said = "1 title card is left out:"
    assert said in client.get(f"/shares/{share.code}/").content.decode()
    url = f"/p/{cast.project.code}/shares/new/?view={share.saved_view.code}"
    assert said in client.get(url).content.decode()
    telling, _ = share_view(cast, "sort=newest", shows_prompts=True)
    assert set(opened(telling)) == {card, film, moved}
    assert said not in client.get(f"/shares/{telling.code}/").content.decode()
