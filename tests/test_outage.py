"""A database that does not answer: what a person reads, and what is an error of the studio's own."""

from __future__ import annotations

import psycopg
import pytest
import redis
from django.contrib.sessions.backends.db import SessionStore
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.test import Client

from studio.services.outage import is_outage
from studio.views.operations import errors
from tests.people import make_cast

HTMX = {"HX-Request": "true"}


def caused(error, cause):
    try:
        raise error from cause
    except type(error) as raised:
        return raised


REFUSED = caused(OperationalError("connection refused"), psycopg.OperationalError("refused"))


@pytest.mark.parametrize(
    "error",
    [
        REFUSED,
        caused(OperationalError("terminating"), psycopg.errors.AdminShutdown("terminating")),
        caused(OperationalError("starting up"), psycopg.errors.CannotConnectNow("starting")),
        caused(OperationalError("too many"), psycopg.errors.TooManyConnections("too many")),
        OperationalError("database is locked"),  # SQLite's
        InterfaceError("connection already closed"),
        redis.exceptions.ConnectionError("refused"),
        redis.exceptions.BusyLoadingError("loading"),
        caused(RuntimeError("on the way"), REFUSED),
    ],
    ids=str,
)
def test_a_service_that_does_not_answer_is_an_outage(error):
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("no such table: studio_user"),
        caused(OperationalError("canceled"), psycopg.errors.QueryCanceled("canceled")),
        caused(ProgrammingError("column"), psycopg.errors.UndefinedColumn("column")),
        ConnectionRefusedError("a provider's"),
        RuntimeError("ours"),
        None,
    ],
    ids=str,
)
def test_an_error_of_ours_is_none(error):
    assert not is_outage(error)


@pytest.fixture
def alice():
    client = Client(raise_request_exception=False)
    client.force_login(make_cast().alice)
    return client


def fails(error):
    def fail(*args, **kwargs):
        raise error

    return fail


@pytest.mark.django_db
def test_while_the_database_is_away_a_page_says_so_and_when_to_ask_again(alice, monkeypatch):
    monkeypatch.setattr("studio.views.projects.project_list.projects.project_cards", fails(REFUSED))
    response = alice.get("/")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == str(errors.AWAY_FOR_S)
    assert errors.AWAY in response.content.decode()
    fragment = alice.get("/", headers=HTMX)
    assert (fragment.status_code, fragment.content.decode()) == (503, errors.AWAY)


@pytest.mark.django_db
def test_so_it_is_where_no_page_was_reached_yet(alice, monkeypatch):
    monkeypatch.setattr(SessionStore, "load", fails(REFUSED))
    assert alice.get("/", headers=HTMX).content.decode() == errors.AWAY
    monkeypatch.undo()
    monkeypatch.setattr("studio.services.sessions.note_use", fails(REFUSED))
    assert alice.get("/").status_code == 503


@pytest.mark.django_db
def test_a_wrong_statement_stays_an_error(alice, monkeypatch):
    wrong = OperationalError("no such table: studio_user")
    monkeypatch.setattr("studio.views.projects.project_list.projects.project_cards", fails(wrong))
    assert alice.get("/").status_code == 500


@pytest.mark.django_db
def test_the_page_that_says_so_asks_the_database_for_nothing(monkeypatch):
    cast = make_cast()
    client = Client(raise_request_exception=False)
    client.force_login(cast.alice)
    # In a project the pages' own top bar counts its clips.
    for name in ("studio.context.for_shell", "studio.views.gallery.clip_list.make_cards"):
        monkeypatch.setattr(name, fails(REFUSED))
    response = client.get(f"/p/{cast.project.code}/")
    assert response.status_code == 503
    assert errors.AWAY in response.content.decode()
    monkeypatch.setattr("studio.views.gallery.clip_list.make_cards", fails(RuntimeError("ours")))
    assert client.get(f"/p/{cast.project.code}/").status_code == 500
