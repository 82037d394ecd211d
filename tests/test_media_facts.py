"""What a file is: asked once, kept with the clip, the same for everybody who needs it."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from PIL import Image

from studio.media.facts import HLG, PQ, MediaFacts
from studio.media.probing import probe_video
from studio.models import Generation
from studio.services.clip_facts import facts_of, measure_earlier_clips
from studio.services.work.arrival import keep_media
from tests.factories import make_generation, make_project
from tests.odd_clips import grey, write_odd

QUARTER = [0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30]  # clockwise
LATER = [Fraction(index, 24) + (4 if index >= 24 else 0) for index in range(48)]
KINDS = {
    "turned": ({"matrix": QUARTER}, {"width": 64, "height": 96, "turned": 90, "mirrored": False}),
    "upside down": (
        {"matrix": [-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30]},
        {"width": 96, "turned": 180, "mirrored": False},
    ),
    "mirrored": (
        {"matrix": [-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30]},
        {"width": 96, "turned": 0, "mirrored": True},
    ),
    "wide pixels": (
        {"aspect": Fraction(4, 3)},
        {"width": 128, "height": 64, "coded_width": 96, "sample_aspect": Fraction(4, 3)},
    ),
    "narrow pixels": ({"aspect": Fraction(1, 2)}, {"width": 96, "height": 128}),
    "wide pixels, turned": (
        {"aspect": Fraction(4, 3), "matrix": QUARTER},
        {"width": 64, "height": 128},
    ),
    "held frame": (
        {"times": LATER},
        {"duration": Fraction(6), "frames": 48, "rate": Fraction(24), "steady": False, "fps": 24.0},
    ),
    "held frame between ones stored in another order": (
        {"times": LATER, "bframes": 3, "draw": lambda at: grey(40 + at % 30)},
        {"duration": Fraction(6), "frames": 48, "steady": False},
    ),
    "held frame in WebM": (
        {"times": LATER, "codec": "libvpx-vp9", "kind": "webm"},
        {"duration_ms": 5999, "frames": 48, "steady": False, "codec": "vp9", "tag": ""},
    ),
    "even in WebM": (
        {"codec": "libvpx-vp9", "kind": "webm", "sound": "libopus"},
        {"duration": Fraction(1, 2), "steady": True, "rate": Fraction(24), "has_audio": True},
    ),
    "three frames in six seconds": (
        {"times": [Fraction(0), Fraction(4), Fraction(6)]},
        {"duration": 6 + Fraction(1, 24), "rate": Fraction(24), "steady": False},
    ),
    "uneven at about the rate of video": (
        {"times": [Fraction(index * 100 + index * 7919 % 37, 3000) for index in range(90)]},
        {"rate": Fraction(30000, 1001), "steady": False, "frames": 90},
    ),
    "a frame a second": ({"rate": 1, "count": 3}, {"rate": Fraction(1), "steady": True}),
    "one frame": ({"count": 1}, {"duration": Fraction(1, 24), "frames": 1, "steady": True}),
    "no length in front": (
        {"options": {"movflags": "frag_keyframe+empty_moov"}},
        {"duration": Fraction(1, 2), "frames": 12},
    ),
    "timecode": (
        {"kind": "mov", "metadata": {"timecode": "01:00:00:00"}},
        {"timecode": "01:00:00:00"},
    ),
    "drop frame": (
        {"kind": "mov", "rate": 30, "metadata": {"timecode": "10:00:00;12"}},
        {"timecode": "10:00:00;12"},
    ),
    "no timecode": ({"metadata": {"timecode": "a\nb"}}, {"timecode": ""}),
    "PQ": (
        {"codec": "libx265", "pix_fmt": "yuv420p10le", "colours": (1, 9, 9, PQ)},
        {"colours": (1, 9, 9, PQ), "is_hdr": True, "tag": "hvc1", "pix_fmt": "yuv420p10le"},
    ),
    "HLG": (
        {"codec": "libx265", "pix_fmt": "yuv420p10le", "colours": (1, 9, 9, HLG)},
        {"is_hdr": True, "codec": "hevc"},
    ),
    "ProRes": (
        {"codec": "prores_ks", "pix_fmt": "yuv422p10le", "kind": "mov"},
        {"codec": "prores", "tag": "apch", "is_hdr": False},
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_what_it_shows(kind, tmp_path):
    written, expected = KINDS[kind]
    facts = probe_video(write_odd(tmp_path / "clip", **written))
    assert {name: getattr(facts, name) for name in expected} == expected
    assert MediaFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


@pytest.mark.once
@pytest.mark.parametrize(
    ("layout", "seconds", "channels"), [("mono", 2.0, 1), ("stereo", 0.25, 2), ("5.1", 0.5, 6)]
)
def test_sound_is_measured_by_itself(layout, seconds, channels, tmp_path):
    path = write_odd(tmp_path / "clip", sound="aac", sound_s=seconds, layout=layout)
    facts = probe_video(path)
    assert (facts.sound.codec, facts.sound.channels, facts.sound.rate) == ("aac", channels, 48_000)
    assert float(facts.sound.duration) == pytest.approx(seconds, abs=0.03)
    assert (facts.sound.starts, facts.duration) == (0, Fraction(1, 2))


@pytest.mark.once
@pytest.mark.parametrize("values", [None, {}, {"width": 5}, {"unreadable": "gone"}, {"sound": 1}])
def test_what_another_version_measured_is_measured_again(values):
    assert MediaFacts.from_json(values) is None


@pytest.mark.django_db
def test_facts_are_kept_when_a_clip_is_stored_and_asked_for_once(tmp_path, monkeypatch):
    clip = make_generation(make_project(), files=True)
    columns = keep_media(clip, write_odd(tmp_path / "new.mp4", matrix=QUARTER, sound="aac"))
    assert (columns["width"], columns["height"]) == (64, 96)
    Generation.objects.filter(pk=clip.pk).update(**columns)
    clip.refresh_from_db()
    monkeypatch.delattr("studio.services.clip_facts.probe_video")
    assert (facts_of(clip).turned, facts_of(clip).has_audio) == (90, True)


@pytest.mark.django_db
def test_clips_of_earlier_versions_are_measured_bit_by_bit():
    project = make_project()
    clip = make_generation(project, files=True)
    gone = make_generation(project)  # its file is not there
    asked = make_generation(project, files=True)
    assert facts_of(asked).duration == 1
    Generation.objects.filter(pk=clip.pk).update(width=5, duration_ms=5)
    assert measure_earlier_clips() == 2
    clip.refresh_from_db()
    gone.refresh_from_db()
    assert (clip.width, clip.duration_ms) == (64, 1000)
    assert clip.version > asked.version
    assert "unreadable" in gone.media_facts
    assert measure_earlier_clips() == 0


@pytest.mark.django_db
def test_pictures_that_lay_on_their_side_are_made_anew(tmp_path):
    clip = make_generation(make_project(), files=True)
    write_odd(tmp_path / "turned.mp4", matrix=QUARTER)
    with (tmp_path / "turned.mp4").open("rb") as file:
        clip.clip.save("turned.mp4", file)
    measure_earlier_clips()
    clip.refresh_from_db()
    assert (clip.width, clip.height) == (64, 96)
    with Image.open(clip.poster) as poster, Image.open(clip.strip) as strip:
        assert (poster.size, strip.height) == ((64, 96), 480)
