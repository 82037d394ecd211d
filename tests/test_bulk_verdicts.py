"""Many verdicts at once: what the team is told, what other programs are told, and the way back."""

from __future__ import annotations

import pytest
from django.core import mail

from studio import tasks
from studio.models import Activity, Generation, GivenVerdict, Notification, User, WebhookDelivery
from studio.services import review
from studio.services.news import digest, feed, notifications, webhooks
from studio.services.review.verdicts import roll_up
from tests.bulk import again, make_clips, press, take_back

MANY = 60


@pytest.fixture
def clips(cast):
    """More than everybody is told of one by one: most of them Bob's, some Alice's."""
    mine = make_clips(cast.project, 10, by=cast.alice)
    return mine + make_clips(cast.project, MANY - 10, by=cast.bob)


def judge(asked, user, clips, verdict="approved", **params):
    run = press(user, clips[0].project, "verdict", clips, verdict=verdict, **params)
    asked.run("work_bulk")
    run.refresh_from_db()
    return run


def undo(asked, user, run):
    take_back(user, run)
    asked.run("work_bulk")


def bell(user):
    return [note.text for note in notifications.notes(user)]


def test_each_maker_is_told_once_of_their_own_and_the_feed_of_all(cast, clips, asked, settings):
    run = judge(asked, cast.carol, clips)
    assert bell(cast.bob) == ["Carol approved 50 clips"]
    assert bell(cast.alice) == ["Carol approved 10 clips"]
    assert bell(cast.carol) == []
    days, _ = feed.page(cast.project, feed.Narrowed(), None)
    line = days[0].lines[0]
    assert line.sentence == f"Carol approved {MANY} clips"
    assert (line.icon, line.tone) == ("check", "ok")
    assert line.url == f"/p/{cast.project.code}/?verdict=approved"
    settings.PUBLIC_URL = "https://studio.example"
    [note] = notifications.digest_notes(
        notifications.with_all(Notification.objects.filter(user=cast.bob))
    )
    said = digest.make_mail(cast.bob, [note], 0)
    assert said.subject == "Carol approved 50 clips"
    assert mail.outbox == []
    undo(asked, cast.alice, run)
    assert bell(cast.bob) == [], "what was taken back is nobody's news"
    assert Activity.objects.first().text == f"took back: approved {MANY} clips"


def test_a_few_are_told_one_by_one_and_folded(cast, clips, asked):
    judge(asked, cast.carol, clips[-5:])
    assert bell(cast.bob) == ["Carol approved 5 clips"]
    assert Notification.objects.filter(user=cast.bob).count() == 5
    days, _ = feed.page(cast.project, feed.Narrowed(), None)
    assert [line.sentence for line in days[0].lines] == ["Carol approved 5 clips"]


def test_two_runs_are_two_lines_and_each_is_read_by_opening_it(client, cast, clips, asked):
    judge(asked, cast.carol, clips)
    note = "Too dark, @Alice"
    judge(asked, cast.carol, clips, "needs_changes", note=note)
    assert bell(cast.alice) == [
        f"Carol asked for changes to {MANY} clips and mentioned you",
        "Carol approved 10 clips",
    ]
    newest = notifications.notes(cast.bob)[0]
    assert (newest.text, newest.line.quote) == ("Carol asked for changes to 50 clips", note)
    client.force_login(cast.bob)
    answer = client.get(newest.url)
    assert answer.headers["Location"].endswith("?verdict=needs_changes")
    assert [n.unread for n in notifications.notes(cast.bob)] == [False, True]


def test_who_muted_verdicts_hears_of_none(cast, clips, asked):
    User.objects.filter(pk=cast.bob.pk).update(muted=["verdict"])
    judge(asked, cast.carol, clips)
    assert bell(cast.bob) == []


def test_other_programs_are_told_of_each_clip_there_and_back(
    cast, clips, asked, settings, django_assert_max_num_queries
):
    settings.WEBHOOK_HOSTS = frozenset({"hooks.example"})
    webhooks.create_webhook(
        project=cast.project,
        by=cast.alice,
        url="https://hooks.example/ray",
        kinds=["verdict", "comment"],
    )
    review.decide(generation=clips[0], by=cast.carol, verdict="approved")
    WebhookDelivery.objects.all().delete()
    run = press(cast.carol, cast.project, "verdict", clips, verdict="needs_changes", note="Darker")
    assert not WebhookDelivery.objects.exists(), "written by the worker, not while she waits"
    with django_assert_max_num_queries(60 + 2 * MANY):  # what bulk writes counts as one a row
        tasks.work_bulk(run.pk)
    sent = [row.payload for row in WebhookDelivery.objects.order_by("pk")]
    assert len(sent) == 2 * MANY
    assert {one["type"] for one in sent} == {"clip.verdict", "clip.comment"}
    verdicts = [one["data"] for one in sent if one["type"] == "clip.verdict"]
    assert {one["clip"]["code"] for one in verdicts} == {str(clip.code) for clip in clips}
    assert {one["clip"]["verdict"] for one in verdicts} == {"needs_changes"}
    assert verdicts[0]["verdict"] == {
        "verdict": "needs_changes",
        "by": {"name": "Carol", "guest": False},
    }
    assert ("send_webhooks", ()) in asked

    WebhookDelivery.objects.all().delete()
    undo(asked, cast.carol, run)
    back = {
        row.payload["data"]["clip"]["code"]: row.payload["data"]["verdict"]["verdict"]
        for row in WebhookDelivery.objects.all()
    }
    assert len(back) == MANY
    assert back.pop(str(clips[0].code)) == "approved", "what counts again"
    assert set(back.values()) == {""}


def test_undo_leaves_each_clip_as_its_verdicts_say(cast, clips, asked):
    """Three people, an owner among them, and two runs over one another, taken back in turn."""
    review.decide(generation=clips[0], by=cast.bob, verdict="needs_changes", note="Grain")
    review.decide(generation=clips[1], by=cast.alice, verdict="approved")
    review.decide(generation=clips[2], by=cast.carol, verdict="approved")
    before = [again(clip).verdict for clip in clips]
    first = judge(asked, cast.carol, clips, "needs_changes", note="Slower")
    second = judge(asked, cast.alice, clips)
    assert {again(clip).verdict for clip in clips} == {"approved"}, "an owner settles it"
    undo(asked, cast.alice, second)
    assert again(clips[5]).verdict == "needs_changes"
    undo(asked, cast.carol, first)
    assert [again(clip).verdict for clip in clips] == before
    for clip in clips:
        kept = again(clip)
        roll_up(clip)
        assert (again(clip).verdict, again(clip).verdict_by) == (kept.verdict, kept.verdict_by)
    rows = GivenVerdict.objects.filter(generation__in=clips)
    assert rows.count() == 3 + 2 * MANY, "the history stays"
    current = list(rows.filter(current=True).values_list("generation", "by"))
    assert len(current) == len(set(current)) == 3
    assert Generation.objects.filter(verdict_by=None).exclude(verdict="").count() == 0
