from __future__ import annotations

import io

import pytest
from PIL import Image

from studio.models import Generation, Keyframe, Price, ProviderAccount
from studio.services.accounts import ensure_accounts
from studio.services.keyframes import store_keyframe
from studio.services.money.offers import offer_value
from tests.people import make_cast, make_clip

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def cast():
    ensure_accounts()
    return make_cast()


@pytest.fixture
def quote(client, cast):
    """Return quote(**fields): the context of the answer for this form."""
    client.force_login(cast.bob)

    def ask(status=200, **fields):
        answer = client.post(f"/p/{cast.project.code}/quote/", fields, headers=HTMX)
        assert answer.status_code == status
        ask.page = answer.content.decode()
        return answer.context

    return ask


def account(provider, label="", key="k-1"):
    row, _ = ProviderAccount.objects.get_or_create(provider=provider, label=label)
    row.set_key(key)
    row.save()
    return row


def offer(provider, model, **account_fields):
    return offer_value(account(provider, **account_fields), model)


def still(cast, size=(1600, 900), colour="navy"):
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    kept, _ = store_keyframe(
        project=cast.project, by=cast.bob, source=out.getvalue(), name=f"{colour}.png"
    )
    return kept


def test_every_account_and_model_has_a_row_with_its_price(quote):
    apiframe = account("apiframe")
    shown = quote(prompt="Fog over a harbour", resolution="720p")
    rows = {(o.spec.provider, o.spec.id): o for o in shown["offers"]}
    price = Price.objects.get(
        provider="apiframe", model="luma-ray-2", duration_s=5, resolution="720p"
    )
    assert rows["apiframe", "luma-ray-2"].microusd == price.microusd
    assert rows["apiframe", "luma-ray-2"].account == apiframe
    assert rows["previs", "previs-1"].microusd == 0
    assert [key for key, o in rows.items() if o.cheapest] == [("apiframe", "luma-ray-flash-2")]
    assert quote.page.count("Cheapest") == 1
    assert 'id="cost"' in quote.page and 'id="providers" hx-swap-oob="morph"' in quote.page


def test_a_provider_without_a_key_says_how_to_add_one(client, cast, quote):
    quote()
    assert "No key yet." in quote.page and "Ask an admin of this studio to add a key." in quote.page
    cast.bob.is_staff = True
    cast.bob.save()
    quote()
    assert "/admin/studio/provideraccount/add/?provider=luma" in quote.page


def test_the_cost_is_for_all_takes_with_credits_and_what_is_left(cast, quote):
    cast.project.budget_microusd = 150_000_000
    cast.project.save()
    shown = quote(prompt="Fog", offer=offer("apiframe", "luma-ray-2"), takes="3")
    one = next(o for o in shown["offers"] if o.spec.id == "luma-ray-2")
    assert shown["cost"].microusd == one.microusd * 3
    assert shown["cost"].credits == one.credits * 3
    assert "for 3 takes" in quote.page and "$150.00 left in" in quote.page


def test_over_budget_says_so_names_an_owner_and_stops_the_press(cast, quote):
    cast.project.budget_microusd = 900_000
    cast.project.save()
    quote(prompt="Fog", offer=offer("apiframe", "luma-ray-2"), takes="2")
    assert "This would go over budget. It costs about $" in quote.page
    assert "and $0.90 is left in" in quote.page and "Ask Alice to raise the limit." in quote.page
    assert 'value="ask">Ask for it' in quote.page  # Bob may ask; an owner raises the limit
    quote(prompt="Fog", takes="4")
    assert "over budget" not in quote.page


def test_choosing_a_provider_keeps_what_fits_and_says_what_changes(cast, quote):
    previs = offer_value(ProviderAccount.objects.get(provider="previs"), "previs-1")
    shown = quote(
        prompt="Fog",
        concepts=["push_in"],
        resolution="1080p",
        duration_s="10",
        aspect_ratio="9:21",
        loop="1",
        offer=offer("apiframe", "luma-ray-2"),
        offer_was=previs,
    )
    draft = shown["draft"]
    assert (draft.resolution, draft.duration_s, draft.aspect_ratio) == ("720p", 9, "9:16")
    assert draft.loop and draft.concepts == ("push_in",) and draft.prompt == "Fog"
    assert len(shown["said"]) == 3
    assert (
        "Resolution 1080p is not offered: Apiframe, Ray 2 makes 720p. Switched to 720p."
        in (shown["said"])
    )
    disabled = {choice.value for choice in shown["resolutions"] if choice.disabled}
    assert disabled == {"540p", "1080p", "4k"}


def test_a_frame_gives_way_only_to_a_provider_that_was_just_chosen(cast, quote):
    newest = offer("aimlapi", "luma/ray-3.2")
    apiframe = offer("apiframe", "luma-ray-2")
    form = {"prompt": "Fog", "start": str(still(cast).code), "duration_s": "5"}
    kept = quote(**form, offer=newest, offer_was=newest)
    assert kept["draft"].start.keyframe is not None
    assert kept["errors"]["start"]
    assert kept["wells"][0].error
    other = quote(**form, offer=apiframe, offer_was=newest)
    assert other["draft"].start.keyframe is not None and not other["errors"]


def test_ten_seconds_are_offered_where_the_model_makes_them(quote):
    shown = quote(prompt="Fog", offer=offer("gmicloud", "Luma-Ray2"))
    assert [choice.value for choice in shown["lengths"]] == [5, 9]
    shown = quote(prompt="Fog", offer=offer("gmicloud", "luma-ray-3-2-generate"))
    assert [(c.value, c.disabled) for c in shown["lengths"]] == [(5, False), (9, True), (10, False)]


