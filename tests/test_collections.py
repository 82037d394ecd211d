from __future__ import annotations

import io
import re
import zipfile

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studio.models import Collection
from tests.bulk import again, make_clips, press
from tests.factories import make_generation, make_previs

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def clips(cast):
    return make_clips(cast.project, 4)


@pytest.fixture
def collection(cast, clips):
    press(cast.bob, cast.project, "collect", clips, collection="", title="Shortlist")
    return Collection.objects.get()


@pytest.fixture
def bob(client, cast):
    client.force_login(cast.bob)
    return client


def order(collection):
    return [item.generation_id for item in collection.items.all()]


def words(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def at(collection, rest=""):
    return f"/collections/{collection.code}/{rest}"


def test_the_page_shows_clips_in_order_with_their_length(bob, collection, clips):
    page = bob.get(at(collection))
    assert "4 clips, 20 s, made by Bob" in words(page)
    assert re.findall(r'data-clip="([^"]+)"', page.content.decode()) == [str(c.code) for c in clips]


@pytest.mark.parametrize(
    ("moved", "to", "expected"),
    [
        (0, 2, [1, 2, 0, 3]),
        (3, 0, [3, 0, 1, 2]),
        (1, 1, [0, 1, 2, 3]),
        (0, 99, [1, 2, 3, 0]),
    ],
)
def test_a_clip_moves_to_a_place(bob, collection, clips, moved, to, expected):
    bob.post(at(collection, "move/"), {"clip": clips[moved].code, "to": to})
    assert order(collection) == [clips[n].pk for n in expected]


def test_places_are_counted_without_what_is_in_the_bin(bob, cast, collection, clips):
    press(cast.alice, cast.project, "delete", clips[1:2])
    assert "3 clips" in words(bob.get(at(collection)))
    bob.post(at(collection, "move/"), {"clip": clips[3].code, "to": 1})
    assert order(collection) == [clips[n].pk for n in (0, 1, 3, 2)]
    press(cast.alice, cast.project, "restore", clips[1:2])
    assert "4 clips" in words(bob.get(at(collection)))


@pytest.mark.parametrize("to", ["", "x", "-1", "1.5"])
def test_a_place_that_cannot_be_is_refused_by_name(bob, collection, clips, to):
    answer = bob.post(at(collection, "move/"), {"clip": clips[0].code, "to": to}, headers=HTMX)
    assert answer.status_code == 409
    assert "must be a place from 0 up" in answer["HX-Trigger"]


def test_a_clip_taken_out_comes_back_where_it_was(bob, collection, clips):
    answer = bob.post(at(collection, "remove/"), {"clip": clips[1].code}, headers=HTMX)
    assert order(collection) == [clips[n].pk for n in (0, 2, 3)]
    undo = re.search(r'action="([^"]+put-back[^"]+)"', answer.content.decode())[1]
    bob.post(undo)
    bob.post(undo)
    assert order(collection) == [c.pk for c in clips]
    assert again(clips[1]).archived_at is None


def test_title_and_note_are_kept_and_checked(bob, collection):
    bob.post(at(collection, "title/"), {"title": "  For  Ada ", "note": "By <b>Friday</b>"})
    page = bob.get(at(collection)).content.decode()
    assert "For Ada" in page
    assert "By &lt;b&gt;Friday&lt;/b&gt;" in page
    answer = bob.post(at(collection, "title/"), {"title": " ", "note": "kept"}, headers=HTMX)
    assert answer.status_code == 422
    assert "The title has 0 characters" in words(answer)
    assert "kept" in answer.content.decode()


def test_its_clips_come_as_one_zip_and_lead_to_a_share(bob, cast):
    make_previs()
    made = [make_generation(cast.project, files=True) for _ in range(2)]
    press(cast.bob, cast.project, "collect", made, collection="", title="Zip")
    collection = Collection.objects.get(title="Zip")
    answer = bob.get(at(collection, "archive.zip"))
    names = zipfile.ZipFile(io.BytesIO(answer.getvalue())).namelist()
    assert len([name for name in names if name.endswith(".mp4")]) == 2
    page = bob.get(at(collection)).content.decode()
    assert f"/p/{cast.project.code}/shares/new/?collection={collection.code}" in page


def test_an_empty_one_has_nothing_to_play_or_download(bob, cast):
    answer = bob.post(f"/p/{cast.project.code}/collections/", {"title": "Later"})
    page = bob.get(answer["Location"]).content.decode()
    assert "Nothing in it yet" in page
    assert "data-play-all" not in page
    assert "archive.zip" not in page
    assert bob.get(answer["Location"] + "archive.zip").status_code == 302


def test_a_collection_needs_a_title(bob, cast):
    answer = bob.post(f"/p/{cast.project.code}/collections/", {"title": " "})
    assert answer.status_code == 422
    assert "The title has 0 characters; 1 to 120 are allowed." in words(answer)


def test_a_deleted_collection_comes_back_and_its_clips_never_left(bob, cast, collection, clips):
    bob.post(at(collection, "delete/"))
    address = f"/p/{cast.project.code}/collections/"
    listed = bob.get(address)
    assert "No collections yet" in words(listed)
    undo = re.search(r'action="([^"]+/restore/)"', listed.content.decode())[1]
    bob.post(undo)
    assert "Shortlist 4 clips, Bob" in words(bob.get(address))


def test_the_gallery_filters_by_collection(bob, cast, collection, clips):
    make_clips(cast.project, 2)
    page = bob.get(f"/p/{cast.project.code}/?collection={collection.code}").content.decode()
    assert len(re.findall(r'<article class="clip', page)) == 4


def test_queries_are_constant(bob, cast, collection, clips):
    def count(address):
        with CaptureQueriesContext(connection) as found:
            assert bob.get(address).status_code == 200
        return len(found)

    addresses = [at(collection), f"/p/{cast.project.code}/collections/"]
    few = [count(address) for address in addresses]
    more = make_clips(cast.project, 10)
    press(cast.bob, cast.project, "collect", more, collection=str(collection.code))
    for n in range(4):
        press(cast.bob, cast.project, "collect", more, collection="", title=f"List {n}")
    assert [count(address) for address in addresses] == few


def test_a_list_has_at_most_four_pictures_of_each(bob, cast, collection, clips):
    more = make_clips(cast.project, 3)
    press(cast.bob, cast.project, "collect", more, collection=str(collection.code))
    page = bob.get(f"/p/{cast.project.code}/collections/").content.decode()
    assert page.count("-poster.webp") == 4


def test_who_may_do_what_with_collections(client, cast, collection, clips):
    clip = {"clip": clips[0].code}
    reads = [at(collection), f"/p/{cast.project.code}/collections/"]
    writes = [(at(collection, "title/"), {"title": "New"}), (at(collection, "move/"), clip | {"to": 0}),
              (at(collection, "remove/"), clip), (at(collection, f"put-back/{clips[0].code}/0/"), {}),
              (at(collection, "delete/"), {}), (at(collection, "restore/"), {}),
              (f"/p/{cast.project.code}/collections/", {"title": "New"})]  # fmt: skip
    for name, seen, done in (("alice", 200, 302), ("bob", 200, 302), ("carol", 200, 403),
                             ("dave", 404, 404)):  # fmt: skip
        client.force_login(getattr(cast, name))
        assert [client.get(address).status_code for address in reads] == [seen, seen], name
        assert {client.post(*write).status_code for write in writes} == {done}, name
    client.force_login(cast.carol)
    assert client.get(at(collection, "archive.zip")).status_code == 403
    page = client.get(at(collection)).content.decode()
    assert "orderer" not in page
    client.logout()
    assert client.get(at(collection)).status_code == 302
