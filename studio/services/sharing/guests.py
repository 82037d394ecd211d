"""Who comes through a share: the link, its password, the visit, and the name they say."""

from __future__ import annotations

import secrets

from django.contrib.auth.hashers import check_password
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from studio.models import Guest, Share
from studio.passwords import forms_of
from studio.plain_text import one_line
from studio.services.errors import StudioError
from studio.services.sharing import limits
from studio.services.sharing.making import TOKEN_BYTES, hash_token
from studio.signals import share_visited

MAX_NAME_CHARS = 60


def find_share(token: str) -> Share | None:
    """Return the share behind a link, closed ones too; None for a link nobody made. One query."""
    rows = Share.objects.select_related(
        "project", "created_by", "chain", "saved_view__owner", "saved_view__project"
    )
    return rows.filter(token_hash=hash_token(token)).first()


# ---- The password ------------------------------------------------------------------------------


def open_door(*, share: Share, password: str, address: str) -> str:
    """Return what a browser shows from now on to get in. Raises StudioError.

    The try is counted before the password is looked at: of many at once none comes for free.
    """
    limits.count_password_try(share, address)
    if not any(check_password(form, share.password) for form in forms_of(password)):
        raise StudioError(
            "That is not the password. Ask whoever sent you the link.", field="password"
        )
    limits.forget_password_tries(share, address)
    return door_key(share)


def door_key(share: Share) -> str:
    """What opens the door of a share with a password; another one after a new password."""
    said = f"{share.pk}:{share.password}"
    return salted_hmac("studio.share.door", said, algorithm="sha256").hexdigest()


def may_enter(share: Share, key: str) -> bool:
    return not share.password or constant_time_compare(key, door_key(share))


# ---- Visits ------------------------------------------------------------------------------------


def count_visit(*, share: Share, guest: Guest | None) -> None:
    """Count a browser that came in; once a session, as the caller knows."""
    now = timezone.now()
    with transaction.atomic():
        Share.objects.filter(pk=share.pk).update(visits=F("visits") + 1, last_visit_at=now)
        if guest is not None:
            Guest.objects.filter(pk=guest.pk).update(seen_at=now)
        share_visited.send_robust(Share, share=share, guest=guest)


# ---- Names -------------------------------------------------------------------------------------


def find_guest(share: Share, token: str) -> Guest | None:
    """Return who this browser said to be in this share; one query, none without a token."""
    if not token:
        return None
    return Guest.objects.filter(share=share, token_hash=hash_token(token)).first()


def introduce(*, share: Share, name: str, network: str = "") -> tuple[Guest, str]:
    """Make somebody of a name and return them with the token their browser keeps.

    `network` is where they ask from, as limits count it.
    Raises StudioError.
    """
    name = one_line(name)
    if not 1 <= len(name) <= MAX_NAME_CHARS:
        raise StudioError(
            f"The name has {len(name)} characters; 1 to {MAX_NAME_CHARS} are allowed."
            if name
            else "Say your name, so that the team knows whose words these are.",
            field="name",
        )
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with transaction.atomic():
        Share.objects.select_for_update().get(pk=share.pk)
        limits.check_names(share, network)
        guest = Guest.objects.create(share=share, name=name, token_hash=hash_token(token))
    return guest, token
