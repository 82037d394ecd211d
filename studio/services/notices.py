"""Mail about somebody's own account: what changed in how they sign in, so that a thief is noticed.

Asked of the queue with what changed, sent once by a worker. Where there is no mail server, or it
does not take the mail, the log says what the mail would have: nobody's change waits for it.
"""

from __future__ import annotations

import logging
import smtplib

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import timezone

from studio import queue
from studio.models import User

logger = logging.getLogger(__name__)

PASSWORD, EMAIL = "password", "email"
CODES_ON, CODES_OFF, NEW_CODES, RECOVERY = "codes-on", "codes-off", "new-codes", "recovery"
LINKED = "linked"
# Subject, and what happened.
WORDS = {
    PASSWORD: ("Your password was changed", "The password of your account was changed."),
    EMAIL: (
        "Your e-mail address was changed",
        "The e-mail address of your account was changed. You sign in with the new one.",
    ),
    CODES_ON: (
        "Two-factor sign-in is on",
        "Two-factor sign-in was turned on: signing in asks for a code of an authenticator app.",
    ),
    CODES_OFF: (
        "Two-factor sign-in is off",
        "Two-factor sign-in was turned off: the password alone signs you in.",
    ),
    NEW_CODES: (
        "New recovery codes",
        "New recovery codes were made for your account. The old ones have ended.",
    ),
    LINKED: (
        "Single sign-on was linked",
        "Your account was linked to single sign-on: it signs you in from now on, beside your password.",
    ),
    RECOVERY: (
        "A recovery code was used",
        "One of your recovery codes was used in place of a code of your authenticator app.",
    ),
}


def tell(user: User, kind: str, *, to: str = "") -> None:
    """Have this person told once the transaction has committed, at `to` or their own address."""
    if settings.EMAIL_URL:
        at = f"{timezone.now():%-d %B %Y, %H:%M} UTC"
        queue.enqueue("send_notice", user.pk, kind, to or user.email, at)


def tell_of_address(user: User, *, before: str) -> None:
    """Tell of a new e-mail address, at the old one too: who reads that may know nothing of it."""
    if user.email != before:
        tell(user, EMAIL, to=before)
        tell(user, EMAIL)


def send(user_pk: int, kind: str, to: str, at: str) -> str:
    """Send one such mail and return a sentence. Raises nothing for a server that is away."""
    user = User.objects.filter(pk=user_pk).first()
    if user is None or not settings.EMAIL_URL:
        return "nobody to tell, or no mail server"
    subject, text = WORDS[kind]
    ctx = {"user": user, "text": text, "at": at, "address": _address()}
    mail = EmailMessage(
        subject=f"{subject} · Ray Studio",
        body=render_to_string("mail/notice.txt", ctx),
        to=[to],
        headers={"Auto-Submitted": "auto-generated"},
    )
    try:
        mail.send()
    except (OSError, smtplib.SMTPException) as error:
        logger.warning("person %s was not told by mail (%s): %s", user_pk, kind, error)
        return f"not sent: {type(error).__name__}"
    return "sent"


def _address() -> str:
    return f"{settings.PUBLIC_URL}/account/" if settings.PUBLIC_URL else ""
