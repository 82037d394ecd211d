from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from studio.concepts import CONCEPTS
from studio.previs import PrevisShot, render_shot
from tests.previs_motion import Frames, Motion, frames_of, jitter, motion_of
from tests.previs_pictures import landscape, write_png

SIZE = (320, 180)
STILL = 0.004  # of the width: what coding and rounding may move


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moves")
    still = write_png(folder / "still.png", landscape(640, 360))

    @cache
    def shoot(*concepts: str, fps: int = 8, loop: bool = False) -> Frames:
        out: Path = folder / "clip.mp4"
        shot = PrevisShot("", concepts, 5, "16:9", "540p", loop=loop, start=still, fps=fps)
        render_shot(shot, out, size=SIZE)
        return frames_of(out)

    return shoot


@pytest.fixture(scope="module")
def measure(film):
    @cache
    def measured(*concepts: str) -> Motion:
        # A whip crosses a tenth of the frame in one step at 8 frames a second.
        return motion_of(film(*concepts, fps=24 if "bolt_cam" in concepts else 8))

    return measured


# What the picture does: the camera's move seen from the other side.
EXPECTED = [
    ("static", "x", -0.001, 0.001),
    ("static", "y", -0.001, 0.001),
    ("static", "scale", 0.998, 1.002),
    ("push_in", "scale", 1.08, 1.4),
    ("pull_out", "scale", 0.6, 0.93),
    ("truck_left", "x", 0.04, 0.2),
    ("truck_right", "x", -0.2, -0.04),
    ("pan_left", "x", 0.1, 0.25),
    ("pan_right", "x", -0.25, -0.1),
    ("tilt_up", "y", 0.07, 0.2),
    ("tilt_down", "y", -0.2, -0.07),
    ("pedestal_up", "near_y", 0.05, 0.2),
    ("pedestal_down", "near_y", -0.2, -0.05),
    ("crane_up", "near_y", 0.02, 0.2),
    ("crane_up", "near_scale", 0.6, 0.95),
    ("crane_down", "near_y", -0.2, -0.02),
    ("crane_down", "near_scale", 1.05, 1.5),
    ("orbit_left", "far_x", -0.2, -0.03),
    ("orbit_right", "far_x", 0.03, 0.2),
    ("zoom_in", "scale", 1.3, 1.6),
    ("zoom_out", "scale", 0.6, 0.8),
    ("dolly_zoom", "far_scale", 0.7, 0.93),
    ("dolly_zoom", "near_scale", 0.97, 1.2),
    ("roll_left", "turn", 8, 15),
    ("roll_right", "turn", -15, -8),
    ("eye_level", "scale", 1.01, 1.12),
    ("eye_level", "keystone", 0.9, 1.0),
    ("low_angle", "far_y", 0.04, 0.2),
    ("low_angle", "keystone", 0.7, 0.95),
    ("high_angle", "far_y", -0.2, -0.04),
    ("high_angle", "keystone", 1.04, 1.3),
    ("ground_level", "near_y", -0.2, -0.03),
    ("overhead", "keystone", 1.05, 1.5),
    ("overhead", "turn", -20, -6),
    ("aerial", "near_scale", 0.6, 0.93),
    ("aerial", "far_y", -0.2, -0.03),
    ("aerial", "keystone", 1.05, 1.4),
    ("pov", "scale", 1.04, 1.3),
    ("selfie", "scale", 1.05, 1.3),
    ("aerial_drone", "scale", 1.08, 1.5),
    ("aerial_drone", "near_y", 0.01, 0.2),
    ("bolt_cam", "scale", 1.15, 1.8),
]


@pytest.mark.parametrize(("concept", "what", "low", "high"), EXPECTED)
def test_concept_moves_the_picture_its_own_way(measure, concept, what, low, high):
    found = getattr(measure(concept), what)
    assert low <= found <= high, f"{concept}: {what} is {found:+.3f}"


def test_every_concept_is_measured():
    looks = {"over_the_shoulder", "handheld", "elevator_doors", "tiny_planet"}
    assert {concept for concept, *_ in EXPECTED} | looks == set(CONCEPTS)


@pytest.mark.parametrize("concept", [slug for slug in CONCEPTS if slug != "elevator_doors"])
def test_move_starts_on_the_start_picture(film, concept):
    wanted = cv2.resize(landscape(640, 360), SIZE, interpolation=cv2.INTER_AREA)
    assert cv2.PSNR(film(concept)[0], wanted) >= 35


@pytest.mark.parametrize("concept", ["truck_left", "truck_right"])
def test_truck_moves_the_near_farther_than_the_far(measure, concept):
    move = measure(concept)
    assert abs(move.near_x) > 1.5 * abs(move.far_x)


def test_pan_moves_near_and_far_alike(measure):
    move = measure("pan_left")
    assert move.near_x == pytest.approx(move.far_x, rel=0.1)


def test_push_in_grows_the_near_more_than_the_far_and_zoom_does_not(measure):
    push, zoom = measure("push_in"), measure("zoom_in")
    assert push.near_scale - 1 > 2 * (push.far_scale - 1)
    assert zoom.near_scale == pytest.approx(zoom.far_scale, rel=0.03)


