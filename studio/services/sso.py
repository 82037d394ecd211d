"""Single sign-on by OpenID Connect: whom the issuer's word lets in, and as whom."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Any

from allauth.socialaccount.app_settings import UID_MAX_LENGTH
from allauth.socialaccount.models import SocialAccount, SocialApp
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, validate_email
from django.db import IntegrityError, transaction

from studio.incoming_text import clean_line, cut
from studio.models import Membership, Project, User
from studio.plain_text import one_line
from studio.services import notices
from studio.services.errors import StudioError
from studio.services.news import happenings
from studio.services.people import COMMAND_LINE_EMAIL, a_role, has_people

logger = logging.getLogger(__name__)

MAX_EMAIL_CHARS = 254  # of its column
CLAIMS = ("sub", "email", "email_verified", "name")
MAX_CLAIM_CHARS = {"sub": UID_MAX_LENGTH, "email": 1000, "email_verified": 10, "name": 10_000}
DEACTIVATED = "Your account in this studio is deactivated. Ask whoever runs it."


@dataclass(frozen=True)
class Claims:
    """What the issuer says of a person. `email` is verified, lower case, of an allowed domain."""

    subject: str
    email: str
    name: str


def is_configured() -> bool:
    return bool(settings.SSO_ISSUER)


def provider_id() -> str:
    """Return the issuer's name in our tables: another issuer's subjects are other people."""
    return f"oidc-{hashlib.sha256(settings.SSO_ISSUER.encode()).hexdigest()[:16]}"


def app() -> SocialApp | None:
    """Return the issuer as allauth wants it, made of the environment, or None."""
    if not is_configured():
        return None
    return SocialApp(
        provider="openid_connect",
        provider_id=provider_id(),
        name=settings.SSO_NAME,
        client_id=settings.SSO_CLIENT_ID,
        secret=settings.SSO_CLIENT_SECRET,
        settings={"server_url": settings.SSO_ISSUER, "oauth_pkce_enabled": True},
    )


def readable(data: dict[str, Any]) -> dict[str, Any]:
    """Return what the studio reads of an issuer's answer, its ID token and user info, and no more.

    Raises ValueError for an answer that no issuer gives: it must neither be kept nor break a page.
    """
    kept = {}
    for name in ("id_token", "userinfo"):
        if (part := data.get(name)) is None:
            continue
        if not isinstance(part, dict):
            raise ValueError(f"The {name} is no object.")
        kept[name] = {claim: part[claim] for claim in CLAIMS if claim in part}
        for claim, value in kept[name].items():
            if claim == "sub" and not isinstance(value, str):
                raise ValueError("The subject is no text.")
            if isinstance(value, str) and ("\0" in value or len(value) > MAX_CLAIM_CHARS[claim]):
                raise ValueError(f"The {claim} cannot be kept.")
    if "exp" not in (data.get("id_token") or {"exp": None}):
        raise ValueError("The ID token does not say when it ends.")
    return kept


def read_claims(data: dict[str, Any]) -> Claims:
    """Return what the issuer says of a person, from its ID token and its user info.

    Raises StudioError when the two are of different people, the address is not verified, or its
    domain is not let in.
    """
    token, info = data.get("id_token"), data.get("userinfo")
    if not isinstance(token, dict) or not token.get("sub"):
        raise StudioError(f"{_name()} did not say who you are. Its answer holds no ID token.")
    if isinstance(info, dict) and info.get("sub") != token["sub"]:
        raise StudioError(f"{_name()} gave two different answers about who you are. Try again.")
    said = token | (info if isinstance(info, dict) else {})
    email = str(said.get("email") or "").strip()
    if not email.rpartition("@")[0].isascii():
        raise StudioError(
            f"{email[:254]} is not taken: a letter before its @ is not one of A to Z."
        )
    email = email.lower()
    try:
        validate_email(email)
        MaxLengthValidator(MAX_EMAIL_CHARS)(email)
    except ValidationError:
        raise StudioError(f"{_name()} did not say your e-mail address.") from None
    # A few issuers write the word; "false" is a text that counts as true.
    verified = said.get("email_verified")
    if verified is not True and verified != "true":
        raise StudioError(
            f"{_name()} does not say that {email} is verified, so the studio cannot rely on it."
        )
    domain = email.rpartition("@")[2]
    if settings.SSO_DOMAINS and domain not in settings.SSO_DOMAINS:
        raise StudioError(f"Addresses at {domain} are not let into this studio.")
    return Claims(
        str(token["sub"]), email, cut(one_line(clean_line(str(said.get("name") or ""))), 80)
    )


def find_person(claims: Claims) -> User | None:
    """Return who has this address here, not linked yet. Raises StudioError when they cannot be."""
    rows = User.objects.filter(email__iexact=claims.email)
    # PostgreSQL takes letters of other alphabets, such as a dotless i, for the same.
    person = next((row for row in rows if row.email.lower() == claims.email), None)
    if person is None:
        return None
    if not person.is_active or person.email == COMMAND_LINE_EMAIL:
        raise StudioError(DEACTIVATED)
    # An address given on to somebody else must not open the first one's account.
    if SocialAccount.objects.filter(user=person, provider=provider_id()).exists():
        raise StudioError(
            f"{claims.email} is linked to another account at {_name()}. "
            "Ask whoever runs this studio to unlink it."
        )
    # Without a password nothing but the address says whose account this is.
    if not person.has_usable_password() and not person.email_confirmed:
        raise StudioError(
            f"{claims.email} was typed here and never confirmed, so {settings.SSO_NAME} cannot open "
            "its account. Ask whoever runs this studio to allow it."
        )
    return person


@transaction.atomic
def make_person(claims: Claims) -> User:
    """Make an account for somebody unknown, as STUDIO_SSO_NEW_PEOPLE says. Raises StudioError."""
    kind = settings.SSO_NEW_PEOPLE
    # The first owner comes in by the printed link, which somebody else's account would close.
    if not kind or not has_people():
        raise StudioError(
            f"{claims.email} has no account in this studio. Ask whoever runs it for an invite."
        )
    try:
        with transaction.atomic():
            person = User.objects.create_user(
                claims.email,
                None,
                name=claims.name or claims.email.partition("@")[0],
                email_confirmed=True,
            )
    except IntegrityError as error:
        raise StudioError("Somebody came in with this address just now. Try again.") from error
    if kind in Membership.Role.values:
        for project in Project.objects.filter(archived_at=None):
            Membership.objects.create(project=project, user=person, role=kind)
            happenings.member_changed(
                project.pk, actor=person, text=f"joined as {a_role(kind)}, by single sign-on"
            )
    logger.info("Person %s was made by single sign-on.", person.pk)
    return person


def link(*, user: User, subject: str) -> None:
    """Remember that this subject of the issuer is this person."""
    _, fresh = SocialAccount.objects.get_or_create(
        provider=provider_id(), uid=subject, defaults={"user": user}
    )
    if fresh:
        # The password has proved what the issuer says of the address.
        User.objects.filter(pk=user.pk).update(email_confirmed=True)
        notices.tell(user, notices.LINKED)
    logger.info("Person %s was linked to single sign-on.", user.pk)


def _name() -> str:
    name: str = settings.SSO_NAME
    return name[:1].upper() + name[1:]
