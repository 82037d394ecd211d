from __future__ import annotations

import io
import re
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from studio.models import Generation, Keyframe, Project, ProviderAccount
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
def new(client, cast):
    """Bob is signed in; the address of the compose page."""
    client.force_login(cast.bob)
    return f"/p/{cast.project.code}/new/"


def previs():
    return offer_value(ProviderAccount.objects.get(provider="previs"), "previs-1")


def paid(provider="apiframe", model="luma-ray-2"):
    account, _ = ProviderAccount.objects.get_or_create(provider=provider, label="")
    account.set_key("k-1")
    account.save()
    return offer_value(account, model)


def shot(**changes):
    """A good form, as a browser posts it."""
    return {
        "request_token": str(uuid4()),
        "prompt": "Low cloud slides between the ridges.",
        "concepts": ["push_in", "aerial"],
        "aspect_ratio": "16:9",
        "resolution": "720p",
        "duration_s": "5",
        "takes": "1",
        "loop": "0",
        "offer": previs(),
        "start": "",
        "start_clip": "",
        "end": "",
        "end_clip": "",
        "do": "generate",
    } | changes


def picture(colour="navy", size=(320, 180)):
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def still(cast, colour="navy", size=(320, 180)):
    kept, _ = store_keyframe(
        project=cast.project, by=cast.bob, source=picture(colour, size), name=f"{colour}.png"
    )
    return kept


# ---- The page --------------------------------------------------------------------------
def test_the_page_starts_with_the_projects_defaults(client, cast, new):
    cast.project.aspect_ratio, cast.project.duration_s = "21:9", 9
    cast.project.save()
    answer = client.get(new)
    draft = answer.context["draft"]
    assert (draft.aspect_ratio, draft.duration_s, draft.resolution) == ("21:9", 9, "720p")
    page = answer.content.decode()
    assert page.count('name="concepts"') == 34
    assert answer.context["is_previs"] and "Previs (free)" in page
    assert "no-store" in answer["Cache-Control"]


def test_the_page_has_no_inline_style_or_script(client, new):
    page = client.get(new).content.decode()
    assert not re.search(r"\sstyle=|\son[a-z]+=|hx-on|<style|<script(?![^>]*\ssrc=)", page)


def test_a_remix_takes_everything_over_as_a_new_shot(client, cast, new):
    clip = make_clip(
        cast.project,
        prompt="Waves",
        concepts=["tilt_up"],
        duration_s=9,
        aspect_ratio="9:16",
        resolution="1080p",
        start_keyframe=still(cast),
        end_keyframe=still(cast, "red"),
    )
    draft = client.get(f"{new}?from={clip.code}").context["draft"]
    assert (draft.prompt, draft.concepts, draft.duration_s) == ("Waves", ("tilt_up",), 9)
    assert (draft.aspect_ratio, draft.resolution) == ("9:16", "1080p")
    assert draft.start.keyframe == clip.start_keyframe
    assert draft.end.keyframe == clip.end_keyframe
    assert draft.take_of is None


def test_another_take_joins_the_same_shot(client, cast, new):
    clip = make_clip(cast.project, prompt="Waves", title="Big waves")
    Project.objects.update(next_number=2)
    page = client.get(f"{new}?take_of={clip.code}")
    assert "Another take of clip 1" in page.content.decode()
    client.post(new, shot(prompt="Waves", take_of=str(clip.code)))
    made = Generation.objects.get(take=2)
    assert (made.shot, made.title) == (clip.shot, "Big waves")


def test_the_address_fills_in_stills_and_plain_fields(client, cast, new):
    first, last = still(cast), still(cast, "red")
    address = f"?start={first.code}&end={last.code}&prompt=Dawn&concepts=pan_left&concepts=aerial"
    draft = client.get(new + address + "&duration_s=9&takes=3").context["draft"]
    assert (draft.start.keyframe, draft.end.keyframe) == (first, last)
    assert (draft.prompt, draft.concepts) == ("Dawn", ("pan_left", "aerial"))
    assert (draft.duration_s, draft.takes) == (9, 3)


def test_a_nonsense_address_still_opens_the_page(client, new):
    answer = client.get(f"{new}?from=x&take_of={uuid4()}&start={uuid4()}&takes=99&loop=maybe")
    assert answer.status_code == 200
    assert answer.context["draft"].takes == 1


