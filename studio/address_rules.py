"""The rule of each address: who may ask, how often, how much at once, and whether files come along.

Each subject's `urls.py` writes the rule beside the address; `studio.middleware.AddressRuleMiddleware`
holds everybody to it before a body is read, and the views to who may do what. `tests/test_access.py`
and `tests/test_address_rules.py` walk the whole table: an address without a rule fails there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, re_path

MB = 2**20
FORM_BYTES = 5 * MB  # of a form beside its files; Django's own limit is the same
# No address takes more at once; docs/deploy/nginx.conf has the same number. Longer files come in parts.
MAX_BODY_BYTES = 64 * MB
HOOK_BYTES = 256 * 1024
PUBLIC_BYTES = 256 * 1024  # from anybody: a form, a guest's drawing


class Who(Enum):
    """Whose address it is. The names of roles are those of `studio.http.project_for`."""

    PUBLIC = "public"  # opened by a key of its own, or by nothing
    SIGNED_IN = "signed in"
    OWN = "own"  # of one person, or of whoever made it and the owners
    SEE = "see"
    CREATE = "create"
    MANAGE = "manage"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a minute: one person, and one network of people who are not signed in.

    `at_once`: how many requests of either are computed at the same moment in each web process, which
    has 16 threads; one more is told to come back. None where they never wait for anything.
    """

    person: int
    network: int
    at_once: int | None = None


# Nobody at work meets these: a light table takes several keys a second, a form asks for its price
# twice a second while somebody types.
WORK = Pace(person=600, network=1200, at_once=8)
QUICK = Pace(person=1800, network=3600, at_once=8)  # one key, one verdict
LOOKUP = Pace(person=900, network=1800)  # a page that searches, or draws
HEAVY = Pace(person=30, network=60)  # whole files made anew: ZIP, CSV
RARE = Pace(person=20, network=60, at_once=2)
# Sketches, and stills cut from clips and pictures, keep a processor busy for a while. A strip is one of
# the eight of a contact sheet.
DRAWING = Pace(person=120, network=120, at_once=2)
STRIPS = Pace(person=900, network=1800, at_once=8)
# A password takes half a second of a processor, on purpose.
PASSWORD = Pace(person=60, network=120, at_once=4)
# Guests' pages and what these ask for by themselves, every 2.5 s in each window of an office.
GUESTS = Pace(person=3600, network=3600, at_once=8)
# Waits for the issuer of single sign-on, for as long as that takes.
ISSUER = Pace(person=60, network=120, at_once=2)
MACHINE = Pace(person=6000, network=6000)  # the providers' calls


@dataclass(frozen=True, slots=True)
class Rule:
    """What one address takes. `sends` counts what changes something, `asks` what only looks."""

    who: Who
    sends: Pace = WORK
    asks: Pace | None = None
    max_body: int = FORM_BYTES
    files: bool = False
    # Raises StudioError for a person who may send nothing here. Asked before the body is read.
    check: Callable[[Any], None] | None = None

    def sending(self, pace: Pace) -> Rule:
        return replace(self, sends=pace)

    def asking(self, pace: Pace) -> Rule:
        return replace(self, asks=pace)

    def with_files(self) -> Rule:
        return replace(self, files=True, max_body=MAX_BODY_BYTES)

    def checked_by(self, check: Callable[[Any], None]) -> Rule:
        return replace(self, check=check)

    def up_to(self, max_body: int) -> Rule:
        return replace(self, max_body=max_body)


PUBLIC = Rule(Who.PUBLIC, max_body=PUBLIC_BYTES)
SIGNED_IN, OWN = Rule(Who.SIGNED_IN), Rule(Who.OWN)
SEE, CREATE, MANAGE = Rule(Who.SEE), Rule(Who.CREATE), Rule(Who.MANAGE)
# Every page of the control room, which has no addresses of ours.
CONTROL_ROOM = Rule(Who.STAFF)

View = Callable[..., HttpResponseBase]
_rules: dict[str, Rule] = {}


def address(route: str, view: View, rule: Rule, name: str | None = None) -> URLPattern:
    """Return the pattern of an address, and keep its rule."""
    _rules[route] = rule
    return path(route, view, name=name)


def address_re(route: str, view: View, rule: Rule, name: str | None = None) -> URLPattern:
    """As `address`, for a regular expression."""
    _rules[route] = rule
    return re_path(route, view, name=name)


def rule_of(match: Any) -> Rule:
    """Return the rule of a resolved address. Raises KeyError for one without."""
    return CONTROL_ROOM if match.app_name == "admin" else _rules[match.route]


def rule_at(route: str) -> Rule | None:
    """Return the rule of a pattern as it stands in the table of addresses."""
    return _rules.get(route)
