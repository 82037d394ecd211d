"""What happens in a project is written down, and told to those it concerns."""

from __future__ import annotations

import re

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio import lifecycle, receivers, signals
from studio.models import (
    Activity,
    BulkRun,
    Chain,
    Export,
    GenerationEvent,
    Membership,
    Notification,
    Share,
    SpendRequest,
)
from studio.models.generation import State
from studio.services import chains, people
from studio.services.film import exports, stitching
from studio.services.news import happenings
from studio.services.news.activity import record
from tests.factories import make_comment, make_generation
from tests.people import make_clip

pytestmark = pytest.mark.django_db

Reason = Notification.Reason


def told(user):
    """Return (reason, kind) of what a person was told, oldest first."""
    rows = Notification.objects.filter(user=user).order_by("pk")
    return [(row.reason, row.activity.kind) for row in rows.select_related("activity")]


def kinds():
    return list(Activity.objects.order_by("pk").values_list("kind", flat=True))


def running(cast, **fields):
    return make_generation(cast.project, state=State.STORING, by=cast.bob, **fields)


def finish(clip):
    done = {"clip": "a.mp4", "width": 64, "height": 36, "duration_ms": 1000}
    return lifecycle.move(clip.pk, State.SUCCEEDED, **done)


def fail(clip, text="The model refused it."):
    return lifecycle.mark_failed(clip.pk, code="refused", text=text, charged="no")


# ---- Shots ----------------------------------------------------------------------------
def test_takes_asked_for_at_once_are_one_line(cast):
    first = make_generation(cast.project, state=State.QUEUED)
    takes = [make_unsaved(first, take) for take in (2, 3, 4)]
    lifecycle.create(takes, actor=cast.bob)
    (line,) = Activity.objects.all()
    assert (line.kind, line.actor, line.generation) == ("queued", cast.bob, takes[0])
    assert line.data == {"count": 3, "takes": True}


def make_unsaved(like, take):
    fields = (
        "project", "by", "title", "prompt", "duration_s", "aspect_ratio", "resolution",
        "provider", "model", "account", "shot",
    )  # fmt: skip
    values = {name: getattr(like, name) for name in fields}
    return type(like)(**values, take=take)


def test_a_finished_shot_is_told_to_whose_it_is(cast):
    clip = running(cast)
    assert finish(clip)
    assert kinds() == ["finished"]
    assert told(cast.bob) == [(Reason.FINISHED, "finished")]
    assert told(cast.alice) == []


def test_a_failed_shot_says_why(cast):
    assert fail(running(cast))
    line = Activity.objects.get()
    assert (line.kind, line.text) == ("failed", "The model refused it.")
    assert told(cast.bob) == [(Reason.FAILED, "failed")]


def test_a_lost_race_says_nothing(cast):
    clip = running(cast)
    assert finish(clip)
    assert not finish(clip)
    assert kinds() == ["finished"]


def test_moves_that_are_no_ending_write_nothing(cast, django_assert_num_queries):
    clip = make_generation(cast.project, state=State.RUNNING)
    move = lifecycle.Move(clip.pk, cast.project.pk, State.RUNNING, State.STORING)
    with django_assert_num_queries(0):
        receivers.note_moved(moves=[move], actor=None)
    lifecycle.move_many([move])
    assert kinds() == []


def test_many_endings_at_once_take_the_same_queries(cast):
    def take(count):
        clips = [running(cast) for _ in range(count)]
        moves = [
            lifecycle.Move(c.pk, c.project_id, State.STORING, State.FAILED, "No.") for c in clips
        ]
        with CaptureQueriesContext(connection) as queries:
            receivers.note_moved(moves=moves, actor=None)
        return len([q for q in queries if "SAVEPOINT" not in q["sql"]])

    assert take(40) == take(2) <= 5


def test_news_that_cannot_be_written_stop_no_shot(cast, monkeypatch):
    def broken(*_):
        Activity.objects.create(project_id=None)

    monkeypatch.setattr(happenings, "shots_ended", broken)
    clip = running(cast)
    assert finish(clip)
    clip.refresh_from_db()
    assert clip.state == State.SUCCEEDED
    assert GenerationEvent.objects.filter(generation=clip, new=State.SUCCEEDED).exists()
    assert kinds() == []


