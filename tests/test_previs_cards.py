from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import studio.previs
from studio.previs import PrevisShot, render_frame
from studio.previs.lettering import _FACES, MONO, draw, runs, set_text
from studio.previs.scenery import PLACES, Palette, Scenery
from tests.previs_motion import motion_of

SIZE = (320, 180)


def card(
    prompt: str, at: float = 0.0, size: tuple[int, int] = SIZE, **changes: object
) -> np.ndarray:
    shot = PrevisShot(prompt, ("push_in",), 5, "16:9", "540p", **changes)
    return np.asarray(render_frame(shot, at, size))


def test_the_bundled_faces_are_there_with_their_licences():
    for path in (*_FACES, MONO):
        assert path.is_file()
        assert list(path.parent.glob("OFL-*.txt"))


@pytest.mark.parametrize(
    "text",
    [
        "A lone keeper climbs the stairs",
        "Ein Wolf läuft über die Straße",
        "Два друга идут по лесу",
        "Ένα πλοίο στη θάλασσα",
        "Một con mèo dưới mưa",
        "雨の夜、東京の路地",
        "雨夜里的小巷",
        "한 소녀가 바다를 본다",
        "رجل يمشي في الصحراء",
        "אדם הולך במדבר",
        "नदी के किनारे",
        "แมวในสายฝน",
        "🚀🌊🐺👨‍👩‍👧",
    ],
)
def test_every_covered_script_is_drawn_whole(text):
    setting = set_text(text, (280, 120), 30, 10)
    assert setting.missing == 0
    mask = draw(setting, SIZE, (20, 20), 280)
    assert 0.004 < mask.mean() < 0.4


def test_a_script_nobody_covers_leaves_the_place_without_a_title():
    assert set_text("𓀀𓀁𓀂𓀃", (280, 120), 30, 10).missing == 1
    assert not (card("𓀀𓀁𓀂𓀃").min(axis=2) > 230).any()
    assert (card("A wolf").min(axis=2) > 230).any()


def test_right_to_left_text_is_flush_right():
    mask = draw(set_text("שלום", (280, 60), 30, 10), SIZE, (20, 20), 280)
    columns = np.flatnonzero(mask.max(axis=0) > 0.5)
    assert columns[0] > 180
    assert columns[-1] > 285


def test_joined_emoji_stay_one_run():
    assert [run.text for run in runs("👨\u200d👩\u200d👧")] == ["👨\u200d👩\u200d👧"]


def test_a_long_prompt_shrinks_and_then_ends_in_an_ellipsis():
    short, long = (
        set_text("Rain", (280, 100), 40, 12),
        set_text("rain and wind " * 60, (280, 100), 40, 12),
    )
    assert short.size_px == 40
    assert long.size_px == 12
    assert long.lines[-1][-1].text.endswith("…")
    assert len(long.lines) * 12 * 1.16 <= 100


def test_the_same_words_draw_the_same_card_and_others_another():
    assert np.array_equal(card("A wolf"), card("A wolf"))
    assert not np.array_equal(card("A wolf"), card("A whale"))


def test_words_choose_the_palette():
    night, snow = card("midnight on the road"), card("snow on the road")
    assert night[:20].mean() < 60 < snow[:20].mean()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("size", [(320, 180), (180, 320), (200, 200)])
def test_every_place_fills_every_shape(place, size):
    palette = Palette("#27365f", "#f09a62", "#ffe3ad", "#8c5a67", "#1b1826")
    drawn = Scenery(place, palette, size, 5)
    plate = drawn.plate()
    assert plate.frame.shape == (size[1], size[0], 3)
    assert plate.frame.std() > 8
    assert drawn.near[-1].mean() > drawn.near[0].mean() + 0.1


def test_the_move_shows_parallax_behind_a_title_that_keeps_still():
    prompt = "mountains at dawn"
    shot = PrevisShot(prompt, ("truck_left",), 5, "16:9", "540p")
    frames = [np.asarray(render_frame(shot, at, SIZE)) for at in np.linspace(0, 1, 12)]
    first, last = frames[0], frames[-1]
    assert motion_of([f[:, 160:] for f in frames]).x > 0.01
    ink = (first.min(axis=2) > 230) & (np.arange(180) > 110)[:, None]
    assert ink.sum() > 100
    assert (last[ink].min(axis=1) > 215).mean() > 0.95


def test_the_slate_is_burned_in_only_when_asked():
    plain, slated = (card("A wolf", 0.5, slate=text) for text in ("", "Shot 12 · Take 2"))
    changed = np.flatnonzero((plain != slated).any(axis=(1, 2)))
    assert changed[0] > 0 and changed[-1] < 0.2 * SIZE[1]


def test_the_slate_leaves_the_frames_clean_where_another_shot_may_join():
    size = (320, 180)
    plain, slated = (
        PrevisShot("A wolf", ("push_in",), 5, "16:9", "540p", slate=text) for text in ("", "Shot 1")
    )
    for at in (0.0, 1.0):
        frames = [np.asarray(render_frame(shot, at, size)) for shot in (plain, slated)]
        assert (frames[0] == frames[1]).all()


def test_the_slate_clock_runs():
    size = (640, 360)
    shot = PrevisShot("A wolf", ("static",), 5, "16:9", "540p", slate="S")
    a, b = (np.asarray(render_frame(shot, at, size)) for at in (0.3, 0.5))
    rows = np.flatnonzero((a != b).any(axis=(1, 2)))
    assert len(rows) and rows[-1] < 60


def test_a_long_slate_stays_inside_a_narrow_frame():
    shot = PrevisShot(
        "A wolf", ("push_in", "tilt_up", "handheld", "pan_left", "roll_left"), 5, "9:21", "540p",
        slate="Shot 12 · Take 2 · " + "Act three " * 12,
    )  # fmt: skip
    frame = np.asarray(render_frame(shot, 0.5, (180, 420)))
    assert frame.shape == (420, 180, 3)


def test_previs_reads_no_settings_and_no_models():
    for path in Path(studio.previs.__file__).parent.glob("*.py"):
        text = path.read_text()
        assert "django" not in text and "studio.models" not in text, path
