"""Two-factor sign-in: codes of an authenticator app (TOTP, RFC 6238), and recovery codes.

The rows and the arithmetic are allauth's. That a code works once, and how many wrong ones are
taken, is counted here in the authenticator's own row, under its lock: web processes share it.
"""

from __future__ import annotations

import logging
import time
import unicodedata
from typing import Any

from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from studio import vault
from studio.models import User
from studio.services import notices
from studio.services.errors import StudioError

logger = logging.getLogger(__name__)

# In the session: the row whose code let this browser in.
SESSION_KEY = "studio_two_factor"
Type = Authenticator.Type
WRONG = "That code doesn’t fit. Write the one your app shows now; each works once."
UNREADABLE = (
    "The studio can no longer read what your codes are made of: STUDIO_ENCRYPTION_KEY has changed. "
    "Ask whoever runs this studio to reset your two-factor sign-in."
)


def is_on(user: Any) -> bool:
    return bool(Authenticator.objects.filter(user_id=user.pk, type=Type.TOTP).exists())


def is_required(user: User) -> bool:
    """Whether STUDIO_REQUIRE_TWO_FACTOR asks this person for codes."""
    wanted = settings.REQUIRE_TWO_FACTOR
    return wanted == "everyone" or (wanted == "staff" and user.is_staff)


def holds_back(request: HttpRequest) -> bool:
    """Whether codes are required of this person, and none has let this browser in. At most one query."""
    user = request.user
    if not isinstance(user, User) or not is_required(user):
        return False
    passed = request.session.get(SESSION_KEY)
    rows = Authenticator.objects.filter(user_id=user.pk, type=Type.TOTP)
    return passed is None or not rows.filter(pk=passed).exists()


# ---- Turning it on and off -------------------------------------------------------------
def new_secret() -> str:
    return str(generate_totp_secret())


@transaction.atomic
def turn_on(*, user: User, secret: str, code: str) -> tuple[Authenticator, list[str]]:
    """Turn codes on once the app has shown a right one; return its row and the recovery codes.

    Raises StudioError: with field "code" for a wrong one, without when it is on already.
    """
    counter = _counter_of(secret, code)
    if counter is None:
        raise StudioError(
            "That code doesn’t fit. Write the one your app shows now. If it is refused again, see "
            "that the phone’s clock is right.",
            field="code",
        )
    try:
        with transaction.atomic():
            row = Authenticator.objects.create(
                user=user,
                type=Type.TOTP,
                data={"secret": vault.lock(secret), "last_counter": counter},
            )
    except IntegrityError as error:
        raise StudioError("Two-factor sign-in is on already.") from error
    logger.info("Two-factor sign-in was turned on by person %s.", user.pk)
    notices.tell(user, notices.CODES_ON)
    return row, new_recovery_codes(user=user, quietly=True)


@transaction.atomic
def new_recovery_codes(*, user: User, quietly: bool = False) -> list[str]:
    """Make ten recovery codes in the place of the old ones and return them; each works once."""
    User.objects.select_for_update().get(pk=user.pk)
    if not quietly:
        notices.tell(user, notices.NEW_CODES)
    Authenticator.objects.filter(user=user, type=Type.RECOVERY_CODES).delete()
    return list(RecoveryCodes.activate(user).generate_codes())


def recovery_codes_left(user: User) -> int:
    row = Authenticator.objects.filter(user=user, type=Type.RECOVERY_CODES).first()
    try:
        return len(RecoveryCodes(row).get_unused_codes()) if row else 0
    except ImproperlyConfigured:
        return 0


def turn_off(*, user: User, by: User) -> bool:
    """Take codes and recovery codes away. Return whether there were any. Logged."""
    had, _ = Authenticator.objects.filter(user=user).delete()
    if had:
        logger.warning(
            "Two-factor sign-in of person %s was turned off by person %s.", user.pk, by.pk
        )
        notices.tell(user, notices.CODES_OFF)
    return bool(had)


# ---- Asking for a code -----------------------------------------------------------------
def check(*, user: User, code: str) -> Authenticator:
    """Use up a code of the app, or a recovery code, and return the app's row.

    Raises StudioError with field "code": wrong, used before, or too many wrong ones. As many wrong
    ones as wrong passwords, whatever the address: who comes here has the password already.
    """
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().filter(user=user, type=Type.TOTP).first()
        if row is None:
            raise StudioError("Two-factor sign-in is off.", field="code")
        refusal = _try(row, user, code)
        row.save(update_fields=["data"])
    # Outside: a wrong code is counted, whatever happens next.
    if refusal:
        raise StudioError(refusal, field="code")
    return row


def _try(row: Authenticator, user: User, code: str) -> str:
    """Note in the row what the code does to it; return why it is refused, or nothing."""
    now = int(time.time())
    window = int(settings.AXES_COOLOFF_TIME * 3600)
    missed = [at for at in row.data.get("missed_at", []) if at > now - window]
    if len(missed) >= settings.AXES_FAILURE_LIMIT:
        minutes = max(-(-(missed[-1] + window - now) // 60), 1)
        return f"Too many wrong codes. Wait {minutes} {'minute' if minutes == 1 else 'minutes'}, then try again."
    try:
        fits = _fits(row, user, code)
    except ImproperlyConfigured:
        return UNREADABLE
    row.data["missed_at"] = [] if fits else [*missed, now]
    if fits:
        return ""
    logger.warning("A wrong two-factor code for person %s, %s in a row.", user.pk, len(missed) + 1)
    return WRONG


def _fits(row: Authenticator, user: User, code: str) -> bool:
    secret = vault.unlock(row.data["secret"])
    counter = _counter_of(secret, code, after=row.data.get("last_counter", 0))
    if counter is not None:
        # Locked anew: with the newest key, where keys are being changed.
        row.data |= {"last_counter": counter, "secret": vault.lock(secret)}
        return True
    spare = Authenticator.objects.filter(user=user, type=Type.RECOVERY_CODES).first()
    if spare is not None and RecoveryCodes(spare).validate_code(_plain_digits(code)):
        logger.warning("A recovery code of person %s was used.", user.pk)
        notices.tell(user, notices.RECOVERY)
        return True
    return False


def _plain_digits(code: str) -> str:
    """Return a code with the digits of every script, and of every width, as 0 to 9."""
    signs = unicodedata.normalize("NFKC", code)
    return "".join(str(unicodedata.decimal(sign, sign)) for sign in signs)


def _counter_of(secret: str, code: str, *, after: int = 0) -> int | None:
    """Return the half minute this code is of; None unless it is a near one later than `after`."""
    written = normalize_user_code(_plain_digits(code))
    for counter in yield_hotp_counters_from_time():
        expected = format_hotp_value(hotp_value(secret, counter))
        if counter > after and constant_time_compare(written, expected):
            return int(counter)
    return None
