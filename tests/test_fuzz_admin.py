"""The control room under hostile forms and queries: never a 500 (tests/fuzzing.py)."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import Resolver404, resolve

from tests.control_room import fill
from tests.fuzzing import Asker, listening
from tests.people import make_cast, make_person

# What a database minds is asked of it by the other pages.
pytestmark = [pytest.mark.django_db, pytest.mark.once]
MOST_PAGES = 600


@pytest.fixture
def asker(monkeypatch):
    monkeypatch.setattr("studio.queue.async_task", lambda *args, **kwargs: None)
    cast = make_cast()
    fill(cast, 1)
    client = Client()
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    with listening() as ears:
        codes = [cast.project.code, cast.project.generations.first().code]
        yield Asker(client, ears, [str(code) for code in codes] + ["1", "2", "__all__"])


def rooms(asker):
    """One address for each room of the control room that a link or a form leads to."""
    known, ahead = {}, ["/admin/"]
    while ahead and len(known) < MOST_PAGES:
        url = ahead.pop(0)
        try:
            match = resolve(url)
        except Resolver404:
            continue
        room = match.view_name, str(match.kwargs.get("name", match.kwargs.get("kind", "")))
        if match.app_names == ["admin"] and room not in known:
            known[room] = url
            links = asker.look(url)
            ahead += sorted({link.partition("?")[0].partition("#")[0] for link in links})
    return known


def test_no_request_breaks_the_control_room(asker):
    for room, url in rooms(asker).items():
        place = ":".join(room)
        asker.fuzz("GET", place, url, 1)
        asker.fuzz("POST", place, url, 1)
    assert not asker.wrong, "\n".join(asker.wrong)
