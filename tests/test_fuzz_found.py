"""What fuzzing found (tests/test_fuzz_pages.py), each as the one request that did it."""

from __future__ import annotations

from io import BytesIO

import pytest
from django.conf import settings
from django.test import Client

from studio.models import BlindTest, Tag
from studio.services.accounts import ensure_accounts
from studio.views.operations import errors
from tests.factories import make_previs
from tests.people import make_cast, make_person

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
# Digits to str.isdigit(), and no number to int(): superscripts, and more than Python reads.
NO_NUMBERS = ("²", "9" * 5000, "٣", "9" * 19, "-1", "")


@pytest.fixture
def cast(db):
    ensure_accounts()
    return make_cast()


@pytest.fixture
def alice(client, cast):
    client.force_login(cast.alice)
    return client


@pytest.mark.parametrize("number", NO_NUMBERS)
def test_what_is_no_number_is_no_page(alice, cast, number):
    project = f"/p/{cast.project.code}"
    assert alice.get(f"{project}/library/", {"page": number}).status_code == 200
    assert alice.get(f"{project}/stills/", {"before": number}).status_code == 200


@pytest.mark.parametrize("number", NO_NUMBERS)
def test_what_is_no_number_names_nothing(alice, cast, number):
    test = BlindTest.objects.create(project=cast.project, title="Water", created_by=cast.alice)
    tag = Tag.objects.create(project=cast.project, name="night")
    assert alice.get(f"/blind/{test.code}/", {"after": number}).status_code == 200
    assert alice.post(f"/blind/{test.code}/judge/", {"pair": number}).status_code == 404
    into = {"into": number or "²"}
    answer = alice.post(f"/p/{cast.project.code}/tags/{tag.pk}/", into)
    assert (answer.status_code, "Choose another tag" in answer.content.decode()) == (422, True)


def test_a_project_that_is_no_number_is_none_in_the_control_room(client, cast):
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    assert client.get("/admin/studio/generation/?project__id__exact=²").status_code in (200, 302)


def test_a_length_that_is_no_number_is_refused(client):
    account = make_previs()
    address = f"/hooks/{account.provider}/{account.webhook_token}/"
    answer = client.post(address, b"{}", content_type="application/json", CONTENT_LENGTH="\xb2")
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"name=" + b"x" * 6 * 2**20, 413, "longer than 5 MB"),
        (b"name=1&" * 1100, 400, "At most 1000 fields"),
    ],
)
def test_more_than_a_form_holds_is_refused_with_the_limit(alice, body, status, said):
    kind = "application/x-www-form-urlencoded"
    answer = alice.post("/projects/", body, content_type=kind)
    assert (answer.status_code, said in answer.content.decode()) == (status, True)


def test_too_many_files_are_refused_with_the_limit(alice, cast):
    files = [BytesIO(b"x") for _ in range(101)]
    answer = alice.post(f"/p/{cast.project.code}/stills/", {"stills": files})
    assert (answer.status_code, "At most 100 files" in answer.content.decode()) == (400, True)


@pytest.mark.parametrize("door", ["/login/", "/projects/import/", "/s/nobodys/open/"])
def test_strangers_fill_no_disk(cast, door):
    client = Client(enforce_csrf_checks=True)
    client.cookies[settings.CSRF_COOKIE_NAME] = (
        "x" * 32
    )  # with one, the form is read to find its other half
    answer = client.post(door, {"archive": BytesIO(b"x" * 6 * 2**20)})
    if door == "/projects/import/":  # not even looked into: a stranger is sent to sign in
        assert (answer.status_code, answer["Location"]) == (302, "/login/?next=%2F")
    else:
        assert (answer.status_code, "longer than 256 KB" in answer.content.decode()) == (413, True)


def test_who_is_signed_in_may_send_long_files(alice):
    answer = alice.post("/projects/import/", {"archive": BytesIO(b"x" * 6 * 2**20)})
    assert answer.status_code == 422


def test_a_broken_upload_is_refused_with_a_sentence(alice, cast):
    kind = "multipart/form-data; boundary="
    answer = alice.post(f"/p/{cast.project.code}/stills/", b"--", content_type=kind, headers=HTMX)
    assert (answer.status_code, answer.content.decode()) == (400, errors.UNREADABLE)


def test_an_unknown_host_is_refused_with_what_would_allow_it(alice):
    answer = alice.get("/", headers={"Host": "evil.example"})
    assert (answer.status_code, "STUDIO_HOSTS" in answer.content.decode()) == (400, True)


@pytest.mark.parametrize("page", ["http://[", "//[::"])
def test_a_stranger_whose_page_has_no_readable_address_comes_to_the_door(cast, page):
    answer = Client().get(
        f"/p/{cast.project.code}/", headers={"HX-Request": "true", "HX-Current-URL": page}
    )
    assert answer["HX-Redirect"] == "/login/?next=%2F"