def test_a_move_that_is_rolled_back_takes_its_news_along(cast):
    clip = running(cast)
    with pytest.raises(RuntimeError), transaction.atomic():
        finish(clip)
        raise RuntimeError
    assert kinds() == []


# ---- Review ---------------------------------------------------------------------------
def comment(cast, clip, author, text="Lower the ridge", mentions=(), **fields):
    made = make_comment(clip, author, text, **fields)
    made.mentions.set(mentions)
    signals.comment_made.send_robust(None, generation=clip, comment=made, actor=author)
    return made


def test_a_comment_is_told_to_whose_clip_it_is(cast):
    clip = make_clip(cast.project, by=cast.bob)
    comment(cast, clip, cast.carol)
    assert told(cast.bob) == [(Reason.COMMENT, "comment")]
    assert told(cast.carol) == []


def test_ones_own_doings_are_told_to_nobody(cast):
    clip = make_clip(cast.project, by=cast.bob)
    comment(cast, clip, cast.bob, mentions=[cast.bob])
    say(clip, cast.bob, "approved")
    assert Notification.objects.count() == 0
    assert kinds() == ["comment", "verdict"]


def test_a_mention_wins_over_every_other_reason(cast):
    clip = make_clip(cast.project, by=cast.bob)
    first = comment(cast, clip, cast.bob)
    comment(cast, clip, cast.carol, "@Bob and @Alice", [cast.bob, cast.alice], parent=first)
    assert told(cast.bob) == [(Reason.MENTION, "comment")]
    assert told(cast.alice) == [(Reason.MENTION, "comment")]


def test_a_reply_is_told_to_everybody_in_the_thread(cast):
    clip = make_clip(cast.project, by=cast.alice)
    first = comment(cast, clip, cast.bob)
    comment(cast, clip, cast.carol, parent=first)
    comment(cast, clip, cast.alice, parent=first)
    assert told(cast.bob) == [(Reason.REPLY, "comment")] * 2
    assert told(cast.carol) == [(Reason.REPLY, "comment")]


def test_a_guest_is_named(cast):
    clip = make_clip(cast.project, by=cast.bob)
    made = make_comment(clip, None, guest_name="Ida")
    signals.comment_made.send_robust(None, generation=clip, comment=made, actor=None, guest=None)
    line = Activity.objects.get()
    assert (line.actor, line.guest_name) == (None, "Ida")
    assert told(cast.bob) == [(Reason.COMMENT, "comment")]


def test_outsiders_and_the_muted_are_not_told(cast):
    clip = make_clip(cast.project, by=cast.bob)
    cast.bob.muted = ["comment"]
    cast.bob.save()
    comment(cast, clip, cast.carol, mentions=[cast.dave])
    assert Notification.objects.count() == 0


def test_new_words_are_quoted_and_tell_whom_they_mention(cast):
    clip = make_clip(cast.project, by=cast.alice)
    made = comment(cast, clip, cast.carol)
    made.text = "Raise it, @Bob"
    made.save()
    signals.comment_edited.send_robust(
        None, generation=clip, comment=made, mentioned=[cast.bob], actor=cast.carol, guest=None
    )
    assert Activity.objects.get().text == "Raise it, @Bob"
    assert told(cast.bob) == [(Reason.MENTION, "comment")]


def say(clip, actor, verdict, comment=None):
    signals.verdict_given.send_robust(
        None, generation=clip, verdict=verdict, actor=actor, guest=None, comment=comment
    )


def test_a_verdict_and_its_comment_are_one_notification(cast):
    clip = make_clip(cast.project, by=cast.bob)
    made = comment(cast, clip, cast.carol)
    say(clip, cast.carol, "needs_changes", made)
    assert told(cast.bob) == [(Reason.VERDICT, "verdict")]


def test_a_verdict_taken_back_is_in_the_feed_only(cast):
    clip = make_clip(cast.project, by=cast.bob)
    say(clip, cast.carol, "")
    assert kinds() == ["verdict"]
    assert told(cast.bob) == []


