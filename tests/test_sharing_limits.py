"""What a link takes, and says when it is enough."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.db import connection
from django.utils import timezone

from studio.models import Comment, GivenVerdict, Guest
from studio.services.rate_limits import Limit
from studio.services.sharing import guests, limits, speaking
from studio.services.sharing.limits import TooMuch
from tests.factories import make_generation
from tests.people import make_cast
from tests.sharing import browser, browser_of, share_clips

HTMX = {"HX-Request": "true"}


@pytest.fixture
def clip(cast):
    return make_generation(cast.project)


@pytest.fixture
def shared(cast, clip):
    return share_clips(cast.project, cast.bob, clip, may_decide=True)


def talk(token, clip, tail="comments/"):
    return f"/s/{token}/clips/{clip.code}/{tail}"


# ---- Passwords -----------------------------------------------------------------------------------
def test_wrong_passwords_end_in_a_wait_even_for_the_right_one(cast, clip):
    _, token = share_clips(cast.project, cast.bob, clip, password="vinterlys")
    client, door = browser(), f"/s/{token}/open/"
    for _ in range(limits.PASSWORD_TRIES):
        assert client.post(door, {"password": "wrong"}).status_code == 422
    refused = client.post(door, {"password": "vinterlys"})
    assert refused.status_code == 429
    assert "Wait 15 minutes" in refused.content.decode()
    # From elsewhere it still opens, and after the wait from here too.
    assert client.post(door, {"password": "vinterlys"}, REMOTE_ADDR="10.9.9.9").status_code == 302
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert browser().post(door, {"password": "vinterlys"}).status_code == 302


def test_tries_from_everywhere_together_are_limited_too(cast, clip):
    share, _ = share_clips(cast.project, cast.bob, clip, password="vinterlys")
    for number in range(limits.PASSWORD_TRIES_IN_ALL):
        limits.count_password_try(share, f"10.0.{number // 250}.{number % 250}")
    with pytest.raises(TooMuch):
        limits.count_password_try(share, "10.1.1.1")


def test_tries_at_one_share_are_nothing_to_another(cast, clip):
    share, _ = share_clips(cast.project, cast.bob, clip, password="vinterlys")
    other, _ = share_clips(cast.project, cast.bob, clip, password="vinterlys")
    for _ in range(limits.PASSWORD_TRIES):
        limits.count_password_try(share, "10.0.0.1")
    limits.count_password_try(other, "10.0.0.1")
    with pytest.raises(TooMuch):
        limits.count_password_try(share, "10.0.0.1")


def test_the_right_password_forgives_what_was_mistyped(cast, clip):
    _, token = share_clips(cast.project, cast.bob, clip, password="vinterlys")
    door = f"/s/{token}/open/"
    for _ in range(2):
        client = browser()
        for _ in range(limits.PASSWORD_TRIES - 1):
            client.post(door, {"password": "wrong"})
        assert client.post(door, {"password": "vinterlys"}).status_code == 302


# ---- Pages -----------------------------------------------------------------------------------------
def test_too_many_pages_a_minute_are_answered_with_a_sentence(
    shared, clip, stopped_clock, monkeypatch
):
    monkeypatch.setattr(limits, "VISITS_A_MINUTE", 3)
    _, token = shared
    client = browser()
    for _ in range(3):
        assert client.get(talk(token, clip, "")).status_code == 200
    answer = client.get(talk(token, clip, ""))
    assert answer.status_code == 429
    assert "More than 3 pages were opened within a minute" in answer.content.decode()
    assert client.get(talk(token, clip, ""), REMOTE_ADDR="10.9.9.9").status_code == 200


# ---- Words -----------------------------------------------------------------------------------------
def test_too_many_comments_a_minute_wait_and_nothing_typed_is_lost(shared, clip):
    share, token = shared
    client = browser_of(share, "Ingrid")
    for number in range(limits.COMMENTS_A_MINUTE):
        assert client.post(talk(token, clip), {"text": f"Word {number}"}).status_code == 302
    answer = client.post(talk(token, clip), {"text": "One more"})
    assert answer.status_code == 429
    page = answer.content.decode()
    assert "10 comments within a minute" in page
    assert ">One more</textarea>" in page
    live = client.post(talk(token, clip), {"text": "One more"}, headers=HTMX)
    assert (live.status_code, live["Content-Type"][:10]) == (429, "text/plain")
    Comment.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    assert client.post(talk(token, clip), {"text": "One more"}).status_code == 302


def test_forgetting_who_one_is_gives_no_more_comments(shared, clip, monkeypatch):
    monkeypatch.setattr(limits, "COMMENTS_AN_HOUR", 4)
    share, token = shared
    for number in range(4):
        browser_of(share, f"Guest {number}").post(talk(token, clip), {"text": f"Word {number}"})
    answer = browser_of(share, "Guest 5").post(talk(token, clip), {"text": "Another"})
    assert answer.status_code == 429
    assert "4 comments within an hour" in answer.content.decode()


def test_too_many_verdicts_wait(shared, clip, monkeypatch):
    monkeypatch.setattr(limits, "VERDICTS_A_MINUTE", 2)
    share, token = shared
    client = browser_of(share, "Ingrid")
    for verdict in ("approved", ""):
        assert client.post(talk(token, clip, "verdict/"), {"verdict": verdict}).status_code == 302
    answer = client.post(talk(token, clip, "verdict/"), {"verdict": "approved"})
    assert answer.status_code == 429
    assert "2 verdicts within a minute" in answer.content.decode()


def test_too_many_names_wait(shared, clip, monkeypatch):
    monkeypatch.setattr(limits, "NAMES_AN_HOUR", 2)
    _, token = shared
    for name in ("Ingrid", "Olav"):
        browser().post(talk(token, clip), {"text": f"From {name}", "name": name})
    answer = browser().post(talk(token, clip), {"text": "From Kari", "name": "Kari"})
    assert answer.status_code == 429
    page = answer.content.decode()
    assert "2 people said their names" in page and 'value="From Kari"' in page
    assert Guest.objects.count() == 2


def test_one_network_uses_up_no_more_than_its_share(shared, clip, monkeypatch):
    """Of names, comments and verdicts; the next network goes on."""
    for name in ("NAMES", "COMMENTS", "VERDICTS"):
        monkeypatch.setattr(limits, f"NETWORK_{name}", Limit(2, 60))
    share, token = shared
    here, there = {"REMOTE_ADDR": "192.0.2.7"}, {"REMOTE_ADDR": "192.0.2.8"}
    name_at = f"/s/{token}/name/"
    for status, where in ((302, here), (302, here), (429, here), (302, there)):
        answer = browser().post(name_at, {"name": "Ingrid"}, **where)
        assert answer.status_code == status
        assert (
            "2 names came from your network. Try again in 1 min." in answer.content.decode()
        ) == (status == 429)
    client = browser_of(share, "Olav")
    for path, data in (("comments/", {"text": "Hello"}), ("verdict/", {"verdict": "approved"})):
        for status, where in ((302, here), (302, here), (429, here), (302, there)):
            assert client.post(talk(token, clip, path), data, **where).status_code == status


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"text": "http://a.b http://c.d https://e.f http://g.h"}, "4 links; 3 are allowed"),
        ({"text": "Nice site", "website": "http://spam"}, "sent by a program"),
        ({"text": "x" * 5000}, "5000 characters; 1 to 2000 are allowed"),
        ({"text": "x", "drawing": "[" * 70_000}, "70000"),
    ],
)
def test_what_only_programs_send_is_not_kept(shared, clip, data, said):
    share, token = shared
    answer = browser_of(share, "Ingrid").post(talk(token, clip), data)
    assert answer.status_code in (422, 429)
    assert said in answer.content.decode()
    assert not Comment.objects.exists()


# ---- All at once --------------------------------------------------------------------------------------
def at_once(act, count):
    """Call `act` so often from many threads; return how often it was allowed."""

    def one(number):
        try:
            act(number)
        except TooMuch:
            return 0
        finally:
            connection.close()
        return 1

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(one, range(count)))


@pytest.mark.django_db(transaction=True)
def test_limits_hold_when_everything_comes_at_once(transactional_db):
    cast = make_cast()
    clip = make_generation(cast.project)
    share, _ = share_clips(cast.project, cast.bob, clip, may_decide=True, password="vinterlys")
    guest, _ = guests.introduce(share=share, name="Ingrid")

    def say(number):
        speaking.say(share=share, guest=guest, clip=clip, text=f"Word {number}")

    assert at_once(say, 24) == Comment.objects.count() == limits.COMMENTS_A_MINUTE
    tried = at_once(lambda number: limits.count_password_try(share, "10.0.0.1"), 24)
    assert tried == limits.PASSWORD_TRIES
    assert not GivenVerdict.objects.exists()
