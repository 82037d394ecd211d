from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.models import (
    Chain,
    Collection,
    CollectionItem,
    Generation,
    Membership,
    Segment,
    Tag,
)
from studio.models.generation import Charged, State, Verdict
from studio.services.gallery import order
from studio.services.gallery.passing import filtered
from tests.factories import make_generation, make_member, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client, owner, project):
    client.force_login(owner)

    def ask(query="", status=200):
        response = client.get(f"/p/{project.code}/{query}")
        assert response.status_code == status
        return response.content.decode()

    return ask


def shown(html):
    return [int(number) for number in re.findall(r'<article class="clip[^>]*data-n="(\d+)"', html)]


@pytest.fixture
def varied(project, owner):
    """Ten clips, each with something of its own."""
    other = make_user("Jonas Thorne")
    make_member(project, other, Membership.Role.EDITOR)
    now = timezone.now()
    made = [
        make_generation(project, rating=4, verdict=Verdict.APPROVED),
        make_generation(project, rating=3, aspect_ratio="9:16"),
        make_generation(project, by=other, duration_s=9, concepts=["aerial_drone"]),
        make_generation(project, concepts=["aerial", "push_in"], verdict=Verdict.NEEDS_CHANGES),
        make_generation(
            project, provider="luma", model="ray-2", created_at=now - timedelta(days=40)
        ),
        make_generation(project, provider="luma", model="ray-flash-2"),
        make_generation(project, state=State.FAILED),
        make_generation(project, archived_at=now),
        make_generation(project, archived_at=now, deleted_at=now),
        make_generation(project, state=State.RUNNING),
    ]
    chain = Chain.objects.create(project=project, title="Film", created_by=owner)
    Segment.objects.create(chain=chain, position=1, generation=made[0])
    tag = Tag.objects.create(project=project, name="Hero")
    tag.generations.add(made[1], made[2])
    kept = Collection.objects.create(project=project, title="Shortlist", created_by=owner)
    CollectionItem.objects.create(collection=kept, position=1, generation=made[2])
    return {"other": other.pk, "chain": chain.code, "collection": kept.code}


CASES = {
    "rating=3": {1, 2},
    "rating=exactly-3": {2},
    "verdict=approved": {1},
    "verdict=approved&verdict=needs_changes": {1, 4},
    "verdict=none&state=failed": {7},
    "shape=9:16": {2},
    "length=9": {3},
    "concept=aerial": {4},
    "concept=aerial&concept=push_in": {4},
    "concept=aerial_drone": {3},
    "provider=luma": {5, 6},
    "model=luma:ray-2": {5},
    "provider=luma&model=previs:previs-1&state=failed": {7},
    "by={other}": {3},
    "by=me&state=failed": {7},
    "date=week&provider=luma": {6},
    "date=month&model=luma:ray-2": set(),
    "to=2000-01-01": set(),
    "from=2000-01-01&model=luma:ray-2": {5},
    "chain=any": {1},
    "chain={chain}": {1},
    "chain=none&rating=3": {2},
    "tag=hero": {2, 3},
    "tag=HERO&shape=9:16": {2},
    "collection={collection}": {3},
    "archived=only": {8},
    "archived=with&rating=0&length=5&verdict=none": {5, 6, 7, 8, 10},
    "state=archived": {8},
    "state=approved": {1},
    "state=ready&state=active&by={other}": {3},
}


@pytest.mark.parametrize(("query", "expected"), CASES.items())
def test_a_filter_keeps_what_it_names(page, project, owner, varied, query, expected):
    query = query.format(**varied)
    html = page(f"?{query}")
    # The clip of 40 days ago may be of this month no more, and is then left out in any case.
    assert set(shown(html)) == expected
    passing = filtered(project, query, owner)
    assert set(passing.values_list("number", flat=True)) == expected
    assert 'class="chip on"' in html


def test_no_filter_shows_what_is_neither_archived_nor_deleted(page, varied):
    assert set(shown(page())) == {1, 2, 3, 4, 5, 6, 7, 10}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("tag=gone", "There is no tag “gone” in this project; that filter is left out."),
        ("chain=x", "There is no chain “x” in this project"),
        ("collection=5d0f3a0e-0000-4000-8000-000000000000", "There is no collection “5d0f3a0e”"),
        ("length=soon", "Length is “soon”; it must be whole seconds from 1 to 600."),
        ("from=yesterday", "Date “from” is “yesterday”; write a day as 2026-11-21."),
        ("from=2026-02-01&to=2026-01-01", "the first day must not be the later"),
        ("rating=9", "Rating is “9”; it can be 5, 4,"),
        ("model=x:y", "There is no model “x:y”"),
        ("by=999999999999999999", "There is no creator"),
        ("state=%01x", "Status is"),
        ("to=9999-12-31", ""),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence_and_left_out(page, project, query, sentence):
    make_generation(project)
    html = page(f"?{query}")
    assert shown(html) == [1]
    assert sentence in html