def test_concepts_that_become_words_are_shown_as_they_will_be_sent(quote):
    shown = quote(prompt="Fog", concepts=["push_in"], offer=offer("gmicloud", "Luma-Ray2"))
    assert shown["sent"] == "Fog. Camera: the camera pushes in slowly."
    assert shown["added"] == len(shown["sent"]) - len("Fog")
    assert "Will be sent as:" in quote.page
    native = quote(prompt="Fog", concepts=["push_in"], offer=offer("apiframe", "luma-ray-2"))
    assert native["sent"] == "" and "Will be sent as:" not in quote.page


def test_loop_with_an_end_frame_is_explained_and_both_are_kept(cast, quote):
    shown = quote(prompt="Fog", loop="1", end=str(still(cast).code))
    assert shown["draft"].loop and shown["draft"].end
    assert "Loop and an end frame exclude each other" in shown["errors"]["loop"]
    assert quote.page.count("Loop and an end frame exclude each other") == 1


def test_opposites_and_many_concepts_are_noted_and_nothing_is_blocked(quote):
    shown = quote(prompt="Fog", concepts=["pan_left", "pan_right"])
    assert shown["camera_notes"] == ["Pan left and Pan right cancel each other out."]
    shown = quote(prompt="Fog", concepts=["push_in", "aerial", "handheld", "roll_left"])
    assert shown["camera_notes"] == ["4 are chosen; two or three read best together."]
    assert not shown["errors"]


def test_a_still_of_another_shape_is_noted(cast, quote):
    square = still(cast, (900, 900))
    shown = quote(prompt="Fog", start=str(square.code), aspect_ratio="16:9")
    assert shown["wells"][0].mismatched
    assert "It is 900 × 900: in 16:9 its edges are cut." in quote.page
    assert not quote(start=str(square.code), aspect_ratio="1:1")["wells"][0].mismatched


def test_buttons_without_script_change_the_draft(cast, quote):
    one, two = still(cast), still(cast, colour="red")
    form = {"prompt": "Fog", "start": str(one.code), "end": str(two.code)}
    shown = quote(**form, do="swap")["draft"]
    assert (shown.start.keyframe, shown.end.keyframe) == (two, one)
    assert not quote(**form, do="remove-start")["draft"].start
    shown = quote(**form, concepts=["push_in", "aerial"], do="drop-push_in")["draft"]
    assert shown.concepts == ("aerial",)
    cut = quote(**form, aspect_ratio="1:1", do="crop-start")["draft"].start.keyframe
    assert (cut.width, cut.height, cut.cropped_from) == (900, 900, one)
    assert Keyframe.objects.count() == 3


def test_the_cheapest_is_marked_before_a_word_is_written(quote):
    account("apiframe")
    shown = quote(prompt="", resolution="720p")
    assert [o.spec.id for o in shown["offers"] if o.cheapest] == ["luma-ray-flash-2"]


def test_an_empty_prompt_is_not_yet_a_mistake(quote):
    assert quote(prompt="")["errors"] == {}
    assert "prompt" in quote(prompt="x", offer=offer("luma", "ray-2"))["errors"]


def test_a_key_that_was_switched_off_leaves_the_choice_to_previs(quote):
    gone = offer("apiframe", "luma-ray-2")
    ProviderAccount.objects.filter(provider="apiframe").update(enabled=False)
    shown = quote(prompt="Fog", offer=gone)
    assert shown["is_previs"] and "Switched off." in quote.page


def test_a_clip_at_an_end_is_shown_as_its_frame(cast, quote):
    clip = make_clip(cast.project)
    shown = quote(prompt="Fog", start_clip=str(clip.code))
    assert shown["draft"].start.generation == clip
    assert "Last frame of clip 1" in quote.page


def test_stills_and_clips_of_other_projects_are_not_taken(cast, quote):
    other = make_cast_of_another(cast)
    shown = quote(prompt="Fog", start=str(other["still"].code), end_clip=str(other["clip"].code))
    assert not shown["draft"].start and not shown["draft"].end
    assert "no longer among this project’s stills" in shown["errors"]["start"]
    assert "not a rendered clip of this project" in shown["errors"]["end"]


def make_cast_of_another(cast):
    project = type(cast.project).objects.create(name="Other", created_by=cast.dave)
    out = io.BytesIO()
    Image.new("RGB", (320, 180), "green").save(out, "PNG")
    kept, _ = store_keyframe(project=project, by=cast.dave, source=out.getvalue(), name="x.png")
    return {"still": kept, "clip": make_clip(project)}


def test_a_quote_asks_the_database_a_constant_number_of_questions(
    cast, quote, django_assert_max_num_queries
):
    account("apiframe"), account("gmicloud"), account("luma"), account("aimlapi")
    with django_assert_max_num_queries(14):
        quote(prompt="Fog", start=str(still(cast).code))


def test_reviewers_and_outsiders_get_no_quote(client, cast):
    url = f"/p/{cast.project.code}/quote/"
    for user, status in ((cast.carol, 403), (cast.dave, 404)):
        client.force_login(user)
        assert client.post(url).status_code == status
    client.force_login(cast.bob)
    assert client.get(url).status_code == 405
    assert not Generation.objects.exists()
