"""Turned, stretched, held and high dynamic range clips: shown, cut and joined as a player shows them."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from studio.media.facts import HLG, PQ
from studio.media.joins import frame_times, repeats_frame
from studio.media.probing import probe_video
from studio.media.stitch import Source, stitch_clips
from studio.media.tonemapping import to_srgb
from studio.media.video import (
    first_frame,
    frame_at,
    last_frame,
    make_poster,
    make_preview,
    make_strip,
)
from tests.odd_clips import corners, grey, write_odd

pytestmark = pytest.mark.once

# The display matrix, and where the red, green, blue and white quarters are then seen, row by row.
TURNS = {
    "clockwise": ([0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30], "brwg"),
    "half": ([-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30], "wbgr"),
    "counter-clockwise": ([0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30], "gwrb"),
    "mirrored": ([-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30], "grwb"),
    "flipped": ([65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30], "bwrg"),
    "transposed": ([0, 65536, 0, 65536, 0, 0, 0, 0, 1 << 30], "rbgw"),
    "transversed": ([0, -65536, 0, -65536, 0, 0, 0, 0, 1 << 30], "wgbr"),
}
LATER = [Fraction(index, 24) + (3 if index >= 24 else 0) for index in range(48)]


def quarters(picture: Image.Image) -> str:
    """Return the colours of a picture's quarters, from above left to below right."""
    names = {(1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b", (1, 1, 1): "w", (0, 0, 0): "k"}
    width, height = picture.size
    found = ""
    for x, y in ((1, 1), (3, 1), (1, 3), (3, 3)):
        pixel = picture.getpixel((width * x // 4, height * y // 4))
        found += names.get(tuple(int(value > 110) for value in pixel), "?")
    return found


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_clip_is_upright_everywhere(turn, tmp_path):
    matrix, seen = TURNS[turn]
    clip = write_odd(tmp_path / "clip.mp4", matrix=matrix)
    size = (64, 96) if matrix[1] else (96, 64)
    make_poster(clip, tmp_path / "poster")
    make_strip(clip, tmp_path / "strip")
    make_preview(clip, tmp_path / "preview", facts=probe_video(clip))
    plain = write_odd(tmp_path / "plain.mp4", draw=lambda at: corners(at, *size))
    stitch_clips([Source(plain), Source(clip)], tmp_path / "film.mp4")
    with Image.open(tmp_path / "strip") as strip:
        height = strip.height
        pictures = [strip.convert("RGB").crop((0, 0, 320, height))]
    assert height == round(320 * size[1] / size[0])
    with Image.open(tmp_path / "poster") as poster:
        assert poster.size == size
        pictures.append(poster.convert("RGB"))
    pictures += [first_frame(clip), last_frame(clip), frame_at(clip, 100)]
    pictures += [first_frame(tmp_path / "preview"), last_frame(tmp_path / "film.mp4")]
    assert {quarters(picture) for picture in pictures} == {seen}
    assert last_frame(tmp_path / "film.mp4").size == size


def test_turned_clips_alike_are_copied_and_stay_upright(tmp_path):
    matrix, seen = TURNS["clockwise"]
    clip = write_odd(tmp_path / "clip.mp4", matrix=matrix)
    report = stitch_clips([Source(clip), Source(clip)], tmp_path / "film.mp4")
    assert report.copied
    assert (report.width, report.height) == (64, 96)
    assert probe_video(tmp_path / "film.mp4").turned == 90
    assert quarters(last_frame(tmp_path / "film.mp4")) == seen


@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(1, 2)])
def test_wide_pixels_are_made_square(aspect, tmp_path):
    clip = write_odd(tmp_path / "clip.mp4", aspect=aspect)
    size = (192, 64) if aspect > 1 else (96, 128)
    assert first_frame(clip).size == size
    plain = write_odd(tmp_path / "plain.mp4", draw=lambda at: corners(at, *size))
    report = stitch_clips([Source(plain), Source(clip)], tmp_path / "film.mp4")
    assert (report.width, report.height, report.copied) == (*size, False)
    film = probe_video(tmp_path / "film.mp4")
    assert (film.width, film.height, film.sample_aspect) == (*size, 1)
    assert quarters(last_frame(tmp_path / "film.mp4")) == "rgbw"
    copied = stitch_clips([Source(clip), Source(clip)], tmp_path / "copied.mp4")
    assert (copied.copied, probe_video(tmp_path / "copied.mp4").width) == (True, size[0])


def test_clips_alike_are_copied_though_they_are_shown_an_odd_number_of_pixels_wide(tmp_path):
    clip = write_odd(tmp_path / "clip.mp4", aspect=Fraction(97, 96))
    report = stitch_clips([Source(clip), Source(clip)], tmp_path / "film.mp4")
    assert (report.copied, report.width, report.height) == (True, 97, 64)


def test_the_strip_of_a_very_tall_clip_is_narrow(tmp_path):
    clip = write_odd(tmp_path / "tall.mp4", draw=lambda at: corners(at, 16, 1200))
    make_strip(clip, tmp_path / "strip")
    with Image.open(tmp_path / "strip") as strip:
        assert strip.size == (6 * 17, 1280)
        assert quarters(strip.convert("RGB").crop((17, 0, 34, 1280))) == "rgbw"


def test_a_turned_clip_halts_where_an_upright_one_ended(tmp_path):
    def moving(turned):
        def draw(at):
            picture = np.roll(corners(0, 96, 96), at * 6, axis=1)
            return np.rot90(picture, turned)  # counter-clockwise

        return draw

    first = write_odd(tmp_path / "first.mp4", draw=moving(0))
    second = write_odd(
        tmp_path / "second.mp4", draw=lambda at: moving(1)(at + 11), matrix=TURNS["clockwise"][0]
    )
    assert repeats_frame(first, second)


# ---- Held frames -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mp4", "webm"])
@pytest.mark.parametrize("fade", [0, 0.5])
def test_held_frames_keep_their_length_in_films(fade, kind, tmp_path):
    coded = {"codec": "libvpx-vp9", "sound": "libopus"} if kind == "webm" else {"sound": "aac"}
    held = write_odd(tmp_path / "held", times=LATER, kind=kind, sound_s=5, **coded)
    plain = write_odd(tmp_path / "plain.mp4", count=72, sound="aac", sound_s=3, draw=grey_of)
    for name, sources, whole in (
        ("twice", [Source(held), Source(held)], 10),
        ("mixed", [Source(plain), Source(held)], 8),
    ):
        out = tmp_path / f"{name}.mp4"
        report = stitch_clips(sources, out, crossfade_s=fade)
        film = probe_video(out)
        assert float(film.duration) == pytest.approx(whole - fade, abs=0.05)
        assert report.duration_ms == pytest.approx(film.duration_ms, abs=2)
        assert float(film.sound.ends) == pytest.approx(whole - fade, abs=0.1)


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_a_held_frame_is_held_in_the_preview(kind, tmp_path):
    """Also where so few frames come that their average is no rate to play at."""
    coded = {"codec": "libvpx-vp9"} if kind == "webm" else {}
    times = [Fraction(0), Fraction(4), Fraction(6)]
    levels = [40, 120, 200]
    held = write_odd(
        tmp_path / "held", times=times, kind=kind, draw=lambda at: grey(levels[at]), **coded
    )
    make_preview(held, tmp_path / "preview", facts=probe_video(held))
    for ms, level in ((500, 40), (3900, 40), (4100, 120), (5900, 120), (6030, 200)):
        shown = np.asarray(frame_at(tmp_path / "preview", ms)).mean()
        assert shown == pytest.approx(level, abs=3), ms


def test_copied_clips_with_held_frames_follow_each_other_without_a_gap(tmp_path):
    """Frames stored in another order than shown: none of them says how long the hold is."""
    times = [Fraction(at, 24) + (2 if at >= 19 else 0) for at in range(30)]
    held = write_odd(tmp_path / "held.mp4", times=times, bframes=3, draw=grey_of)
    report = stitch_clips([Source(held), Source(held)], tmp_path / "film.mp4")
    assert (report.copied, report.duration_ms) == (True, 6500)
    film = frame_times(tmp_path / "film.mp4")
    shown = sorted(tick * film.time_base for tick in film.ticks)
    assert shown == times + [Fraction(13, 4) + at for at in times]


@pytest.mark.parametrize("bframes", [0, 3])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_films_of_matroska_clips_have_every_frame(codec, bframes, tmp_path):
    clip = write_odd(
        tmp_path / "clip.mkv", kind="matroska", codec=codec, bframes=bframes, draw=grey_of, count=24
    )
    report = stitch_clips([Source(clip), Source(clip)], tmp_path / "film.mp4")
    assert report.copied == (not bframes)
    film = probe_video(tmp_path / "film.mp4")
    assert (film.frames, film.duration) == (48, 2)
    for ms in (20, 480, 1020):
        shown = np.asarray(frame_at(tmp_path / "film.mp4", ms)).mean()
        assert shown == pytest.approx(np.asarray(frame_at(clip, ms % 1000)).mean(), abs=1)


def test_a_copied_film_is_said_to_last_to_the_end_of_its_last_hold(tmp_path):
    times = [Fraction(at, 24) + (2 if at >= 28 else 0) for at in range(30)]
    held = write_odd(tmp_path / "held.mp4", times=times, bframes=3, draw=grey_of)
    report = stitch_clips([Source(held), Source(held)], tmp_path / "film.mp4")
    assert (report.copied, report.duration_ms) == (True, 6500)
    assert probe_video(tmp_path / "film.mp4").duration_ms == 6500


def test_a_frame_held_at_the_end_is_not_lost(tmp_path):
    held = write_odd(
        tmp_path / "held.mp4", times=[Fraction(0), Fraction(1, 24), Fraction(2, 24), Fraction(3)]
    )
    assert probe_video(held).duration == 3 + Fraction(1, 24)
    plain = write_odd(tmp_path / "plain.mp4", draw=lambda at: corners(at, 64, 64))
    stitch_clips([Source(held), Source(plain)], tmp_path / "film.mp4")
    assert float(probe_video(tmp_path / "film.mp4").duration) == pytest.approx(3.54, abs=0.05)


def test_a_held_clip_is_cut_where_the_next_takes_over(tmp_path):
    held = write_odd(tmp_path / "held.mp4", times=LATER)
    plain = write_odd(tmp_path / "plain.mp4", draw=lambda at: corners(at, 64, 64))
    sources = [Source(held, until_ms=4042), Source(plain)]  # the second frame after the hold
    stitch_clips(sources, tmp_path / "film.mp4")
    assert probe_video(tmp_path / "film.mp4").frames == 98 + 12


def grey_of(index: int) -> np.ndarray:
    return grey(40 + index % 24)


# ---- High dynamic range -----------------------------------------------------------------------------


def pq_signal(nits: float) -> float:
    power = (nits / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def ten_bit(signal: float):
    level = np.full((64, 96), round(64 + 876 * signal), np.uint16)
    return {
        "draw": lambda at: level,
        "codec": "libx265",
        "pix_fmt": "yuv420p10le",
    }


@pytest.mark.parametrize(
    ("transfer", "signal", "least", "most"),
    [
        (PQ, pq_signal(203), 235, 248),
        (PQ, pq_signal(1000), 250, 255),
        (PQ, pq_signal(26), 95, 105),
        (PQ, 0.0, 0, 1),
        (HLG, 0.75, 235, 248),
        (HLG, 0.38, 95, 105),
    ],
)
def test_high_dynamic_range_is_brought_to_the_screen(transfer, signal, least, most, tmp_path):
    clip = write_odd(tmp_path / "hdr.mp4", **ten_bit(signal), colours=(1, 9, 9, transfer))
    plain = write_odd(tmp_path / "plain.mp4")
    make_poster(clip, tmp_path / "poster")
    make_strip(clip, tmp_path / "strip")
    make_preview(clip, tmp_path / "preview", facts=probe_video(clip))
    report = stitch_clips([Source(plain), Source(clip)], tmp_path / "film.mp4")
    assert "segment 2 is HDR" in report.why or "HEVC" in report.why
    levels = [
        np.asarray(frame_at(clip, 200)).mean(),
        np.asarray(last_frame(tmp_path / "film.mp4")).mean(),
    ]
    levels.append(np.asarray(first_frame(tmp_path / "preview")).mean())
    for name in ("poster", "strip"):
        with Image.open(tmp_path / name) as picture:
            levels.append(np.asarray(picture.convert("RGB")).mean())
    assert all(least - 1.5 <= level <= most for level in levels), levels
    assert probe_video(tmp_path / "film.mp4").colours == (1, 1, 1, 1)


def test_hdr_alone_is_copied_as_it_is_and_brought_to_the_screen_when_encoded(tmp_path):
    clip = write_odd(tmp_path / "hdr.mp4", **ten_bit(pq_signal(203)), colours=(1, 9, 9, PQ))
    copied = stitch_clips([Source(clip), Source(clip)], tmp_path / "copied.mp4")
    facts = probe_video(tmp_path / "copied.mp4")
    assert (copied.copied, facts.colours, facts.tag) == (True, (1, 9, 9, PQ), "hvc1")
    stitch_clips([Source(clip), Source(clip)], tmp_path / "film.mp4", crossfade_s=0.1)
    facts = probe_video(tmp_path / "film.mp4")
    assert (facts.codec, facts.colours) == ("h264", (1, 1, 1, 1))
    assert np.asarray(first_frame(tmp_path / "film.mp4")).mean() == pytest.approx(241, abs=3)


@pytest.mark.parametrize(("transfer", "primaries"), [(PQ, 9), (HLG, 9), (1, 9), (1, 12)])
def test_brighter_stays_brighter_and_grey_stays_grey(transfer, primaries):
    ramp = np.repeat(np.linspace(0, 1, 65)[:, None], 3, axis=1)
    shown = to_srgb(ramp, transfer, primaries)
    assert np.all(np.diff(shown, axis=0) >= -1e-9)
    assert np.abs(shown - shown[:, :1]).max() < 0.002
    assert 0 <= shown.min() <= shown.max() <= 1.0001


# ---- Other kinds ------------------------------------------------------------------------------------

OTHERS = {
    "ProRes": {"codec": "prores_ks", "pix_fmt": "yuv422p10le", "kind": "mov", "sound": "pcm_s16le"},
    "VP9": {"codec": "libvpx-vp9", "kind": "webm", "sound": "libopus"},
    "AV1": {"codec": "libsvtav1"},
    "ten bits": {"codec": "libx265", "pix_fmt": "yuv420p10le"},
    "one frame": {"count": 1},
    "odd size": {"draw": lambda at: corners(at, 97, 65), "pix_fmt": "yuv444p"},
    "no length in front": {"options": {"movflags": "frag_keyframe+empty_moov"}, "sound": "aac"},
    "5.1": {"sound": "aac", "layout": "5.1"},
    "short sound": {"sound": "aac", "sound_s": 0.1},
    "long sound": {"sound": "aac", "sound_s": 2.0},
    "late start": {"times": [Fraction(2) + Fraction(at, 24) for at in range(12)]},
}


@pytest.mark.parametrize("kind", OTHERS)
def test_clips_of_other_kinds_get_pictures_and_films(kind, tmp_path):
    clip = write_odd(tmp_path / "clip", **OTHERS[kind])
    facts = probe_video(clip)
    make_poster(clip, tmp_path / "poster", facts=facts)
    make_strip(clip, tmp_path / "strip", facts=facts)
    make_preview(clip, tmp_path / "preview", facts=facts)
    assert quarters(last_frame(clip)) == "rgbw"
    assert float(probe_video(tmp_path / "preview").duration) == pytest.approx(
        float(facts.duration), abs=0.03
    )
    plain = write_odd(tmp_path / "plain.mp4", sound="aac")
    for pair in itertools.permutations([clip, plain]):
        stitch_clips([Source(one) for one in pair], tmp_path / "film.mp4")
        film = probe_video(tmp_path / "film.mp4")
        assert float(film.duration) == pytest.approx(float(facts.duration) + 0.5, abs=0.03)
        assert float(film.sound.ends) == pytest.approx(float(film.duration), abs=0.05)
        assert quarters(last_frame(tmp_path / "film.mp4")) == "rgbw"