# ---- Sharing, chains, people, settings, money -----------------------------------------------
def test_a_share_made_and_opened_is_noted(cast):
    share = Share.objects.create(
        project=cast.project, title="Client cut", token_hash="x", created_by=cast.bob
    )
    signals.share_made.send_robust(None, share=share, actor=cast.bob)
    signals.share_visited.send_robust(None, share=share, guest=None)
    assert kinds() == ["shared", "visited"]


def test_a_chain_and_its_film_are_noted(cast):
    chain = Chain.objects.create(project=cast.project, title="Night", created_by=cast.bob)
    export = Export.objects.create(chain=chain, created_by=cast.alice, options={"version": 2})
    signals.film_made.send_robust(None, export=export)
    assert kinds() == ["chained", "exported"]
    assert Activity.objects.get(kind="exported").data == {"version": 2}


def test_a_film_that_was_stitched_is_in_the_feed(cast):
    clips = [make_generation(cast.project, files=True) for _ in range(2)]
    chain = chains.create(project=cast.project, by=cast.bob, title="Night", clips=clips)
    export = exports.create_export(chain=chain, by=cast.alice)
    assert stitching.stitch_export(export.pk).startswith("stitched")
    line = Activity.objects.get(kind="exported")
    assert (line.actor, line.chain, line.data) == (cast.alice, chain, {"version": 1})


def test_what_members_do_to_each_other_is_noted(cast):
    _, token = people.create_invite(project=cast.project, role="editor", by=cast.alice, note="Dave")
    member = people.accept_invite(token=token, user=cast.dave)
    people.change_role(member=member, role="owner", by=cast.alice)
    people.change_role(member=member, role="owner", by=cast.alice)
    people.remove_member(member=cast.member("carol"), by=cast.alice)
    people.remove_member(member=member, by=cast.dave)
    assert [(a.actor.name, a.text) for a in Activity.objects.order_by("pk")] == [
        ("Alice", "invited Dave as an editor"),
        ("Dave", "joined as an editor"),
        ("Alice", "made Dave an owner"),
        ("Alice", "took Carol out of the project"),
        ("Dave", "left the project"),
    ]


def test_who_leaves_keeps_no_quotes(cast):
    clip = make_clip(cast.project, by=cast.bob)
    comment(cast, clip, cast.alice)
    Membership.objects.filter(user=cast.bob).delete()
    assert told(cast.bob) == []


def test_settings_name_what_was_changed_and_a_budget_is_spending(client, cast):
    client.force_login(cast.alice)
    url = f"/p/{cast.project.code}/settings/"
    html = client.get(url).content.decode()
    form = {
        "name": "Nordlys", "description": "", "aspect_ratio": "9:16", "duration_s": "5",
        "resolution": "720p", "budget": "150", "failover": "", "embed_provenance": "on",
        "slate": "on", "style_notes": "", "ask_above": "",
    }  # fmt: skip
    assert 'name="budget"' in html
    assert client.post(url, form).status_code == 302
    assert [(a.kind, a.text) for a in Activity.objects.order_by("pk")] == [
        ("spend", "set the budget to $150.00 a month"),
        ("settings", "changed the project’s name and shape"),
    ]
    client.post(url, form)
    assert Activity.objects.count() == 2
    client.post(f"/p/{cast.project.code}/archive/")
    assert Activity.objects.latest("pk").text == "archived the project"


def test_asking_to_spend_is_told_to_owners_and_the_answer_to_who_asked(cast):
    request = SpendRequest.objects.create(
        project=cast.project, by=cast.bob, estimated_microusd=1_600_000, rule="over", reason="Hero"
    )
    signals.spend_asked.send_robust(None, request=request, actor=cast.bob)
    assert told(cast.alice) == [(Reason.SPEND, "spend")]
    assert told(cast.carol) == []
    request.state = SpendRequest.State.APPROVED
    signals.spend_decided.send_robust(None, request=request, actor=cast.alice)
    assert told(cast.bob) == [(Reason.SPEND, "spend")]
    assert [a.text for a in Activity.objects.order_by("pk")] == [
        "asks to spend $1.60: Hero",
        "approved $1.60 for Bob",
    ]


