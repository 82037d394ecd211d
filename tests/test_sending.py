from __future__ import annotations

import json
import re

import pytest

from studio.models import Generation, ProviderAccount
from studio.services.accounts import ensure_accounts
from studio.services.money.offers import offer_value
from tests.people import make_cast, make_clip
from tests.test_compose import shot, still

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
KEY = "sk-very-secret-1234"


@pytest.fixture
def cast():
    ensure_accounts()
    return make_cast()


@pytest.fixture
def show(client, cast):
    """Return show(**changes): the page's answer to this form."""
    client.force_login(cast.bob)

    def ask(**changes):
        answer = client.post(f"/p/{cast.project.code}/sent/", shot(**changes), headers=HTMX)
        assert answer.status_code == 200
        assert KEY not in answer.content.decode()
        return answer

    return ask


def at(provider, model):
    account, _ = ProviderAccount.objects.get_or_create(provider=provider, label="")
    account.set_key(KEY)
    account.save()
    return offer_value(account, model)


def body(answer):
    return json.loads(answer.context["body"])


def test_it_is_the_body_that_the_adapter_would_post(show):
    sent = body(show(offer=at("apiframe", "luma-ray-2"), duration_s="9"))
    assert sent["model"] == "luma-ray-2"
    assert sent["prompt"] == "Low cloud slides between the ridges."
    assert "push_in" in json.dumps(sent) and "9" in json.dumps(sent)
    assert not Generation.objects.exists()


def test_camera_words_are_in_the_prompt_where_there_is_no_field(show):
    sent = body(show(offer=at("luma", "ray-2")))
    other = body(show(offer=at("gmicloud", "Luma-Ray2")))
    assert "Camera: the camera pushes in slowly" in json.dumps(other)
    assert "Camera:" not in json.dumps(sent)


def test_pictures_are_named_and_not_linked(show, cast, settings):
    settings.PUBLIC_URL = "https://studio.example"
    sent = json.dumps(body(show(offer=at("luma", "ray-2"), start=str(still(cast).code))))
    assert "https://studio.invalid/navy" in sent and "/media/fetch/" not in sent


def test_the_token_of_the_callback_is_left_out(show, settings):
    settings.PUBLIC_URL = "https://studio.example"
    offer = at("luma", "ray-2")
    sent = json.dumps(body(show(offer=offer)), ensure_ascii=False)
    token = ProviderAccount.objects.get(provider="luma").webhook_token
    assert "https://studio.example/hooks/luma/…/" in sent and str(token) not in sent


def test_a_clip_of_the_same_account_goes_by_its_id(show, cast):
    offer = at("luma", "ray-2")
    account = ProviderAccount.objects.get(provider="luma")
    clip = make_clip(
        cast.project, provider="luma", model="ray-2", account=account, provider_job_id="job-77"
    )
    assert "job-77" in show(offer=offer, start_clip=str(clip.code)).context["body"]


def test_previs_sends_nothing(show):
    assert "nothing is sent anywhere" in show().content.decode()


def test_what_stands_in_the_way_is_said_instead(show):
    page = show(offer=at("apiframe", "luma-ray-2"), prompt=" ").content.decode()
    assert "Nothing can be sent yet. The prompt is empty." in page and "<pre" not in page
    page = show(offer=at("apiframe", "luma-ray-2"), aspect_ratio="5:1").content.decode()
    assert "Shape is “5:1”; it must be" in page


def test_several_takes_are_said(show):
    assert (
        "Sent 3 times, once for each take."
        in show(offer=at("apiframe", "luma-ray-2"), takes="3").content.decode()
    )


def test_without_script_the_page_answers_with_the_box_open(client, cast):
    client.force_login(cast.bob)
    form = shot(offer=at("apiframe", "luma-ray-2"), do="sent")
    page = client.post(f"/p/{cast.project.code}/new/", form).content.decode()
    assert re.search(r'<details[^>]*id="sent-box"[^>]*\sopen>', page)
    assert "To Apiframe." in page and "luma-ray-2" in page
    assert not Generation.objects.exists()


def test_only_editors_see_what_would_be_sent(client, cast):
    url = f"/p/{cast.project.code}/sent/"
    for user, status in ((cast.carol, 403), (cast.dave, 404)):
        client.force_login(user)
        assert client.post(url, shot()).status_code == status
    client.force_login(cast.bob)
    assert client.get(url).status_code == 405
    client.logout()
    assert client.post(url, shot()).status_code == 302


def test_the_clip_page_shows_the_same_text(client, cast, settings):
    settings.PUBLIC_URL = "https://studio.example"
    at("luma", "ray-2")
    account = ProviderAccount.objects.get(provider="luma")
    clip = make_clip(cast.project, provider="luma", model="ray-2", account=account)
    client.force_login(cast.bob)
    page = client.get(f"/clips/{clip.code}/sent/").content.decode()
    assert "Aurora over a black fjord" in page and str(account.webhook_token) not in page
