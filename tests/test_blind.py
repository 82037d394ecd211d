"""Blind tests: the same shot from two models, judged without their names."""

from __future__ import annotations

from uuid import uuid4

import pytest

from studio.models import BlindPair, BlindTest, BlindVote
from studio.services.accounts import ensure_accounts
from studio.services.library import blind
from tests.people import make_cast, make_clip

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    ensure_accounts()
    return make_cast()


def two_takes(cast, **changes):
    """One shot from Apiframe and from Luma, finished."""
    shot = uuid4()
    first = make_clip(
        cast.project, shot=shot, take=1, provider="apiframe", model="luma-ray-2",
        charged="yes", actual_microusd=400_000, **changes,
    )  # fmt: skip
    second = make_clip(
        cast.project, shot=shot, take=2, provider="luma", model="ray-2",
        charged="yes", actual_microusd=710_000, **changes,
    )  # fmt: skip
    return first, second


def make_test(cast, count=1):
    pairs = [two_takes(cast) for _ in range(count)]
    codes = [(one.code, other.code) for one, other in pairs]
    return blind.make_test(project=cast.project, by=cast.bob, title="Water", pairs=codes)


def judge(client, test, pair, choice):
    return client.post(f"/blind/{test.code}/judge/", {"pair": pair.pk, "choice": choice})


def test_the_list_has_one_amber_button(client, cast):
    make_test(cast)
    make_test(cast)
    two_takes(cast)
    client.force_login(cast.bob)
    main = client.get(f"/p/{cast.project.code}/blind/").content.decode().partition("<main")[2]
    assert main.count(">Judge</a>") == 2
    assert main.count("btn primary") == 1


@pytest.mark.parametrize(
    ("name", "status", "making"),
    [("dave", 404, 404), ("carol", 200, 403), ("bob", 200, 302), ("alice", 200, 302)],
)
def test_members_judge_and_editors_make(client, cast, name, status, making):
    test = make_test(cast)
    client.force_login(getattr(cast, name))
    assert client.get(f"/p/{cast.project.code}/blind/").status_code == status
    assert client.get(f"/blind/{test.code}/").status_code == status
    judged = judge(client, test, test.pairs.get(), "left")
    assert judged.status_code == (302 if status == 200 else 404)
    one, other = two_takes(cast)
    form = {"title": "Fog", "pair": f"{one.code}:{other.code}"}
    assert client.post(f"/p/{cast.project.code}/blind/", form).status_code == making


def test_only_whoever_made_it_or_an_owner_closes_it(client, cast):
    test = make_test(cast)
    for name, status in (("dave", 404), ("carol", 403), ("bob", 302), ("alice", 302)):
        client.force_login(getattr(cast, name))
        assert client.post(f"/blind/{test.code}/close/").status_code == status


def test_shots_of_two_models_are_offered_and_others_are_not(cast):
    one, other = two_takes(cast)
    make_clip(cast.project, provider="luma", model="ray-2")
    make_clip(cast.project, shot=one.shot, take=3, provider="previs")
    make_clip(cast.project, shot=one.shot, take=4, provider="luma", model="ray-2", rating=5)
    (found,) = blind.shots_to_test(cast.project)
    assert {(g.provider, g.take) for g in found} == {("apiframe", 1), ("luma", 4)}
    assert other.take == 2  # a better rated take of the same model stands for it


def test_the_page_to_judge_names_nobody(client, cast):
    test = make_test(cast)
    client.force_login(cast.carol)
    page = client.get(f"/blind/{test.code}/").content.decode().lower()
    for word in ("apiframe", "luma", "ray 2", "ray-2", "0.40", "0.71", "take 1", "take 2"):
        assert word not in page, word


def test_sides_are_drawn_by_lot(cast):
    make_test(cast, count=40)
    left = {pair.left.provider for pair in BlindPair.objects.select_related("left")}
    assert left == {"apiframe", "luma"}


