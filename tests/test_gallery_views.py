from __future__ import annotations

import re

import pytest

from studio.models import Membership, SavedView
from tests.factories import make_generation, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def save(client, cast):
    def post(person, name="To grade", query="verdict=approved&sort=rating", **more):
        client.force_login(person)
        return client.post(f"/p/{cast.project.code}/views/", {"name": name, "query": query} | more)

    return post


def test_a_view_is_kept_under_a_name_and_leads_back(client, cast, save):
    response = save(cast.carol)
    view = SavedView.objects.get()
    assert (view.name, view.query, view.owner) == (
        "To grade",
        "verdict=approved&sort=rating",
        cast.carol,
    )
    assert response["Location"] == f"/p/{cast.project.code}/?{view.query}"
    html = client.get(f"/p/{cast.project.code}/views/").content.decode()
    assert f"/p/{cast.project.code}/?verdict=approved&amp;sort=rating" in html


@pytest.mark.parametrize(
    ("name", "query", "sentence"),
    [
        ("", "state=ready", "A view needs a name"),
        ("x" * 61, "state=ready", "The name has 61 characters; it can have up to 60."),
        ("Empty", "", "There is nothing to save yet"),
        ("to GRADE", "state=ready", "You have a view called “to GRADE” already"),
    ],
)
def test_what_cannot_be_kept_is_said_and_what_was_typed_stays(cast, save, name, query, sentence):
    save(cast.bob)
    response = save(cast.bob, name, query)
    html = response.content.decode()
    assert response.status_code == 422
    assert sentence in html
    assert not query or f'value="{name}"' in html
    assert SavedView.objects.count() == 1


def test_others_see_a_view_only_when_it_is_shared(client, cast, save):
    save(cast.bob)
    view = SavedView.objects.get()
    client.force_login(cast.carol)
    url = f"/p/{cast.project.code}/views/"
    assert "To grade" not in client.get(url).content.decode()
    assert client.post(f"/views/{view.code}/default/", {"default": "1"}).status_code == 404
    client.force_login(cast.bob)
    client.post(f"/views/{view.code}/share/", {"shared": "1"})
    client.force_login(cast.carol)
    assert "To grade" in client.get(url).content.decode()


@pytest.mark.parametrize("action", ["rename", "share", "delete", "default"])
def test_who_may_change_a_shared_view(client, cast, save, action):
    save(cast.bob, shared="1")
    view = SavedView.objects.get()
    url, values = f"/views/{view.code}/{action}/", {"name": "Other", "shared": "1", "default": "1"}
    client.force_login(cast.dave)
    assert client.post(url, values).status_code == 404
    client.force_login(cast.carol)
    assert client.post(url, values).status_code == (302 if action == "default" else 403)
    client.force_login(cast.alice)
    assert client.post(url, values).status_code == 302
    assert client.get(url).status_code == 405


def test_deleting_can_be_taken_back_with_all_that_hung_on_it(client, cast, save):
    save(cast.bob)
    view = SavedView.objects.get()
    client.post(f"/views/{view.code}/default/", {"default": "1"})
    html = client.post(f"/views/{view.code}/delete/", follow=True).content.decode()
    assert not SavedView.objects.exists()
    undo = re.search(r'action="(/p/[^"]+/views/restore/[^"]+)"', html)[1]
    client.force_login(cast.carol)
    client.post(undo)
    assert not SavedView.objects.exists()
    client.force_login(cast.bob)
    client.post(undo)
    client.post(undo)
    assert SavedView.objects.get().query == view.query
    membership = Membership.objects.get(user=cast.bob, project=cast.project)
    assert membership.default_view.code == view.code
    client.post(f"/p/{cast.project.code}/views/restore/nonsense/")
    other = make_project(cast.bob)
    client.post(undo.replace(str(cast.project.code), str(other.code)))
    assert SavedView.objects.count() == 1


def test_a_default_view_opens_first_and_all_clips_stay_in_reach(client, cast, save):
    make_generation(cast.project)
    save(cast.bob)
    view, url = SavedView.objects.get(), f"/p/{cast.project.code}/"
    client.post(f"/views/{view.code}/default/", {"default": "1"})
    assert client.get(url)["Location"] == f"{url}?verdict=approved&sort=rating"
    html = client.get(f"{url}?verdict=approved").content.decode()
    assert f'href="{url}?view=all">Clear' in html
    assert 'href="?view=all">Approved' in html
    assert client.get(f"{url}?view=all").status_code == 200
    client.post(f"/views/{view.code}/default/", {"default": "0"})
    assert client.get(url).status_code == 200


def test_a_default_that_is_shared_no_more_is_forgotten(client, cast, save):
    save(cast.bob, shared="1")
    view = SavedView.objects.get()
    client.force_login(cast.carol)
    client.post(f"/views/{view.code}/default/", {"default": "1"})
    client.force_login(cast.bob)
    client.post(f"/views/{view.code}/share/", {"shared": "0"})
    client.force_login(cast.carol)
    assert client.get(f"/p/{cast.project.code}/").status_code == 200
