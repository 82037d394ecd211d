"""Prompts kept at hand, style notes, presets."""

from __future__ import annotations

import pytest

from studio.models import FavouritePrompt, Generation, Preset
from studio.services.accounts import ensure_accounts
from tests.people import make_cast, make_clip
from tests.test_compose import paid, shot

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def cast():
    ensure_accounts()
    return make_cast()


@pytest.fixture
def at(client, cast):
    client.force_login(cast.bob)
    return f"/p/{cast.project.code}"


# ---- Who ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "status"), [("dave", 404), ("carol", 403), ("bob", 200), ("alice", 200)]
)
def test_the_library_is_for_those_who_make_shots(client, cast, name, status):
    client.force_login(getattr(cast, name))
    assert client.get(f"/p/{cast.project.code}/library/").status_code == status
    kept = client.post(f"/p/{cast.project.code}/library/prompts/", {"text": "A boat"})
    assert kept.status_code == (302 if status == 200 else status)


# ---- Prompts -----------------------------------------------------------------------------
def test_prompts_are_listed_once_with_what_came_of_them(client, cast, at):
    make_clip(cast.project, prompt="A paper boat", rating=4, verdict="approved")
    make_clip(cast.project, prompt="A paper boat", rating=2)
    make_clip(cast.project, prompt="Fog over pines", state="failed", failure_text="No.")
    page = client.get(f"{at}/library/").content.decode()
    assert page.count("<p>A paper boat</p>") == 1
    assert "2 clips, 1 approved, rated 3.0, last as clip 2" in page
    assert "No finished clip, last as clip 3" in page
    found = client.get(f"{at}/library/?q=boat+paper").content.decode()
    assert "A paper boat" in found
    assert "Fog over pines" not in found
    assert "No prompt here has “lighthouse” in it" in (
        client.get(f"{at}/library/?q=lighthouse").content.decode()
    )


def test_the_library_asks_a_constant_number_of_queries(
    client, cast, at, django_assert_max_num_queries
):
    for number in range(45):
        make_clip(cast.project, prompt=f"Shot of hill {number}")
        FavouritePrompt.objects.create(
            project=cast.project, user=cast.bob, text=f"Kept {number}", text_hash=str(number)
        )
    client.get(f"{at}/library/")
    with django_assert_max_num_queries(12):
        page = client.get(f"{at}/library/").content.decode()
    assert page.count("Shot of hill") == 2 * 40  # the text and the star of each
    older = client.get(f"{at}/library/?page=2").content.decode()
    assert "Shot of hill 4<" in older
    assert "Shot of hill 44<" not in older


def test_a_prompt_is_kept_once_and_let_go(client, cast, at):
    for text in ("A  paper boat", "A paper\r\nboat"):
        assert client.post(f"{at}/library/prompts/", {"text": text}).status_code == 302
    assert [one.text for one in FavouritePrompt.objects.all()] == ["A  paper boat"]
    assert "A  paper boat" in client.get(f"{at}/new/").content.decode()
    star = client.post(
        f"{at}/library/prompts/", {"text": "A paper boat", "drop": "1"}, headers=HTMX
    )
    assert 'aria-pressed="false"' in star.content.decode()
    assert not FavouritePrompt.objects.exists()


@pytest.mark.parametrize(
    ("text", "said"), [("  ", "an empty one cannot be kept"), ("x" * 5001, "5001 characters")]
)
def test_what_cannot_be_kept_is_said(client, at, text, said):
    answer = client.post(f"{at}/library/prompts/", {"text": text}, follow=True)
    assert said in answer.content.decode()
    assert not FavouritePrompt.objects.exists()


def test_what_one_keeps_another_does_not_see(client, cast, at):
    client.post(f"{at}/library/prompts/", {"text": "Bob's own words"})
    client.force_login(cast.alice)
    assert "own words" not in client.get(f"{at}/library/").content.decode()


# ---- Style ---------------------------------------------------------------------------------
def test_the_projects_style_goes_with_every_prompt_and_is_seen(client, cast, at):
    cast.project.style_notes = "Soft grain, muted blues."
    cast.project.save()
    page = client.get(f"{at}/new/?prompt=A+boat").content.decode()
    assert "Soft grain, muted blues." in page
    sent = client.post(
        f"{at}/quote/", shot(prompt="A boat", concepts=[], offer=paid(), style=["0", "1"])
    )
    assert "A boat. Soft grain, muted blues." in sent.content.decode()
    client.post(f"{at}/new/", shot(prompt="A boat", concepts=[], offer=paid(), style=["0", "1"]))
    made = Generation.objects.get()
    assert (made.prompt, made.style_notes) == ("A boat", "Soft grain, muted blues.")
    assert made.sent_prompt == "A boat. Soft grain, muted blues."
    again = client.get(f"{at}/new/?from={made.code}").content.decode()
    assert "<textarea" in again
    assert "A boat</textarea>" in again


def test_a_shot_can_go_without_the_style_and_a_previs_does(client, cast, at):
    cast.project.style_notes = "Soft grain."
    cast.project.save()
    client.post(f"{at}/new/", shot(prompt="A boat", concepts=[], offer=paid(), style=["0"]))
    client.post(f"{at}/new/", shot(prompt="A boat", concepts=[], style=["0", "1"]))
    assert {g.sent_prompt for g in Generation.objects.all()} == {"A boat"}
    assert {g.style_notes for g in Generation.objects.all()} == {""}


