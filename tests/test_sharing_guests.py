"""What guests see and say, and what the team hears of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio.models import Comment, GivenVerdict, Guest, SavedView, Share
from studio.services import review
from studio.services.sharing import guests, making, opening
from studio.signals import share_visited
from studio.views.sharing.guest_access import cookie_name
from tests.factories import make_comment, make_generation
from tests.sharing import BROWSER, browser, browser_of, share_clips

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def clips(cast):
    titles = ("The last boat in", "Koi under the ice", "Glass on the plinth")
    return [make_generation(cast.project, title=title, seconds=4) for title in titles]


@pytest.fixture
def shared(cast, clips):
    return share_clips(
        cast.project, cast.bob, *clips, title="Round 2", note="Look at the cliff.", may_decide=True
    )


@pytest.fixture
def token(shared):
    return shared[1]


@pytest.fixture
def share(shared):
    return shared[0]


def page_of(token, clip, tail=""):
    return f"/s/{token}/clips/{clip.code}/{tail}"


# ---- Looking ------------------------------------------------------------------------------------
def test_the_first_page_shows_title_note_and_clips(token, clips):
    page = browser().get(f"/s/{token}/").content.decode()
    for said in ("Round 2", "Look at the cliff.", "The last boat in", "0 of 3"):
        assert said in page
    assert page.count("<article") == 3


def test_a_link_to_one_clip_opens_that_clip(cast, clips):
    _, token = share_clips(cast.project, cast.bob, clips[0], note="Only this.")
    answer = browser().get(f"/s/{token}/")
    assert answer["Location"] == page_of(token, clips[0])
    assert "Only this." in browser().get(answer["Location"]).content.decode()


def test_a_clip_is_called_by_its_place_where_its_title_is_the_prompt(cast):
    prompt = "Low cloud slides between the ridges. Then the sun comes"
    told = make_generation(cast.project, prompt=prompt, title="Low cloud slides between the ridges")
    typed = make_generation(cast.project, prompt=prompt, title="Hero shot")
    _, token = share_clips(cast.project, cast.bob, told, typed)
    page = browser().get(f"/s/{token}/").content.decode()
    assert "Clip 1" in page and "Hero shot" in page
    assert "Low cloud" not in page
    _, open_token = share_clips(cast.project, cast.bob, told, typed, shows_prompts=True)
    assert "Low cloud slides" in browser().get(f"/s/{open_token}/").content.decode()


@pytest.mark.parametrize("tail", ["", "name/", "clips/{}/"])
def test_robots_and_other_sites_learn_nothing(token, clips, tail):
    answer = browser().get(f"/s/{token}/{tail.format(clips[0].code)}")
    assert answer.status_code == 200
    assert "noindex" in answer["X-Robots-Tag"]
    assert '<meta name="robots" content="noindex' in answer.content.decode()
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cache-Control"] == "private, no-store"


def test_robots_txt_keeps_everybody_out_but_who_must_read_noindex(client):
    said = client.get("/robots.txt").content.decode()
    assert said.endswith("User-agent: *\nDisallow: /\n")
    assert "Googlebot" in said


def test_a_share_of_two_hundred_clips_costs_as_much_as_one_of_two(cast):
    clips = [make_generation(cast.project) for _ in range(200)]
    _, few = share_clips(cast.project, cast.bob, *clips[:2], may_decide=True)
    _, many = share_clips(cast.project, cast.bob, *clips, may_decide=True)
    for clip in clips[:60]:
        make_comment(clip, cast.alice)
    Share.objects.update(shows_names=True)

    def cost(url):
        client = browser_of(Share.objects.get(token_hash=making.hash_token(url.split("/")[2])), "I")
        client.get(url)
        with CaptureQueriesContext(connection) as asked:
            assert client.get(url).status_code == 200
        return len(asked)

    for tail in ("", f"clips/{clips[1].code}/"):
        assert cost(f"/s/{many}/{tail}") == cost(f"/s/{few}/{tail}") <= 9, tail


def test_a_link_copied_badly_still_leads_somewhere_kind(token):
    assert browser().get(f"/s/{token}")["Location"] == f"/s/{token}/"
    for path in (f"/s/{token}/clip/", f"/s/{token}/clips/1/", "/s/", "/s/a/b/c"):
        answer = browser().get(path)
        assert answer.status_code == 404
        page = answer.content.decode()
        assert "This link opens nothing." in page
        assert 'href="/"' not in page


# ---- Visits -------------------------------------------------------------------------------------
def test_a_visit_counts_once_a_browser_and_is_said_aloud(share, token):
    heard = []

    def hear(sender, **kwargs):
        heard.append(kwargs["share"])

    share_visited.connect(hear)
    try:
        client = browser()
        for _ in range(3):
            client.get(f"/s/{token}/")
        browser().get(f"/s/{token}/")
    finally:
        share_visited.disconnect(hear)
    share.refresh_from_db()
    assert share.visits == 2
    assert timezone.now() - share.last_visit_at < timedelta(minutes=1)
    assert heard == [share, share]


@pytest.mark.parametrize("program", ["Slackbot 1.0", "facebookexternalhit/1.1", "curl/8.5.0"])
def test_previews_of_the_link_do_not_count(share, token, program):
    Client(headers={"user-agent": program}).get(f"/s/{token}/")
    share.refresh_from_db()
    assert share.visits == 0


def test_the_team_looking_does_not_count_and_is_told_what_it_sees(cast, share, token):
    client = browser()
    client.force_login(cast.carol)
    assert "You see what guests see" in client.get(f"/s/{token}/").content.decode()
    share.refresh_from_db()
    assert share.visits == 0
    client.force_login(cast.dave)  # an account, but a stranger here
    assert "You see what guests see" not in client.get(f"/s/{token}/").content.decode()


# ---- Saying -------------------------------------------------------------------------------------
def test_the_name_is_asked_once_and_what_was_typed_comes_along(share, token, clips):
    client = browser()
    url = page_of(token, clips[0], "comments/")
    asked = client.post(url, {"text": "Lower the cliff & the “sky”", "at_ms": "2100"})
    page = asked.content.decode()
    assert "Who is speaking?" in page
    assert 'value="Lower the cliff &amp; the “sky”"' in page and 'value="2100"' in page
    assert not Comment.objects.exists() and not Guest.objects.exists()
    data = {"text": "Lower the cliff & the “sky”", "at_ms": "2100", "name": "Ingrid Vold"}
    assert client.post(url, data)["Location"] == page_of(token, clips[0], "#comments")
    said = Comment.objects.get()
    assert (said.text, said.at_ms) == ("Lower the cliff & the “sky”", 2100)
    assert (said.author, said.guest_name, said.guest.share) == (None, "Ingrid Vold", share)
    client.post(page_of(token, clips[1], "comments/"), {"text": "And here"})
    assert Comment.objects.filter(guest=said.guest).count() == 2
    assert "commenting as <b" in client.get(page_of(token, clips[1])).content.decode()


def test_a_live_page_asks_in_a_dialog(token, clips):
    answer = browser().post(
        page_of(token, clips[0], "verdict/"), {"verdict": "approved"}, headers=HTMX
    )
    assert answer["HX-Retarget"] == "#dialog-slot"
    page = answer.content.decode()
    assert page.count("<dialog") == 1 and 'value="approved"' in page


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Say your name"),
        ("x" * 61, "61 characters; 1 to 60 are allowed"),
        (" \n ", "Say your name"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_the_words_survive(token, clips, name, said):
    answer = browser().post(
        page_of(token, clips[0], "comments/"), {"text": "My words", "name": name}
    )
    assert answer.status_code == 422
    page = answer.content.decode()
    assert said in page and 'value="My words"' in page
    assert not Guest.objects.exists()


def test_a_refused_comment_makes_nobody(token, clips):
    data = {"text": "x" * 2001, "name": "Ingrid"}
    answer = browser().post(page_of(token, clips[0], "comments/"), data)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "2001 characters; 1 to 2000 are allowed" in page
    assert "x" * 2001 in page
    assert not Guest.objects.exists()


def test_an_empty_comment_is_refused_before_a_name_is_asked(token, clips):
    answer = browser().post(page_of(token, clips[0], "comments/"), {"text": "  "})
    assert answer.status_code == 422
    assert "Who is speaking?" not in answer.content.decode()


def test_another_person_at_the_same_browser_is_somebody_else(share, token, clips):
    client = browser_of(share, "Ingrid")
    client.post(page_of(token, clips[0], "comments/"), {"text": "From Ingrid"})
    answer = client.post(f"/s/{token}/name/", {"name": "Olav", "clip": str(clips[0].code)})
    assert answer["Location"] == page_of(token, clips[0])
    client.post(page_of(token, clips[0], "comments/"), {"text": "From Olav"})
    assert dict(Comment.objects.values_list("text", "guest__name")) == {
        "From Ingrid": "Ingrid",
        "From Olav": "Olav",
    }


@pytest.mark.parametrize("to", ["//evil.example/", "https://evil.example", "x", "../../admin/"])
def test_saying_a_name_leads_nowhere_else(token, to):
    answer = browser().post(f"/s/{token}/name/", {"name": "Ingrid", "clip": to})
    assert answer["Location"] == f"/s/{token}/"


def test_the_name_is_kept_over_a_new_link(share, token, clips):
    client = browser_of(share, "Ingrid")
    new = making.renew_link(share=share)
    client.post(page_of(new, clips[0], "comments/"), {"text": "Still me"})
    assert Comment.objects.get().guest.name == "Ingrid"


def test_a_verdict_is_one_a_guest_and_can_be_taken_back(share, token, clips):
    client = browser_of(share, "Ingrid")
    url = page_of(token, clips[0], "verdict/")
    client.post(url, {"verdict": "approved"})
    assert "1 of 3" in client.get(f"/s/{token}/").content.decode()
    client.post(url, {"verdict": "needs_changes", "text": "Slower", "at_ms": "900"})
    assert Comment.objects.get().text == "Slower"
    current = GivenVerdict.objects.get(current=True)
    assert (current.verdict, current.guest.name) == ("needs_changes", "Ingrid")
    clips[0].refresh_from_db()
    assert clips[0].verdict == "needs_changes"
    client.post(url, {"verdict": ""})
    assert "0 of 3" in client.get(f"/s/{token}/").content.decode()


def test_needing_changes_takes_words(share, token, clips):
    for client in (browser(), browser_of(share, "Ingrid")):
        answer = client.post(page_of(token, clips[0], "verdict/"), {"verdict": "needs_changes"})
        assert answer.status_code == 422
        assert "what should change" in answer.content.decode().lower()
    assert not GivenVerdict.objects.exists()


def test_an_unknown_verdict_is_refused(share, token, clips):
    for data in ({"verdict": "perfect"}, {}):
        answer = browser_of(share, "I").post(page_of(token, clips[0], "verdict/"), data)
        assert answer.status_code == 422
    assert not GivenVerdict.objects.exists()


def test_a_clip_that_leaves_a_living_view_with_its_verdict_leads_back(cast, clips):
    view = SavedView.objects.create(
        project=cast.project, owner=cast.bob, name="Waiting", query="verdict=none"
    )
    share, token = making.create_share(
        project=cast.project, by=cast.bob, source=making.Source(saved_view=view),
        options=making.Options(may_decide=True, shows_prompts=True),
    )  # fmt: skip
    client = browser_of(share, "Ingrid")
    data = {"verdict": "approved"}
    assert client.post(page_of(token, clips[0], "verdict/"), data)["Location"] == f"/s/{token}/"
    live = client.post(page_of(token, clips[1], "verdict/"), data, headers=HTMX)
    assert live["HX-Redirect"] == f"/s/{token}/"
    assert client.get(page_of(token, clips[0])).status_code == 404


# ---- Between guests and team ----------------------------------------------------------------------
def test_the_team_sees_a_guests_words_at_the_next_poll(cast, share, token, clips):
    team = Client()
    team.force_login(cast.carol)
    page = team.get(f"/clips/{clips[0].code}/")
    since = page.context["version"]
    poll = f"/clips/{clips[0].code}/changes/?since={since}&was=succeeded"
    assert team.get(poll, headers=HTMX).status_code == 204
    browser_of(share, "Ingrid").post(page_of(token, clips[0], "comments/"), {"text": "Lower it"})
    told = team.get(poll, headers=HTMX).content.decode()
    assert "Lower it" in told and "Ingrid" in told


def test_guests_see_one_anothers_words_at_the_next_poll(share, token, clips):
    url = page_of(token, clips[0])
    client = browser()
    cursor = client.get(url).context["cursor"]
    poll = f"{url}changes/?since={cursor}"
    assert client.get(poll).status_code == 204
    browser_of(share, "Ingrid").post(page_of(token, clips[0], "comments/"), {"text": "Lower it"})
    told = client.get(poll)
    assert "Lower it" in told.content.decode()
    assert client.get(f"{url}changes/?since={told.context['cursor']}").status_code == 204


def test_the_contact_sheet_follows_too(share, token, clips):
    client = browser()
    cursor = client.get(f"/s/{token}/").context["cursor"]
    assert client.get(f"/s/{token}/changes/?since={cursor}").status_code == 204
    data = {"verdict": "approved"}
    browser_of(share, "Ingrid").post(page_of(token, clips[0], "verdict/"), data)
    told = client.get(f"/s/{token}/changes/?since={cursor}").content.decode()
    assert "Approved" in told and "1 of 3" in told


def test_the_teams_words_are_shown_only_if_the_link_says_so(cast, share, token, clips):
    mine = make_comment(clips[0], cast.alice, "The client will hate this")
    url = page_of(token, clips[0], "comments/")
    browser_of(share, "Ingrid").post(url, {"text": "Lower the cliff"})
    asked = Comment.objects.get(guest__isnull=False)
    review.comment(generation=clips[0], by=cast.alice, text="She is right", reply_to=asked)
    page = browser().get(page_of(token, clips[0])).content.decode()
    assert "Lower the cliff" in page
    assert mine.text not in page and "She is right" not in page and "Alice" not in page
    Share.objects.update(shows_names=True)
    page = browser().get(page_of(token, clips[0])).content.decode()
    assert mine.text in page and "She is right" in page and "Alice" in page


def test_what_another_links_guests_said_is_never_shown(cast, share, token, clips):
    other, other_token = share_clips(cast.project, cast.bob, *clips, may_decide=True)
    client = browser_of(other, "Competitor")
    client.post(page_of(other_token, clips[0], "comments/"), {"text": "Ours is better"})
    client.post(page_of(other_token, clips[0], "verdict/"), {"verdict": "approved"})
    said = Comment.objects.get()
    review.comment(generation=clips[0], by=cast.alice, text="Is it, though", reply_to=said)
    Share.objects.update(shows_names=True)
    for url in (page_of(token, clips[0]), f"/s/{token}/"):
        page = browser().get(url).content.decode()
        for word in ("Competitor", "Ours is better", "Is it, though", "Approved"):
            assert word not in page, (url, word)


def test_a_guests_words_name_nobody_and_are_shown_as_typed(cast, share, token, clips):
    words = f"Ask @Alice or @alice@example.com about @{{{cast.alice.pk}}} <b>now</b>"
    client = browser_of(share, "Ingrid")
    client.post(page_of(token, clips[0], "comments/"), {"text": words})
    said = Comment.objects.get()
    assert said.text == words
    assert not said.mentions.exists()
    page = client.get(page_of(token, clips[0])).content.decode()
    assert f"@{{{cast.alice.pk}}} &lt;b&gt;now&lt;/b&gt;" in page


def test_costs_prompts_and_names_are_shown_if_the_link_says_so(cast):
    clip = make_generation(
        cast.project, prompt="A whale in a cathedral", title="Whale", actual_microusd=1_600_000,
        estimated_microusd=1_600_000, charged="yes",
    )  # fmt: skip
    _, token = share_clips(
        cast.project, cast.bob, clip, shows_prompts=True, shows_costs=True, shows_names=True
    )
    page = browser().get(page_of(token, clip)).content.decode()
    for said in ("A whale in a cathedral", "$1.60", "made by Alice", "Shared by Bob"):
        assert said in page


# ---- The password ----------------------------------------------------------------------------------
def test_a_password_opens_all_of_it_and_a_new_one_closes_it_again(cast, clips):
    share, token = share_clips(cast.project, cast.bob, *clips, title="Secret", password="vinterlys")
    client = browser()
    door = f"/s/{token}/open/"
    for url in (f"/s/{token}/", page_of(token, clips[0]), f"/s/{token}/name/"):
        assert client.get(url)["Location"] == door
    page = client.get(door).content.decode()
    assert "Secret" not in page
    wrong = client.post(door, {"password": "sommer"})
    assert wrong.status_code == 422 and "not the password" in wrong.content.decode()
    assert client.post(door, {"password": "vinterlys"})["Location"] == f"/s/{token}/"
    assert client.get(f"/s/{token}/").status_code == 200
    options = making.Options(title="Secret", password="another one")
    making.change_share(share=share, options=options)
    assert client.get(f"/s/{token}/")["Location"] == door


def test_a_guests_cookie_or_another_shares_key_does_not_open_the_door(cast, clips):
    share, token = share_clips(cast.project, cast.bob, *clips, password="vinterlys")
    other, _ = share_clips(cast.project, cast.bob, *clips, password="vinterlys")
    client = browser_of(share, "Ingrid")
    assert client.get(f"/s/{token}/")["Location"].endswith("/open/")
    client.cookies[cookie_name(share, "door")] = guests.door_key(other)
    assert client.get(f"/s/{token}/")["Location"].endswith("/open/")


def test_cookies_are_for_the_guest_pages_alone(share, token, clips):
    client = Client(headers={"user-agent": BROWSER})
    client.get(f"/s/{token}/")
    client.post(page_of(token, clips[0], "comments/"), {"text": "Hello", "name": "Ingrid"})
    for kind in ("visit", "guest"):
        cookie = client.cookies[cookie_name(share, kind)]
        assert cookie["path"] == "/s/" and cookie["httponly"] and cookie["samesite"] == "Lax"
    assert settings.SESSION_COOKIE_NAME not in client.cookies


def test_opening_is_found_anew_for_each_request(share, token, clips):
    client = browser()
    url = page_of(token, clips[0])
    assert client.get(url).status_code == 200
    type(clips[0]).objects.filter(pk=clips[0].pk).update(archived_at=timezone.now())
    assert client.get(url).status_code == 404
    assert clips[0] not in opening.opened(share)
