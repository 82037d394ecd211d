"""Browsers that an account has signed in with, by a signed cookie.

The cookie lets nobody in. It gives the account tries of its own from this browser, whatever others
do with its address; see studio/services/signing_in.py.
"""

from __future__ import annotations

import secrets

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from studio.cookie_names import named_for
from studio.models import User

MAX_ACCOUNTS = 5  # in one browser; the latest
MAX_AGE_S = 180 * 24 * 3600
SALT = "studio.known-browser"


def cookie_name() -> str:
    return named_for("browser", settings.SECRET_KEY, behind_tls=settings.BEHIND_TLS)


def browser_id(request: HttpRequest, person: User | None) -> str:
    """Return what this browser is called for this account; empty where it never signed in with it."""
    if person is None:
        return ""
    return dict(_accounts(request)).get(person.pk, "")


def note(request: HttpRequest, user: User) -> None:
    """Remember on this request that the account was signed in; `set_cookie` writes it down."""
    request.signed_in_account = user.pk  # type: ignore[attr-defined]  # read by set_cookie alone


def set_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """Write the cookie after a sign-in, as no other answer does."""
    pk = getattr(request, "signed_in_account", None)
    if pk is None:
        return
    accounts = _accounts(request)
    own = dict(accounts).get(pk) or secrets.token_urlsafe(16)
    others = [one for one in accounts if one[0] != pk]
    value = signing.dumps([(pk, own), *others][:MAX_ACCOUNTS], salt=SALT)
    response.set_cookie(
        cookie_name(), value, max_age=MAX_AGE_S, secure=settings.SESSION_COOKIE_SECURE,
        httponly=True, samesite="Lax",
    )  # fmt: skip


def _accounts(request: HttpRequest) -> list[tuple[int, str]]:
    try:
        rows = signing.loads(request.COOKIES.get(cookie_name(), ""), salt=SALT, max_age=MAX_AGE_S)
    except signing.BadSignature:
        return []
    return [(int(pk), str(name)) for pk, name in rows]
