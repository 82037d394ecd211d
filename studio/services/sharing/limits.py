"""How much a link takes, counted by all web processes together.

What is kept is counted from its rows; page visits, of which nothing is kept, in studio.services.tally.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from axes.models import AccessAttempt
from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from studio.models import Comment, GivenVerdict, Guest, Share
from studio.services import tally
from studio.services.errors import StudioError
from studio.services.rate_limits import Limit, authorize

VISITS_A_MINUTE = 120  # pages opened from one address
NAMES_AN_HOUR = 30
COMMENTS_A_MINUTE = 10  # of one guest
COMMENTS_AN_HOUR = 200  # of all guests of a share
VERDICTS_A_MINUTE = 40  # of one guest
VERDICTS_AN_HOUR = 1000  # of all guests of a share
# Of these, from one network: half, so that nobody uses up what the others of a link may leave.
NETWORK_NAMES = Limit(NAMES_AN_HOUR // 2, 240)
NETWORK_COMMENTS = Limit(COMMENTS_AN_HOUR // 2, 36)
NETWORK_VERDICTS = Limit(VERDICTS_AN_HOUR // 2, 8)
PASSWORD_TRIES = 6  # from one address, then a wait
PASSWORD_TRIES_IN_ALL = 120  # from all addresses
PASSWORD_WAIT = timedelta(hours=settings.AXES_COOLOFF_TIME)
MAX_LINKS = 3  # in one comment

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class TooMuch(StudioError):
    """A limit is reached; the message says which, and when to go on."""


# ---- Visits ------------------------------------------------------------------------------------


def count_visit(share: Share, address: str) -> None:
    """Count a page opened from an address. Raises TooMuch."""
    if tally.count_this_minute(f"share {share.code} {address}") > VISITS_A_MINUTE:
        raise TooMuch(
            f"More than {VISITS_A_MINUTE} pages were opened within a minute. Wait a minute, then reload."
        )


# ---- Password tries ----------------------------------------------------------------------------


def count_password_try(share: Share, address: str) -> None:
    """Count a try before it is judged, one after the other. Raises TooMuch.

    They are axes' own rows, so the control room lists them and can forgive them.
    """
    since = timezone.now() - PASSWORD_WAIT
    with transaction.atomic():
        Share.objects.select_for_update().get(pk=share.pk)
        tries = AccessAttempt.objects.filter(username=_door(share))
        tries.filter(attempt_time__lte=since).delete()
        in_all = tries.aggregate(sum=Sum("failures_since_start"))["sum"] or 0
        mine = tries.filter(ip_address=address or None).first()
        if in_all >= PASSWORD_TRIES_IN_ALL or (
            mine is not None and mine.failures_since_start >= PASSWORD_TRIES
        ):
            minutes = int(PASSWORD_WAIT.total_seconds() // 60)
            raise TooMuch(
                f"Too many wrong passwords. Wait {minutes} minutes, then try again.",
                field="password",
            )
        if mine is None:
            AccessAttempt.objects.create(
                username=_door(share),
                ip_address=address or None,
                path_info="/s/…/",
                failures_since_start=1,
            )
        else:
            mine.failures_since_start += 1
            mine.save(update_fields=["failures_since_start"])


def forget_password_tries(share: Share, address: str) -> None:
    """The password was right: what was mistyped before no longer counts."""
    tries = AccessAttempt.objects.filter(username=_door(share), ip_address=address or None)
    tries.delete()


def _door(share: Share) -> str:
    return f"share {share.code}"


# ---- What guests leave -------------------------------------------------------------------------
# Each is called while the share's row is locked, so that no two count at once.


def check_names(share: Share, network: str) -> None:
    _count(share, network, NETWORK_NAMES, "names", "name")
    if share.guests.filter(created_at__gt=_ago(HOUR)).count() >= NAMES_AN_HOUR:
        raise TooMuch(
            f"{NAMES_AN_HOUR} people said their names here within an hour. Try again in an hour.",
            field="name",
        )


def check_comments(share: Share, guest: Guest, network: str) -> None:
    _count(share, network, NETWORK_COMMENTS, "comments", "text")
    said = Comment.objects.filter(guest__share=share)
    if said.filter(guest=guest, created_at__gt=_ago(MINUTE)).count() >= COMMENTS_A_MINUTE:
        raise TooMuch(
            f"That was {COMMENTS_A_MINUTE} comments within a minute. Wait a minute, then send it again.",
            field="text",
        )
    if said.filter(created_at__gt=_ago(HOUR)).count() >= COMMENTS_AN_HOUR:
        raise TooMuch(
            f"This link took {COMMENTS_AN_HOUR} comments within an hour. Try again in an hour.",
            field="text",
        )


def check_verdicts(share: Share, guest: Guest, network: str) -> None:
    _count(share, network, NETWORK_VERDICTS, "verdicts", "verdict")
    given = GivenVerdict.objects.filter(guest__share=share)
    if given.filter(guest=guest, at__gt=_ago(MINUTE)).count() >= VERDICTS_A_MINUTE:
        raise TooMuch(
            f"That was {VERDICTS_A_MINUTE} verdicts within a minute. Wait a minute, then go on.",
            field="verdict",
        )
    if given.filter(at__gt=_ago(HOUR)).count() >= VERDICTS_AN_HOUR:
        raise TooMuch(
            f"This link took {VERDICTS_AN_HOUR} verdicts within an hour. Try again in an hour.",
            field="verdict",
        )


def _count(share: Share, network: str, limit: Limit, things: str, field: str) -> None:
    """Count one more thing from a network. Raises TooMuch; what is refused later is given back."""
    grant = authorize((f"share {share.pk} {things} {network}", limit))
    if not grant.allowed:
        raise TooMuch(
            f"{limit.capacity} {things} came from your network. Try again in "
            f"{-(-grant.wait_s // 60)} min.",
            field=field,
        )


def check_words(text: str) -> None:
    """Refuse what only spam says. Raises TooMuch."""
    links = text.casefold().count("://")
    if links > MAX_LINKS:
        raise TooMuch(
            f"The comment has {links} links; {MAX_LINKS} are allowed. Take some out.", field="text"
        )


def _ago(span: timedelta) -> datetime:
    return timezone.now() - span
