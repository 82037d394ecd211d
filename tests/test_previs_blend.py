from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from studio.previs import PrevisShot, render_shot
from tests.previs_motion import Frames, frames_of, motion_of
from tests.previs_pictures import Pixels, grain, landscape, write_png

SIZE = (320, 180)
WIDE = landscape(800, 450)


def part(x: int, y: int, width: int) -> Pixels:
    height = width * 9 // 16
    return cv2.resize(WIDE[y : y + height, x : x + width], (640, 360), interpolation=cv2.INTER_AREA)


def unlike() -> Pixels:
    noise = grain(640, 360, seed=11)[..., None]
    return np.clip(np.array([60.0, 40, 90]) + noise * 60, 0, 255).astype(np.uint8)


def shoot(folder: Path, *, fps: int = 8, **changes: object) -> Frames:
    values = {
        "prompt": "",
        "concepts": (),
        "duration_s": 5,
        "aspect_ratio": "16:9",
        "resolution": "540p",
        "fps": fps,
    }
    for end in ("start", "end"):
        if changes.get(end) is not None:
            changes[end] = write_png(folder / f"{end}.png", changes[end])
    render_shot(PrevisShot(**{**values, **changes}), folder / "clip.mp4", size=SIZE)
    return frames_of(folder / "clip.mp4")


def likeness(frame: Pixels, picture: Pixels) -> float:
    return cv2.PSNR(frame, cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize("concepts", [(), ("static",), ("push_in",), ("handheld", "tilt_up")])
@pytest.mark.parametrize("end", [part(150, 90, 500), unlike()], ids=["like", "unlike"])
def test_first_and_last_frames_are_the_given_pictures(tmp_path, concepts, end):
    start = part(0, 0, 800)
    frames = shoot(tmp_path, start=start, end=end, concepts=concepts)
    assert likeness(frames[0], start) >= 35
    assert likeness(frames[-1], end) >= 35


def test_like_pictures_are_joined_by_the_motion_between_them(tmp_path):
    frames = shoot(tmp_path, start=part(0, 40, 600), end=part(150, 40, 600))
    quarter = -150 / 600
    half = motion_of(frames[: len(frames) // 2 + 1]).x
    assert motion_of(frames).x == pytest.approx(quarter, abs=0.03)
    assert half == pytest.approx(quarter / 2, abs=0.03)


def test_like_pictures_stay_sharp_all_the_way(tmp_path):
    frames = shoot(tmp_path, start=part(0, 40, 600), end=part(150, 40, 600))
    sharp = [cv2.Laplacian(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), cv2.CV_64F).std() for f in frames]
    assert min(sharp) > 0.75 * min(sharp[0], sharp[-1])


def test_a_change_of_light_does_not_hide_the_motion(tmp_path):
    dusk = np.clip(part(150, 40, 600) * np.array([0.6, 0.62, 0.8]), 0, 255).astype(np.uint8)
    frames = shoot(tmp_path, start=part(0, 40, 600), end=dusk)
    first_half = motion_of(frames[: len(frames) // 2 + 1]).x
    assert first_half == pytest.approx(-0.125, abs=0.04)


def test_unlike_pictures_are_never_seen_sharp_through_each_other(tmp_path):
    start, end = part(0, 0, 800), unlike()
    frames = shoot(tmp_path, start=start, end=end)
    middle = frames[len(frames) // 2]
    fine = [
        cv2.Laplacian(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), cv2.CV_64F).std()
        for f in (frames[0], middle, frames[-1])
    ]
    assert fine[1] < 0.3 * min(fine[0], fine[2])


def test_a_blend_without_concepts_still_breathes(tmp_path):
    frames = shoot(tmp_path, start=part(0, 0, 800), end=unlike())
    assert motion_of(frames[: len(frames) // 4]).scale > 1.005


@pytest.mark.parametrize("concept", ["push_in", "pan_left", "crane_up", "roll_right", "handheld"])
def test_a_move_with_an_end_alone_arrives_on_it(tmp_path, concept):
    end = part(0, 0, 800)
    frames = shoot(tmp_path, end=end, concepts=(concept,))
    assert likeness(frames[-1], end) >= 35
    assert likeness(frames[0], end) < 30


def test_a_move_with_an_end_alone_keeps_its_direction(tmp_path):
    assert motion_of(shoot(tmp_path, end=part(0, 0, 800), concepts=("zoom_in",))).scale > 1.2
    assert motion_of(shoot(tmp_path, end=part(0, 0, 800), concepts=("truck_left",))).x > 0.03


def test_a_blend_moves_evenly(tmp_path):
    frames = shoot(tmp_path, fps=24, start=part(0, 40, 600), end=part(150, 40, 600))
    change = [float(cv2.absdiff(a, b).mean()) for a, b in zip(frames, frames[1:], strict=False)]
    steps = np.abs(np.diff(change))
    assert change[0] < 0.5 * max(change)
    assert change[-1] < 0.5 * max(change)
    assert steps.max() < 0.35 * max(change)