def test_past_prompts_are_offered_once_each(client, cast, new):
    for prompt in ("Waves", "Waves", "Fog", " "):
        make_clip(cast.project, prompt=prompt)
    past = client.get(new).context["past_prompts"]
    assert [(g.prompt, g.number) for g in past] == [("Fog", 3), ("Waves", 2)]


# ---- Generate --------------------------------------------------------------------------
def test_generate_queues_the_shot_and_goes_to_the_gallery(client, cast, new):
    start, end = still(cast), still(cast, "red")
    answer = client.post(
        new, shot(start=str(start.code), end=str(end.code), takes="2"), follow=True
    )
    assert answer.redirect_chain == [(f"/p/{cast.project.code}/", 302)]
    assert "is queued, 2 takes." in answer.content.decode()
    one, two = Generation.objects.order_by("take")
    assert (one.start_keyframe, one.end_keyframe) == (start, end)
    assert (one.state, one.take, two.take, one.shot) == ("queued", 1, 2, two.shot)
    assert one.concepts == ["push_in", "aerial"] and one.by == cast.bob


def test_generate_by_htmx_sends_the_whole_page_on(client, cast, new):
    answer = client.post(new, shot(), headers=HTMX)
    assert answer["HX-Redirect"] == f"/p/{cast.project.code}/"
    assert Generation.objects.count() == 1


def test_a_form_sent_twice_makes_one_generation(client, cast, new):
    form = shot(takes="2")
    assert client.post(new, form).status_code == 302
    assert client.post(new, form).status_code == 302
    assert client.post(new, form | {"prompt": "Something else"}).status_code == 302
    assert Generation.objects.count() == 2


def test_previs_renders_what_was_written_without_the_paid_provider(client, new):
    client.post(new, shot(offer=paid(), do="previs"))
    made = Generation.objects.get()
    assert (made.provider, made.estimated_microusd) == ("previs", 0)


def test_the_paid_provider_gets_an_estimate(client, new):
    client.post(new, shot(offer=paid()))
    made = Generation.objects.get()
    assert (made.provider, made.model) == ("apiframe", "luma-ray-2")
    assert made.estimated_microusd and made.estimated_microusd > 0


def test_enter_in_a_field_only_asks_for_the_price(client, new):
    page = client.get(new).content.decode()
    first = re.search(r'<button[^>]*type="submit"[^>]*>', page[page.index('id="compose"') :])
    assert 'value="quote"' in first.group()
    answer = client.post(new, shot(do="quote", takes="4"))
    assert answer.status_code == 200 and answer.context["draft"].takes == 4
    assert not Generation.objects.exists()


def test_line_ends_count_once(client, new):
    client.post(new, shot(prompt="One\r\nTwo"))
    assert Generation.objects.get().prompt == "One\nTwo"


# ---- Refusals --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"prompt": "  "}, "prompt", "The prompt is empty."),
        ({"prompt": "x" * 5001}, "prompt", "The prompt has 5001 characters; Previs takes at most"),
        ({"concepts": ["moonwalk"]}, "concepts", "There is no camera concept “moonwalk”."),
        ({"aspect_ratio": "5:1"}, "aspect_ratio", "Shape is “5:1”; it must be 16:9, 9:16"),
        ({"resolution": "8k"}, "resolution", "Resolution is “8k”; it must be 540p"),
        ({"duration_s": "7"}, "duration_s", "Length is “7”; it must be 5 s, 9 s or 10 s."),
        ({"takes": "5"}, "takes", "Takes is “5”; it must be 1, 2, 3 or 4."),
        ({"takes": "1e3"}, "takes", "Takes is “1e3”"),
        ({"loop": "2"}, "loop", "Loop is “2”; it must be 0 or 1."),
        ({"offer": "99999:nothing"}, "offer", "Choose who renders the shot"),
        ({"offer": ""}, "offer", "Choose who renders the shot"),
        ({"start": str(uuid4())}, "start", "no longer among this project’s stills"),
        ({"end": "rubbish"}, "end", "no longer among this project’s stills"),
        ({"start_clip": str(uuid4())}, "start", "not a rendered clip of this project"),
    ],
)
def test_a_bad_field_is_refused_in_words_and_nothing_is_lost(client, new, changes, field, sentence):
    form = shot(**changes)
    answer = client.post(new, form, headers=HTMX)
    assert answer.status_code == 422
    assert sentence in answer.context["errors"][field]
    page = answer.content.decode()
    assert "<html" not in page and sentence.split("“")[0] in page
    assert f'value="{form["request_token"]}"' in page
    assert not Generation.objects.exists()


