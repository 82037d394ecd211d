from __future__ import annotations

import io
import os
import time
from contextlib import ExitStack
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from studio.launcher import web
from studio.media.probing import probe_video
from studio.models import Generation
from studio.services import sketches
from studio.services.accounts import ensure_accounts
from studio.services.keyframes import store_keyframe
from studio.services.sketches import sketch_dir, tidy_sketches
from tests.factories import make_generation
from tests.people import make_cast, make_clip
from tests.test_compose import shot

# Drawn from a form and a picture; whose turn it is stands in lock files, not in rows.
pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def cast(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    ensure_accounts()
    return make_cast()


@pytest.fixture
def still(cast):
    """A picture with something to move in it."""
    across, down = np.meshgrid(np.linspace(0, 1, 320), np.linspace(0, 1, 180))
    disc = ((across - 0.5) ** 2 + (down - 0.5) ** 2 < 0.03) * 1.0
    pixels = np.stack([across * 200, down * 160, disc * 250], axis=-1).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    kept, _ = store_keyframe(project=cast.project, by=cast.bob, source=out.getvalue(), name="a.png")
    return kept


@pytest.fixture
def at(client, cast):
    """Bob is signed in; the address of the project."""
    client.force_login(cast.bob)
    return f"/p/{cast.project.code}"


def opened(answer):
    assert answer.status_code == 200, answer.content
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


def difference(one, other):
    return float(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).mean())


# ---- The finder ------------------------------------------------------------------------
def test_the_form_is_seen_small_and_makes_no_generation(client, at, still, tmp_path):
    answer = client.post(f"{at}/sketch/", shot(start=str(still.code), duration_s="5"))
    assert (answer.status_code, answer["Content-Type"]) == (200, "video/mp4")
    assert answer["Cache-Control"] == "no-store"
    path = tmp_path / "seen.mp4"
    path.write_bytes(answer.content)
    media = probe_video(path)
    assert (media.width, media.height, round(media.fps), media.duration_ms) == (320, 180, 24, 5000)
    assert not Generation.objects.exists()


def test_a_portrait_of_nine_seconds_keeps_its_shape(client, at, still, tmp_path):
    form = shot(start=str(still.code), aspect_ratio="9:16", duration_s="9")
    path = tmp_path / "seen.mp4"
    path.write_bytes(client.post(f"{at}/sketch/", form).content)
    media = probe_video(path)
    assert (media.width, media.height, media.duration_ms) == (180, 320, 9000)


def test_the_same_look_is_rendered_once(client, at, still, monkeypatch):
    form = shot(start=str(still.code))
    first = client.post(f"{at}/sketch/", form)
    monkeypatch.setattr(sketches.subprocess, "run", None)
    # The words, the price and the takes change nothing that is seen.
    again = client.post(f"{at}/sketch/", form | {"prompt": "Other words", "takes": "4"})
    assert again.content == first.content


def test_the_first_frame_is_there_before_the_clip(client, at, still, monkeypatch):
    monkeypatch.setattr(sketches.subprocess, "run", None)
    answer = client.post(f"{at}/sketch/first/", shot(start=str(still.code), concepts=["push_in"]))
    assert answer["Content-Type"] == "image/webp"
    seen = opened(answer)
    given = Image.open(still.file).convert("RGB").resize(seen.size)
    assert seen.size == (320, 180) and difference(seen, given) < 4


def test_words_alone_make_a_card(client, at):
    seen = opened(client.post(f"{at}/sketch/first/", shot(prompt="A winter film")))
    assert np.asarray(seen).std() > 5


def test_nothing_to_see_is_said(client, at):
    for url in (f"{at}/sketch/", f"{at}/sketch/first/"):
        answer = client.post(url, shot(prompt=" "))
        assert (answer.status_code, answer["Content-Type"][:10]) == (422, "text/plain")
        assert "Write what happens in the shot, or add a frame" in answer.content.decode()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"aspect_ratio": "5:1"}, "Shape is “5:1”; it must be"),
        ({"duration_s": "7"}, "Length is “7”"),
        ({"concepts": ["moonwalk"]}, "There is no camera concept “moonwalk”."),
        ({"start": str(uuid4())}, "no longer among this project’s stills"),
    ],
)
def test_a_bad_field_is_said_in_words(client, at, changes, sentence):
    answer = client.post(f"{at}/sketch/", shot(**changes))
    assert answer.status_code == 422 and sentence in answer.content.decode()


