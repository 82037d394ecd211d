from __future__ import annotations

from uuid import uuid4

import pytest

from studio.models import Generation, Price, ProviderAccount
from studio.services.accounts import ensure_accounts
from studio.services.money.offers import offer_value
from tests.people import make_cast
from tests.test_compose import shot, still

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
THREE = ["push_in", "tilt_up", "orbit_left"]


@pytest.fixture
def cast():
    ensure_accounts()
    for provider in ("apiframe", "luma"):
        account = ProviderAccount(provider=provider)
        account.set_key("k-1")
        account.save()
    price("apiframe", "luma-ray-2", "720p", 1_590_000)
    price("apiframe", "luma-ray-flash-2", "720p", 140_000)
    price("luma", "ray-flash-2", "540p", 90_000)
    return make_cast()


@pytest.fixture
def quote(client, cast):
    """Return quote(**changes): the answer's context; the page is kept beside."""
    client.force_login(cast.bob)

    def ask(**changes):
        answer = client.post(f"/p/{cast.project.code}/quote/", asked(**changes), headers=HTMX)
        assert answer.status_code == 200
        ask.page = answer.content.decode()
        return answer.context

    return ask


@pytest.fixture
def generate(client, cast):
    """Return generate(**changes): the answer to the press."""
    client.force_login(cast.bob)
    return lambda **changes: client.post(f"/p/{cast.project.code}/new/", asked(**changes))


def price(provider, model, resolution, microusd):
    Price.objects.update_or_create(
        provider=provider,
        model=model,
        duration_s=5,
        resolution=resolution,
        defaults={"microusd": microusd, "charged_microusd": None},
    )


def value(provider, model, size=""):
    at = offer_value(ProviderAccount.objects.get(provider=provider), model)
    return f"{at}@{size}" if size else at


def asked(**changes):
    return shot(
        **{"concepts": THREE, "offer": value("apiframe", "luma-ray-2"), "drafts": "1"} | changes
    )


@pytest.mark.parametrize(("count", "shown"), [(1, False), (2, True), (8, True), (9, False)])
def test_the_switch_is_there_for_two_to_eight_camera_words(quote, count, shown):
    words = [
        "push_in",
        "tilt_up",
        "orbit_left",
        "crane_up",
        "pan_left",
        "zoom_in",
        "handheld",
        "aerial",
        "pov",
    ]
    form = {"concepts": words[:count]}
    assert (quote(**form, drafts="0")["drafting"] is not None) is shown
    assert ('name="drafts"' in quote.page) is shown


def test_the_quote_shows_both_steps(quote):
    shown = quote(draft_offer=value("apiframe", "luma-ray-flash-2", "720p"))
    assert shown["cost"].microusd == 420_000
    assert (
        "About $0.42" in quote.page
        and "for 3 drafts. A master then costs about $1.59." in quote.page
    )
    assert "Make 3 drafts" in quote.page


def test_the_cheapest_paid_size_is_the_first_choice(quote):
    plan = quote()["drafting"]
    assert plan.chosen.value == value("luma", "ray-flash-2", "540p")
    assert plan.chosen.label == "Luma, Ray 2 Flash, 540p, about $0.09 each"
    assert [d.microusd for d in plan.choices if d.microusd] == sorted(
        d.microusd for d in plan.choices if d.microusd
    )


def test_previs_may_draft_and_is_all_that_undercuts_itself(quote):
    plan = quote(draft_offer=value("previs", "previs-1", "540p"))["drafting"]
    assert plan.microusd == 0 and "Free" in quote.page
    plan = quote(offer=value("previs", "previs-1"))["drafting"]
    assert plan.chosen.offer.spec.provider == "previs"
    assert "A master then is free." in quote.page


def test_who_cannot_take_the_frames_does_not_draft(quote, cast):
    plan = quote(start=str(still(cast).code))["drafting"]
    assert {d.offer.spec.provider for d in plan.choices} == {"previs", "apiframe"}


