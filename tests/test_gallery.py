from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from studio import lifecycle
from studio.models import Membership
from studio.models.generation import Charged, State, Verdict
from tests.factories import (
    make_generation,
    make_member,
    make_project,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client, owner, project):
    client.force_login(owner)

    def ask(query="", **headers):
        response = client.get(f"/p/{project.code}/{query}", headers=headers)
        assert response.status_code == 200
        return response.content.decode()

    return ask


def shown(html):
    """The numbers of the clips on a page, in its order."""
    return [int(number) for number in re.findall(r'<article class="clip[^>]*data-n="(\d+)"', html)]


def card(html, generation):
    found = re.search(rf'<article[^>]*id="clip-{generation.code}".*?</article>', html, re.S)
    assert found, f"no card of clip {generation.number}"
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def raw_card(html, generation):
    return re.search(rf'<article[^>]*id="clip-{generation.code}".*?</article>', html, re.S)[0]


# ---- The sheet ------------------------------------------------------------------------


def test_newest_clips_lead(page, project):
    for _ in range(3):
        make_generation(project)
    assert shown(page()) == [3, 2, 1]


def test_every_card_says_its_shape_for_the_rows(page, project):
    for shape in ("16:9", "9:16", "21:9"):
        make_generation(project, aspect_ratio=shape)
    assert re.findall(r'<article class="clip[^>]*data-ar="([^"]+)"', page()) == [
        "21:9",
        "9:16",
        "16:9",
    ]


def test_an_archived_clip_and_another_projects_clip_are_not_shown(page, project):
    make_generation(project, archived_at=timezone.now())
    make_generation(make_project())
    assert shown(page()) == []


def test_an_empty_project_invites_an_editor_to_a_first_shot(page):
    html = page()
    assert "Your first shot starts here" in html
    assert "New shot" in html


def test_an_empty_project_offers_a_reviewer_no_button(client, project):
    reviewer = make_user()
    make_member(project, reviewer, Membership.Role.REVIEWER)
    client.force_login(reviewer)
    html = client.get(f"/p/{project.code}/").content.decode()
    assert "Your first shot starts here" in html
    assert f"/p/{project.code}/new/" not in html


def test_filters_without_a_match_say_so_and_lead_back(page, project):
    make_generation(project)
    html = page("?state=failed")
    assert "Nothing matches these filters" in html
    assert "0 of 1 clip" in html
    assert f'href="/p/{project.code}/">Clear filters' in html


def test_the_page_is_closed_to_strangers(client, project):
    url = f"/p/{project.code}/"
    assert client.get(url).status_code == 302
    client.force_login(make_user())
    assert client.get(url).status_code == 404


def test_the_page_answers_to_get_only(client, owner, project):
    client.force_login(owner)
    assert client.post(f"/p/{project.code}/").status_code == 405


def test_htmx_gets_the_fragment_and_the_clean_address(client, owner, project):
    make_generation(project, state=State.FAILED)
    client.force_login(owner)
    response = client.get(
        f"/p/{project.code}/?q=&state=failed&rating=&sort=newest", headers={"HX-Request": "true"}
    )
    html = response.content.decode()
    assert "<html" not in html
    assert 'id="gallery"' in html
    assert response["HX-Push-Url"] == f"/p/{project.code}/?state=failed"
    assert 'id="sort-name" hx-swap-oob="true">Newest first' in html


def test_a_history_restore_gets_the_whole_page(client, owner, project):
    client.force_login(owner)
    response = client.get(
        f"/p/{project.code}/",
        headers={"HX-Request": "true", "HX-History-Restore-Request": "true"},
    )
    assert "<html" in response.content.decode()


# ---- Filters and search ------------------------------------------------------------------


STATE_FILTERS = {
    "ready": {1},
    "active": {2, 3},
    "failed": {4},
    "waiting": {5},
    "cancelled": {6, 7},
    "approved": {8},
    "changes": {9},
    "archived": {10},
}


