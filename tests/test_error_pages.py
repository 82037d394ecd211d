from __future__ import annotations

import uuid

import pytest
from django.template.loader import render_to_string
from django.test import Client, RequestFactory, override_settings

from studio.views.operations import errors
from tests.people import make_cast

HTMX = {"HX-Request": "true"}


@pytest.mark.django_db
def test_a_lost_address_is_answered_in_the_studios_look(client):
    response = client.get("/no/such/page/")
    assert response.status_code == 404
    page = response.content.decode()
    assert "Nothing in this frame" in page
    assert 'class="btn primary big" href="/"' in page


@pytest.mark.django_db
def test_a_fragment_gets_a_sentence_not_a_page(client):
    client.force_login(make_cast().dave)
    response = client.post(f"/p/{uuid.uuid4()}/leave/", headers=HTMX)
    assert response.status_code == 404
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content.decode() == errors.NOT_HERE


@pytest.mark.django_db
def test_a_refusal_says_whom_to_ask(client):
    cast = make_cast()
    client.force_login(cast.bob)
    response = client.post(f"/p/{cast.project.code}/archive/")
    assert response.status_code == 403
    assert "Only an owner of this project can do that." in response.content.decode()
    fragment = client.post(f"/p/{cast.project.code}/archive/", headers=HTMX)
    assert fragment.content.decode() == "Only an owner of this project can do that."


@pytest.mark.django_db
def test_a_crash_shows_a_calm_page_and_no_detail(monkeypatch):
    def crash(*args, **kwargs):
        raise RuntimeError("secret detail")

    cast = make_cast()
    monkeypatch.setattr("studio.views.projects.project_list.projects.project_cards", crash)
    client = Client(raise_request_exception=False)
    client.force_login(cast.alice)
    response = client.get("/")
    assert response.status_code == 500
    assert "Something went wrong here" in response.content.decode()
    assert "secret detail" not in response.content.decode()
    assert client.get("/", headers=HTMX).content.decode() == errors.BROKEN


@pytest.mark.parametrize("template", ["500.html", "503.html", "403_csrf.html", "400.html"])
def test_the_last_pages_need_no_context(template):
    page = render_to_string(template)
    assert 'href="/static/studio/css/studio.css"' in page
    assert "<script" not in page and "style=" not in page


@pytest.mark.django_db
@override_settings(CSRF_FAILURE_VIEW="studio.views.operations.errors.csrf_failure")
def test_a_form_without_its_token_is_refused_kindly():
    client = Client(enforce_csrf_checks=True)
    response = client.post("/login/", {"username": "a@example.com", "password": "x"})
    assert response.status_code == 403
    assert "This page was open too long" in response.content.decode()
    fragment = client.post("/login/", {}, headers=HTMX)
    assert fragment.content.decode() == errors.STALE


def test_a_boosted_link_gets_the_page():
    request = RequestFactory().get("/", headers=HTMX | {"HX-Boosted": "true"})
    assert "<!doctype html>" in errors.server_error(request).content.decode()
