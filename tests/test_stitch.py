from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from studio.media import encoding
from studio.media.joins import FrameTimes, repeats_frame
from studio.media.stitch import Source, StitchCancelled, stitch_clips
from studio.media.video import VideoUnreadable

FPS = 24


def draw(
    path: Path,
    *,
    frames: int = 36,
    first: int = 0,
    size: tuple[int, int] = (96, 54),
    fps: int = FPS,
    sound: float | None = None,
    preset: str = "ultrafast",
    still: bool = False,
) -> Path:
    """Write a clip of moving stripes, frame `first` onwards; `sound` is a tone's level."""
    across, down = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    with av.open(str(path), "w", format="mp4") as output:
        options = {"crf": "12", "preset": preset}
        video = output.add_stream("libx264", rate=fps, options=options)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.gop_size = fps
        audio = None if sound is None else output.add_stream("aac", rate=48_000, layout="stereo")
        for index in range(frames):
            at = 0 if still else first + index
            planes = [across * 4 + at * 9, down * 5 + at * 5, across + down + at * 3]
            picture = (128 + 100 * np.sin(np.stack(planes, -1) / 25)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            output.mux(video.encode(frame))
            if audio is not None:
                count = 48_000 // fps
                tone = np.sin(np.arange(index * count, (index + 1) * count) * 0.06)
                wave = np.tile(tone.astype(np.float32) * sound, (2, 1))
                block = av.AudioFrame.from_ndarray(wave, format="fltp", layout="stereo")
                block.sample_rate, block.pts = 48_000, index * count
                block.time_base = Fraction(1, 48_000)
                output.mux(audio.encode(block))
        output.mux(video.encode(None))
        if audio is not None:
            output.mux(audio.encode(None))
    return path


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]