def test_a_still_whose_file_is_gone_is_said(client, at, still):
    still.thumbnail.storage.delete(still.thumbnail.name)
    answer = client.post(f"{at}/sketch/", shot(start=str(still.code)))
    assert answer.status_code == 422 and "could not be read" in answer.content.decode()


def test_a_clip_at_the_start_shows_its_last_frame(client, cast, at):
    clip = make_generation(cast.project, files=True)
    seen = opened(client.post(f"{at}/sketch/first/", shot(start_clip=str(clip.code), concepts=[])))
    # The drawn clip grows greener to its end.
    assert np.asarray(seen)[..., 1].mean() > 200


def test_one_look_at_a_time_for_each_person(client, cast, at, still, monkeypatch):
    monkeypatch.setattr(sketches, "WAIT_S", 0.0)
    with sketches._place([f"person-{cast.bob.pk}"]):
        answer = client.post(f"{at}/sketch/", shot(start=str(still.code)))
        assert (answer.status_code, answer["Retry-After"]) == (503, "1")
        assert "Previs is busy" in answer.content.decode()
    assert client.post(f"{at}/sketch/", shot(start=str(still.code))).status_code == 200


def test_few_threads_wait_for_a_look_and_the_next_is_told_at_once(client, at, still):
    asked = shot(start=str(still.code))
    with ExitStack() as waiting:
        for _ in range(sketches.MAX_THREADS):
            waiting.enter_context(sketches._thread())
        started = time.monotonic()
        answers = [
            client.post(f"{at}/sketch/", asked),
            client.post(f"{at}/sketch/first/", asked),
            client.get(f"{at}/moves/push_in.webp?start={still.code}"),
        ]
        assert [answer.status_code for answer in answers] == [503] * 3
        assert time.monotonic() - started < sketches.WAIT_S
    assert client.post(f"{at}/sketch/first/", asked).status_code == 200
    assert web.threads // 2 >= sketches.MAX_THREADS


def test_a_render_that_fails_is_said_and_leaves_nothing(client, at, still, monkeypatch):
    monkeypatch.setattr(sketches.sys, "executable", "/bin/false")
    answer = client.post(f"{at}/sketch/", shot(start=str(still.code)))
    assert answer.status_code == 422 and "could not draw" in answer.content.decode()
    assert not list(sketch_dir().glob("*.mp4"))


def test_sketches_are_gone_after_an_hour_and_locks_stay(cast):
    for name in ("old.mp4", "old.lock", "new.webp"):
        (sketch_dir() / name).write_bytes(b"x")
        if name.startswith("old"):
            past = time.time() - timedelta(minutes=61).total_seconds()
            os.utime(sketch_dir() / name, (past, past))
    tidy_sketches()
    assert sorted(path.name for path in sketch_dir().iterdir()) == ["new.webp", "old.lock"]


# ---- Tiles and cells -------------------------------------------------------------------
def test_a_move_on_a_frame_is_a_strip_the_browser_may_keep(client, at, still):
    answer = client.get(f"{at}/moves/push_in.webp?start={still.code}")
    strip = opened(answer)
    assert strip.size == (24 * 120, 80)
    assert "immutable" in answer["Cache-Control"] and "private" in answer["Cache-Control"]
    first, last = strip.crop((0, 0, 120, 80)), strip.crop((23 * 120, 0, 24 * 120, 80))
    assert difference(first, last) > 3


def test_each_word_moves_in_its_own_way(client, at, still):
    ends = {}
    for slug in ("push_in", "pull_out", "truck_left", "roll_left", "tilt_up"):
        strip = opened(client.get(f"{at}/moves/{slug}.webp?start={still.code}"))
        ends[slug] = strip.crop((23 * 120, 0, 24 * 120, 80))
    names = list(ends)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            assert difference(ends[one], ends[other]) > 1, (one, other)