def test_style_counts_against_the_prompts_limit(client, cast, at):
    cast.project.style_notes = "s" * 400
    cast.project.save()
    offer = paid()
    most = 5000
    answer = client.post(
        f"{at}/new/", shot(prompt="p" * (most - 200), concepts=[], offer=offer, style=["0", "1"])
    )
    assert answer.status_code == 422
    assert not Generation.objects.exists()


def test_owners_write_the_style_and_too_much_of_it_is_refused(client, cast, at):
    client.force_login(cast.alice)
    form = {
        "name": "N", "description": "", "aspect_ratio": "16:9", "resolution": "720p",
        "duration_s": "5", "budget": "", "failover": "",
    }  # fmt: skip
    assert client.post(f"{at}/settings/", form | {"style_notes": "Grain."}).status_code == 302
    cast.project.refresh_from_db()
    assert cast.project.style_notes == "Grain."
    said = client.post(f"{at}/settings/", form | {"style_notes": "x" * 501})
    assert "The style has 501 characters; 500 are allowed." in said.content.decode()


# ---- Presets -------------------------------------------------------------------------------
def saved(client, at, name="Close-ups", **changes):
    return client.post(
        f"{at}/new/", shot(do="save-preset", preset_name=name, prompt="A boat") | changes
    )


def test_settings_are_saved_and_applied_and_the_prompt_stays(client, cast, at):
    page = saved(client, at, aspect_ratio="9:16", duration_s="9", takes="2").content.decode()
    assert "Saved the preset “Close-ups”." in page
    assert "A boat</textarea>" in page
    assert not Generation.objects.exists()
    preset = Preset.objects.get()
    answer = client.post(
        f"{at}/new/",
        shot(do=f"preset-{preset.code}", prompt="Fog", concepts=[], aspect_ratio="1:1"),
    ).content.decode()
    assert "Fog</textarea>" in answer
    assert 'value="9:16" checked' in answer
    assert 'id="takes-2" value="2" checked' in answer
    assert 'value="push_in" checked' in answer
    linked = client.get(f"{at}/new/?preset={preset.code}").content.decode()
    assert 'value="9:16" checked' in linked


def test_a_taken_name_gets_the_new_settings(client, cast, at):
    saved(client, at)
    assert "Replaced the preset" in saved(client, at, aspect_ratio="1:1").content.decode()
    assert Preset.objects.get().settings["aspect_ratio"] == "1:1"


def test_a_preset_without_a_name_is_refused_and_nothing_typed_is_lost(client, at):
    page = saved(client, at, name="  ").content.decode()
    assert "The preset’s name has 0 characters; 1 to 60 are allowed." in page
    assert "A boat</textarea>" in page
    assert not Preset.objects.exists()


def test_a_preset_that_names_what_is_gone_keeps_the_rest(client, cast, at):
    saved(client, at, aspect_ratio="9:16")
    Preset.objects.update(settings={"aspect_ratio": "9:16", "duration_s": 77, "offer": "x:y"})
    page = client.get(f"{at}/new/?preset={Preset.objects.get().code}").content.decode()
    assert 'value="9:16" checked' in page
    assert 'value="5" checked' in page


def test_presets_are_ones_own_until_shared(client, cast, at):
    saved(client, at, name="Mine")
    saved(client, at, name="Ours", preset_shared="1")
    client.force_login(cast.alice)
    page = client.get(f"{at}/new/").content.decode()
    assert "Ours" in page
    assert "Mine" not in page
    ours = Preset.objects.get(name="Ours")
    mine = Preset.objects.get(name="Mine")
    assert client.post(f"{at}/presets/{mine.code}/", {"do": "delete"}).status_code == 404
    # An owner clears up what others share, and rewrites nothing of theirs.
    client.post(f"{at}/presets/{ours.code}/", {"do": "rename", "name": "Theirs"})
    assert Preset.objects.filter(name="Ours").exists()
    client.post(f"{at}/presets/{ours.code}/", {"do": "delete"})
    assert [one.name for one in Preset.objects.all()] == ["Mine"]


def test_a_preset_is_renamed_shared_and_deleted(client, cast, at):
    saved(client, at, name="One")
    saved(client, at, name="Two")
    one = Preset.objects.get(name="One")
    said = client.post(f"{at}/presets/{one.code}/", {"do": "rename", "name": "Two"}, follow=True)
    assert "You already have a preset called “Two”." in said.content.decode()
    client.post(f"{at}/presets/{one.code}/", {"do": "share"})
    one.refresh_from_db()
    assert one.shared
    client.post(f"{at}/presets/{one.code}/", {"do": "delete"})
    assert [p.name for p in Preset.objects.all()] == ["Two"]
    assert client.post(f"{at}/presets/{one.code}/", {"do": "delete"}).status_code == 404


@pytest.mark.parametrize(("name", "status"), [("dave", 404), ("carol", 403)])
def test_presets_of_a_project_are_for_its_makers(client, cast, at, name, status):
    saved(client, at, preset_shared="1")
    client.force_login(getattr(cast, name))
    path = f"{at}/presets/{Preset.objects.get().code}/"
    assert client.post(path, {"do": "delete"}).status_code == status
    assert Preset.objects.exists()