def test_a_stranger_cannot_be_found_by_their_number(page, project):
    stranger = make_user("Reem Khalil")
    make_generation(project)
    assert "Reem Khalil" not in page(f"?by={stranger.pk}")


def test_somebody_who_left_can_still_be_asked_for(page, project):
    gone = make_user("Priya Lal")
    make_generation(project, by=gone)
    make_generation(project)
    html = page(f"?by={gone.pk}")
    assert shown(html) == [1]
    assert "Priya Lal" in html


# ---- Counts beside the choices ------------------------------------------------------------------


def counted(client, project, kind, query=""):
    response = client.get(
        f"/p/{project.code}/filters/{kind}/{query}", headers={"HX-Request": "true"}
    )
    assert response.status_code == 200
    found = re.findall(
        r'value="([^"]*)"[^>]*>([^<]*)<span class="count">(\d+)<', response.content.decode()
    )
    return {value: int(count) for value, _, count in found}


def test_menus_count_what_the_other_filters_leave(client, owner, project, varied):
    client.force_login(owner)
    assert counted(client, project, "state") == {
        "ready": 6, "active": 1, "waiting": 0, "failed": 1, "cancelled": 0,
    }  # fmt: skip
    # Its own choice does not narrow a menu, the others do.
    assert counted(client, project, "state", "?state=failed&provider=luma")["ready"] == 2
    assert counted(client, project, "rating")["3"] == 2
    assert counted(client, project, "rating")["exactly-3"] == 1
    assert counted(client, project, "concept")["aerial"] == 1
    providers = counted(client, project, "provider")
    assert (providers["luma"], providers["luma:ray-2"], providers["apiframe"]) == (2, 1, 0)
    assert counted(client, project, "tag") == {"Hero": 2}
    assert counted(client, project, "tag", "?shape=9:16") == {"Hero": 1}
    assert counted(client, project, "chain")["any"] == 1
    assert counted(client, project, "chain")["none"] == 7
    assert list(counted(client, project, "collection").values()) == [1]
    assert counted(client, project, "archived") == {"only": 1, "with": 9}
    assert counted(client, project, "by")["me"] == 7
    assert counted(client, project, "verdict")["approved"] == 1
    assert counted(client, project, "shape")["9:16"] == 1
    assert counted(client, project, "length")["9"] == 1
    assert counted(client, project, "date")["today"] == 7
    assert counted(client, project, "state", "?q=clip")["ready"] == 6


def test_a_model_with_two_dialects_is_one_choice_that_finds_both(client, page, owner, project):
    for model in ("luma/ray-2", "ray-2", "ray-2", "luma/ray-flash-2"):
        make_generation(project, provider="aimlapi", model=model)
    client.force_login(owner)
    answer = client.get(f"/p/{project.code}/filters/provider/", headers={"HX-Request": "true"})
    lines = re.findall(r'value="(aimlapi:[^"]*)"', answer.content.decode())
    assert lines == [
        "aimlapi:luma/ray-2", "aimlapi:luma/ray-flash-2", "aimlapi:luma/ray-3.2", "aimlapi:luma/ray-1-6",
    ]  # fmt: skip
    counts = counted(client, project, "provider")
    assert (counts["aimlapi"], counts["aimlapi:luma/ray-2"]) == (4, 3)
    assert shown(page("?model=aimlapi:luma/ray-2")) == [3, 2, 1]
    # An address, or a saved view, from when each dialect was a choice of its own.
    html = page("?model=aimlapi:ray-2&model=aimlapi:luma/ray-2")
    assert shown(html) == [3, 2, 1]
    assert html.count('class="chip on"') == 1
    assert "AI/ML API, Ray 2 <" in html
    assert re.search(r'value="aimlapi:luma/ray-2"[^>]* checked', html)


def test_a_menu_is_a_page_of_its_own_without_script(client, owner, project, varied):
    client.force_login(owner)
    html = client.get(f"/p/{project.code}/filters/tag/?state=ready&tag=hero").content.decode()
    assert "<html" in html
    assert '<input type="hidden" name="state" value="ready">' in html
    assert re.search(r'name="tag" value="Hero" checked', html)


@pytest.mark.parametrize("address", ["filters/state/", "views/"])
def test_menus_are_closed_to_strangers(client, project, address):
    url = f"/p/{project.code}/{address}"
    assert client.get(url).status_code == 302
    client.force_login(make_user())
    assert client.get(url).status_code == 404


def test_an_unknown_menu_is_not_there(client, owner, project):
    client.force_login(owner)
    assert client.get(f"/p/{project.code}/filters/nonsense/").status_code == 404


