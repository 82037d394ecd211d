from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio.models import Generation
from studio.models.generation import State
from studio.views.looking import light_table
from tests.factories import make_generation, make_project, make_user

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true"}


@pytest.fixture
def project():
    return make_project(make_user("Maja Aas"))


@pytest.fixture
def table(client, project):
    client.force_login(project.created_by)

    def ask(query="", **headers):
        response = client.get(f"/p/{project.code}/light-table/{query}", headers=headers)
        assert response.status_code == 200
        return response.content.decode()

    return ask


def strip(html):
    """The numbers of the clips in the strip, in its order."""
    codes = re.findall(r'class="lt-item" id="lt-([^"]+)"', html)
    numbers = {str(g.code): g.number for g in Generation.objects.all()}
    return [numbers[code] for code in codes]


def current(html):
    """Number, place, total and unrated of the clip that is looked at."""
    found = re.search(
        r'id="lt-([0-9a-f-]{36})"[^>]*aria-current="true" data-place="(\d+)" '
        r'data-total="(\d+)" data-unrated="(\d+)"',
        html,
    )
    code, *counts = found.groups()
    return (Generation.objects.get(code=code).number, *map(int, counts))


def keys(html):
    return re.findall(r'data-key="([^"]+)"', html)


def test_it_begins_with_the_first_of_the_filter(table, project):
    for rating in (0, 3, 0, 5):
        make_generation(project, rating=rating)
    make_generation(project, state=State.FAILED)
    assert current(table()) == (4, 1, 4, 2)
    assert current(table("?sort=oldest")) == (1, 1, 4, 2)
    assert current(table("?sort=rating&rating=3")) == (4, 1, 2, 0)
    assert strip(table("?rating=0")) == [3, 1]


def test_a_clip_in_the_address_is_looked_at_in_its_place(table, project):
    clips = [make_generation(project) for _ in range(5)]
    html = table(f"?clip={clips[1].code}")
    assert current(html) == (2, 4, 5, 5)
    assert strip(html) == [5, 4, 3, 2, 1]


def test_a_clip_that_left_the_filter_is_still_looked_at(table, project):
    clips = [make_generation(project) for _ in range(3)]
    Generation.objects.filter(pk=clips[1].pk).update(rating=4)
    html = table(f"?rating=0&clip={clips[1].code}")
    assert current(html)[:2] == (2, 2)
    assert strip(html) == [3, 2, 1]


@pytest.mark.parametrize("clip", ["", "x", "00000000-0000-4000-8000-000000000000"])
def test_an_address_without_such_a_clip_begins_at_the_first(table, project, clip):
    make_generation(project)
    make_generation(make_project(), code="00000000-0000-4000-8000-000000000000")
    assert current(table(f"?clip={clip}"))[:2] == (1, 1)


def test_the_strip_is_fetched_in_pieces_that_neither_repeat_nor_skip(table, project, monkeypatch):
    monkeypatch.setattr(light_table, "AFTER", 3)
    monkeypatch.setattr(light_table, "PAGE", 4)
    for _ in range(12):
        make_generation(project, rating=2)
    html = table("?sort=rating")
    seen = strip(html)
    assert seen == [12, 11, 10, 9]
    make_generation(project, rating=2)  # arrives meanwhile, ahead of all
    # What was rated on the way is passed over in the new order and not met again.
    Generation.objects.filter(number__in=seen).update(rating=1)
    for _ in range(2):
        html = table(f"?sort=rating&after={keys(html)[-1]}", **PART)
        seen += strip(html)
    assert seen == list(range(12, 0, -1))
    assert strip(table(f"?before={seen[0]}", **PART)) == [13]
    assert "aria-current" not in html


def test_the_next_unrated_clip_is_found_far_away_and_from_the_beginning_again(
    table, client, project, monkeypatch
):
    monkeypatch.setattr(light_table, "AFTER", 2)
    for rating in (0, 3, 3, 3, 0, 3, 3, 3):
        make_generation(project, rating=rating)
    assert current(table("?unrated=1&from_key=8", **PART)) == (5, 4, 8, 2)
    assert current(table("?unrated=1&from_key=5", **PART)) == (1, 8, 8, 2)
    assert current(table("?unrated=1&from_key=1", **PART)) == (5, 4, 8, 2)
    plain = client.get(f"/p/{project.code}/light-table/?unrated=1&from_key=5")
    first = Generation.objects.get(number=1)
    assert plain.headers["Location"] == f"/p/{project.code}/light-table/?clip={first.code}"


def test_when_all_is_rated_it_says_so(table, client, project):
    clip = make_generation(project, rating=3)
    url = f"/p/{project.code}/light-table/?unrated=1&clip={clip.code}"
    assert client.get(url, headers=PART).status_code == 204
    assert "Everything here is rated." in client.get(url, follow=True).content.decode()


def test_without_script_a_rating_goes_on_to_the_next(table, client, project):
    one, two = make_generation(project), make_generation(project)
    html = table("?sort=oldest")
    back = re.search(r'name="back" value="([^"]+)"', html)[1].replace("&amp;", "&")
    response = client.post(f"/clips/{one.code}/judge/", {"rating": "4", "back": back}, follow=True)
    assert current(response.content.decode())[0] == two.number
    one.refresh_from_db()
    assert one.rating == 4


def test_nothing_to_rate_says_why(table, project):
    assert "Clips appear here once they play." in table()
    make_generation(project, rating=5)
    assert "No finished clip matches these filters." in table("?rating=0")


def test_the_way_back_keeps_the_filter(table, project):
    make_generation(project, rating=4)
    assert f'href="/p/{project.code}/?rating=4&amp;sort=oldest"' in table("?rating=4&sort=oldest")


def test_the_gallery_leads_to_it_with_its_filter(table, client, project):
    make_generation(project, rating=4)
    html = client.get(f"/p/{project.code}/?rating=4").content.decode()
    assert f'href="/p/{project.code}/light-table/?rating=4"' in html


def test_the_number_of_queries_is_the_same_for_any_number_of_clips(table, project):
    def count(query="", **headers):
        with CaptureQueriesContext(connection) as queries:
            table(query, **headers)
        return len(queries)

    for _ in range(3):
        make_generation(project)
    few = count(), count("?after=3", **PART), count("?unrated=1", **PART)
    for _ in range(30):
        make_generation(project, archived_at=None, created_at=timezone.now())
    many = count(), count("?after=30", **PART), count("?unrated=1", **PART)
    assert many == few
    assert max(many) <= 12


# ---- How many clips stand in a row -----------------------------------------------------------


@pytest.mark.parametrize(
    ("cookie", "step"), [(None, "3"), ("1", "1"), ("5", "5"), ("6", "3"), ('"><b', "3")]
)
def test_the_density_a_browser_chose_comes_with_the_page(client, project, cookie, step):
    client.force_login(project.created_by)
    if cookie:
        client.cookies["density"] = cookie
    html = client.get(f"/p/{project.code}/").content.decode()
    assert f'data-density="{step}"' in html
    assert f'value="{step}" autocomplete="off" data-density-range' in html
