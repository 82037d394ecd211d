"""The digest by e-mail: what is unread, at its hour, once, and ended by one press."""

from __future__ import annotations

import re
import smtplib
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.test import Client

from studio import tasks
from studio.models import Notification, User
from studio.services.news import digest
from studio.services.news.activity import record, tell
from tests.factories import make_comment
from tests.people import make_cast, make_clip

pytestmark = pytest.mark.django_db

MONDAY = datetime(2026, 11, 16, 7, 5, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


@pytest.fixture(autouse=True)
def post_office(settings):
    settings.EMAIL_URL = "smtp://mail.example"
    settings.PUBLIC_URL = "https://studio.example"
    settings.DEFAULT_FROM_EMAIL = "Ray Studio <studio@studio.example>"
    settings.DIGEST_HOUR = 7


@pytest.fixture
def cast():
    made = make_cast()
    made.bob.digest = "daily"
    made.bob.digest_at = MONDAY - timedelta(days=7)
    made.bob.save()
    return made


def note(cast, text="Lower the ridge", reason="mention", kind="comment", at=MONDAY):
    clip = make_clip(cast.project, by=cast.bob, title="Aurora")
    comment = make_comment(clip, cast.carol, text) if kind == "comment" else None
    activity = record(
        kind, project_id=cast.project.pk, actor=cast.carol, generation=clip, comment=comment,
        text=text,
    )  # fmt: skip
    tell([(cast.bob.pk, activity, reason)])
    made = Notification.objects.latest("pk")
    made.created_at = at - timedelta(minutes=30)
    made.save()
    return made


def bob():
    return User.objects.get(email="bob@example.com")


# ---- When -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("how_often", "now", "since"),
    [
        ("daily", "2026-11-17 06:59", "2026-11-16 07:00"),
        ("daily", "2026-11-17 07:00", "2026-11-17 07:00"),
        ("daily", "2026-11-17 23:59", "2026-11-17 07:00"),
        ("weekly", "2026-11-16 06:59", "2026-11-09 07:00"),
        ("weekly", "2026-11-16 07:00", "2026-11-16 07:00"),
        ("weekly", "2026-11-22 23:59", "2026-11-16 07:00"),
    ],
)
def test_a_digest_is_due_from_its_hour(how_often, now, since):
    moment, wanted = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, since))
    assert digest.due_since(how_often, moment) == wanted


def test_it_comes_once_a_day_with_what_is_new(cast):
    note(cast)
    assert digest.send_due(now=MONDAY) == "1 of 1 sent"
    assert digest.send_due(now=MONDAY + timedelta(minutes=10)) == "nobody is due"
    note(cast, "And the sky", at=MONDAY + timedelta(hours=9))
    assert digest.send_due(now=MONDAY + timedelta(hours=9)) == "nobody is due"
    assert digest.send_due(now=TUESDAY) == "1 of 1 sent"
    first, second = mail.outbox
    assert "Lower the ridge" in first.body and "And the sky" not in first.body
    assert "And the sky" in second.body and "Lower the ridge" not in second.body


def test_what_comes_after_its_hour_waits_for_the_next(cast):
    note(cast, at=MONDAY + timedelta(hours=15))
    assert digest.send_due(now=MONDAY + timedelta(hours=16)) == "nobody is due"
    assert digest.send_due(now=TUESDAY) == "1 of 1 sent"


def test_a_weekly_one_comes_on_monday(cast):
    User.objects.filter(pk=cast.bob.pk).update(digest="weekly", digest_at=MONDAY)
    note(cast)
    assert digest.send_due(now=MONDAY + timedelta(days=6)) == "nobody is due"
    assert digest.send_due(now=MONDAY + timedelta(days=7)) == "1 of 1 sent"


def test_nothing_new_is_no_mail(cast):
    made = note(cast)
    made.read_at = MONDAY
    made.save()
    User.objects.filter(pk=cast.alice.pk).update(digest="daily")
    assert digest.send_due(now=MONDAY) == "nobody is due"
    assert bob().digest_at == MONDAY - timedelta(days=7)


def test_who_wants_none_or_is_gone_gets_none(cast):
    note(cast)
    User.objects.update(digest="off")
    assert digest.send_due(now=MONDAY) == "nobody is due"
    User.objects.update(digest="daily", is_active=False)
    assert digest.send_due(now=MONDAY) == "nobody is due"