@pytest.mark.parametrize("side", [-1, 1])
def test_orbit_turns_near_and_far_against_each_other(measure, side):
    move = measure("orbit_left" if side < 0 else "orbit_right")
    assert side * (move.far_x - move.near_x) > 0.05


def test_opposites_cancel(film, measure):
    for one, other in (
        ("pan_left", "pan_right"),
        ("crane_up", "crane_down"),
        ("zoom_in", "zoom_out"),
    ):
        move = measure(one, other)
        assert abs(move.x) < STILL and abs(move.y) < STILL
        assert move.scale == pytest.approx(1.0, abs=0.01)


def test_concepts_compose_into_one_move(measure):
    both, push, tilt = measure("push_in", "tilt_up"), measure("push_in"), measure("tilt_up")
    assert both.scale == pytest.approx(push.scale * tilt.scale, rel=0.08)
    assert both.y == pytest.approx(push.y + tilt.y, abs=0.03)


def _path(frames: Frames) -> np.ndarray:
    """Return how far the picture's middle has moved from the first frame, in pixels."""
    grey = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY)[40:140, 70:250].astype(np.float32) for f in frames]
    return np.array([cv2.phaseCorrelate(grey[0], other)[0] for other in grey])


def test_handheld_wanders_gently_and_never_stops(film):
    steps = np.linalg.norm(np.diff(_path(film("handheld", fps=24)), axis=0), axis=1)
    assert steps[24:].max() < 2.0
    assert (steps[24:] > 0.02).mean() > 0.9
    assert np.abs(_path(film("handheld", fps=24))).max() < 0.04 * SIZE[0]


def test_pov_bobs_up_and_down(film):
    height = _path(film("pov", fps=24))[:, 1]
    swing = height - np.convolve(height, np.ones(15) / 15, mode="same")
    crossings = np.count_nonzero(np.diff(np.sign(swing[20:-20])))
    assert 8 <= crossings <= 20


def test_bolt_cam_whips_and_settles(film):
    frames = film("bolt_cam", fps=24)
    change = [float(cv2.absdiff(a, b).mean()) for a, b in zip(frames, frames[1:], strict=False)]
    assert max(change) > 8 * np.median(change)
    assert np.mean(change[-12:]) < 0.15 * max(change)


def test_elevator_doors_open_from_the_middle(film):
    frames = film("elevator_doors")
    wanted = landscape(640, 360)
    open_ = cv2.resize(wanted, SIZE, interpolation=cv2.INTER_AREA).astype(float)
    shown = [np.abs(frame.astype(float) - open_).mean(axis=2) for frame in frames]
    closed, half = shown[0], shown[len(frames) // 3]
    assert closed.mean() > 25
    assert half[:, 150:170].mean() < 0.7 * half[:, :20].mean()
    assert shown[-1].mean() < 0.6 * closed.mean()


def test_tiny_planet_wraps_the_sky_around_the_ground(film):
    last = film("tiny_planet")[-1].astype(int)
    blue = last[..., 2] - last[..., 0]  # the picture's sky is bluer than its field
    assert np.mean([blue[5, 5], blue[5, -6], blue[-6, 5], blue[-6, -6]]) > 15
    assert blue[86:94, 154:166].mean() < 0


def test_over_the_shoulder_brings_somebody_dark_into_the_corner(film):
    first, last = film("over_the_shoulder")[0], film("over_the_shoulder")[-1]
    assert last[-40:, -40:].mean() < 0.5 * first[-40:, -40:].mean()
    assert last[:, :160].mean() == pytest.approx(first[:, :160].mean(), rel=0.1)


@pytest.mark.parametrize(
    "concept", ["push_in", "truck_left", "roll_right", "zoom_out", "tiny_planet"]
)
def test_moves_ease_in_and_out(film, concept):
    frames = film(concept)
    change = np.array(
        [float(cv2.absdiff(a, b).mean()) for a, b in zip(frames, frames[1:], strict=False)]
    )
    assert change[0] < 0.5 * change.max()
    if concept != "tiny_planet":  # a ball goes on turning
        assert change[-1] < 0.5 * change.max()


@pytest.mark.parametrize("concept", ["push_in", "truck_left", "zoom_in"])
def test_motion_is_free_of_jitter(film, concept):
    assert jitter(film(concept, fps=24)) < 0.05


@pytest.mark.parametrize(
    "concept", ["push_in", "orbit_left", "handheld", "pov", "bolt_cam", "tiny_planet"]
)
def test_loop_closes_without_a_jump(film, concept):
    frames = film(concept, loop=True)
    change = [float(cv2.absdiff(a, b).mean()) for a, b in zip(frames, frames[1:], strict=False)]
    seam = float(cv2.absdiff(frames[-1], frames[0]).mean())
    assert max(change) > 0.5
    assert seam <= max(change[0], change[-1], *change[1:3], *change[-3:-1]) + 0.6


@pytest.mark.parametrize(
    "concept", ["pull_out", "zoom_out", "roll_left", "truck_right", "pan_left"]
)
def test_no_black_border_is_ever_seen(film, concept):
    for frame in film(concept)[::6]:
        rim = np.concatenate([frame[0], frame[-1], frame[:, 0], frame[:, -1]])
        assert rim.max(axis=1).min() > 25
