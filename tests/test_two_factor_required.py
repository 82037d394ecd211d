"""Required two-factor sign-in stands before every address of the studio but a short list."""

from __future__ import annotations

import re
import uuid

import pytest
from django.contrib.auth import SESSION_KEY
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from studio.services import people
from studio.sign_in.middleware import EXEMPT_NAMES
from tests.factories import make_generation, make_still
from tests.people import make_cast, make_person
from tests.sharing import share_clips

pytestmark = pytest.mark.django_db
CODE = str(uuid.uuid4())
SAMPLES = {"uuid": CODE, "int": "1", "slug": "x", "str": "x", "path": "1"}
TURN_ON = "/account/two-factor/"
# By hand, so that a longer list of exceptions has to be written here too.
EXPECTED = {
    # Where two-factor sign-in is turned on, and what one may do about one's own account before it.
    "account", "change-password", "two-factor", "end-session", "end-other-sessions", "logout",
    "confirm-email",
    # Asked by machines, or opened by a key of its own in the address, signed in or not.
    "healthz", "readyz", "metrics", "robots", "provider-hook", "picture-by-token", "digest-off",
}  # fmt: skip


def addresses(resolver=None, before="/", space=""):
    """Yield (name, path) for every pattern of the table, the control room's too."""
    for one in (resolver or get_resolver()).url_patterns:
        if isinstance(one, URLResolver):
            inner = f"{one.namespace}:" if one.namespace else space
            yield from addresses(one, before + sample(one.pattern), inner)
        elif isinstance(one, URLPattern):
            yield f"{space}{one.name}", before + sample(one.pattern)


def sample(pattern):
    """Fill a pattern with values it takes."""
    route = str(pattern)
    if isinstance(pattern, RoutePattern):
        return re.sub(r"<(\w+):\w+>", lambda match: SAMPLES[match[1]], route)
    return next(path for start, path in REGEXES.items() if route.startswith(start))


# Patterns that are regular expressions, by how they begin, with an address each.
REGEXES = {
    "^media/clips/": f"media/clips/{CODE}.mp4",
    "^media/fetch/": "media/fetch/x.jpg",
    "^s/(?P<token>": f"s/x/media/{CODE}.mp4",
    "^s/": "s/",
    "(?P<url>": "nothing/",
    "^(?P<app_label>": "studio/",
}


@pytest.fixture
def held(client, settings):
    """Somebody who may do everything, signed in without a code where one is required."""
    settings.REQUIRE_TWO_FACTOR = "everyone"
    root = make_person("Root", is_staff=True, is_superuser=True)
    client.force_login(root)
    return client


def is_sent_away(answer):
    return answer.status_code == 302 and answer["Location"] == TURN_ON


def test_the_list_of_exceptions_is_this_one():
    assert EXEMPT_NAMES == EXPECTED
    assert {name for name, _ in addresses()} >= EXPECTED


def test_every_other_address_sends_to_two_factor_sign_in(held):
    open_to_held = [
        (name, path, method)
        for name, path in addresses()
        if name not in EXPECTED and not path.startswith("/s/")
        for method in ("get", "post", "head", "put", "delete")
        if not is_sent_away(getattr(held, method)(path))
    ]
    assert open_to_held == []


def test_no_exception_is_sent_away(held):
    for name, path in addresses():
        if (name in EXPECTED and name != "logout") or path.startswith("/s/"):
            assert not is_sent_away(held.get(path)), path


def test_a_fragment_sends_the_whole_page(held):
    answer = held.get("/projects/menu/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Redirect"]) == (200, TURN_ON)


def test_files_and_invites_wait_for_the_code_too(client, settings):
    cast = make_cast()
    clip, still = make_generation(cast.project, files=True), make_still(cast.project)
    _, token = people.create_invite(project=cast.project, role="owner", by=cast.alice)
    client.force_login(cast.bob)
    files = [
        clip.clip_url,
        clip.poster_url,
        f"{clip.clip_url}?download",
        still.url,
        still.thumbnail_url,
    ]
    for url in files:
        assert client.get(url).status_code in {200, 206}, url
    settings.REQUIRE_TWO_FACTOR = "everyone"
    for url in files:
        assert is_sent_away(client.get(url)), url
    client.force_login(cast.dave)
    assert is_sent_away(client.get(f"/join/{token}/"))
    assert is_sent_away(client.post(f"/join/{token}/"))
    assert not cast.project.memberships.filter(user=cast.dave).exists()


def test_guests_and_machines_are_not_asked(client, settings):
    settings.REQUIRE_TWO_FACTOR = "everyone"
    cast = make_cast()
    clip = make_generation(cast.project, files=True)
    _, token = share_clips(cast.project, cast.bob, clip)
    for person in (None, cast.bob):
        if person:
            client.force_login(person)
        assert client.get(f"/s/{token}/clips/{clip.code}/").status_code == 200
        assert client.get("/healthz").status_code == 200


def test_strangers_are_sent_to_sign_in_as_ever(client, settings):
    settings.REQUIRE_TWO_FACTOR = "everyone"
    make_person("Alice")
    assert client.get("/")["Location"] == "/login/?next=%2F"
    assert client.get("/login/").status_code == 200
    assert SESSION_KEY not in client.session


def test_where_nothing_is_required_nothing_is_asked_of_the_database(
    client, django_assert_num_queries
):
    with django_assert_num_queries(0):
        assert client.get("/healthz").status_code == 200
