from __future__ import annotations

import hashlib
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from studio.media.atomic import remove_stale_parts, replacing
from studio.media.display import Projection
from studio.media.probing import probe_video
from studio.media.video import (
    VideoUnreadable,
    VideoWriter,
    first_frame,
    frame_at,
    last_frame,
    make_poster,
    make_preview,
    make_strip,
    sha256_of,
)

WIDTH, HEIGHT = 192, 108


def numbered(index):
    """A frame whose brightness says which one it is."""
    return np.full((HEIGHT, WIDTH, 3), 20 + index * 4, np.uint8)


def number_of(picture):
    return round((np.asarray(picture).mean() - 20) / 4)


def write_clip(path, count=48, **options):
    with VideoWriter(path, width=WIDTH, height=HEIGHT, **options) as writer:
        for index in range(count):
            writer.write(numbered(index))
    return path


def add_audio_and_container(path, out, kind):
    """Copy the picture of a clip into another container, with a tone when it is MP4."""
    with av.open(str(path)) as source, av.open(str(out), "w", format=kind) as target:
        video = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream("aac", rate=48000) if kind == "mp4" else None
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                target.mux(packet)
        if sound is not None:
            for index in range(90):
                frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
                frame.planes[0].update(bytes(4096))
                frame.sample_rate, frame.pts = 48000, index * 1024
                target.mux(sound.encode(frame))
            target.mux(sound.encode(None))
    return out


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture(scope="module")
def all_frames(clip):
    with av.open(str(clip)) as container:
        return [np.asarray(frame.to_image()) for frame in container.decode(video=0)]


def test_a_written_clip_is_measured_exactly(clip):
    info = probe_video(clip)
    assert (info.width, info.height, info.frames) == (WIDTH, HEIGHT, 48)
    assert (info.duration_ms, info.fps) == (2000, 24.0)
    assert (info.codec, info.pix_fmt, info.has_audio) == ("h264", "yuv420p", False)
    assert info.bytes == clip.stat().st_size


def test_sound_and_matroska_are_understood(clip, tmp_path):
    with_sound = probe_video(add_audio_and_container(clip, tmp_path / "a.mp4", "mp4"))
    assert (with_sound.has_audio, with_sound.frames, with_sound.duration_ms) == (True, 48, 2000)
    matroska = probe_video(add_audio_and_container(clip, tmp_path / "a.mkv", "matroska"))
    assert (matroska.frames, matroska.fps) == (48, 24.0)
    assert matroska.duration_ms == pytest.approx(2000, abs=2)


def test_the_writer_makes_a_file_that_plays_everywhere(clip):
    data = clip.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.color_range, context.colorspace) == (1, 1)
        assert (context.color_primaries, context.color_trc) == (1, 1)
        packets = [packet for packet in container.demux(stream) if packet.size]
    assert {packet.duration * packet.time_base for packet in packets} == {Fraction(1, 24)}
    times = sorted(packet.pts * packet.time_base for packet in packets)
    assert times == [Fraction(index, 24) for index in range(48)]
    assert {0, Fraction(1)} <= {p.pts * p.time_base for p in packets if p.is_keyframe}


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    # ITU-R BT.709, limited range.
    [((255, 0, 0), (63, 102, 240)), ((0, 255, 0), (173, 42, 26)), ((0, 0, 255), (32, 240, 118))],
)
def test_colours_are_converted_by_bt709_and_come_back(tmp_path, rgb, yuv):
    with VideoWriter(tmp_path / "c.mp4", width=64, height=64, crf=1) as writer:
        writer.write(Image.new("RGB", (64, 64), rgb))
    with av.open(str(tmp_path / "c.mp4")) as container:
        frame = next(container.decode(video=0))
        planes = [bytes(plane)[0] for plane in frame.planes]
    assert planes == pytest.approx(yuv, abs=1)
    assert first_frame(tmp_path / "c.mp4").getpixel((30, 30)) == pytest.approx(rgb, abs=4)


def test_pictures_and_arrays_write_the_same_video(tmp_path):
    array = np.random.default_rng(5).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    for name, frame in (("array.mp4", array), ("image.mp4", Image.fromarray(array))):
        with VideoWriter(tmp_path / name, width=64, height=64) as writer:
            for _ in range(5):
                writer.write(frame)
            assert writer.frames == 5
    assert sha256_of(tmp_path / "array.mp4") == sha256_of(tmp_path / "image.mp4")


def test_a_view_of_an_array_is_written_as_it_looks(tmp_path):
    wide = np.zeros((64, 128, 3), np.uint8)
    wide[:, :64] = 200
    with VideoWriter(tmp_path / "v.mp4", width=64, height=64) as writer:
        writer.write(wide[:, 63::-1])
        writer.write(wide[:, 64:])
    assert np.asarray(first_frame(tmp_path / "v.mp4")).mean() > 190
    assert np.asarray(last_frame(tmp_path / "v.mp4")).mean() < 10


