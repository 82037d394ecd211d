"""Judging a password. django-axes counts the wrong ones, here one after the other."""

from __future__ import annotations

from axes.helpers import get_client_ip_address
from django.contrib.auth import authenticate
from django.http import HttpRequest

from studio.models import User
from studio.services import tally


def authenticate_in_turn(request: HttpRequest, *, username: str, password: str) -> User | None:
    """Return whose email and password these are, if nobody has used up the tries.

    axes looks at the count before a password is judged and raises it after: of many sent at the
    same moment each would find tries left. So they wait for one another, by account and address.
    """
    who = f"sign-in {username.casefold()} {get_client_ip_address(request)}"
    with tally.one_at_a_time(who):
        return authenticate(request, username=username, password=password)
