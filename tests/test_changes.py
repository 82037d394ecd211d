from __future__ import annotations

import re

import pytest
from django.utils import timezone

from studio import leases, lifecycle
from studio.models import Membership
from studio.models.generation import State
from studio.views.gallery import clip_list
from tests.factories import make_generation, make_member, make_project, make_user

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/p/x/?state=ready"}


@pytest.fixture
def ask(client, owner, project):
    client.force_login(owner)

    def changes(since=None, query=""):
        if since is None:
            project.refresh_from_db()
            since = project.version
        return client.get(f"/p/{project.code}/changes/?since={since}{query}", headers=HTMX)

    return changes


def version(project):
    project.refresh_from_db()
    return project.version


def swaps(response):
    """What the answer does to each card: (code, how) in its order."""
    html = response.content.decode()
    return re.findall(r'id="clip-([0-9a-f-]+)"[^>]*hx-swap-oob="(\w+)"', html)


def test_nothing_new_is_an_empty_answer(ask, project):
    make_generation(project)
    response = ask()
    assert response.status_code == 204
    assert response.content == b""


def test_a_changed_card_comes_as_a_morph_and_the_cursor_moves(ask, project):
    first, second = make_generation(project), make_generation(project)
    since = version(project)
    lifecycle.touch(first.pk, rating=5)
    response = ask(since)
    assert swaps(response) == [(str(first.code), "morph")]
    assert str(second.code) not in response.content.decode()
    assert f"since={since + 1}" in response.content.decode()
    assert ask(since + 1).status_code == 204


def test_new_shots_come_newest_first(ask, project):
    since = version(project)
    made = [make_generation(project, state=State.QUEUED) for _ in range(3)]
    assert [code for code, _ in swaps(ask(since))] == [str(g.code) for g in reversed(made)]


def test_a_move_from_the_queue_to_a_clip_is_seen_step_by_step(ask, project):
    made = make_generation(project, state=State.QUEUED)
    since = version(project)
    token = lifecycle.claim_submit(made.pk)
    lifecycle.record_running(made.pk, job_id="job", deadline_at=None, next_poll_at=timezone.now())
    assert "Rendering" in ask(since).content.decode()
    since = version(project)
    assert lifecycle.move(made.pk, State.STORING)
    token = leases.claim_work(made.pk, state=State.STORING)
    lifecycle.mark_succeeded(
        made.pk, token=token, clip="c.mp4", preview="p.mp4", poster="p.webp", strip="s.webp",
        sha256="a" * 64, width=64, height=36, duration_ms=1000, fps=24, size_bytes=10,
    )  # fmt: skip
    html = ask(since).content.decode()
    assert f'data-preview="/media/clips/{made.code}-preview.mp4?v=aaaaaaaa"' in html
    assert f"{made.title} is ready" in html
    assert 'data-moving="0"' in html
    assert 'id="queue-pill"' in html


def test_other_peoples_clips_are_finished_without_a_toast(ask, project):
    other = make_user()
    since = version(project)
    make_generation(project, by=other, finished_at=timezone.now())
    assert "is ready" not in ask(since).content.decode()


def test_many_finished_at_once_are_one_toast(ask, project):
    since = version(project)
    for _ in range(5):
        make_generation(project, finished_at=timezone.now())
    html = ask(since).content.decode()
    assert html.count('class="toast"') == 1
    assert "5 clips are ready" in html


def test_an_archived_clip_is_deleted_from_the_page(ask, project):
    made = make_generation(project)
    since = version(project)
    lifecycle.touch(made.pk, archived_at=timezone.now())
    assert swaps(ask(since)) == [(str(made.code), "delete")]


def test_an_archived_clip_stays_where_archived_ones_are_looked_at(ask, project):
    made = make_generation(project)
    since = version(project)
    lifecycle.touch(made.pk, archived_at=timezone.now())
    assert swaps(ask(since, "&state=archived")) == [(str(made.code), "morph")]


def test_what_does_not_match_the_filters_is_added_nowhere(ask, project):
    since = version(project)
    passing = make_generation(project, title="Aurora")
    other = make_generation(project, title="Dunes")
    html = ask(since, "&q=aurora").content.decode()
    here_only = re.findall(r'id="clip-([0-9a-f-]+)"[^>]*data-here-only', html)
    assert here_only == [str(other.code)]
    assert f"clip-{passing.code}" in html
    assert "q=aurora&amp;since=" in html


def test_what_stops_matching_the_filters_is_still_brought_up_to_date(ask, project):
    made = make_generation(project, state=State.QUEUED)
    since = version(project)
    lifecycle.mark_failed(made.pk, code="x", text="It broke.", charged="no")
    html = ask(since, "&state=active").content.decode()
    assert "It broke." in html


def test_a_great_many_changes_bring_the_first_page_again(ask, project, monkeypatch, settings):
    monkeypatch.setattr(clip_list, "MOST_CHANGES", 3)
    settings.GALLERY_PAGE_SIZE = 2
    for _ in range(4):
        make_generation(project)
    html = ask(0, "&state=ready").content.decode()
    assert '<div id="gallery" hx-swap-oob="morph">' in html
    assert html.count("<article") == 2
    assert "state=ready&amp;after=3" in html
    assert 'id="queue-pill"' in html
    assert html.count('id="live"') == 1
    assert html.count("hx-swap-oob") == 2


def test_other_projects_change_nothing_here(ask, project):
    since = version(project)
    make_generation(make_project())
    assert ask(since).status_code == 204


@pytest.mark.parametrize("since", ["", "x", "-1", "²", "1.5", "9" * 40])
def test_a_broken_cursor_is_the_beginning_or_harmless(ask, project, since):
    make_generation(project)
    assert ask(since).status_code == 200


def test_a_cursor_of_the_future_is_quiet(ask):
    assert ask(2**62).status_code == 204


def test_an_expired_sign_in_redirects_the_whole_page(client, project):
    response = client.get(f"/p/{project.code}/changes/?since=0", headers=HTMX)
    assert response["HX-Redirect"] == "/login/?next=%2Fp%2Fx%2F%3Fstate%3Dready"


def test_an_outsider_learns_nothing(client, project):
    client.force_login(make_user())
    assert client.get(f"/p/{project.code}/changes/", headers=HTMX).status_code == 404


def test_a_reviewer_sees_changes_without_the_ways_to_spend(client, project):
    reviewer = make_user()
    make_member(project, reviewer, Membership.Role.REVIEWER)
    make_generation(project, state=State.FAILED)
    client.force_login(reviewer)
    html = client.get(f"/p/{project.code}/changes/?since=0", headers=HTMX).content.decode()
    assert "Not rendered" in html
    assert "Retry" not in html


def test_the_poll_answers_to_get_only(client, owner, project):
    client.force_login(owner)
    assert client.post(f"/p/{project.code}/changes/").status_code == 405


def test_a_quiet_poll_is_two_queries_beyond_the_session(
    client, owner, project, django_assert_max_num_queries
):
    client.force_login(owner)
    make_generation(project)
    since = version(project)
    with django_assert_max_num_queries(3):
        client.get(f"/p/{project.code}/changes/?since={since}", headers=HTMX)
