"""Clips whose sound is of unusual kinds: their films have it, at the right time and in a form that plays."""

from __future__ import annotations

import subprocess
import sys

import av
import numpy as np
import pytest

from studio.media import copying
from studio.media.probing import probe_video
from studio.media.stitch import Source, stitch_clips
from tests.odd_clips import with_apples_channels, write_odd

pytestmark = pytest.mark.once

MEASURE = """
import sys
from pathlib import Path
from studio.media.probing import probe_video
from studio.media.stitch import Source, stitch_clips
clip = Path(sys.argv[1])
for _ in range(5):
    sound = probe_video(clip).sound
stitch_clips([Source(clip), Source(clip)], clip.with_suffix(".mp4"))
print(sound.channels, sound.layout)
"""


def heard(path) -> np.ndarray:
    with av.open(str(path)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(blocks, axis=1)


def test_channels_in_an_order_of_their_own_do_not_end_the_process(tmp_path):
    """In a process of its own: PyAV frees such a layout twice."""
    clip = write_odd(tmp_path / "clip.mov", kind="mov", sound="pcm_s16le", layout="5.1")
    with_apples_channels(clip)
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE, str(clip)], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "6 6 channels (FC+FL+FR+SL+SR+LFE)"), ran
    film = probe_video(tmp_path / "clip.mp4")
    assert (film.sound.layout, film.frames) == ("stereo", 24)
    assert np.abs(heard(tmp_path / "clip.mp4")).max() > 0.1


@pytest.mark.parametrize(
    ("codec", "kind"),
    [("pcm_s24le", "mov"), ("alac", "mp4"), ("ac3", "mp4"), ("pcm_s16le", "matroska")],
)
def test_sound_that_players_of_mp4_do_not_know_is_encoded(codec, kind, tmp_path):
    clip = write_odd(tmp_path / "clip", kind=kind, sound=codec)
    report = stitch_clips([Source(clip), Source(clip)], tmp_path / "film.mp4")
    assert f"the sound of the clips is {codec.upper()}, not AAC" in report.why
    film = probe_video(tmp_path / "film.mp4")
    assert (film.sound.codec, film.duration) == ("aac", 1)


class Refusing:
    """An MP4 that takes no packet as it is."""

    def __init__(self, container):
        self._container = container

    def __getattr__(self, name):
        return getattr(self._container, name)

    def mux_one(self, packet):
        raise av.ArgumentError(22, "Invalid argument")


def test_what_cannot_be_copied_after_all_is_encoded(tmp_path, monkeypatch):
    clip = write_odd(tmp_path / "clip.mp4", sound="aac")
    begin = copying._Copier.__init__
    monkeypatch.setattr(
        copying._Copier, "__init__", lambda self, out, told: begin(self, Refusing(out), told)
    )
    report = stitch_clips([Source(clip), Source(clip)], tmp_path / "film.mp4")
    assert report.why == "Encoded anew: a clip's packets do not fit into an MP4 as they are."
    assert probe_video(tmp_path / "film.mp4").duration == 1
