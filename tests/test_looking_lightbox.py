from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio.models import Comment, Generation, Membership
from studio.models.generation import State, Verdict
from tests.factories import make_generation, make_member, make_project, make_user

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true"}


@pytest.fixture
def look(client, owner, project):
    client.force_login(owner)

    def ask(generation, query="", **headers):
        response = client.get(f"/p/{project.code}/look/{generation.code}/{query}", headers=headers)
        assert response.status_code == 200
        return response.content.decode()

    return ask


def beside(html):
    """The codes of the previous and the next clip; empty where there is none."""
    found = re.search(r'data-earlier="([^"]*)" data-later="([^"]*)"', html)
    return tuple(re.sub(r".*/look/|/$", "", address) for address in found.groups())


def codes(*generations):
    return tuple(str(g.code) if g else "" for g in generations)


# ---- Moving ---------------------------------------------------------------------------------


def test_neighbours_stand_in_the_gallerys_order(look, project):
    one, two, three = (make_generation(project, rating=r) for r in (3, 5, 3))
    assert beside(look(two)) == codes(three, one)
    assert beside(look(two, "?sort=oldest")) == codes(one, three)
    assert beside(look(two, "?sort=rating")) == codes(None, three)
    assert beside(look(three, "?sort=rating")) == codes(two, one)
    assert beside(look(one)) == codes(two, None)


def test_only_what_passes_the_filter_and_plays_is_a_neighbour(look, project):
    first = make_generation(project, aspect_ratio="9:16")
    make_generation(project)
    make_generation(project, aspect_ratio="9:16", state=State.RUNNING)
    make_generation(project, aspect_ratio="9:16", state=State.FAILED)
    make_generation(project, aspect_ratio="9:16", archived_at=timezone.now())
    last = make_generation(project, aspect_ratio="9:16")
    make_generation(make_project(), aspect_ratio="9:16")
    assert beside(look(last, "?shape=9:16")) == codes(None, first)


def test_a_clip_that_arrives_meanwhile_becomes_a_neighbour(look, project):
    one = make_generation(project)
    coming = make_generation(project, state=State.RUNNING)
    assert beside(look(one)) == codes(None, None)
    Generation.objects.filter(pk=coming.pk).update(
        state=State.SUCCEEDED, clip="a.mp4", finished_at=timezone.now()
    )
    assert beside(look(one)) == codes(coming, None)


def test_the_walk_goes_on_from_where_a_clip_stood_when_it_was_shown(look, project):
    one, two, three = (make_generation(project, rating=0) for _ in range(3))
    key = re.search(r'data-key="([^"]+)"', look(two, "?rating=0&sort=rating"))[1]
    Generation.objects.filter(pk=two.pk).update(rating=5)
    assert beside(look(two, f"?rating=0&sort=rating&key={key}")) == codes(three, one)


@pytest.mark.parametrize("key", ["", "x", "1-2-3", "-1", "9" * 40, "1.5"])
def test_a_key_that_is_none_is_passed_over(look, project, key):
    one, two = make_generation(project), make_generation(project)
    assert beside(look(two, f"?key={key}")) == codes(None, one)


def test_the_address_and_the_way_back_keep_the_filter(look, project):
    clip = make_generation(project, rating=4)
    html = look(clip, "?rating=4&sort=oldest&after=9&look=1", **PART)
    address = f"/p/{project.code}/look/{clip.code}/?rating=4&amp;sort=oldest"
    assert f'data-address="{address}"' in html
    assert f'href="/p/{project.code}/?rating=4&amp;sort=oldest" data-shut' in html
    assert "<html" not in html
    assert "<html" in look(clip, "?rating=4")


def test_what_does_not_play_leads_to_its_page(client, look, project):
    running = make_generation(project, state=State.RUNNING)
    url = f"/p/{project.code}/look/{running.code}/"
    assert client.get(url).headers["Location"] == f"/clips/{running.code}/"
    assert client.get(url, headers=PART).status_code == 404


def test_the_number_of_queries_is_the_same_for_any_number_of_clips(look, project):
    def count():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            look(middle, "?shape=16:9&sort=rating", **PART)
        return len(queries)

    middle = make_generation(project)
    few = count()
    for _ in range(12):
        make_generation(project, shot=middle.shot, take=Generation.objects.count() + 1)
    assert count() == few <= 12


# ---- Comparing takes is one press away --------------------------------------------------------


def test_it_offers_to_compare_the_takes_that_play(look, project):
    one = make_generation(project)
    assert "Compare takes" not in look(one)
    make_generation(project, shot=one.shot, take=2, state=State.FAILED)
    assert "Compare takes" not in look(one)
    other = make_generation(project, shot=one.shot, take=3)
    assert f"/compare/?clip={one.code}&amp;clip={other.code}" in look(one)


# ---- Who may ------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["look", "compare", "light"])
@pytest.mark.parametrize("role", ["nobody", "outsider", "reviewer", "editor", "owner"])
def test_members_of_any_role_may_look_and_nobody_else(client, owner, project, page, role):
    one, two = make_generation(project), make_generation(project)
    url = {
        "look": f"/p/{project.code}/look/{one.code}/",
        "compare": f"/p/{project.code}/compare/?clip={one.code}&clip={two.code}",
        "light": f"/p/{project.code}/light-table/",
    }[page]
    person = owner if role == "owner" else make_user()
    if role in ("reviewer", "editor"):
        make_member(project, person, role)
    if role != "nobody":
        client.force_login(person)
    expected = {"nobody": 302, "outsider": 404}.get(role, 200)
    assert client.get(url).status_code == expected
    # A stranger's form is not read: they are asked to sign in.
    assert client.post(url).status_code == (302 if role == "nobody" else 405)


