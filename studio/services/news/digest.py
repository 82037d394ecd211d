"""The digest by e-mail: what a person has not read, once a day or a week, never twice.

Claimed in the database before it is sent. A worker killed in between loses one mail, not what it
told of: that is still unread in the bell. Sent twice it would be a nuisance nobody can undo.
"""

from __future__ import annotations

import logging
import smtplib
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.template.loader import render_to_string
from django.utils import timezone

from studio.models import Notification, User
from studio.plain_text import one_line
from studio.services.apart import Apart
from studio.services.news.notifications import Note, digest_notes, with_all
from studio.services.news.payloads import absolute

logger = logging.getLogger(__name__)

OFF, DAILY, WEEKLY = "off", "daily", "weekly"
MONDAY = 0
MOST_LINES = 30
MOST_ROWS = 1000
ROUND_S = 30.0
MAX_SUBJECT_CHARS = 200
SALT = "studio.digest"


def can_mail() -> bool:
    """Whether digests can be sent: a mail server is set, and the address their links need."""
    return bool(settings.EMAIL_URL and settings.PUBLIC_URL)


# ---- Who is due ---------------------------------------------------------------------------
def due_since(how_often: str, now: datetime) -> datetime:
    """Return the moment of the last digest that should have been sent: today's hour, or Monday's."""
    at = now.replace(hour=settings.DIGEST_HOUR, minute=0, second=0, microsecond=0)
    if how_often == WEEKLY:
        at -= timedelta(days=(now.weekday() - MONDAY) % 7)
    if at > now:
        at -= timedelta(days=7 if how_often == WEEKLY else 1)
    return at


def people_due(now: datetime) -> QuerySet[User]:
    """Return who should get a digest now, by key: with something that was unread at its hour.

    What came after the hour waits for the next one: nobody gets mail in the night.
    """
    late = Q()
    for how_often in (DAILY, WEEKLY):
        hour = due_since(how_often, now)
        unread = Notification.objects.filter(
            user=OuterRef("pk"), read_at=None, mailed_at=None, created_at__lte=hour
        )
        not_yet = Q(digest_at=None) | Q(digest_at__lt=hour)
        late |= Q(digest=how_often) & not_yet & Q(Exists(unread))
    return User.objects.filter(late, is_active=True).order_by("pk")


def send_due(*, now: datetime | None = None, most_s: float = ROUND_S) -> str:
    """Send the digests that are due, for at most about `most_s`; the rest go with the next round."""
    if not can_mail():
        return "no mail: EMAIL_URL or STUDIO_PUBLIC_URL is not set"
    now = now or timezone.now()
    people = list(people_due(now))
    if not people:
        return "nobody is due"
    connection = get_connection()
    try:
        # Before anything is claimed: a server that is away costs nobody their digest.
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        logger.warning("the mail server cannot be used: %s", error)
        return f"the mail server cannot be used: {type(error).__name__}"
    began = time.monotonic()
    sent, apart = 0, Apart()
    try:
        for user in people:
            if time.monotonic() - began > most_s:
                break
            with apart.one(f"the digest of person {user.pk}"):
                sent += _send_one(user, now, connection)
    finally:
        connection.close()
    return f"{sent} of {len(people)} sent{apart}"


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one mail is about, taken so that no other mail says it too."""

    user: User
    at: datetime
    notes: list[Note]
    more: int  # lines left out


def _send_one(user: User, now: datetime, connection: BaseEmailBackend) -> bool:
    claimed = _claim(user, now)
    if claimed is None:
        return False
    try:
        mail = make_mail(claimed.user, claimed.notes, claimed.more, connection)
        mail.message()  # an address or subject that no mail may have is found here
    except Exception:
        _give_back(claimed)
        raise
    try:
        mail.send()
    except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as error:
        # A plain no: nothing was sent. The next digest says it.
        logger.warning("the digest of person %s was refused: %s", user.pk, type(error).__name__)
        _give_back(claimed)
        return False
    except (OSError, smtplib.SMTPException) as error:
        # It may have arrived.
        logger.warning("whether the digest of person %s was sent is unclear: %s", user.pk, error)
        return False
    return True


def _give_back(claimed: _Claim) -> None:
    """Leave what was claimed to the next digest: nothing was sent."""
    rows = Notification.objects.filter(user=claimed.user, mailed_at=claimed.at)
    rows.update(mailed_at=None)


@transaction.atomic
def _claim(user: User, now: datetime) -> _Claim | None:
    """Take this person's turn and what is unread. None when another worker has, or all was read."""
    mine = User.objects.filter(pk=user.pk, digest=user.digest, digest_at=user.digest_at)
    if not mine.update(digest_at=now):
        return None
    fresh = Notification.objects.filter(user=user, read_at=None, mailed_at=None)
    rows = list(with_all(fresh).order_by("-pk")[:MOST_ROWS])
    if not rows:
        return None
    fresh.filter(pk__lte=rows[0].pk).update(mailed_at=now)
    notes = digest_notes(rows)
    return _Claim(user, now, notes[:MOST_LINES], max(len(notes) - MOST_LINES, 0))


# ---- The mail -------------------------------------------------------------------------------
def make_mail(
    user: User, notes: list[Note], more: int, connection: BaseEmailBackend | None = None
) -> EmailMultiAlternatives:
    """Return the digest, text with a simple HTML alternative. It sends nothing."""
    stop = absolute(f"/digest/off/{unsubscribe_token(user)}/")
    ctx = {
        "user": user,
        "lines": [(note, absolute(note.url)) for note in notes],
        "more": more,
        "all_url": absolute("/notifications/"),
        "settings_url": absolute("/account/#news"),
        "stop_url": stop,
    }
    count = len(notes) + more
    mail = EmailMultiAlternatives(
        subject=one_line(notes[0].text, most=MAX_SUBJECT_CHARS)
        if count == 1
        else f"{count} things you have not read",
        body=render_to_string("mail/digest.txt", ctx),
        to=[user.email],
        connection=connection,
        headers={
            # RFC 8058: the mail program's own button, one press.
            "List-Unsubscribe": f"<{stop}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        },
    )
    mail.attach_alternative(render_to_string("mail/digest.html", ctx), "text/html")
    return mail


def unsubscribe_token(user: User) -> str:
    return signing.dumps(user.pk, salt=SALT)


def read_token(token: str) -> User | None:
    """Return whose digest this signed link ends; None when it is not ours."""
    try:
        pk = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        return None
    return User.objects.filter(pk=pk).first()


def switch_off(user: User) -> None:
    User.objects.filter(pk=user.pk).update(digest=OFF)