def test_a_cell_of_the_sheet_has_the_shots_shape(client, at, still):
    answer = client.get(f"{at}/moves/push_in.webp?start={still.code}&aspect_ratio=9:16")
    assert opened(answer).size == (24 * 136, 240)


def test_a_strip_is_rendered_once(client, at, still, monkeypatch):
    url = f"{at}/moves/push_in.webp?start={still.code}"
    first = client.get(url).content
    monkeypatch.setattr(sketches, "render_frames", None)
    assert client.get(url).content == first


def test_unknown_words_pictures_and_shapes_have_no_strip(client, at, still):
    assert client.get(f"{at}/moves/moonwalk.webp?start={still.code}").status_code == 404
    assert client.get(f"{at}/moves/push_in.webp?start={uuid4()}").status_code == 404
    assert client.get(f"{at}/moves/push_in.webp").status_code == 404
    bad = client.get(f"{at}/moves/push_in.webp?start={still.code}&aspect_ratio=5:1")
    assert bad.status_code == 422 and "Shape is “5:1”" in bad.content.decode()


def test_a_strip_waits_its_turn_and_then_says_so(client, at, still, monkeypatch):
    monkeypatch.setattr(sketches, "WAIT_S", 0.0)
    with sketches._turn():
        answer = client.get(f"{at}/moves/push_in.webp?start={still.code}")
    assert answer.status_code == 503
    assert "immutable" not in answer.get("Cache-Control", "")


# ---- The contact sheet -----------------------------------------------------------------
def test_the_sheet_shows_the_chosen_words(client, at, still):
    words = ["push_in", "tilt_up", "handheld"]
    answer = client.post(f"{at}/moves/", shot(concepts=words, start=str(still.code)))
    assert [(c.slug, on) for c, on in answer.context["cells"]] == [(w, True) for w in words]
    page = answer.content.decode()
    assert "on the start frame" in page and page.count('aria-pressed="true"') == 3


def test_the_sheet_is_filled_up_when_there_is_nothing_to_compare(client, at):
    cells = client.post(f"{at}/moves/", shot(concepts=["pov"])).context["cells"]
    assert len(cells) == 8 and cells[0][0].slug == "pov"
    assert [on for _, on in cells] == [True] + [False] * 7
    page = client.post(f"{at}/moves/", shot(concepts=[])).content.decode()
    assert "Add a start frame to see the moves on it." in page


def test_the_sheet_holds_eight(client, at):
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
    assert len(client.post(f"{at}/moves/", shot(concepts=words)).context["cells"]) == 8


# ---- Who may ---------------------------------------------------------------------------
def test_reviewers_are_told_and_outsiders_learn_nothing(client, cast, still):
    at = f"/p/{cast.project.code}"
    form = shot(start=str(still.code))
    for user, status in ((cast.carol, 403), (cast.dave, 404)):
        client.force_login(user)
        for url in ("/sketch/", "/sketch/first/", "/moves/"):
            assert client.post(at + url, form).status_code == status
        assert client.get(f"{at}/moves/push_in.webp?start={still.code}").status_code == status
    client.force_login(cast.alice)
    assert client.get(f"{at}/moves/push_in.webp?start={still.code}").status_code == 200
    for url in ("/sketch/", "/sketch/first/", "/moves/"):
        assert client.get(at + url).status_code == 405
    client.logout()
    assert client.post(f"{at}/sketch/", form).status_code == 302


def test_pictures_of_other_projects_are_not_shown(client, cast, at, still):
    other = type(cast.project).objects.create(name="Other", created_by=cast.dave)
    type(still).objects.filter(pk=still.pk).update(project=other)
    clip = make_clip(other)
    assert client.get(f"{at}/moves/push_in.webp?start={still.code}").status_code == 404
    assert client.get(f"{at}/moves/push_in.webp?start_clip={clip.code}").status_code == 404
    assert client.post(f"{at}/sketch/", shot(start=str(still.code))).status_code == 422