def test_a_clip_of_another_project_or_in_the_bin_is_not_there(client, owner, project):
    client.force_login(owner)
    now = timezone.now()
    binned = make_generation(project, archived_at=now, deleted_at=now)
    for clip in (binned, make_generation(make_project())):
        assert client.get(f"/p/{project.code}/look/{clip.code}/").status_code == 404


# ---- Judging in passing -------------------------------------------------------------------------


@pytest.fixture
def judge(client, owner, project):
    client.force_login(owner)

    def post(generation, headers=PART, **data):
        return client.post(f"/clips/{generation.code}/judge/", data, headers=headers)

    return post


def test_a_rating_is_kept_and_shown(judge, project):
    clip = make_generation(project)
    response = judge(clip, rating="4")
    assert response.status_code == 200
    assert 'data-rating="4"' in response.content.decode()
    clip.refresh_from_db()
    assert clip.rating == 4
    judge(clip, rating="0")
    clip.refresh_from_db()
    assert clip.rating == 0


@pytest.mark.parametrize("rating", ["6", "-1", "five", ""])
def test_a_rating_that_cannot_be_is_refused_with_a_sentence(judge, project, rating):
    clip = make_generation(project, rating=2)
    response = judge(clip, rating=rating)
    assert response.status_code == 422
    assert "it must be from 0 to 5" in response.content.decode()
    clip.refresh_from_db()
    assert clip.rating == 2


def test_a_verdict_is_this_persons_own(judge, client, project, owner):
    clip = make_generation(project)
    assert 'data-verdict="approved"' in judge(clip, verdict="approved").content.decode()
    reviewer = make_user("Pia Lund")
    make_member(project, reviewer, Membership.Role.REVIEWER)
    client.force_login(reviewer)
    html = client.get(f"/p/{project.code}/look/{clip.code}/").content.decode()
    assert 'data-verdict="" data-stands="approved"' in html
    assert "Maja Aas" in html
    client.force_login(owner)
    assert 'data-verdict=""' in judge(clip, verdict="").content.decode()
    clip.refresh_from_db()
    assert clip.verdict == Verdict.NONE


def test_needs_changes_asks_for_words_and_makes_them_a_comment(judge, project):
    clip = make_generation(project)
    refused = judge(clip, verdict="needs_changes", text="  ")
    assert refused.status_code == 422
    assert "Say what should change first" in refused.content.decode()
    assert judge(clip, verdict="needs_changes", text="Slower", at_ms="400").status_code == 200
    comment = Comment.objects.get()
    assert (comment.text, comment.at_ms, comment.generation) == ("Slower", 400, clip)
    clip.refresh_from_db()
    assert clip.verdict == Verdict.NEEDS_CHANGES


def test_what_was_typed_survives_a_refusal(judge, project):
    clip = make_generation(project)
    response = judge(clip, verdict="needs_changes", text="x" * 2001)
    assert response.status_code == 422
    assert "x" * 2001 in response.content.decode()
    assert Comment.objects.count() == 0
    clip.refresh_from_db()
    assert clip.verdict == Verdict.NONE


def test_sent_again_long_after_it_says_nothing_twice(judge, project, owner):
    clip = make_generation(project)
    said = {"verdict": "needs_changes", "text": "Slower, @Maja", "at_ms": "400", "rating": "2"}
    assert judge(clip, **said).status_code == 200
    Comment.objects.update(created_at=timezone.now() - timezone.timedelta(hours=1))
    given = clip.verdicts.count()
    assert judge(clip, **said).status_code == 200
    assert (Comment.objects.count(), clip.verdicts.count()) == (1, given)


def test_all_of_it_or_nothing(judge, project):
    clip = make_generation(project)
    assert judge(clip, verdict="needs_changes", text="Slower", rating="9").status_code == 422
    assert Comment.objects.count() == 0


def test_an_unfinished_shot_is_not_judged(judge, project):
    running = make_generation(project, state=State.RUNNING)
    assert judge(running, rating="4").status_code == 422
    assert judge(running, verdict="approved").status_code == 422


def test_without_script_the_form_leads_back_to_its_page(judge, client, project):
    clip = make_generation(project)
    back = f"/p/{project.code}/light-table/?rating=0"
    assert judge(clip, headers={}, rating="3", back=back).headers["Location"] == back
    for elsewhere in ("https://evil.example/", "//evil.example", "/p/other/", f"{back[:40]}\\evil"):
        response = judge(clip, headers={}, rating="3", back=elsewhere)
        assert response.headers["Location"] == f"/clips/{clip.code}/"
    refused = client.post(
        f"/clips/{clip.code}/judge/", {"verdict": "needs_changes", "back": back}, follow=True
    )
    assert "Say what should change first" in refused.content.decode()


@pytest.mark.parametrize("role", ["outsider", "reviewer", "editor"])
def test_any_member_may_judge_and_nobody_else(client, project, role):
    clip = make_generation(project)
    person = make_user()
    if role != "outsider":
        make_member(project, person, role)
    client.force_login(person)
    response = client.post(f"/clips/{clip.code}/judge/", {"rating": "3"}, headers=PART)
    assert response.status_code == (404 if role == "outsider" else 200)
    assert client.get(f"/clips/{clip.code}/judge/").status_code == 405
    clip.refresh_from_db()
    assert clip.rating == (0 if role == "outsider" else 3)