def packets(path: Path, kind: str = "video") -> list[tuple[Fraction, Fraction, bytes]]:
    """Return (pts, dts, bytes) of every packet, in seconds and in the order of the file."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [
            (p.pts * p.time_base, p.dts * p.time_base, bytes(p))
            for p in container.demux(stream)
            if p.size
        ]


def loudness(path: Path) -> list[float]:
    """Return the level of each tenth of a second."""
    with av.open(str(path)) as container:
        blocks = [f.to_ndarray() for f in container.decode(audio=0)]
    samples = np.concatenate(blocks, axis=1)[0]
    return [
        float(np.sqrt(np.mean(part**2))) for part in np.array_split(samples, len(samples) // 4800)
    ]


def alike(one: np.ndarray, other: np.ndarray) -> float:
    error = float(np.mean((one.astype(float) - other) ** 2))
    return 10 * np.log10(255**2 / max(error, 1e-9))


def test_copies_every_packet_as_it_is_when_clips_agree(tmp_path):
    clips = [draw(tmp_path / f"{n}.mp4", first=n * 40, preset="veryfast") for n in range(3)]
    out = tmp_path / "film.mp4"
    report = stitch_clips([Source(clip) for clip in clips], out)
    assert report.copied and "agree" in report.why
    assert [p[2] for p in packets(out)] == [p[2] for clip in clips for p in packets(clip)]
    whole = decoded(out)
    parts = [frame for clip in clips for frame in decoded(clip)]
    assert len(whole) == len(parts) == 108
    assert all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_copied_timestamps_go_on_without_a_gap(tmp_path):
    clips = [draw(tmp_path / f"{n}.mp4", first=n * 40, preset="veryfast") for n in range(3)]
    out = tmp_path / "film.mp4"
    report = stitch_clips([Source(clip) for clip in clips], out)
    shown = sorted(p[0] for p in packets(out))
    assert shown == [Fraction(n, FPS) for n in range(108)]
    sent = [p[1] for p in packets(out)]
    assert all(b - a == Fraction(1, FPS) for a, b in zip(sent, sent[1:], strict=False))
    assert report.duration_ms == 4500


def test_index_stands_before_the_media_in_a_copied_film(tmp_path):
    clip = draw(tmp_path / "a.mp4")
    out = tmp_path / "film.mp4"
    stitch_clips([Source(clip), Source(clip)], out)
    data = out.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_copied_sound_stays_with_its_picture(tmp_path):
    loud = draw(tmp_path / "loud.mp4", frames=48, sound=0.5)
    quiet = draw(tmp_path / "quiet.mp4", frames=48, sound=0.01)
    out = tmp_path / "film.mp4"
    report = stitch_clips([Source(quiet), Source(loud), Source(quiet)], out)
    assert report.copied
    levels = loudness(out)
    assert len(levels) in {60, 61}
    assert max(levels[1:19]) < 0.05 and min(levels[21:39]) > 0.2 and max(levels[42:59]) < 0.05
    times = [p[0] for p in packets(out, "audio")]
    steps = {b - a for a, b in zip(times, times[1:], strict=False)}
    assert min(steps) > 0 and max(steps) <= 2 * Fraction(1024, 48_000)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"size": (64, 36)}, "segment 2 is 64 × 36 pixels, segment 1 is 96 × 54"),
        ({"fps": 30}, "segment 2 has 30 frames a second, segment 1 has 24"),
        ({"sound": 0.2}, "segment 2 has sound, segment 1 not"),
        ({"preset": "medium"}, "segment 2 was encoded with other settings than segment 1"),
    ],
)
def test_encodes_anew_and_says_why_when_clips_differ(tmp_path, other, reason):
    clips = [draw(tmp_path / "a.mp4"), draw(tmp_path / "b.mp4", **other)]
    report = stitch_clips([Source(clip) for clip in clips], tmp_path / "film.mp4")
    assert not report.copied
    assert report.why == f"Encoded anew: {reason}."
    assert (report.width, report.height, report.fps) == (96, 54, 24)


def test_encoded_film_shows_every_source_frame_in_order(tmp_path):
    clips = [draw(tmp_path / "a.mp4"), draw(tmp_path / "b.mp4", first=50, preset="medium")]
    out = tmp_path / "film.mp4"
    assert not stitch_clips([Source(clip) for clip in clips], out).copied
    parts = [frame for clip in clips for frame in decoded(clip)]
    whole = decoded(out)
    assert len(whole) == len(parts) == 72
    assert all(alike(a, b) > 30 for a, b in zip(whole, parts, strict=True))
    assert sorted(p[0] for p in packets(out)) == [Fraction(n, FPS) for n in range(72)]


def test_another_shape_gets_bars_and_keeps_its_own(tmp_path):
    wide, tall = draw(tmp_path / "a.mp4"), draw(tmp_path / "b.mp4", size=(54, 96))
    out = tmp_path / "film.mp4"
    stitch_clips([Source(wide), Source(tall)], out, size=(96, 54))
    luma = decoded(out)[50][:54]
    assert luma[:, :24].max() < 30 and luma[:, -24:].max() < 30
    assert luma[:, 36:60].max() > 100


def test_a_silent_clip_is_silent_between_clips_with_sound(tmp_path):
    loud = draw(tmp_path / "a.mp4", frames=48, sound=0.5)
    silent = draw(tmp_path / "b.mp4", frames=48)
    out = tmp_path / "film.mp4"
    assert not stitch_clips([Source(loud), Source(silent), Source(loud)], out).copied
    levels = loudness(out)
    assert min(levels[1:19]) > 0.2 and max(levels[22:38]) < 0.02 and min(levels[42:59]) > 0.2


def test_another_frame_rate_keeps_its_length(tmp_path):
    clips = [draw(tmp_path / "a.mp4", frames=24), draw(tmp_path / "b.mp4", frames=60, fps=30)]
    report = stitch_clips([Source(clip) for clip in clips], tmp_path / "film.mp4")
    assert report.duration_ms == 3000
    assert len(decoded(tmp_path / "film.mp4")) == 72


def test_repeated_frame_is_left_out_of_a_copied_film(tmp_path):
    first = draw(tmp_path / "a.mp4")
    second = draw(tmp_path / "b.mp4", first=35)
    out = tmp_path / "film.mp4"
    report = stitch_clips([Source(first), Source(second, continues=True)], out)
    assert report.copied and report.dropped == 1 and report.duration_ms == round(71 * 1000 / FPS)
    parts = decoded(first)[:-1] + decoded(second)
    whole = decoded(out)
    assert len(whole) == 71
    assert all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))
    assert sorted(p[0] for p in packets(out)) == [Fraction(n, FPS) for n in range(71)]


def test_repeated_frame_that_others_need_is_cut_by_encoding(tmp_path, monkeypatch):
    first = draw(tmp_path / "a.mp4")
    second = draw(tmp_path / "b.mp4", first=35)
    monkeypatch.setattr(FrameTimes, "needs_what_follows", lambda self, end: True)
    out = tmp_path / "film.mp4"
    report = stitch_clips([Source(first), Source(second, continues=True)], out)
    assert not report.copied and report.dropped == 1
    assert "segment 2 takes over from a frame of segment 1 that others" in report.why
    parts = decoded(first) + decoded(second)[1:]
    assert all(alike(a, b) > 30 for a, b in zip(decoded(out), parts, strict=True))


def test_repeated_frame_stays_when_asked_or_when_nothing_was_continued(tmp_path):
    first = draw(tmp_path / "a.mp4")
    second = draw(tmp_path / "b.mp4", first=35)
    out = tmp_path / "film.mp4"
    for sources, drop in (
        ([Source(first), Source(second, continues=True)], False),
        ([Source(first), Source(second)], True),
    ):
        report = stitch_clips(sources, out, drop_repeated=drop)
        assert report.copied and report.dropped == 0
        assert len(decoded(out)) == 72


def test_only_a_halt_in_motion_counts_as_a_repeat(tmp_path):
    first = draw(tmp_path / "a.mp4")
    assert repeats_frame(first, draw(tmp_path / "b.mp4", first=35))
    assert not repeats_frame(first, draw(tmp_path / "c.mp4", first=36))
    at_rest = draw(tmp_path / "d.mp4", still=True)
    assert not repeats_frame(at_rest, draw(tmp_path / "e.mp4", still=True))


def test_times_tell_whether_kept_frames_need_what_follows():
    in_order = FrameTimes((0, 10, 20, 30, 40), Fraction(1, 1000))
    between = FrameTimes((0, 30, 10, 20, 40), Fraction(1, 1000))
    assert not in_order.needs_what_follows(30) and not between.needs_what_follows(40)
    assert between.needs_what_follows(30) and between.needs_what_follows(20)
    assert [in_order.shown_until(ms) for ms in (None, 0, 19, 20, 39)] == [5, 1, 3, 3, 5]
    assert (in_order.end_after(3), in_order.end_after(5)) == (30, None)


def test_a_clip_ends_where_the_next_takes_over(tmp_path):
    first = draw(tmp_path / "a.mp4")
    second = draw(tmp_path / "b.mp4", first=31)
    out = tmp_path / "film.mp4"
    sources = [Source(first, until_ms=round(31000 / FPS)), Source(second, continues=True)]
    report = stitch_clips(sources, out)
    assert report.copied and report.dropped == 1
    parts = decoded(first)[:31] + decoded(second)
    assert len(decoded(out)) == 67
    assert all(np.array_equal(a, b) for a, b in zip(decoded(out), parts, strict=True))
    anew = stitch_clips(sources, out, size=(48, 28))
    assert not anew.copied and len(decoded(out)) == 67 and anew.duration_ms == report.duration_ms


def test_cross_fade_overlaps_pictures_and_sound(tmp_path):
    loud = draw(tmp_path / "a.mp4", frames=48, sound=0.5)
    quiet = draw(tmp_path / "b.mp4", frames=48, first=100, sound=0.0)
    out = tmp_path / "film.mp4"
    report = stitch_clips([Source(loud), Source(quiet)], out, crossfade_s=0.5)
    assert not report.copied and "fade" in report.why
    whole = decoded(out)
    assert len(whole) == 84
    before, after = decoded(loud)[36 + 5].astype(float), decoded(quiet)[5].astype(float)
    assert alike(whole[41], before * 7 / 13 + after * 6 / 13) > 30
    assert alike(whole[20], decoded(loud)[20]) > 30
    assert alike(whole[60], decoded(quiet)[24]) > 30
    levels = loudness(out)
    assert levels[13] > levels[17] > levels[19] > levels[22]


def test_cross_fade_longer_than_a_clip_allows_is_refused(tmp_path):
    clips = [
        Source(draw(tmp_path / "a.mp4", frames=48)),
        Source(draw(tmp_path / "b.mp4", frames=20)),
    ]
    with pytest.raises(ValueError, match=r"Segment 2 lasts 0\.8 s, too short"):
        stitch_clips(clips, tmp_path / "film.mp4", crossfade_s=0.5)
    with pytest.raises(ValueError, match="cross-fade is 9 s; 0 to 2 s"):
        stitch_clips(clips, tmp_path / "film.mp4", crossfade_s=9)
    assert not (tmp_path / "film.mp4").exists()


def test_prores_is_a_10_bit_film_with_plain_sound(tmp_path):
    clip = draw(tmp_path / "a.mp4", sound=0.3)
    out = tmp_path / "film.mov"
    report = stitch_clips([Source(clip), Source(clip)], out, codec="prores")
    assert not report.copied
    with av.open(str(out)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("prores", "yuv422p10le")
        assert audio.codec_context.name == "pcm_s24le"
        assert sum(1 for _ in container.decode(video)) == 72


def test_high_bitrate_film_is_nearer_to_its_source(tmp_path):
    clip = Source(draw(tmp_path / "a.mp4"))
    sizes = [
        stitch_clips([clip], tmp_path / "film.mp4", codec=codec, size=(96, 54), fps=fps).size_bytes
        for codec, fps in (("h264", 25), ("h264-high", 25))
    ]
    assert sizes[1] > 1.5 * sizes[0]


@pytest.mark.parametrize("codec", ["gif", "webp"])
def test_small_preview_moves_and_loops(tmp_path, codec):
    clip = Source(draw(tmp_path / "a.mp4", size=(640, 360)))
    out = tmp_path / f"film.{codec}"
    report = stitch_clips([clip, clip], out, codec=codec)
    picture = Image.open(out)
    assert picture.size == (480, 270) and report.duration_ms == pytest.approx(3000, abs=70)
    assert picture.n_frames == (36 if codec == "gif" else 44)
    assert picture.info["loop"] == 0


def test_stopping_leaves_nothing_behind(tmp_path):
    clips = [
        Source(draw(tmp_path / f"{n}.mp4", first=n, preset=p))
        for n, p in enumerate(["ultrafast", "medium"])
    ]
    told = []

    def stop_late(progress):
        told.append(progress)
        return progress.percent < 40

    out = tmp_path / "film.mp4"
    with pytest.raises(StitchCancelled):
        stitch_clips(clips, out, on_progress=stop_late)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith((".film", "film"))]
    assert [p.percent for p in told] == sorted(p.percent for p in told)
    assert told[-1].segments == 2 and {p.segment for p in told} >= {1}


def test_progress_reaches_the_last_segment(tmp_path):
    clips = [Source(draw(tmp_path / f"{n}.mp4", size=(64 + 2 * n, 36))) for n in range(3)]
    told = []
    stitch_clips(clips, tmp_path / "film.mp4", on_progress=lambda p: told.append(p) or True)
    assert told[-1].percent == 100 and told[-1].segment == 3
    working = [p for p in told if p.percent]
    assert [p.segment for p in working] == sorted(p.segment for p in working)


def test_a_damaged_clip_is_named_and_nothing_is_written(tmp_path):
    broken = tmp_path / "b.mp4"
    broken.write_bytes(b"not a video at all" * 100)
    with pytest.raises(VideoUnreadable):
        stitch_clips([Source(draw(tmp_path / "a.mp4")), Source(broken)], tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()


def test_at_most_two_clips_are_open_at_a_time(tmp_path, monkeypatch):
    clips = [
        Source(draw(tmp_path / f"{n}.mp4", frames=14, size=(64 + 2 * n, 36))) for n in range(6)
    ]
    open_now, most = set(), []
    take, close = encoding._Reel.take, encoding._Reel.close

    def taking(self, samples):
        open_now.add(id(self))
        most.append(len(open_now))
        return take(self, samples)

    def closing(self):
        open_now.discard(id(self))
        close(self)

    monkeypatch.setattr(encoding._Reel, "take", taking)
    monkeypatch.setattr(encoding._Reel, "close", closing)
    stitch_clips(clips, tmp_path / "film.mp4", crossfade_s=0.2)
    assert max(most) == 2