# ---- Sorts and pages ------------------------------------------------------------------------------


def test_the_new_sorts(page, project):
    make_generation(project, duration_s=5, actual_microusd=900, charged=Charged.YES)
    make_generation(project, duration_s=10, actual_microusd=2000, charged=Charged.NO)
    make_generation(project, duration_s=9, estimated_microusd=1500, charged=Charged.YES)
    first = Generation.objects.get(number=1)
    first.version = 10_000
    first.save()
    assert shown(page("?sort=longest")) == [2, 3, 1]
    assert shown(page("?sort=cost")) == [3, 1, 2]
    assert shown(page("?sort=changed"))[0] == 1


@pytest.mark.parametrize("sort", list(order.SORTS))
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_pages_of_any_sort_neither_repeat_nor_skip(project, sort, data):
    Generation.objects.filter(project=project).delete()

    def arrive():
        values = data.draw(st.tuples(st.integers(0, 2), st.sampled_from([5, 9]), st.integers(0, 2)))
        make_generation(
            project, rating=values[0], duration_s=values[1], actual_microusd=values[2],
            charged=data.draw(st.sampled_from([Charged.YES, Charged.NO])),
        )  # fmt: skip

    for _ in range(data.draw(st.integers(3, 9))):
        arrive()
    rows = Generation.objects.filter(project=project)
    before = set(rows.values_list("number", flat=True))
    seen: list[int] = []
    step = list(order.ordered(rows, sort)[:2])
    while step:
        seen += [g.number for g in step]
        if len(seen) < 20:
            arrive()
        key = order.read_key(order.key_of(step[-1], sort), sort)
        assert key is not None
        # All up to the key, and all that follow, are all there is.
        assert (
            order.up_to(rows, sort, key).count() + order.beyond(rows, sort, key).count()
            == rows.count()
        )
        step = list(order.beyond(rows, sort, key)[:2])
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


def test_back_brings_all_that_was_loaded_in_one_answer(client, owner, project, settings):
    settings.GALLERY_PAGE_SIZE = 2
    client.force_login(owner)
    for _ in range(9):
        make_generation(project)
    html = client.get(
        f"/p/{project.code}/?after=8&until=3", headers={"HX-Request": "true"}
    ).content.decode()
    assert shown(html) == [7, 6, 5, 4, 3]
    assert "?after=3" in html
    html = client.get(
        f"/p/{project.code}/?after=8&until=1", headers={"HX-Request": "true"}
    ).content.decode()
    assert shown(html)[-1] == 1
    assert 'class="more"' not in html


def test_how_many_match_is_counted_again_once_something_changed(client, owner, project):
    client.force_login(owner)
    clips = [make_generation(project, rating=1) for _ in range(3)]

    def asked():
        with CaptureQueriesContext(connection) as captured:
            html = client.get(f"/p/{project.code}/?rating=1").content.decode()
        return re.search(r'role="status">(\S+) of', html)[1], len(captured)

    first, cost = asked()
    again, kept_cost = asked()
    assert (first, again) == ("3", "3")
    assert kept_cost == cost - 1
    client.post(f"/clips/{clips[0].code}/rating/", {"rating": "0"})
    assert asked() == ("2", cost)


@pytest.mark.parametrize(
    "query",
    ["state=ready", "concept=push_in", "by=me", "rating=1", "verdict=none", "shape=16:9", "tag=hero",
     "length=5", "chain=none", "date=week", "provider=previs", "archived=with", "sort=cost",
     "sort=changed", "sort=longest", "sort=rating", "q=clip&sort=newest"],
)  # fmt: skip
def test_every_filter_and_sort_takes_as_many_queries_for_many_as_for_few(
    client, owner, project, query
):
    client.force_login(owner)
    tag = Tag.objects.create(project=project, name="hero")

    def add(count):
        for _ in range(count):
            tag.generations.add(make_generation(project, rating=1, concepts=["push_in"]))

    def queries():
        cache.clear()  # how many match is kept until something changes
        with CaptureQueriesContext(connection) as captured:
            assert shown(client.get(f"/p/{project.code}/?{query}").content.decode())
        return len(captured)

    add(3)
    queries()
    few = queries()
    add(22)
    assert queries() == few
    assert few <= 15


def test_the_clips_of_a_great_project_are_counted_now_and_then(client, owner, project, monkeypatch):
    from studio.services.gallery import counts

    monkeypatch.setattr(counts, "MOST_COUNTED", 3)
    for _ in range(5):
        make_generation(project)
    client.force_login(owner)
    assert counts.for_shell(project.pk, owner.pk)["clip_count"] == 5
    html = client.get(f"/p/{project.code}/?state=ready").content.decode()
    assert "3+ of 5 clips" in html
