from __future__ import annotations

import pytest
from django.contrib.auth import SESSION_KEY

from tests.people import PASSWORD, make_cast, make_person

pytestmark = pytest.mark.django_db
MISMATCH = "That password doesn’t match."


def sign_in(client, email="alice@example.com", password=PASSWORD, **more):
    return client.post("/login/", {"username": email, "password": password} | more)


def test_the_right_password_opens_the_studio(client):
    make_person("Alice")
    response = sign_in(client)
    assert response.status_code == 302
    assert response["Location"] == "/"
    assert SESSION_KEY in client.session


def test_case_and_space_around_the_email_do_not_matter(client):
    make_person("Alice")
    assert sign_in(client, email=" Alice@Example.COM ").status_code == 302


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_a_wrong_password_and_an_unknown_email_read_the_same(client, email):
    make_person("Alice")
    for left in ("Four tries left.", "Three tries left.", "Two tries left.", "One try left."):
        response = sign_in(client, email=email, password="wrong")
        assert response.status_code == 422
        assert f"{MISMATCH} {left}" in response.content.decode()


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_the_fifth_wrong_password_locks_with_the_wait(client, email):
    make_person("Alice")
    answers = [sign_in(client, email=email, password="wrong") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [422] * 4 + [429]
    assert "Wait 3 minutes, then try again." in answers[-1].content.decode()
    assert sign_in(client, email=email).status_code == 429
    assert SESSION_KEY not in client.session


def test_a_lock_is_for_one_email(client):
    make_person("Alice")
    make_person("Bob")
    for _ in range(5):
        sign_in(client, password="wrong")
    assert sign_in(client, email="bob@example.com").status_code == 302


def test_spelling_the_email_otherwise_does_not_escape_the_lock(client):
    make_person("Alice")
    for _ in range(5):
        sign_in(client, password="wrong")
    assert sign_in(client, email="ALICE@example.com").status_code == 429


def test_a_right_password_clears_the_count(client):
    make_person("Alice")
    sign_in(client, password="wrong")
    sign_in(client)
    client.post("/logout/")
    assert "Four tries left." in sign_in(client, password="wrong").content.decode()


def test_somebody_switched_off_cannot_sign_in(client):
    make_person("Alice", is_active=False)
    response = sign_in(client)
    assert response.status_code == 422
    assert MISMATCH in response.content.decode()


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"username": "", "password": "x"}, "Write your email."),
        ({"username": "alice", "password": "x"}, "This does not look like an email."),
        ({"username": "a@example.com", "password": ""}, "Write your password."),
    ],
)
def test_an_unfinished_form_says_what_is_missing(client, field, words):
    make_person("Alice")
    response = client.post("/login/", field)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert "tries left" not in response.content.decode()


@pytest.mark.parametrize(
    ("wanted", "goes"),
    [
        ("/account/", "/account/"),
        ("/?archived=1", "/?archived=1"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example/", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_next_is_honoured_for_this_studio_only(client, wanted, goes):
    make_person("Alice")
    assert sign_in(client, next=wanted)["Location"] == goes
    assert client.get("/login/", {"next": wanted})["Location"] == goes


def test_the_form_carries_next(client):
    make_person("Alice")
    page = client.get("/login/", {"next": "/account/"}).content.decode()
    assert '<input type="hidden" name="next" value="/account/">' in page


def test_a_new_studio_points_at_the_printed_link(client):
    page = client.get("/login/").content.decode()
    assert "Open the sign-in link" in page
    assert "<form" not in page
    assert sign_in(client).status_code == 200


def test_signing_out_takes_a_post(client):
    client.force_login(make_person("Alice"))
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/")["Location"] == "/login/"
    assert SESSION_KEY not in client.session
    assert client.post("/logout/").status_code == 302


def test_an_expired_sign_in_sends_the_whole_page_from_a_fragment(client):
    cast = make_cast()
    page = f"http://testserver/p/{cast.project.code}/?state=ready"
    response = client.get(
        f"/projects/menu/?at={cast.project.code}",
        headers={"HX-Request": "true", "HX-Current-URL": page},
    )
    assert response.status_code == 200
    assert response.content == b""
    assert response["HX-Redirect"] == f"/login/?next=%2Fp%2F{cast.project.code}%2F%3Fstate%3Dready"


def test_an_expired_sign_in_sends_an_htmx_action_to_sign_in_too(client):
    cast = make_cast()
    url = f"/p/{cast.project.code}/invites/"
    response = client.post(url, {"role": "editor"}, headers={"HX-Request": "true"})
    assert response["HX-Redirect"].startswith("/login/?next=")
    assert not cast.project.invites.exists()


def test_a_page_behind_sign_in_comes_back_after_it(client):
    make_person("Alice")
    assert client.get("/?archived=1")["Location"] == "/login/?next=%2F%3Farchived%3D1"


def test_the_health_check_touches_neither_session_nor_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok")
    assert not response.cookies
    assert client.post("/healthz").status_code == 405


def test_readiness_names_its_checks(client, monkeypatch):
    said = client.get("/readyz").json()
    assert (said["ready"], said["database"], said["queue"]) == (True, "ok", "ok")
    monkeypatch.setattr(
        "studio.views.operations.health._queue", lambda: "the queue does not answer"
    )
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["queue"] == "the queue does not answer"
