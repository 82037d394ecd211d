"""The bell: what is unread, reading it, and choosing what one is told."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studio.models import Activity, Notification, User
from studio.services.news.activity import record, tell
from studio.services.news.notifications import Bell, notes, open_note, read_about, read_all
from tests.factories import make_comment, make_generation
from tests.people import make_clip

pytestmark = pytest.mark.django_db

Reason = Notification.Reason


def note(cast, reason="mention", *, to=None, clip=None, by=None, text="Lower the ridge"):
    """Tell somebody, Bob unless said otherwise, of something Carol did."""
    kinds = {"finished": "finished", "failed": "failed", "verdict": "verdict", "spend": "spend"}
    comment = None
    if reason in ("mention", "reply", "comment"):
        comment = make_comment(clip, by or cast.carol, text)
    activity = record(
        kinds.get(reason, "comment"),
        project_id=cast.project.pk,
        actor=by or cast.carol,
        generation=clip,
        comment=comment,
        text=text,
    )
    assert tell([((to or cast.bob).pk, activity, reason)]) == 1
    return Notification.objects.latest("pk")


@pytest.fixture
def clip(cast):
    return make_clip(cast.project, by=cast.bob, title="Aurora")


def unread(user):
    return Notification.objects.filter(user=user, read_at=None).count()


# ---- What it says --------------------------------------------------------------------------
def test_lines_are_sentences_newest_first(cast, clip):
    for reason in ("mention", "reply", "comment", "verdict", "finished", "failed"):
        note(cast, reason, clip=clip)
    Activity.objects.filter(kind="verdict").update(data={"verdict": "approved"})
    assert [n.text for n in notes(cast.bob)] == [
        "“Aurora” was not rendered",
        "“Aurora” is ready",
        "Carol approved “Aurora”",
        "Carol commented on “Aurora”",
        "Carol commented on “Aurora”",
        "Carol mentioned you on “Aurora”",
    ]


def test_many_at_once_are_one_line_and_hide_nothing(cast, clip):
    note(cast, "mention", clip=clip)
    for _ in range(60):
        note(cast, "finished", clip=clip)
    assert [n.text for n in notes(cast.bob)] == [
        "60 shots are ready",
        "Carol mentioned you on “Aurora”",
    ]


def test_verdicts_that_say_the_same_are_one_line_and_others_their_own(cast, clip):
    verdicts = [("approved", "", cast.carol)] * 12 + [
        ("approved", "", cast.alice),
        ("needs_changes", "Too dark", cast.carol),
        ("needs_changes", "", cast.carol),
    ]
    for verdict, text, by in verdicts:
        made = note(cast, "verdict", clip=clip, by=by, text=text)
        Activity.objects.filter(pk=made.activity_id).update(data={"verdict": verdict})
    assert [n.text for n in notes(cast.bob)] == [
        "Carol asked for changes to “Aurora”",
        "Carol asked for changes to “Aurora”",
        "Alice approved “Aurora”",
        "Carol approved 12 clips",
    ]
    open_note(cast.bob, notes(cast.bob)[-1].pk)
    assert unread(cast.bob) == 3
    assert [n.unread for n in notes(cast.bob)] == [True, True, True, False]
    assert notes(cast.bob)[-1].text == "Carol approved 12 clips"


def test_the_panel_takes_the_same_queries_for_many(cast, clip, client):
    client.force_login(cast.bob)

    def ask():
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/notifications/panel/").status_code == 200
        return len(queries)

    note(cast, "mention", clip=clip)
    note(cast, "finished", clip=clip)
    few = ask()
    for _ in range(15):
        other = make_clip(cast.project, by=cast.bob)
        note(cast, "mention", clip=other)
        note(cast, "failed", clip=other)
    assert ask() == few <= 7


def test_every_page_shows_the_bell_with_one_query(cast, clip, client):
    client.force_login(cast.bob)
    for _ in range(3):
        note(cast, "mention", clip=clip)
    with CaptureQueriesContext(connection) as queries:
        html = client.get(f"/p/{cast.project.code}/settings/").content.decode()
    assert sum("studio_notification" in q["sql"] for q in queries) == 1
    assert '<span class="vh">3 unread</span>' in html
    assert 'id="bell"' not in client_without_account(client)


def client_without_account(client):
    client.logout()
    return client.get("/login/").content.decode()


def test_beyond_ninety_nine_it_stops_counting(cast, clip):
    for _ in range(101):
        note(cast, "finished", clip=clip)
    bell = Bell(cast.bob)
    assert (bell.unread, bell.shown) == (100, "99+")


def test_it_asks_for_itself_calmly(cast, clip, client):
    client.force_login(cast.bob)
    url = "/notifications/changes/?unread=0&newest=0"
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 204
    assert len(queries) <= 3
    note(cast, "mention", clip=clip)
    html = client.get(url).content.decode()
    assert 'hx-swap-oob="true"' in html
    assert 'data-says="Carol mentioned you on “Aurora”"' in html
    known = {key: re.search(rf'data-{key}="(\d+)"', html)[1] for key in ("unread", "newest")}
    assert client.get("/notifications/changes/", known).status_code == 204


def test_what_a_page_is_told_anyway_brings_the_bell(cast, clip, client):
    client.force_login(cast.bob)
    make_generation(cast.project, number=50)
    for url in (
        f"/p/{cast.project.code}/changes/?since=0",
        f"/clips/{clip.code}/changes/?since=-1",
    ):
        answer = client.get(url)
        if answer.status_code == 200:
            assert 'id="bell-count"' in answer.content.decode()
    assert client.get(f"/p/{cast.project.code}/changes/?since=0").status_code == 200


# ---- Reading it -----------------------------------------------------------------------------
def test_a_press_marks_it_read_and_leads_there(cast, clip, client):
    made = note(cast, "mention", clip=clip)
    note(cast, "mention", clip=clip)
    client.force_login(cast.bob)
    answer = client.get(f"/notifications/{made.pk}/open/")
    assert answer.headers["Location"] == f"/clips/{clip.code}/#comment-{made.activity.comment.code}"
    assert unread(cast.bob) == 1
    assert client.get(f"/notifications/{made.pk}/open/").status_code == 302


def test_a_crowd_is_read_as_one(cast, clip):
    for _ in range(5):
        note(cast, "finished", clip=clip)
    kept = note(cast, "mention", clip=clip)
    top = notes(cast.bob)[-1]
    assert open_note(cast.bob, top.pk) == f"/p/{cast.project.code}/"
    assert [n.pk for n in notes(cast.bob) if n.unread] == [kept.pk]


def test_nobody_reads_anothers(cast, clip, client):
    made = note(cast, "mention", clip=clip)
    client.force_login(cast.alice)
    assert client.get(f"/notifications/{made.pk}/open/").status_code == 404
    read_all(cast.alice)
    assert unread(cast.bob) == 1


def test_mark_all_read_leaves_what_came_meanwhile(cast, clip, client):
    first = note(cast, "mention", clip=clip)
    client.force_login(cast.bob)
    page = client.get("/notifications/").content.decode()
    assert f'name="upto" value="{first.pk}"' in page
    note(cast, "mention", clip=clip)
    answer = client.post("/notifications/read/", {"upto": first.pk})
    assert answer.headers["Location"] == "/notifications/"
    assert unread(cast.bob) == 1
    answer = client.post("/notifications/read/", headers={"hx-request": "true"})
    assert "Mark all read" not in answer.content.decode()
    assert unread(cast.bob) == 0


def test_looking_at_the_clip_reads_what_is_about_it(cast, clip):
    other = make_clip(cast.project, by=cast.bob)
    note(cast, "mention", clip=clip)
    note(cast, "finished", clip=clip)
    note(cast, "mention", clip=other)
    assert read_about(cast.bob, clip) == 2
    assert unread(cast.bob) == 1


def test_opening_a_clips_page_reads_what_is_about_it(cast, clip, client):
    note(cast, "verdict", clip=clip)
    client.force_login(cast.bob)
    html = client.get(f"/clips/{clip.code}/").content.decode()
    assert unread(cast.bob) == 0
    assert 'data-unread="0"' in html


def test_the_page_works_without_script_and_goes_back_in_time(cast, clip, client, monkeypatch):
    monkeypatch.setattr("studio.services.news.notifications.PAGE_SIZE", 4)
    texts = [f"word {n:02d}" for n in range(10)]
    for text in texts:
        note(cast, "mention", clip=clip, text=text)
    client.force_login(cast.bob)
    url, seen = "/notifications/", []
    while url:
        html = client.get(url).content.decode()
        seen += re.findall(r"word \d\d", html)
        more = re.search(r'href="(\?before=\d+)"', html)
        url = f"/notifications/{more[1]}" if more else ""
    assert seen == texts[::-1]


@pytest.mark.parametrize("path", ["", "panel/", "changes/", "1/open/"])
def test_strangers_are_sent_to_the_door(client, path):
    assert client.get(f"/notifications/{path}").status_code == 302
    assert client.post("/notifications/read/").status_code == 302
    assert client.get("/notifications/read/").status_code == 405


# ---- Choosing -------------------------------------------------------------------------------
def choices(**more):
    told = [value for value in Reason.values if value != "finished"]
    return {"news-told": told, "news-digest": "weekly"} | more


def test_one_chooses_what_one_is_told(cast, client):
    client.force_login(cast.bob)
    html = client.get("/account/").content.decode()
    assert html.count('name="news-told"') == html.count("checked") - 1 == len(Reason.values)
    assert client.post("/account/news/", choices()).headers["Location"] == "/account/#news"
    bob = User.objects.get(pk=cast.bob.pk)
    assert (bob.muted, bob.digest) == (["finished"], "weekly")
    assert bob.digest_at is not None


def test_a_choice_that_is_none_is_named(cast, client):
    client.force_login(cast.bob)
    answer = client.post("/account/news/", choices(**{"news-digest": "hourly"}))
    assert answer.status_code == 422
    assert "Choose never, once a day or once a week." in answer.content.decode()
    answer = client.post("/account/news/", choices(**{"news-told": ["gossip"]}))
    assert "There is no news called “gossip”." in answer.content.decode()
    assert User.objects.get(pk=cast.bob.pk).digest == "off"
