from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from studio.media.probing import probe_video
from studio.media.video import first_frame
from studio.previs import (
    PrevisShot,
    RenderCancelled,
    frame_size,
    render_frame,
    render_frames,
    render_shot,
)
from tests.previs_pictures import landscape, write_png

SMALL = (320, 180)


@pytest.fixture
def still(tmp_path: Path) -> Path:
    return write_png(tmp_path / "still.png", landscape(640, 360))


def shot(**changes: object) -> PrevisShot:
    values = {
        "prompt": "A cabin in the snow",
        "concepts": ("push_in",),
        "duration_s": 1,
        "aspect_ratio": "16:9",
        "resolution": "540p",
    }
    return PrevisShot(**{**values, **changes})


@pytest.mark.parametrize(
    ("shape", "resolution", "expected"),
    [
        ("16:9", "720p", (1280, 720)),
        ("9:16", "720p", (720, 1280)),
        ("1:1", "720p", (720, 720)),
        ("4:3", "540p", (720, 540)),
        ("3:4", "1080p", (1080, 1440)),
        ("21:9", "720p", (1680, 720)),
        ("9:21", "540p", (540, 1260)),
        ("16:9", "4k", (3840, 2160)),
        ("21:9", "4k", (4096, 1756)),
    ],
)
def test_frame_size_takes_the_resolution_as_the_short_side(shape, resolution, expected):
    assert frame_size(shape, resolution) == expected


def test_frame_size_names_what_it_does_not_know():
    with pytest.raises(ValueError, match="5:4"):
        frame_size("5:4", "720p")
    with pytest.raises(ValueError, match="8k"):
        frame_size("16:9", "8k")


def test_clip_has_the_asked_length_shape_and_rate(tmp_path, still):
    out = tmp_path / "clip.mp4"
    render_shot(shot(start=still, duration_s=5), out, size=(192, 108))
    info = probe_video(out)
    assert (info.width, info.height) == (192, 108)
    assert (info.frames, info.fps, info.duration_ms) == (120, 24.0, 5000)
    assert (info.codec, info.pix_fmt) == ("h264", "yuv420p")


def test_progress_counts_every_frame(tmp_path, still):
    seen = []
    render_shot(
        shot(start=still),
        tmp_path / "clip.mp4",
        size=SMALL,
        on_progress=lambda *at: not seen.append(at),
    )
    assert seen == [(n, 24) for n in range(1, 25)]


def test_cancel_stops_at_once_and_leaves_no_file(tmp_path, still):
    seen = []

    def stop_at_five(done: int, total: int) -> bool:
        seen.append(done)
        return done < 5

    folder = tmp_path / "clips"
    folder.mkdir()
    with pytest.raises(RenderCancelled, match="5 of 24"):
        render_shot(shot(start=still), folder / "clip.mp4", size=SMALL, on_progress=stop_at_five)
    assert seen == [1, 2, 3, 4, 5]
    assert list(folder.iterdir()) == []


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path, still):
    out = tmp_path / "clip.mp4"
    out.write_bytes(b"older")
    with pytest.raises(RenderCancelled):
        render_shot(shot(start=still), out, size=SMALL, on_progress=lambda *_: False)
    assert out.read_bytes() == b"older"


def test_first_frame_of_the_file_is_the_start_picture(tmp_path, still):
    out = tmp_path / "clip.mp4"
    render_shot(shot(start=still), out, size=SMALL)
    with Image.open(still) as image:
        wanted = cv2.resize(np.asarray(image.convert("RGB")), SMALL, interpolation=cv2.INTER_AREA)
    assert cv2.PSNR(np.asarray(first_frame(out)), wanted) >= 35


def test_any_picture_shape_fills_any_frame_shape(tmp_path):
    tall = write_png(tmp_path / "tall.png", landscape(90, 400))
    for size in ((320, 136), (136, 320), (200, 200)):
        frame = np.asarray(render_frame(shot(start=tall, concepts=("pull_out",)), 1.0, size))
        assert frame.shape == (size[1], size[0], 3)
        assert min(frame[0].max(), frame[-1].max(), frame[:, 0].max(), frame[:, -1].max()) > 20


def test_frames_for_tiles_run_from_the_first_to_the_last_moment(still):
    frames = list(render_frames(shot(start=still), 5, SMALL))
    assert len(frames) == 5
    for frame, at in ((frames[0], 0.0), (frames[2], 0.5), (frames[-1], 1.0)):
        assert np.array_equal(frame, np.asarray(render_frame(shot(start=still), at, SMALL)))


def test_frames_of_a_looping_tile_do_not_repeat_the_first(still):
    frames = list(render_frames(shot(start=still, loop=True), 6, SMALL))
    assert not np.array_equal(frames[0], frames[-1])


def test_a_picture_that_cannot_be_read_leaves_no_file(tmp_path):
    broken = tmp_path / "still.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(OSError, match="still.png"):
        render_shot(shot(start=broken), tmp_path / "clip.mp4", size=SMALL)
    assert not (tmp_path / "clip.mp4").exists()
