from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studio.models import Tag
from studio.services.errors import StudioError
from studio.services.gallery import tags
from tests.bulk import again, make_clips

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def clips(cast):
    return make_clips(cast.project, 3)


@pytest.fixture
def bob(client, cast):
    client.force_login(cast.bob)
    return client


def words(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


# ---- On a clip -----------------------------------------------------------------------------


def test_a_tag_is_put_on_and_taken_off_on_the_clips_page(bob, clips):
    url = f"/clips/{clips[0].code}/tags/"
    before = again(clips[0]).version
    answer = bob.post(url, {"tag": " #Night   shoot "}, headers=HTMX)
    assert "Night shoot" in words(answer)
    assert again(clips[0]).version > before
    assert bob.post(url, {"tag": "night shoot"})["Location"] == f"/clips/{clips[0].code}/"
    assert Tag.objects.get().name == "Night shoot"
    bob.post(url, {"remove": "Night shoot"})
    assert not Tag.objects.get().generations.exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "has 0 characters; 1 to 40 are allowed"),
        ("x" * 41, "has 41 characters"),
        ("a,b", "no comma"),
    ],
)
def test_a_bad_name_is_refused_and_stays_typed(bob, clips, name, said):
    url = f"/clips/{clips[0].code}/tags/"
    answer = bob.post(url, {"tag": name}, headers=HTMX)
    assert answer.status_code == 422
    assert said in words(answer)
    assert f'value="{name}"' in answer.content.decode()
    assert bob.post(url, {"tag": name}).status_code == 302


def test_a_project_has_only_so_many_tags(cast, monkeypatch):
    monkeypatch.setattr(tags, "MOST_TAGS", 1)
    tags.get_or_make(project=cast.project, name="one")
    with pytest.raises(StudioError, match="no more are allowed"):
        tags.get_or_make(project=cast.project, name="two")


def test_typing_completes_with_what_begins_so_first(bob, cast):
    for name in ("night", "tonight", "Nile", "day <i>"):
        tags.get_or_make(project=cast.project, name=name)
    url = f"/p/{cast.project.code}/tags/names/"
    assert re.findall(r'value="([^"]+)"', bob.get(url + "?tag=NI").content.decode()) == [
        "night", "Nile", "tonight",
    ]  # fmt: skip
    assert "day &lt;i&gt;" in bob.get(url).content.decode()


def test_cards_say_their_tags_in_a_constant_number_of_queries(bob, cast, clips):
    url = f"/p/{cast.project.code}/"

    def ask():
        with CaptureQueriesContext(connection) as found:
            page = bob.get(url).content.decode()
        return page, len(found)

    tags.put(generation=clips[0], name="night")
    _, few = ask()
    for clip in clips:
        for name in ("hero", "v2"):
            tags.put(generation=clip, name=name)
    page, many = ask()
    assert many == few
    assert "hero, night, v2" in page


def test_the_gallery_filters_by_tag(bob, cast, clips):
    tags.put(generation=clips[1], name="Night & day")
    page = bob.get(f"/clips/{clips[1].code}/").content.decode()
    address = re.search(r'href="([^"]+\?tag=[^"]+)"', page)[1].replace("&amp;", "&")
    shown = re.findall(r'id="clip-([^"]+)"', bob.get(address).content.decode())
    assert shown == [str(clips[1].code)]


# ---- In order ------------------------------------------------------------------------------


def test_tags_are_listed_with_their_visible_clips(bob, cast, clips):
    for clip in clips[:2]:
        tags.put(generation=clip, name="night")
    press_archive(cast, clips[0])
    assert "night 1 clip " in words(bob.get(f"/p/{cast.project.code}/tags/"))


def press_archive(cast, clip):
    from tests.bulk import press

    press(cast.bob, cast.project, "archive", [clip])


def test_a_tag_is_renamed_for_all_its_clips(bob, cast, clips):
    tag = tags.put(generation=clips[0], name="nihgt")
    before = again(clips[0]).version
    url = f"/p/{cast.project.code}/tags/{tag.pk}/"
    bob.post(url, {"name": "night"})
    assert Tag.objects.get().name == "night"
    assert again(clips[0]).version > before
    bob.post(url, {"name": "Night"})
    assert Tag.objects.get().name == "Night", "its own name in another case is no clash"


def test_a_name_that_is_taken_leads_to_merging(bob, cast, clips):
    night = tags.put(generation=clips[0], name="night")
    dark = tags.put(generation=clips[0], name="dark")
    tags.put(generation=clips[1], name="dark")
    url = f"/p/{cast.project.code}/tags/{dark.pk}/"
    answer = bob.post(url, {"name": "NIGHT"}, headers=HTMX)
    assert answer.status_code == 422
    assert "Merge the two instead" in words(answer)
    bob.post(url, {"into": night.pk})
    assert Tag.objects.get() == night
    assert set(night.generations.all()) == set(clips[:2])


def test_a_tag_is_not_merged_into_itself_or_another_projects(bob, cast, clips):
    tag = tags.put(generation=clips[0], name="night")
    for into in (tag.pk, 10**9, "x", "9" * 30):
        url = f"/p/{cast.project.code}/tags/{tag.pk}/"
        assert bob.post(url, {"into": into}, headers=HTMX).status_code == 422
    assert Tag.objects.get() == tag


def test_a_deleted_tag_is_off_every_clip_and_clips_stay(bob, cast, clips):
    tag = tags.put(generation=clips[0], name="night")
    bob.post(f"/p/{cast.project.code}/tags/{tag.pk}/", {"delete": "1"})
    assert not Tag.objects.exists()
    assert again(clips[0])


def test_who_may_touch_tags(client, cast, clips):
    tag = tags.put(generation=clips[0], name="night")
    project = f"/p/{cast.project.code}"
    expected = {"alice": (200, 200, 302, 302), "bob": (200, 200, 302, 302),
                "carol": (403, 200, 403, 403), "dave": (404, 404, 404, 404)}  # fmt: skip
    for name, codes in expected.items():
        client.force_login(getattr(cast, name))
        found = (
            client.get(f"{project}/tags/").status_code,
            client.get(f"{project}/tags/names/").status_code,
            client.post(f"/clips/{clips[1].code}/tags/", {"tag": name}).status_code,
            client.post(f"{project}/tags/{tag.pk}/", {"name": f"by {name}"}).status_code,
        )
        assert found == codes, name
    client.force_login(cast.carol)
    page = client.get(f"/clips/{clips[0].code}/").content.decode()
    assert "by bob" in page
    assert 'name="tag"' not in page