def test_the_result_waits_for_the_last_vote_and_counts_wins_and_costs(client, cast):
    test = make_test(cast, count=3)
    client.force_login(cast.carol)
    pairs = list(test.pairs.select_related("left", "right"))
    sides = ["left" if pair.left.provider == "luma" else "right" for pair in pairs]
    judge(client, test, pairs[0], sides[0])
    judge(client, test, pairs[1], sides[1])
    assert "Pair 3 of 3" in client.get(f"/blind/{test.code}/").content.decode()
    judge(client, test, pairs[2], "tie")
    luma, apiframe = blind.results_of(test)
    assert (luma.name, luma.wins, luma.losses, luma.ties) == ("Ray 2 at Luma", 2, 0, 1)
    assert (apiframe.wins, apiframe.losses, apiframe.share, luma.share) == (0, 2, 0, 100)
    assert (luma.each_microusd, apiframe.each_microusd) == (710_000, 400_000)
    page = client.get(f"/blind/{test.code}/").content.decode()
    assert "Ray 2 at Luma" in page
    assert "$0.71" not in page, "reviewers see no amounts"
    client.force_login(cast.bob)
    assert "Ray 2 at Luma" not in client.get(f"/blind/{test.code}/").content.decode()
    for pair in pairs:
        judge(client, test, pair, "tie")
    page = client.get(f"/blind/{test.code}/").content.decode()
    assert "Ray 2 at Luma" in page and "$0.71" in page


def test_a_vote_can_be_changed_until_the_test_is_closed(client, cast):
    test = make_test(cast)
    pair = test.pairs.get()
    client.force_login(cast.carol)
    judge(client, test, pair, "left")
    judge(client, test, pair, "right")
    assert BlindVote.objects.get().winner == pair.right
    blind.close_test(test=test, closed=True)
    said = client.post(
        f"/blind/{test.code}/judge/", {"pair": pair.pk, "choice": "left"}, follow=True
    )
    assert "This test is closed" in said.content.decode()
    assert BlindVote.objects.get().winner == pair.right


def test_bad_votes_and_pairs_of_other_tests_are_refused(client, cast):
    test, other = make_test(cast), make_test(cast)
    client.force_login(cast.carol)
    assert judge(client, test, other.pairs.get(), "left").status_code == 404
    said = client.post(
        f"/blind/{test.code}/judge/", {"pair": test.pairs.get().pk, "choice": "both"}, follow=True
    )
    assert "The choice is “both”; it must be left, right or tie." in said.content.decode()
    assert not BlindVote.objects.exists()


def test_a_form_that_cannot_be_a_test_keeps_what_was_typed(client, cast):
    one, other = two_takes(cast)
    third = make_clip(cast.project, provider="gmicloud", model="Luma-Ray2")
    client.force_login(cast.bob)
    path = f"/p/{cast.project.code}/blind/"
    for form, words in (
        ({"title": "", "pair": f"{one.code}:{other.code}"}, "The title has 0 characters"),
        ({"title": "Fog"}, "0 pairs are chosen"),
        ({"title": "Fog", "pair": f"{one.code}:{third.code}"}, "are not the same shot"),
        ({"title": "Fog", "pair": "x"}, "Choose it again"),
        ({"title": "Fog", "pair": f"{one.code}:{uuid4()}"}, "no longer a clip"),
    ):
        answer = client.post(path, form)
        assert answer.status_code == 422
        page = answer.content.decode()
        assert words in page
        assert f'value="{form["title"]}"' in page
    assert not BlindTest.objects.exists()


def test_lists_ask_a_constant_number_of_queries(client, cast, django_assert_max_num_queries):
    for _ in range(5):
        make_test(cast, count=2)
    client.force_login(cast.bob)
    with django_assert_max_num_queries(10):
        client.get(f"/p/{cast.project.code}/blind/")
    test = BlindTest.objects.first()
    blind.close_test(test=test, closed=True)
    with django_assert_max_num_queries(14):
        client.get(f"/blind/{test.code}/")
