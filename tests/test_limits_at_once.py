"""Limits hold when everything comes at once, in threads and in processes of one studio."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.db import connection
from django.test import Client
from django.utils import timezone

from studio.services import tally
from studio.services.places import Places
from studio.services.sharing import limits
from tests.factories import make_generation
from tests.people import make_cast, make_person
from tests.sharing import browser, share_clips


def count_often(what):
    return [tally.count_this_minute(what) for _ in range(50)]


def test_processes_count_together(stopped_clock):
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, mp_context=fork) as pool:
        counts = [one for some in pool.map(count_often, ["a page"] * 4) for one in some]
    assert sorted(counts) == list(range(1, 201))
    assert tally.count_this_minute("another page") == 1


@pytest.mark.parametrize("test", ["one test", "another"])
def test_nothing_another_test_counted_is_counted_here(stopped_clock, test):
    assert tally.count_this_minute("a page") == 1


def test_a_minute_later_all_is_forgotten(monkeypatch, settings, tmp_path):
    settings.DATA_DIR, moment = tmp_path, timezone.now()
    for minutes in range(3):
        now = moment + timedelta(minutes=minutes)
        monkeypatch.setattr(timezone, "now", lambda now=now: now)
        assert [tally.count_this_minute("a page") for _ in range(2)] == [1, 2]
    assert settings.REDIS_URL or len(list((tmp_path / "tally").iterdir())) == 1


def test_where_nothing_can_be_counted_pages_still_open(settings, tmp_path):
    settings.REDIS_URL = ""
    settings.DATA_DIR = tmp_path / "a file"
    settings.DATA_DIR.write_text("not a folder")
    assert tally.count_this_minute("a page") == 0


def at_once(ask, count):
    """Ask so often from many threads; return the answers' statuses, sorted."""

    def one(number):
        try:
            return ask(number).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        return sorted(pool.map(one, range(count)))


@pytest.mark.django_db(transaction=True)
def test_many_passwords_at_once_are_no_more_tries(transactional_db, monkeypatch):
    make_person("Alice")
    monkeypatch.setattr(Places, "take", lambda *args: True)  # all of them come as far as the count
    judged, judge = [], ModelBackend.authenticate

    def slowly(self, request, **credentials):
        judged.append(credentials["password"])
        time.sleep(0.05)
        return judge(self, request, **credentials)

    monkeypatch.setattr(ModelBackend, "authenticate", slowly)

    def ask(number):
        guess = {"username": "alice@example.com", "password": f"guess {number}"}
        return Client().post("/login/", guess)

    most = settings.AXES_FAILURE_LIMIT
    assert at_once(ask, 16) == [422] * (most - 1) + [429] * (17 - most)
    assert len(judged) == most


@pytest.mark.django_db(transaction=True)
def test_many_pages_at_once_are_no_more_pages(transactional_db, stopped_clock, monkeypatch):
    monkeypatch.setattr(limits, "VISITS_A_MINUTE", 5)
    cast = make_cast()
    clip = make_generation(cast.project)
    _, token = share_clips(cast.project, cast.bob, clip)
    statuses = at_once(lambda _: browser().get(f"/s/{token}/clips/{clip.code}/"), 12)
    assert statuses == [200] * 5 + [429] * 7