@pytest.fixture
def all_sorts(project):
    make_generation(project)
    make_generation(project, state=State.QUEUED)
    make_generation(project, state=State.RUNNING)
    make_generation(project, state=State.FAILED)
    make_generation(project, state=State.STALLED)
    make_generation(project, state=State.CANCELLED)
    make_generation(project, state=State.ABANDONED)
    make_generation(project, verdict=Verdict.APPROVED)
    make_generation(project, verdict=Verdict.NEEDS_CHANGES)
    make_generation(project, archived_at=timezone.now())


@pytest.mark.parametrize(("name", "expected"), STATE_FILTERS.items())
def test_a_status_filter_keeps_what_it_names(page, all_sorts, name, expected):
    ready = {8, 9} if name == "ready" else set()
    assert set(shown(page(f"?state={name}"))) == expected | ready


def test_two_statuses_keep_either(page, all_sorts):
    assert set(shown(page("?state=failed&state=waiting"))) == {4, 5}


def test_filters_of_different_kinds_narrow_together(page, project, owner):
    other = make_user("Jonas Thorne")
    make_member(project, other, Membership.Role.EDITOR)
    make_generation(project, by=other, rating=4, concepts=["push_in", "aerial"])
    make_generation(project, by=other, rating=2, concepts=["push_in"])
    make_generation(project, by=owner, rating=5, concepts=["push_in", "aerial"])
    make_generation(project, by=other, rating=4, concepts=["push_out"])
    query = f"?by={other.pk}&rating=3&concept=push_in&concept=aerial&state=ready&provider=previs"
    assert shown(page(query)) == [1]


def test_the_rating_filter_knows_unrated(page, project):
    make_generation(project, rating=0)
    make_generation(project, rating=3)
    make_generation(project, rating=5)
    assert shown(page("?rating=0")) == [1]
    assert shown(page("?rating=3")) == [3, 2]
    assert shown(page("?rating=5")) == [3]


def test_search_wants_every_word_in_prompt_or_title(page, project):
    make_generation(project, title="Slot canyon", prompt="Dust falls in a shaft of light")
    make_generation(project, title="Lighthouse", prompt="Dust")
    assert shown(page("?q=dust")) == [2, 1]
    assert shown(page("?q=DUST+canyon")) == [1]
    assert shown(page("?q=100%25")) == []
    assert shown(page("?q=_")) == []


def test_each_filter_is_a_chip_that_leads_to_the_page_without_it(page, project):
    make_generation(project, rating=5, title="Aurora")
    html = page("?q=aurora&state=ready&rating=3&sort=oldest")
    chips = {
        label.strip(): address
        for address, label in re.findall(r'<a class="chip on" href="([^"]+)">([^<]+)<', html)
    }
    assert chips == {
        "“aurora”": "?state=ready&amp;rating=3&amp;sort=oldest",
        "Ready": "?q=aurora&amp;rating=3&amp;sort=oldest",
        "3 stars and up": "?q=aurora&amp;state=ready&amp;sort=oldest",
    }
    assert "1 of 1 clip<" in html


def test_unknown_filter_values_are_said_and_left_out(page, project):
    make_generation(project)
    html = page("?state=nonsense&provider=x&concept=../&by=999&rating=9&sort=up")
    assert shown(html) == [1]
    assert "Status is “nonsense”; it can be ready, active, waiting, failed, cancelled." in html
    assert "There is no creator “999” in this project; that filter is left out." in html
    assert "There is no sort “up”; it can be newest, oldest," in html


def test_words_from_the_address_are_escaped(page):
    assert "<script>alert" not in page("?q=<script>alert(1)</script>")


# ---- Sorts and pages ------------------------------------------------------------------------


def test_sorts(page, project):
    for rating in (2, 5, 0, 5):
        make_generation(project, rating=rating)
    assert shown(page()) == [4, 3, 2, 1]
    assert shown(page("?sort=oldest")) == [1, 2, 3, 4]
    assert shown(page("?sort=rating")) == [4, 2, 1, 3]