def test_metadata_is_kept(tmp_path):
    path = write_clip(tmp_path / "m.mp4", count=2, metadata={"title": "Dolly in", "comment": "x"})
    with av.open(str(path)) as container:
        assert container.metadata["title"] == "Dolly in"
        assert container.metadata["comment"] == "x"


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), 25])
def test_other_rates_are_exact_too(tmp_path, rate):
    path = write_clip(tmp_path / "r.mp4", count=30, fps=rate)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == rate


def test_an_error_while_writing_leaves_no_file(tmp_path):
    with (
        pytest.raises(RuntimeError),
        VideoWriter(tmp_path / "half.mp4", width=64, height=64) as writer,
    ):
        for _ in range(30):
            writer.write(np.zeros((64, 64, 3), np.uint8))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_video_without_frames_is_an_error_and_leaves_no_file(tmp_path):
    with (
        pytest.raises(ValueError, match="at least one frame"),
        VideoWriter(tmp_path / "none.mp4", width=64, height=64),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [(63, 64), (64, 63), (0, 64)])
def test_odd_sizes_are_refused(tmp_path, size):
    with pytest.raises(ValueError, match="not even"):
        VideoWriter(tmp_path / "odd.mp4", width=size[0], height=size[1])


def test_a_frame_of_another_size_is_refused(tmp_path):
    with (
        pytest.raises(ValueError, match="does not fit"),
        VideoWriter(tmp_path / "x.mp4", width=64, height=64) as writer,
    ):
        writer.write(Image.new("RGB", (66, 64)))


@pytest.mark.parametrize(
    ("ms", "index"),
    [
        (0, 0),
        (40, 0),
        (41, 1),
        (42, 1),
        (83, 2),
        (84, 2),
        (1000, 24),
        (1999, 47),
        (9000, 47),
        (-5, 0),
    ],
)
def test_frame_at_returns_the_frame_on_screen(clip, all_frames, ms, index):
    picture = frame_at(clip, ms)
    assert number_of(picture) == index
    assert number_of(all_frames[index]) == index


def test_every_frame_is_found_by_its_rounded_time(clip):
    found = [number_of(frame_at(clip, round(index * 1000 / 24))) for index in range(48)]
    assert found == list(range(48))


@pytest.mark.parametrize("count", [1, 23, 24, 25, 48, 49])
def test_first_and_last_frame_are_those_of_a_full_decode(tmp_path, count):
    path = write_clip(tmp_path / "n.mp4", count=count)
    assert number_of(first_frame(path)) == 0
    assert number_of(last_frame(path)) == count - 1
    full = last_frame_by_full_decode(path)
    assert last_frame(path).tobytes() == full.tobytes()


def last_frame_by_full_decode(path):
    with av.open(str(path)) as container:
        *_, frame = container.decode(video=0)
        return Projection(container.streams.video[0]).picture(frame)


def test_the_last_frame_of_a_long_gop_and_of_matroska_is_exact(clip, tmp_path):
    long_gop = write_clip(tmp_path / "long.mp4", count=50, gop=250)
    assert number_of(last_frame(long_gop)) == 49
    assert number_of(frame_at(long_gop, 1500)) == 36
    matroska = add_audio_and_container(clip, tmp_path / "c.mkv", "matroska")
    assert number_of(last_frame(matroska)) == 47
    assert number_of(frame_at(matroska, 1500)) == 36


def test_the_poster_is_a_webp_from_a_third_in(clip, tmp_path):
    make_poster(clip, tmp_path / "p.webp")
    with Image.open(tmp_path / "p.webp") as poster:
        assert (poster.format, poster.size) == ("WEBP", (WIDTH, HEIGHT))
        assert abs(number_of(poster.convert("RGB")) - 16) <= 1
    make_poster(clip, tmp_path / "p.webp", at_ms=1500)
    with Image.open(tmp_path / "p.webp") as poster:
        assert abs(number_of(poster.convert("RGB")) - 36) <= 1


def test_a_large_poster_is_made_smaller(tmp_path):
    with VideoWriter(tmp_path / "l.mp4", width=720, height=1680) as writer:
        writer.write(Image.new("RGB", (720, 1680), "navy"))
    make_poster(tmp_path / "l.mp4", tmp_path / "p.webp")
    with Image.open(tmp_path / "p.webp") as poster:
        assert poster.size == (549, 1280)


def test_the_strip_shows_six_moments_in_order(clip, tmp_path):
    make_strip(clip, tmp_path / "s.webp")
    with Image.open(tmp_path / "s.webp") as strip:
        assert (strip.format, strip.size) == ("WEBP", (6 * 320, 180))
        tiles = [strip.convert("RGB").crop((i * 320, 0, i * 320 + 320, 180)) for i in range(6)]
    assert [number_of(tile) for tile in tiles] == pytest.approx([4, 12, 20, 28, 36, 44], abs=1)