def test_loop_with_an_end_frame_is_refused_in_the_form(client, cast, new):
    answer = client.post(new, shot(loop="1", end=str(still(cast).code)))
    assert answer.status_code == 422
    assert "Loop and an end frame exclude each other" in answer.content.decode()
    assert answer.context["draft"].loop and answer.context["draft"].end
    assert not Generation.objects.exists()


def test_settings_the_provider_does_not_make_are_refused(client, new):
    answer = client.post(new, shot(offer=paid(), resolution="4k"))
    assert answer.status_code == 422
    assert "Resolution 4K is not offered: Apiframe, Ray 2 makes 720p." in answer.content.decode()


def test_over_budget_is_refused_with_the_numbers(client, cast, new):
    cast.project.budget_microusd = 10_000
    cast.project.save()
    answer = client.post(new, shot(offer=paid()))
    assert answer.status_code == 422
    assert "This would go over budget." in answer.content.decode()
    assert not Generation.objects.exists()


def test_an_archived_project_takes_no_shots(client, cast, new):
    cast.project.archived_at = cast.project.created_at
    cast.project.save()
    answer = client.post(new, shot())
    assert answer.status_code == 422
    assert "This project is archived." in answer.content.decode()


def test_everything_typed_survives_a_refusal(client, cast, new):
    form = shot(prompt="", takes="3", duration_s="9", start=str(still(cast).code), offer=paid())
    answer = client.post(new, form)
    draft = answer.context["draft"]
    assert (draft.takes, draft.duration_s, draft.concepts) == (3, 9, ("push_in", "aerial"))
    assert f'id="start" value="{form["start"]}"' in answer.content.decode()
    assert f'value="{form["request_token"]}"' in answer.content.decode()


# ---- Without script --------------------------------------------------------------------
def test_files_in_a_plain_form_become_the_frames(client, cast, new):
    files = {
        "start_file": SimpleUploadedFile("dawn.png", picture()),
        "end_file": SimpleUploadedFile("dusk.png", picture("red")),
    }
    assert client.post(new, shot(**files)).status_code == 302
    made = Generation.objects.get()
    assert (made.start_keyframe.name, made.end_keyframe.name) == ("dawn", "dusk")


def test_a_file_survives_a_refusal_of_something_else(client, cast, new):
    form = shot(prompt="", loop="1", end_file=SimpleUploadedFile("dusk.png", picture()))
    answer = client.post(new, form)
    assert answer.status_code == 422
    kept = Keyframe.objects.get()
    assert f'id="end" value="{kept.code}"' in answer.content.decode()


def test_a_refused_file_says_why_and_loses_nothing_else(client, cast, new):
    files = {
        "start_file": SimpleUploadedFile("dawn.png", picture()),
        "end_file": SimpleUploadedFile("notes.png", b"Dear diary"),
    }
    answer = client.post(new, shot(**files))
    assert answer.status_code == 422
    assert "not a picture that can be read" in answer.context["wells"][1].error
    assert answer.context["wells"][0].end.keyframe.name == "dawn"
    assert not Generation.objects.exists()


def test_buttons_of_the_plain_form_answer_with_the_page(client, cast, new):
    first = still(cast)
    answer = client.post(new, shot(start=str(first.code), do="swap"))
    assert answer.status_code == 200
    assert answer.context["draft"].end.keyframe == first
    assert not Generation.objects.exists()


# ---- Who may ---------------------------------------------------------------------------
def test_reviewers_are_told_and_outsiders_learn_nothing(client, cast):
    new = f"/p/{cast.project.code}/new/"
    for user, status in ((cast.carol, 403), (cast.dave, 404)):
        client.force_login(user)
        assert client.get(new).status_code == status
        assert client.post(new, shot()).status_code == status
    client.logout()
    assert client.get(new).status_code == 302
    assert client.post(new, {}, headers=HTMX)["HX-Redirect"].startswith("/login/")
    assert not Generation.objects.exists()
