"""Whatever is sent to whichever address by whomever: never a 500 (tests/fuzzing.py).

`make fuzz` asks much more often. What was found is in tests/test_fuzz_found.py, case by case.
"""

from __future__ import annotations

from functools import reduce

import pytest
from django.test import Client

from studio.models import SavedView
from studio.models.generation import State
from studio.services import people
from studio.services.gallery import views
from studio.services.news.digest import unsubscribe_token
from studio.services.requests import public_picture_url
from studio.services.sharing import limits, making
from studio.services.sharing.making import Options, Source
from tests.factories import make_generation, make_project, make_still
from tests.fuzzing import Asker, listening, wrong_addresses
from tests.sharing import BROWSER, browser_of
from tests.test_access import TABLE, address, things  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db
PARTS = 2
# How often each person asks each address. The owner reaches everything; the others are turned
# away early from much of it.
TIMES = {"alice": 3, "bob": 1, "carol": 1, "dave": 1, "guest": 2, "anonymous": 1}
STATES = State.QUEUED, State.RUNNING, State.UNCERTAIN, State.STALLED, State.FAILED
# What comes to a provider's hook is no form: tests/test_fuzz_hooks.py.
HOOK = "/hooks/previs/00000000-0000-0000-0000-000000000000/"


@pytest.fixture
def asker(things, monkeypatch):  # noqa: F811
    monkeypatch.setattr(limits, "VISITS_A_MINUTE", 10**9)
    cast = things["cast"]
    strange = make_project(cast.dave, "Elsewhere")
    theirs = [make_generation(strange).code, make_still(strange).code, strange.code]
    clip = cast.project.generations.first()
    share, token = making.create_share(
        project=cast.project, by=cast.alice, source=Source(clips=[clip]),
        options=Options(may_comment=True, may_decide=True, may_download=True),
    )  # fmt: skip
    _, invited = people.create_invite(project=cast.project, role="editor", by=cast.alice)
    kept = views.delete_view(
        view=SavedView.objects.create(project=cast.project, owner=cast.alice, name="Gone", query="")
    )
    things |= {
        "share": share, "kept": kept,
        "keyed": {
            "digest-off": f"/digest/off/{unsubscribe_token(cast.carol)}/",
            "join": f"/join/{invited}/",
            "picture-by-token": public_picture_url(cast.project.keyframes.get()),
            "shared-file": f"/s/{token}/media/{clip.code}-poster.webp",
        },
        "states": [make_generation(cast.project, state=state).code for state in STATES],
        "guest": {"<slug:token>": token, "<uuid:code>": str(clip.code)},
    }  # fmt: skip
    codes = [*things["code"].values(), *theirs, *things["states"], *things["pk"].values(), token]
    with listening() as ears:
        yield Asker(Client(), ears, [str(code) for code in dict.fromkeys(codes)])


def client_of(person, things):  # noqa: F811
    if person == "guest":
        return browser_of(things["share"], "Ingrid")
    client = Client(headers={"user-agent": BROWSER})
    if person != "anonymous":
        client.force_login(getattr(things["cast"], person))
    return client


def where(name, things):  # noqa: F811
    """An address that leads somewhere."""
    if name in things["keyed"]:
        return things["keyed"][name]
    if TABLE[name].startswith("s/"):
        return "/" + reduce(
            lambda url, pair: url.replace(*pair), things["guest"].items(), TABLE[name]
        )
    return HOOK if name == "provider-hook" else address(name, things)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_request_breaks_a_page(things, asker, part):  # noqa: F811
    asker.client = client_of("alice", things)
    for name in TABLE:
        asker.look(where(name, things))
    for person, times in TIMES.items():
        asker.client = client_of(person, things)
        for name in sorted(TABLE)[part::PARTS]:
            for method in ("GET", "POST"):
                asker.fuzz(method, name, where(name, things), times)
    assert not asker.wrong, "\n".join(asker.wrong)


def test_no_request_breaks_a_clip_in_whatever_state(things, asker):  # noqa: F811
    asker.client = client_of("alice", things)
    for name, route in TABLE.items():
        if route.startswith("clips/<uuid:code>/"):
            for code in things["states"]:
                for method in ("GET", "POST"):
                    asker.fuzz(method, name, address(name, things | {"code": {"clips": code}}), 1)
    assert not asker.wrong, "\n".join(asker.wrong)


def test_no_address_breaks_a_page(things, asker):  # noqa: F811
    for person in ("alice", "anonymous"):
        asker.client = client_of(person, things)
        for route in TABLE.values():
            for url in wrong_addresses(route):
                asker.ask_plainly("GET", url)
                asker.ask_plainly("POST", url)
    assert not asker.wrong, "\n".join(asker.wrong)
