"""Where a person is signed in: until when that holds, when it was used, and ending it.

The sessions are Django's and the rows that say whose they are allauth's. What allauth would write
at each request is written here once in a while: no page pays for it, and no poll does.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import DatabaseError, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from studio.incoming_text import clean_line
from studio.models import User
from studio.proxies import UNKNOWN_ADDRESS, client_address
from studio.services.browsers import browser_name

logger = logging.getLogger(__name__)

SEEN_EVERY_S = 600
FRESH_S = 600
# In the session: when it was signed in and last used (seconds since 1970), and its key then.
SINCE, SEEN, KEY = "studio_since", "studio_seen", "studio_session_key"


@dataclass(frozen=True, slots=True)
class Place:
    """One browser that is signed in."""

    pk: int
    browser: str  # "Firefox on Linux"
    address: str  # "" where it is not known
    since: datetime
    seen_at: datetime  # at most SEEN_EVERY_S behind
    is_here: bool  # the browser that asks


# ---- While it is used ------------------------------------------------------------------
def begin(request: HttpRequest, user: User) -> None:
    """Note that this browser has just been signed in. The caller saves the session."""
    request.session[SINCE] = int(timezone.now().timestamp())
    _note(request, user.pk)


def note_use(request: HttpRequest) -> None:
    """Note that a signed-in browser was used, if that was not noted of late.

    For a session that has been read already: it asks the database nothing, but every SEEN_EVERY_S.
    """
    session, now = request.session, timezone.now()
    if SESSION_KEY not in session:
        return
    moved = session.get(KEY) != session.session_key
    if moved or now.timestamp() - session.get(SEEN, 0) >= SEEN_EVERY_S:
        try:
            _note(request, int(session[SESSION_KEY]))
        except DatabaseError as error:
            # A full disk, or a writer that takes its time: the page is worth more.
            logger.warning("the use of a session was not noted: %s", error)


def _note(request: HttpRequest, user_pk: int) -> None:
    session, now = request.session, timezone.now()
    # Signed in before this was kept: from now on.
    since = datetime.fromtimestamp(session.get(SINCE, int(now.timestamp())), tz=UTC)
    fresh: dict[str, Any] = {
        "user_id": user_pk,
        "last_seen_at": now,
        "ip": client_address(request),
        "user_agent": clean_line(request.headers.get("User-Agent", ""))[:200],
    }
    with transaction.atomic():
        if session.get(KEY) != session.session_key:
            # Django gives a session another key with a new password.
            UserSession.objects.filter(session_key=session.get(KEY), user=user_pk).delete()
        UserSession.objects.update_or_create(
            session_key=session.session_key,
            defaults=fresh,
            create_defaults=fresh | {"created_at": since},
        )
    session[SINCE], session[SEEN] = int(since.timestamp()), int(now.timestamp())
    session[KEY] = session.session_key
    # A moment, not a length: whatever else is written to the session does not put it off.
    unused = now + timedelta(seconds=settings.SESSION_UNUSED_S)
    session.set_expiry(min(unused, since + timedelta(seconds=settings.SESSION_MOST_S)))


def is_fresh(request: HttpRequest) -> bool:
    """Whether this browser was signed in within the last minutes: enough where there is no password."""
    since = request.session.get(SINCE)
    return since is not None and timezone.now().timestamp() - since <= FRESH_S


# ---- The list --------------------------------------------------------------------------
def places_of(request: HttpRequest, user: User) -> list[Place]:
    """Return where this person is signed in now, this browser first, then the latest. Two queries."""
    rows = list(UserSession.objects.filter(user=user).order_by("-last_seen_at"))
    alive = _alive(user, [row.session_key for row in rows])
    here = request.session.session_key
    places = [
        Place(
            pk=row.pk,
            browser=browser_name(row.user_agent),
            address="" if row.ip == UNKNOWN_ADDRESS else row.ip,
            since=row.created_at,
            seen_at=row.last_seen_at,
            is_here=row.session_key == here,
        )
        for row in rows
        if row.session_key in alive
    ]
    return sorted(places, key=lambda place: not place.is_here)


def _alive(user: User, keys: list[str]) -> set[str]:
    """Return which of these sessions still let this person in: an old password's do not."""
    wanted = user.get_session_auth_hash()
    alive = set()
    for kept in Session.objects.filter(pk__in=keys, expire_date__gt=timezone.now()):
        said = kept.get_decoded()
        if said.get(SESSION_KEY) == str(user.pk) and constant_time_compare(
            said.get(HASH_SESSION_KEY, ""), wanted
        ):
            alive.add(kept.pk)
    return alive


# ---- Ending ----------------------------------------------------------------------------
@transaction.atomic
def end(*, user: User, pk: int) -> bool:
    """Sign one browser of this person out. False when it is not theirs, or gone already."""
    row = UserSession.objects.filter(user=user, pk=pk).first()
    if row is None:
        return False
    _end([row.session_key])
    return True


@transaction.atomic
def end_all(*, user: User, but: str | None = None) -> int:
    """Sign this person out everywhere but where the session's key is `but`; return of how many.

    What is not listed is looked for among all sessions: those of before the list was kept.
    """
    keys = set(UserSession.objects.filter(user=user).values_list("session_key", flat=True))
    others = Session.objects.filter(expire_date__gt=timezone.now()).exclude(
        pk__in=UserSession.objects.values("session_key")
    )
    for kept in others.iterator():
        if kept.get_decoded().get(SESSION_KEY) == str(user.pk):
            keys.add(kept.pk)
    return _end([key for key in keys if key != but])


def _end(keys: list[str]) -> int:
    ended, _ = Session.objects.filter(pk__in=keys).delete()
    UserSession.objects.filter(session_key__in=keys).delete()
    return ended