def test_one_press_makes_all_drafts_and_remembers_the_master(generate, cast):
    first = still(cast)
    answer = generate(
        draft_offer=value("apiframe", "luma-ray-flash-2", "720p"), start=str(first.code), takes="3"
    )
    assert answer.status_code == 302
    made = list(Generation.objects.order_by("number"))
    assert [g.concepts for g in made] == [[word] for word in THREE]
    assert {(g.model, g.resolution, g.take, g.start_keyframe_id) for g in made} == {
        ("luma-ray-flash-2", "720p", 1, first.pk)
    }
    assert {g.master["model"] for g in made} == {"luma-ray-2"}
    assert len({g.shot for g in made}) == 3


def test_a_press_sent_twice_makes_them_once(generate):
    form = {"request_token": str(uuid4())}
    generate(**form)
    generate(**form)
    assert Generation.objects.count() == 3


def test_a_number_of_words_that_does_not_fit_is_refused_in_words(generate, quote):
    answer = generate(concepts=["push_in"])
    assert answer.status_code == 422
    sentence = "Drafts try one camera word each: choose 2 to 8, not 1."
    assert sentence in answer.content.decode()
    assert not Generation.objects.exists()
    quote(concepts=["push_in"])
    assert sentence in quote.page and 'value="generate" disabled' in quote.page


def test_a_budget_that_covers_only_some_makes_none(generate, quote, cast):
    cast.project.budget_microusd = 300_000
    cast.project.save()
    form = {"draft_offer": value("apiframe", "luma-ray-flash-2", "720p")}
    quote(**form)
    assert "It costs about $0.42 and $0.30 is left" in quote.page
    assert generate(**form).status_code == 422
    assert not Generation.objects.exists()


def test_a_choice_that_is_gone_falls_back_and_nonsense_is_said(quote, generate):
    assert quote(draft_offer="nonsense")["drafting"].chosen is not None
    answer = generate(drafts="maybe")
    assert answer.status_code == 422
    assert "Drafts is “maybe”; it must be 0 or 1." in answer.content.decode()


def test_without_the_switch_the_words_are_one_move(generate):
    generate(drafts="0")
    assert Generation.objects.get().concepts == THREE


def test_what_will_be_sent_is_one_draft(client, cast):
    client.force_login(cast.bob)
    form = asked(draft_offer=value("apiframe", "luma-ray-flash-2", "720p"))
    page = client.post(f"/p/{cast.project.code}/sent/", form, headers=HTMX).content.decode()
    assert "luma-ray-flash-2" in page and "push_in" in page and "tilt_up" not in page
    assert "Sent 3 times, once for each camera word." in page


def test_the_clip_page_of_a_draft_offers_its_master_with_the_price(client, generate, cast):
    generate(draft_offer=value("previs", "previs-1", "540p"))
    draft = Generation.objects.first()
    at = f"/clips/{draft.code}/"
    assert "Render the master" not in client.get(at).content.decode()
    Generation.objects.filter(pk=draft.pk).update(
        state="succeeded", clip="made-up.mp4", finished_at=draft.created_at, charged="no"
    )
    page = client.get(at).content.decode()
    assert "Render the master" in page
    assert "Apiframe, Ray 2, 720p, 5 s, about $1.59. Everything else unchanged." in page
    client.post(f"{at}master/", {"request_token": str(uuid4())})
    master = Generation.objects.get(model="luma-ray-2")
    assert (master.concepts, master.shot, master.take) == (draft.concepts, draft.shot, 2)


def test_reviewers_and_outsiders_make_no_drafts(client, cast):
    for user, status in ((cast.carol, 403), (cast.dave, 404)):
        client.force_login(user)
        assert client.post(f"/p/{cast.project.code}/new/", asked()).status_code == status
    assert not Generation.objects.exists()
