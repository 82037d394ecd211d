"""One bad record ends no run over many: the others are done, and the result says which was not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.utils import timezone

from studio import tasks
from studio.models import (
    BulkRun,
    Export,
    Generation,
    Notification,
    ProviderAccount,
    User,
    WebhookDelivery,
)
from studio.services import clip_facts
from studio.services.apart import Apart
from studio.services.bulk.runs import BROKEN_CLIP
from studio.services.bulk.table import DEEDS
from studio.services.film import exports
from studio.services.gallery import bin
from studio.services.news import deliveries, digest, posting
from studio.services.news.activity import record, tell
from studio.services.news.webhooks import create_webhook
from studio.services.retention import routine
from studio.services.retention.things import Part, Thing
from studio.services.work import balances, hands, orphans
from tests.bulk import again, make_clips, press, reasons, take_back
from tests.factories import make_generation
from tests.people import make_cast
from tests.receiving import receiving

pytestmark = [pytest.mark.django_db, pytest.mark.once]
NOW = datetime(2026, 11, 16, 7, 5, tzinfo=UTC)


@pytest.fixture
def cast():
    return make_cast()


def breaks_at(work, is_bad):
    """Return `work`, which raises what nobody foresaw when it meets the bad record."""

    def either(*args, **options):
        if is_bad(*args):
            raise ZeroDivisionError("a poisoned record")
        return work(*args, **options)

    return either


def test_a_database_that_is_away_is_nobodys_bad_record():
    apart = Apart()
    with pytest.raises(OperationalError), apart.one("clip 1"):
        raise OperationalError("server closed the connection")
    with apart.one("clip 2"):
        raise KeyError("x")
    assert (apart.failed, str(apart)) == (["clip 2"], "; failed and left out: clip 2")


@pytest.mark.parametrize("bad_at", [0, 2, 4])
def test_a_bulk_action_does_all_other_clips(cast, monkeypatch, bad_at):
    clips = make_clips(cast.project, 5)
    bad, rate = clips[bad_at].pk, DEEDS["rate"]

    def meets(run, pairs):
        run.params["half"] = "done"  # what a broken batch leaves is not kept
        return any(clip.pk == bad for _, clip in pairs)

    monkeypatch.setitem(DEEDS, "rate", replace(rate, apply=breaks_at(rate.apply, meets), batch=2))
    run = press(cast.alice, cast.project, "rate", clips, rating="4")
    assert (run.state, run.done, run.skipped) == (BulkRun.State.DONE, 4, 1)
    assert reasons(run) == {clips[bad_at].number: BROKEN_CLIP}
    assert [again(clip).rating for clip in clips] == [0 if clip.pk == bad else 4 for clip in clips]


def test_an_undoing_undoes_all_other_clips(cast, monkeypatch):
    clips = make_clips(cast.project, 5)
    rate, bad = DEEDS["rate"], clips[1].pk
    run = press(cast.alice, cast.project, "rate", clips, rating="4")
    meets = lambda run, pairs: any(clip.pk == bad for _, clip in pairs)  # noqa: E731
    monkeypatch.setitem(DEEDS, "rate", replace(rate, undo=breaks_at(rate.undo, meets)))
    run = take_back(cast.alice, run)
    assert run.state == BulkRun.State.UNDONE
    assert [again(clip).rating for clip in clips] == [0, 4, 0, 0, 0]
    assert reasons(run) == {clips[1].number: BROKEN_CLIP}


def test_every_other_digest_is_sent_and_the_bad_one_waits(cast, monkeypatch, settings, mailoutbox):
    settings.EMAIL_URL, settings.PUBLIC_URL = "smtp://mail.example", "https://studio.example"
    settings.DIGEST_HOUR = 7
    clip = make_generation(cast.project)
    people = [cast.alice, cast.bob, cast.carol]
    for person in people:
        User.objects.filter(pk=person.pk).update(digest="daily", digest_at=NOW - timedelta(days=7))
        done = record(
            "comment", project_id=cast.project.pk, actor=cast.dave, generation=clip, text="x"
        )
        tell([(person.pk, done, "mention")])
    Notification.objects.update(created_at=NOW - timedelta(minutes=30))
    monkeypatch.setattr(
        digest, "make_mail", breaks_at(digest.make_mail, lambda user, *_: user.pk == cast.bob.pk)
    )
    told = digest.send_due(now=NOW)
    assert told == f"2 of 3 sent; failed and left out: the digest of person {cast.bob.pk}"
    assert {mail.to[0] for mail in mailoutbox} == {cast.alice.email, cast.carol.email}
    unsent = Notification.objects.filter(mailed_at=None)
    assert {row.user_id for row in unsent} == {cast.bob.pk}


def test_retention_lets_go_of_everything_else(monkeypatch):
    gone = []

    def find():
        yield from (Thing(name, 1, key=name) for name in ("one", "bad", "three"))

    def find_badly():
        yield Thing("four", 1, key="four")
        raise ZeroDivisionError("a poisoned record")

    remove = breaks_at(lambda thing: not gone.append(thing.name), lambda thing: thing.name == "bad")
    parts = (Part("first", "file", find, remove), Part("second", "file", find_badly, remove))
    monkeypatch.setattr(routine, "parts", lambda **_: (*parts, Part("third", "file", find, remove)))
    first, second, third = routine.clear_up().heaps
    assert gone == ["one", "three", "four", "one", "three"]
    assert (first.left, first.trouble) == (1, "failed and left out: bad")
    assert second.trouble.startswith("ZeroDivisionError") and third.count == 2


def test_names_that_cannot_be_folded_keep_nothing_from_being_cleared_up(monkeypatch):
    monkeypatch.setattr(tasks, "fold_new_names", breaks_at(None, lambda *_: True))
    assert tasks.clear_up() == (
        "nothing was due; 0 bytes; 0 files missing; failed and left out: the folding of new names"
    )


def test_every_other_account_is_asked(monkeypatch):
    accounts = [
        ProviderAccount.objects.create(provider="luma", label=f"Team {number}")
        for number in range(3)
    ]
    bad = accounts[1].pk
    monkeypatch.setattr(
        balances, "refresh", breaks_at(lambda pk: f"asked {pk}", lambda pk: pk == bad)
    )
    told = balances.refresh_each([account.pk for account in accounts])
    assert told == (
        f"asked {accounts[0].pk}; asked {accounts[2].pk}; failed and left out: the balance of account {bad}"
    )
    ProviderAccount.objects.update(key_locked="x")
    monkeypatch.setattr(orphans, "open_door", breaks_at(None, lambda *_: True))
    found = orphans.sweep_orphans()
    assert found.seen == 0
    assert all("could not be asked" in trouble for trouble in found.troubles)


def test_every_other_export_is_looked_after(cast, monkeypatch):
    from studio.models import Chain

    chain = Chain.objects.create(project=cast.project, title="Night", created_by=cast.alice)
    long_ago = timezone.now() - timedelta(hours=1)
    rows = [Export.objects.create(chain=chain, created_by=cast.alice, options={}) for _ in range(3)]
    Export.objects.update(created_at=long_ago)
    asked = []
    monkeypatch.setattr(
        exports,
        "enqueue",
        breaks_at(lambda _, pk: asked.append(pk), lambda _, pk: pk == rows[0].pk),
    )
    exports.revive_exports()
    assert sorted(asked) == [rows[1].pk, rows[2].pk]


def test_every_other_message_of_a_batch_is_sent(cast, settings, monkeypatch):
    with receiving() as receiver:
        settings.WEBHOOK_HOSTS = frozenset({receiver.host})
        hook = create_webhook(
            project=cast.project, by=cast.alice, url=receiver.url, kinds=["comment"]
        )
        rows = [
            WebhookDelivery.objects.create(
                webhook=hook, kind="comment", payload={"type": text}, next_at=timezone.now()
            )
            for text in ("one", "half an emoji: \ud83d", "poisoned", "four")
        ]
        signed = posting.body_of
        monkeypatch.setattr(
            posting, "body_of", breaks_at(signed, lambda payload: payload["type"] == "poisoned")
        )
        assert deliveries.send_due().startswith("2 of ")
    for row in rows:
        row.refresh_from_db()
    assert [row.error for row in rows] == [
        "",
        "The address, the secret or the message cannot be used.",
        "An error in the studio kept it from being sent; the log has it.",
        "",
    ]


def test_every_other_clip_of_the_trash_is_purged_and_every_other_file_measured(cast, monkeypatch):
    purged = [make_generation(cast.project, files=True) for _ in range(3)]
    yesterday = timezone.now() - timedelta(days=1)
    Generation.objects.update(deleted_at=yesterday, archived_at=yesterday)
    bad = purged[1].pk
    remove = default_storage.delete
    name_of_bad = purged[1].clip.name
    monkeypatch.setattr(
        default_storage, "delete", breaks_at(remove, lambda name: name == name_of_bad)
    )
    assert bin.empty(project_pk=cast.project.pk, until=timezone.now().isoformat()) == 3
    assert [default_storage.exists(clip.clip.name) for clip in purged] == [False, True, False]

    measured = [make_generation(cast.project, files=True) for _ in range(3)]
    bad = measured[1].pk
    Generation.objects.update(media_facts=None)
    monkeypatch.setattr(
        clip_facts,
        "_measure_again",
        breaks_at(clip_facts._measure_again, lambda clip: clip.pk == bad),
    )
    assert clip_facts.measure_earlier_clips() == 3
    for clip in measured:
        clip.refresh_from_db()
    assert ["unreadable" in clip.media_facts for clip in measured] == [False, True, False]


def test_every_other_shot_of_a_command_is_worked_on(cast, monkeypatch):
    rows = [make_generation(cast.project) for _ in range(3)]
    worked = []
    monkeypatch.setattr(
        hands,
        "_step",
        breaks_at(lambda row, _: worked.append(row.pk), lambda row, _: row == rows[1]),
    )
    hands._work(rows, slice_s=0)
    assert worked == [rows[0].pk, rows[2].pk]
