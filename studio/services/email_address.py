"""Changing one's e-mail address: asked for with a proof, and done by a link mailed to the new one."""

from __future__ import annotations

import logging
import secrets
import smtplib
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.utils.crypto import salted_hmac

from studio import queue
from studio.models import User
from studio.services import notices, rate_limits, two_factor
from studio.services.errors import StudioError
from studio.services.rate_limits import Limit

logger = logging.getLogger(__name__)

SALT = "studio.email-change"
LINK_HOURS = 24
ONE_USE = Limit(capacity=1, refill_s=LINK_HOURS * 3600)  # for as long as the link could be opened
MAILS = Limit(capacity=5, refill_s=720)  # of one person
PASSWORD, CODE, FRESH_SIGN_IN = "password", "code", "fresh sign-in"
ENDED = "This link has ended, or was for another address. Ask for a new one on your account page."
TAKEN = "This email already has an account."


def can_change() -> bool:
    """Whether people change their own address: without mail nothing proves that it is theirs."""
    return bool(settings.EMAIL_URL)


def proof_of(user: User) -> str:
    """Return what this person proves themselves with before the address is changed."""
    if user.has_usable_password():
        return PASSWORD
    return CODE if two_factor.is_on(user) else FRESH_SIGN_IN


def ask_change(*, user: User, new: str, base_url: str) -> None:
    """Have the link mailed to the new address. Raises StudioError where too many were asked for."""
    grant = rate_limits.authorize((f"address mail {user.pk}", MAILS))
    if not grant.allowed:
        minutes = -(-grant.wait_s // 60)
        raise StudioError(
            f"Too many mails were asked for. Wait {minutes} minutes, then try again.", field="email"
        )
    queue.enqueue("send_address_link", user.pk, new, base_url)


def send_link(user_pk: int, new: str, base_url: str) -> str:
    """Send the link and return a sentence. Raises nothing for a mail server that is away."""
    user = User.objects.filter(pk=user_pk).first()
    if user is None or not settings.EMAIL_URL:
        return "nobody to ask, or no mail server"
    address = f"{base_url}/account/email/?{urlencode({'token': make_token(user, new)})}"
    ctx = {"user": user, "new": new, "address": address, "hours": LINK_HOURS}
    mail = EmailMessage(
        subject="Confirm your new e-mail address · Ray Studio",
        body=render_to_string("mail/address.txt", ctx),
        to=[new],
        headers={"Auto-Submitted": "auto-generated"},
    )
    try:
        mail.send()
    except (OSError, smtplib.SMTPException) as error:
        logger.warning("person %s got no link for a new address: %s", user_pk, error)
        return f"not sent: {type(error).__name__}"
    return "sent"


def make_token(user: User, new: str) -> str:
    return signing.dumps([user.pk, new, _seal(user), secrets.token_urlsafe(12)], salt=SALT)


def read_token(user: User, token: str) -> str:
    """Return the address this person's link is for. Raises StudioError for every other link."""
    return _read(user, token)[0]


def _read(user: User, token: str) -> tuple[str, str]:
    """Return the address a link is for, and what tells the link from every other."""
    try:
        pk, new, seal, number = signing.loads(token, salt=SALT, max_age=timedelta(hours=LINK_HOURS))
    except (signing.BadSignature, ValueError, TypeError):
        raise StudioError(ENDED) from None
    if (pk, seal) != (user.pk, _seal(user)):
        raise StudioError(ENDED)
    return str(new), str(number)


def confirm(*, user: User, token: str) -> str:
    """Change the address to the one the link went to, and return it. Raises StudioError."""
    try:
        with transaction.atomic():
            person = User.objects.select_for_update().get(pk=user.pk)
            (new, number), before = _read(person, token), person.email
            # Its address and password may be those of before again: what was used stays used.
            if not rate_limits.authorize((f"address link {number}", ONE_USE)).allowed:
                raise StudioError(ENDED)
            if User.objects.filter(email__iexact=new).exclude(pk=person.pk).exists():
                raise StudioError(TAKEN)
            person.email, person.email_confirmed = new, True
            person.save(update_fields=["email", "email_confirmed"])
            notices.tell_of_address(person, before=before)
    except IntegrityError as error:
        raise StudioError(TAKEN) from error
    logger.info("Person %s confirmed a new e-mail address.", person.pk)
    return new


def _seal(user: User) -> str:
    """Bind a link to the address and the password of now: after either has changed it ends."""
    said: Any = f"{user.email}:{user.password}"
    return salted_hmac(SALT, said, algorithm="sha256").hexdigest()[:32]