@pytest.mark.parametrize("sort", ["newest", "oldest", "rating"])
def test_pages_neither_repeat_nor_skip_while_clips_arrive(page, project, settings, sort):
    settings.GALLERY_PAGE_SIZE = 4
    for number in range(1, 11):
        make_generation(project, rating=number % 3)
    before = set(range(1, 11))
    seen, query = [], f"?sort={sort}"
    while query:
        html = page(query)
        seen += shown(html)
        make_generation(project, rating=2)  # somebody else is at work
        more = re.search(r'class="more" hx-get="([^"]+)"', html)
        query = more and "?" + more[1].replace("&amp;", "&").partition("?")[2]
        assert len(seen) < 60
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


def test_more_clips_is_a_real_link_and_keeps_the_filters(page, project, settings):
    settings.GALLERY_PAGE_SIZE = 2
    for _ in range(3):
        make_generation(project)
    html = page("?state=ready")
    assert 'href="?state=ready&amp;after=2">More clips' in html
    assert shown(page("?state=ready&after=2")) == [1]


def test_a_later_page_asked_for_by_htmx_is_cards_only(page, project, settings):
    settings.GALLERY_PAGE_SIZE = 2
    for _ in range(3):
        make_generation(project)
    html = page("?after=2", **{"HX-Request": "true"})
    assert shown(html) == [1]
    assert "filters" not in html
    assert 'id="live"' not in html


@pytest.mark.parametrize(
    "after", ["x", "1-2", "1-2-3", "-", "9" * 30 + "-1", "1-" + "9" * 30, "²-1"]
)
def test_a_broken_page_key_is_harmless(page, project, after):
    make_generation(project)
    page(f"?after={after}")


# ---- Cards in every state -------------------------------------------------------------------


def test_a_ready_card_plays_scrubs_and_says_who(page, project):
    made = make_generation(
        project, concepts=["push_in", "tilt_up"], rating=4, loop=True, duration_s=9
    )
    html = raw_card(page(), made)
    assert f'src="/media/clips/{made.code}-poster.webp' in html or "poster" not in html
    assert 'class="scrub"' in html
    assert 'aria-label="4 of 5"' in html
    assert "#i-loop" in html
    words = card(page(), made)
    assert "Push in + Tilt up" in words
    assert "0:09" in words
    assert words.endswith("MA")


def test_a_verdict_takes_the_place_of_the_camera_words(page, project):
    approved = make_generation(project, concepts=["push_in"], verdict=Verdict.APPROVED)
    words = card(page(), approved)
    assert "Approved" in words
    assert "Push in" not in words


def test_a_running_card_has_percent_and_time_left(page, project):
    made = make_generation(
        project,
        state=State.RUNNING,
        progress=60,
        submitted_at=timezone.now() - timedelta(seconds=60),
    )
    words = card(page(), made)
    assert "60%" in words
    assert "about 40 s left" in words
    assert "Rendering" in words
    assert "Cancel" in words
    assert 'value="60"' in raw_card(page(), made)


def test_time_left_is_not_guessed_from_nothing(page, project):
    made = make_generation(project, state=State.RUNNING, progress=0)
    assert "starting" in card(page(), made)


def test_a_paid_running_card_cannot_be_cancelled(page, project):
    made = make_generation(project, state=State.RUNNING, provider="apiframe", model="luma-ray-2")
    assert "Cancel" not in card(page(), made)


def test_queued_cards_say_how_many_are_ahead(page, project):
    first = make_generation(project, state=State.QUEUED)
    third = [make_generation(project, state=State.QUEUED) for _ in range(2)][1]
    html = page()
    assert "next in line" in card(html, first)
    assert "2 ahead of it" in card(html, third)
    assert "Cancel" in card(html, third)


def test_the_line_is_fair_between_people(page, project, owner):
    for _ in range(3):
        make_generation(project, state=State.QUEUED, by=owner)
    other = make_user()
    make_member(project, other, Membership.Role.EDITOR)
    theirs = make_generation(project, state=State.QUEUED, by=other)
    assert "1 ahead of it" in card(page(), theirs)