def test_the_preview_is_small_silent_and_as_long(clip, tmp_path):
    with_sound = add_audio_and_container(clip, tmp_path / "a.mp4", "mp4")
    make_preview(with_sound, tmp_path / "p.mp4", facts=probe_video(with_sound))
    info = probe_video(tmp_path / "p.mp4")
    assert (info.width, info.height, info.frames) == (WIDTH, HEIGHT, 48)
    assert (info.duration_ms, info.has_audio) == (2000, False)
    assert number_of(frame_at(tmp_path / "p.mp4", 1000)) == pytest.approx(24, abs=1)


def test_the_preview_of_a_large_fast_clip_is_480_wide_and_30_fps(tmp_path):
    with VideoWriter(tmp_path / "f.mp4", width=1280, height=720, fps=60, preset="ultrafast") as out:
        for index in range(30):
            out.write(Image.new("RGB", (1280, 720), (index * 8, 0, 0)))
    make_preview(tmp_path / "f.mp4", tmp_path / "p.mp4", facts=probe_video(tmp_path / "f.mp4"))
    info = probe_video(tmp_path / "p.mp4")
    assert (info.width, info.height, info.fps, info.duration_ms) == (480, 270, 30.0, 500)


def test_untagged_colours_are_read_as_browsers_do(tmp_path):
    for height, rgb in ((720, (255, 24, 0)), (480, (254, 0, 0))):
        path = tmp_path / f"{height}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=24, options={"crf": "1"})
            stream.width, stream.height, stream.pix_fmt = 320, height, "yuv420p"
            frame = av.VideoFrame(320, height, "yuv420p")
            for plane, value in zip(frame.planes, (81, 90, 240), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        assert first_frame(path).getpixel((9, 9)) == pytest.approx(rgb, abs=6)


@pytest.mark.parametrize(
    ("kind", "keep"),
    [("mp4", keep) for keep in (0.1, 0.5, 0.9, 0.99, 0.9999)]
    + [("matroska", keep) for keep in (0.1, 0.5, 0.9)],
)
def test_a_truncated_video_is_unreadable(tmp_path, kind, keep):
    source = tmp_path / "noise.mp4"
    random = np.random.default_rng(2)
    with VideoWriter(source, width=64, height=64) as writer:
        for _ in range(72):
            writer.write(random.integers(0, 255, (64, 64, 3), dtype=np.uint8))
    if kind == "matroska":
        source = add_audio_and_container(source, tmp_path / "noise.mkv", kind)
    data = source.read_bytes()
    (tmp_path / "cut").write_bytes(data[: int(len(data) * keep)])
    probe_video(source)
    with pytest.raises(VideoUnreadable):
        probe_video(tmp_path / "cut")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty"),
        (b"<!doctype html><title>Not found</title>", "not an MP4"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n", "not an MP4"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not an MP4"),
        (bytes(5000), "not an MP4"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2", "MP4|picture"),
    ],
)
def test_what_is_no_video_is_unreadable(tmp_path, data, sentence):
    path = tmp_path / "x.mp4"
    path.write_bytes(data)
    for reader in (probe_video, last_frame) if data else (probe_video,):
        with pytest.raises(VideoUnreadable, match=sentence):
            reader(path)


def test_a_file_with_sound_only_is_unreadable(tmp_path):
    with av.open(str(tmp_path / "s.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.planes[0].update(bytes(4096))
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    with pytest.raises(VideoUnreadable, match="no moving picture"):
        probe_video(tmp_path / "s.mp4")


def test_other_containers_are_not_opened(clip, tmp_path):
    copy = add_audio_and_container(clip, tmp_path / "c.flv", "flv")
    with pytest.raises(VideoUnreadable, match="not an MP4"):
        probe_video(copy)


def test_a_missing_file_is_an_ordinary_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        probe_video(tmp_path / "none.mp4")


def test_a_failure_leaves_neither_result_nor_temporary_file(clip, tmp_path):
    (tmp_path / "x.mp4").write_bytes(b"not a video")
    for make in (make_poster, make_strip, make_preview):
        with pytest.raises(VideoUnreadable):
            make(tmp_path / "x.mp4", tmp_path / "out", facts=probe_video(clip))
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]


def test_replacing_keeps_the_old_file_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_bytes(b"new")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    with replacing(target, durable=True) as temporary:
        temporary.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_parts_left_by_a_killed_process_are_removed_once_they_are_old(tmp_path):
    (tmp_path / ".a.mp4.0123abcd.part").write_bytes(b"x")
    (tmp_path / "kept.part").write_bytes(b"x")
    assert remove_stale_parts(tmp_path, older_than_s=3600) == 0
    assert remove_stale_parts(tmp_path, older_than_s=-1) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["kept.part"]


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "x").write_bytes(b"ray" * 100_000)
    assert sha256_of(tmp_path / "x") == hashlib.sha256(b"ray" * 100_000).hexdigest()
