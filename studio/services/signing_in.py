"""Judging passwords, and how many wrong ones are judged.

Every form that takes an account's password comes here: signing in, linking single sign-on, and
those that ask for the current password. docs/security.md says why the limits are these.
"""

from __future__ import annotations

from datetime import timedelta

from axes.models import AccessLog
from django.contrib.auth import authenticate, update_session_auth_hash
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from studio.models import User
from studio.passwords import forms_of
from studio.proxies import client_address, network_of
from studio.services import known_browsers, rate_limits
from studio.services.errors import StudioError
from studio.services.rate_limits import Charge, Limit

# Wrong passwords. A right one takes nothing.
PER_BROWSER = Limit(capacity=5, refill_s=180)  # of an account, from a browser it signed in with
PER_ACCOUNT_AND_NETWORK = Limit(capacity=5, refill_s=180)
PER_ACCOUNT = Limit(capacity=20, refill_s=180)  # from all networks it did not sign in from
PER_NETWORK = Limit(capacity=30, refill_s=60)  # over all accounts
# An account's networks are those of its sign-ins of so many days.
KNOWN_NETWORK_DAYS = 30
MAX_LOG_ROWS = 500

COUNT_WORDS = ("No", "One", "Two", "Three", "Four", "Five")


class WrongPassword(StudioError):
    """A password that was judged, and is wrong; `left` more are judged now."""

    def __init__(self, text: str, left: int) -> None:
        count = COUNT_WORDS[left] if left < len(COUNT_WORDS) else str(left)
        tries = "try" if left == 1 else "tries"
        super().__init__(f"{text} {count} {tries} left.", field="password")


class TooManyTries(StudioError):
    """No more passwords are judged for `wait_s` seconds."""

    def __init__(self, wait_s: int) -> None:
        self.wait_s = max(wait_s, 1)
        minutes = -(-self.wait_s // 60)
        self.wait_text = f"{minutes} {'minute' if minutes == 1 else 'minutes'}"
        super().__init__(
            f"Too many wrong passwords. Wait {self.wait_text}, then try again.", field="password"
        )


@sensitive_variables("password")
def check_password(
    request: HttpRequest,
    *,
    email: str,
    password: str,
    wrong: str = "That password doesn’t match.",
) -> User:
    """Return whose email and password these are. Raises WrongPassword or TooManyTries.

    A token is taken before the password is looked at, so that of many sent at once no more are
    judged than of many in turn.
    """
    person = User.objects.filter(email=email.strip().lower()).first()
    charges = _charges(request, email, person)
    grant = rate_limits.authorize(*charges)
    if not grant.allowed:
        raise TooManyTries(grant.wait_s)
    user = authenticate(request, username=email, password=password)
    if not isinstance(user, User):
        if person is None:
            _take_as_long(password)
        if grant.left == 0:
            raise TooManyTries(grant.wait_s)
        raise WrongPassword(wrong, grant.left)
    # What was mistyped before no longer counts here. Elsewhere only this use is given back: a
    # right password of one account must not pay for guesses at others.
    rate_limits.reset([charges[0][0]])
    rate_limits.give_back(*charges[1:])
    if user.has_old_password_form:
        user.set_password(password)
        user.save(update_fields=["password"])
    return user


@sensitive_variables("password")
def check_own_password(
    request: HttpRequest, *, password: str, wrong: str = "That is not your password."
) -> None:
    """Judge the current password of who is signed in, as strictly as at the sign-in page."""
    me = request.user
    assert isinstance(me, User)
    user = check_password(request, email=me.email, password=password, wrong=wrong)
    if user.password != me.password:
        # Hashed anew by a newer algorithm: this browser stays signed in.
        me.password = user.password
        update_session_auth_hash(request, user)


def forget_tries(*, email: str, address: str) -> None:
    """Give an account its tries back, from this address and from unknown ones."""
    rate_limits.reset([_at_network(email, network_of(address)), _at_account(email)])


def _charges(request: HttpRequest, email: str, person: User | None) -> list[Charge]:
    """Return the buckets a try is taken from; the first is that of this account at this place.

    A browser the account signed in with has tries of its own, and so has a network: otherwise
    somebody who guesses from many addresses, or from the next desk, would lock the owner out.
    """
    network = network_of(client_address(request))
    browser = known_browsers.browser_id(request, person)
    if browser:
        return [(f"browser {browser}", PER_BROWSER)]
    charges: list[Charge] = [
        (_at_network(email, network), PER_ACCOUNT_AND_NETWORK),
        (f"network {network}", PER_NETWORK),
    ]
    if network not in _known_networks(email):
        charges.append((_at_account(email), PER_ACCOUNT))
    return charges


def _at_network(email: str, network: str) -> str:
    return f"account {email.strip().casefold()} from {network}"


def _at_account(email: str) -> str:
    return f"account {email.strip().casefold()}"


def _known_networks(email: str) -> set[str]:
    since = timezone.now() - timedelta(days=KNOWN_NETWORK_DAYS)
    rows = AccessLog.objects.filter(username=email.strip().lower(), attempt_time__gt=since)
    addresses = rows.order_by("-attempt_time").values_list("ip_address", flat=True)[:MAX_LOG_ROWS]
    return {network_of(address) for address in set(addresses) if address}


@sensitive_variables("password")
def _take_as_long(password: str) -> None:
    """Hash what a known account would have had hashed too: time must not tell who is here."""
    for _ in forms_of(password)[1:]:
        User().set_password(password)