@pytest.mark.parametrize(
    ("undone", "said"), [(False, "tagged 14 clips"), (True, "took back: tagged 14 clips")]
)
def test_a_bulk_action_is_one_line(cast, undone, said):
    run = BulkRun.objects.create(project=cast.project, by=cast.bob, action="tag", total=14, done=14)
    signals.bulk_done.send_robust(None, run=run, actor=cast.bob, undone=undone)
    assert Activity.objects.get().text == said
    assert {*happenings.DEEDS, BulkRun.Action.VERDICT} == set(BulkRun.Action)


# ---- The feed ---------------------------------------------------------------------------
@pytest.fixture
def feed(client, cast):
    def ask(query="", user=None, **headers):
        client.force_login(user or cast.alice)
        answer = client.get(f"/p/{cast.project.code}/activity/{query}", headers=headers)
        assert answer.status_code == 200
        return answer.content.decode()

    return ask


def sentences(html):
    found = re.findall(r'<a class="what"[^>]*>(.*?)</a>', html, re.S)
    return [" ".join(re.sub(r"<[^>]+>", "", text).split()) for text in found]


def test_the_feed_says_who_did_what(feed, cast):
    clip = make_clip(cast.project, by=cast.bob, title="Aurora")
    comment(cast, clip, cast.carol, "Lower the <b>ridge</b>", at_ms=3790)
    say(clip, cast.alice, "approved")
    html = feed()
    assert sentences(html) == [
        "Alice approved “Aurora”",
        "Carol commented on “Aurora” at 0:03.79",
    ]
    assert "Lower the &lt;b&gt;ridge&lt;/b&gt;" in html
    assert clip.poster_url.replace("&", "&amp;") in html
    assert "<h2>Today</h2>" in html


def test_crowds_are_one_line(feed, cast):
    for _ in range(12):
        finish(running(cast))
    fail(running(cast, title="Dune"))
    for verdict in ("approved", "approved", "needs_changes"):
        say(make_clip(cast.project, number=100 + Activity.objects.count()), cast.carol, verdict)
    assert sentences(feed()) == [
        "Carol asked for changes to “Clip 16”",
        "Carol approved 2 clips",
        "Bob’s “Dune” was not rendered",
        "Bob’s 12 shots are ready",
    ]


def test_a_verdict_brings_its_comment_along(feed, cast):
    clip = make_clip(cast.project, by=cast.bob, title="Aurora")
    made = comment(cast, clip, cast.carol, "Too dark")
    say(clip, cast.carol, "needs_changes", made)
    html = feed()
    assert sentences(html) == ["Carol asked for changes to “Aurora”"]
    assert html.count("Too dark") == 1


def test_it_is_narrowed_by_kind_and_person(feed, cast):
    clip = make_generation(cast.project, by=cast.bob, title="Aurora")
    comment(cast, clip, cast.carol)
    say(clip, cast.alice, "approved")
    finish(running(cast))
    assert len(sentences(feed("?kind=review"))) == 2
    assert sentences(feed(f"?kind=review&person={cast.carol.pk}")) == [
        "Carol commented on “Aurora”"
    ]
    assert len(sentences(feed(f"?person={cast.bob.pk}"))) == 1
    assert "Nothing of that kind" in feed("?kind=chains")
    assert len(sentences(feed("?kind=nonsense&person=%00"))) == 3


def test_pages_neither_repeat_nor_skip(feed, cast, monkeypatch):
    monkeypatch.setattr("studio.services.news.feed.PAGE_SIZE", 4)
    texts = [f"did {n:02d}" for n in range(10)]
    for text in texts:
        happenings.member_changed(cast.project.pk, actor=cast.bob, text=text)
    html, seen = feed(), []
    while True:
        seen += re.findall(r"did \d\d", html)
        # What comes meanwhile moves nothing.
        happenings.member_changed(cast.project.pk, actor=cast.bob, text="news")
        more = re.search(r'hx-get="(\?[^"]*before=\d+)"', html)
        if not more:
            break
        html = feed(more[1], hx_request="true")
        assert "<main" not in html
    assert seen == texts[::-1]


