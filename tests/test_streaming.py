"""Downloads that are made while they are read: a few at once, and a place that is always given back."""

from __future__ import annotations

import gc
from contextlib import ExitStack

import pytest
from django.test import Client, RequestFactory

from studio.models import User
from studio.views import streaming
from studio.views.operations import errors
from studio.views.streaming import MAX_STREAMS, MAX_STREAMS_OF_A_PERSON, streamed
from tests.factories import make_generation, make_project, make_user

pytestmark = pytest.mark.django_db


def ask(method="get", pieces=(b"one", b"two"), person=1):
    request = getattr(RequestFactory(), method)("/spend.csv")
    request.user = User(pk=person)
    return streamed(request, pieces, content_type="text/csv", headers={"X-Name": "a"})


@pytest.fixture(autouse=True)
def all_free():
    yield
    gc.collect()
    assert len(streaming._open) == 0, "a place was not given back"


def test_one_too_many_is_told_so_until_another_ends():
    with ExitStack() as answers:
        open_ones = [ask(person=number) for number in range(MAX_STREAMS)]
        for each in open_ones:
            answers.callback(each.close)
        late = ask(person=MAX_STREAMS)
        assert (late.status_code, late["Retry-After"]) == (503, "60")
        assert errors.TOO_MANY_DOWNLOADS in late.content.decode()
        assert ask("head").status_code == 200  # makes nothing
        open_ones[0].close()
        open_ones[0].close()
        again = ask()
        answers.callback(again.close)
        assert b"".join(again.streaming_content) == b"onetwo" and again["X-Name"] == "a"
        assert ask().status_code == 503


def test_one_person_who_reads_slowly_leaves_others_a_place():
    with ExitStack() as answers:
        for _ in range(MAX_STREAMS_OF_A_PERSON):
            answers.callback(ask().close)
        assert ask().status_code == 503
        another = ask(person=2)
        answers.callback(another.close)
        assert another.status_code == 200
    again = ask()
    assert again.status_code == 200
    again.close()


def test_a_place_is_given_back_by_an_answer_that_breaks_off_or_is_never_read():
    def broken():
        yield b"one"
        raise OSError("the disk is gone")

    answer = ask(pieces=broken())
    with pytest.raises(OSError):
        list(answer.streaming_content)
    answer.close()
    ask()  # forgotten, as where another part of the studio fails before it is read
    gc.collect()
    assert len(streaming._open) == 0


def test_every_download_that_is_made_while_it_is_read_has_a_place():
    alice = make_user("Alice")
    project = make_project(alice)
    make_generation(project, files=True)
    client = Client()
    client.force_login(alice)
    for path in ("archive.zip", "spend.csv"):
        answer = client.get(f"/p/{project.code}/{path}")
        assert answer.status_code == 200 and len(streaming._open) == 1, path
        assert b"".join(answer.streaming_content)  # closed at its end, as by a server
    with ExitStack() as answers:
        for number in range(MAX_STREAMS):
            answers.callback(ask(person=-number).close)
        for path in ("archive.zip", "spend.csv"):
            assert client.get(f"/p/{project.code}/{path}").status_code == 503, path
            assert client.head(f"/p/{project.code}/{path}").status_code == 200, path