def test_a_waiting_reason_takes_the_place_of_the_line(page, project):
    made = make_generation(
        project, state=State.QUEUED, waiting_text="Apiframe isn't answering. Your shot is safe."
    )
    assert "isn&#x27;t answering. Your shot is safe." in raw_card(page(), made)


def test_a_held_card_says_so(page, project):
    made = make_generation(project, state=State.QUEUED, held=True)
    assert "on hold" in card(page(), made)


def test_a_storing_card_says_what_happens(page, project):
    made = make_generation(project, state=State.STORING, progress=100)
    assert "saving the clip" in card(page(), made)


@pytest.mark.parametrize(
    ("charged", "words"),
    [
        (Charged.NO, "You were not charged."),
        (Charged.YES, "You were charged. The amount is not known."),
        (Charged.UNKNOWN, "Whether you were charged is not known."),
    ],
)
def test_a_failed_card_has_reason_charge_prompt_and_ways_out(page, project, charged, words):
    made = make_generation(
        project,
        state=State.FAILED,
        failure_text="The prompt names a living person, which the model refuses.",
        charged=charged,
        provider="luma",
        model="ray-2",
        estimated_microusd=1_600_000,
        prompt="Static interview on a foggy quay",
    )
    text = card(page(), made)
    assert "Not rendered" in text
    assert "The prompt names a living person, which the model refuses. " + words in text
    assert "“Static interview on a foggy quay”" in text
    assert "Edit prompt" in text
    assert "Retry , about $0.40" in text.replace("Retry,", "Retry ,"), "the price now"
    assert "Failed 4 min ago" in text


def test_a_long_reason_never_hides_whether_it_was_charged(page, project):
    made = make_generation(
        project,
        state=State.FAILED,
        failure_text="A sentence of some length. " * 18,
        charged=Charged.YES,
        provider="luma",
        model="ray-2",
        estimated_microusd=1_600_000,
        actual_microusd=1_590_000,
    )
    assert "<p>You were charged $1.59.</p>" in raw_card(page(), made)


def test_a_failed_free_card_does_not_speak_of_money(page, project):
    made = make_generation(project, state=State.FAILED, failure_text="The still is gone.")
    text = card(page(), made)
    assert "charged" not in text
    assert "$" not in text


@pytest.mark.parametrize(
    ("state", "heading", "reason", "retry"),
    [
        (State.CANCELLED, "Cancelled", "It was stopped before it was finished.", True),
        (State.ABANDONED, "Given up", "Nobody is watching it any more.", True),
        (State.STALLED, "Taking too long", "It is still being watched.", False),
        (State.UNCERTAIN, "No confirmation", "It is not sent again by itself.", False),
    ],
)
def test_cards_without_a_clip_say_what_became_of_them(page, project, state, heading, reason, retry):
    made = make_generation(project, state=state)
    text = card(page(), made)
    assert heading in text
    assert reason in text
    assert "Edit prompt" in text
    assert ("Retry" in text) is retry
    assert ("Options" in text) is (not retry)


def test_a_reviewers_card_has_no_way_to_spend(client, project):
    reviewer = make_user()
    make_member(project, reviewer, Membership.Role.REVIEWER)
    client.force_login(reviewer)
    for state in (State.FAILED, State.QUEUED, State.RUNNING):
        make_generation(project, state=state)
    html = client.get(f"/p/{project.code}/").content.decode()
    assert "Retry" not in html
    assert "Cancel" not in html.replace("Cancelled", "")
    assert "/new/" not in html


def test_titles_and_prompts_are_escaped(page, project):
    make_generation(project, state=State.FAILED, title="<b>x</b>", prompt="<img src=x>")
    html = page()
    assert "<b>x</b>" not in html
    assert "<img src=x>" not in html


# ---- Being kept up to date ----------------------------------------------------------------------


def test_the_live_cursor_is_the_projects_version(page, project):
    made = make_generation(project)
    project.refresh_from_db()
    assert f"since={project.version}" in page()
    lifecycle.touch(made.pk, rating=3)
    assert f"since={project.version + 1}" in page()