def test_what_is_new_since_the_last_visit_is_marked_once(feed, cast):
    happenings.member_changed(cast.project.pk, actor=cast.bob, text="did one")
    assert "since your last visit" not in feed()
    happenings.member_changed(cast.project.pk, actor=cast.bob, text="did two")
    html = feed()
    assert html.index("did two") < html.index("New since your last visit") < html.index("did one")
    assert "since your last visit" not in feed()
    happenings.member_changed(cast.project.pk, actor=cast.alice, text="did three")
    assert "since your last visit" not in feed()
    assert cast.member("alice").seen_activity == Activity.objects.latest("pk").pk
    assert cast.member("bob").seen_activity == 0


def test_no_line_leads_where_its_reader_may_not_go(client, feed, cast):
    settings_of_hook = {"webhook": "6d0c6f5e-0000-4000-8000-000000000000"}
    for kind, data in (("spend", {}), ("visited", {}), ("settings", settings_of_hook)):
        record(kind, project_id=cast.project.pk, actor=cast.alice, text="did", **data)
    for name, links in {"carol": 1, "bob": 2, "alice": 3}.items():
        assert feed(user=getattr(cast, name)).count('<a class="what"') == links


def test_the_poll_is_silent_until_something_happens(client, feed, cast):
    happenings.member_changed(cast.project.pk, actor=cast.bob, text="did one")
    live = re.search(r'data-from="([^"]+)"', feed())[1].replace("&amp;", "&")
    with CaptureQueriesContext(connection) as queries:
        assert client.get(live).status_code == 204
    assert len(queries) <= 4
    happenings.member_changed(cast.project.pk, actor=cast.bob, text="did two")
    answer = client.get(live)
    html = answer.content.decode()
    assert sentences(html) == ["Bob did two"]
    assert 'id="bell-count"' in html
    again = re.search(r'data-from="([^"]+)"', html)[1].replace("&amp;", "&")
    assert client.get(again).status_code == 204
    happenings.member_changed(cast.project.pk, actor=cast.bob, text="did three")
    assert sentences(client.get(again).content.decode()) == ["Bob did three", "Bob did two"]


def test_after_a_flood_the_page_is_asked_for_anew(client, feed, cast, monkeypatch):
    live = re.search(r'data-from="([^"]+)"', feed())[1].replace("&amp;", "&")
    monkeypatch.setattr("studio.services.news.feed.MOST_FRESH", 2)
    for _ in range(3):
        happenings.member_changed(cast.project.pk, actor=cast.bob, text="did")
    assert client.get(live).headers["HX-Refresh"] == "true"


def test_the_feed_takes_the_same_queries_for_many(client, feed, cast):
    def ask():
        with CaptureQueriesContext(connection) as queries:
            client.get(f"/p/{cast.project.code}/activity/")
        return len(queries)

    clip = make_clip(cast.project, by=cast.bob)
    comment(cast, clip, cast.carol)
    feed()
    few = ask()
    for _ in range(20):
        other = make_clip(cast.project, by=cast.bob)
        comment(cast, other, cast.carol)
        say(other, cast.alice, "approved")
    feed()
    assert ask() == few <= 10


def test_a_clip_in_the_bin_has_no_picture_there(feed, cast):
    clip = make_clip(cast.project, by=cast.bob, title="Aurora")
    say(clip, cast.carol, "approved")
    now = timezone.now()
    type(clip).objects.filter(pk=clip.pk).update(archived_at=now, deleted_at=now)
    assert "poster" not in feed()


@pytest.mark.parametrize("path", ["activity/", "activity/changes/"])
def test_members_read_it_and_strangers_learn_nothing(client, cast, path):
    url = f"/p/{cast.project.code}/{path}"
    assert client.get(url).status_code == 302
    for name, wanted in {"dave": 404, "carol": 200, "bob": 200, "alice": 200}.items():
        client.force_login(getattr(cast, name))
        got = client.get(url).status_code
        assert got in ({200, 204} if wanted == 200 else {404})
    assert client.post(url).status_code == 405
