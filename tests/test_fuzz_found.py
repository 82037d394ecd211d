"""What fuzzing found (tests/test_fuzz_pages.py), each as the one request that did it."""

from __future__ import annotations

import pytest
from django.test import Client

from studio.models import BlindTest, Tag
from studio.services.accounts import ensure_accounts
from tests.factories import make_previs
from tests.people import make_cast, make_person

pytestmark = pytest.mark.django_db
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


@pytest.mark.parametrize("page", ["http://[", "//[::"])
def test_a_stranger_whose_page_has_no_readable_address_comes_to_the_door(cast, page):
    answer = Client().get(
        f"/p/{cast.project.code}/", headers={"HX-Request": "true", "HX-Current-URL": page}
    )
    assert answer["HX-Redirect"] == "/login/?next=%2F"