@pytest.mark.parametrize("missing", ["EMAIL_URL", "PUBLIC_URL"])
def test_without_a_server_or_an_address_nothing_is_claimed(cast, settings, missing):
    setattr(settings, missing, "")
    note(cast)
    assert tasks.send_digests().startswith("no mail")
    assert bob().digest_at == MONDAY - timedelta(days=7)


# ---- Never twice ------------------------------------------------------------------------------
def test_a_worker_killed_after_the_claim_sends_nothing_twice(cast):
    made = note(cast)
    assert digest._claim(bob(), MONDAY) is not None  # and then it was killed
    assert digest.send_due(now=MONDAY + timedelta(minutes=10)) == "nobody is due"
    assert digest.send_due(now=TUESDAY) == "nobody is due"
    made.refresh_from_db()
    assert (made.read_at, made.mailed_at) == (None, MONDAY)  # still in the bell


def test_of_two_workers_one_has_the_turn(cast):
    note(cast)
    seen_by_both = bob()
    assert digest._claim(seen_by_both, MONDAY) is not None
    assert digest._claim(seen_by_both, MONDAY + timedelta(seconds=1)) is None


def test_a_server_that_is_away_costs_nobody_their_digest(cast, monkeypatch):
    note(cast)

    def refuse(self):
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.open", refuse)
    assert digest.send_due(now=MONDAY).startswith("the mail server cannot be used")
    monkeypatch.undo()
    assert digest.send_due(now=MONDAY + timedelta(minutes=10)) == "1 of 1 sent"


@pytest.mark.parametrize(
    ("error", "said_again"),
    [
        (smtplib.SMTPDataError(550, b"no"), True),
        (smtplib.SMTPRecipientsRefused({}), True),
        (smtplib.SMTPServerDisconnected("gone"), False),
        (TimeoutError(), False),
    ],
)
def test_what_was_refused_is_said_again_and_what_may_have_arrived_is_not(
    cast, monkeypatch, error, said_again
):
    note(cast)

    def fail(self, messages):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", fail)
        assert digest.send_due(now=MONDAY) == "0 of 1 sent"
        assert digest.send_due(now=MONDAY + timedelta(minutes=10)) == "nobody is due"
    digest.send_due(now=TUESDAY)
    assert len(mail.outbox) == said_again


# ---- What it says -------------------------------------------------------------------------------
def test_it_has_words_links_and_a_simple_page(cast):
    note(cast, "Lower the <ridge> & more")
    for _ in range(12):
        note(cast, "", "finished", "finished")
    digest.send_due(now=MONDAY)
    (message,) = mail.outbox
    assert message.to == ["bob@example.com"]
    assert message.from_email == "Ray Studio <studio@studio.example>"
    assert message.subject == "2 things you have not read"
    assert "- 12 shots are ready (Nordlys winter film)" in message.body
    assert '"Lower the <ridge> & more"' in message.body
    assert re.search(r"https://studio\.example/notifications/\d+/open/", message.body)
    ((html, kind),) = message.alternatives
    assert kind == "text/html"
    assert "Lower the &lt;ridge&gt; &amp; more" in html
    assert "Hello Bob," in message.body


def test_one_thing_is_its_own_subject(cast):
    note(cast)
    digest.send_due(now=MONDAY)
    assert mail.outbox[0].subject == "Carol mentioned you on “Aurora”"


def test_a_long_one_is_cut_and_says_so(cast, monkeypatch):
    monkeypatch.setattr(digest, "MOST_LINES", 2)
    for _ in range(5):
        note(cast)
    digest.send_due(now=MONDAY)
    (message,) = mail.outbox
    assert message.subject == "5 things you have not read"
    assert "And 3 more." in message.body
    assert digest.send_due(now=TUESDAY) == "nobody is due"


# ---- One press ends it ----------------------------------------------------------------------------
def test_the_mail_program_ends_it_with_one_press_and_without_cookies(cast):
    note(cast)
    digest.send_due(now=MONDAY)
    (message,) = mail.outbox
    headers = message.message()
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url = headers["List-Unsubscribe"].strip("<>")
    assert url in message.body
    program = Client(enforce_csrf_checks=True)
    path = url.removeprefix("https://studio.example")
    assert "Stop the digest" in program.get(path).content.decode()
    assert bob().digest == "daily"
    assert program.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert bob().digest == "off"
    assert "No more" in program.post(path).content.decode()


def test_another_link_ends_nothing(cast):
    token = digest.unsubscribe_token(cast.bob)
    forged = token[:-3] + ("aaa" if not token.endswith("aaa") else "bbb")
    assert Client().post(f"/digest/off/{forged}/").status_code == 404
    assert bob().digest == "daily"
