"""Films that say nothing of themselves."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction

import av
import pytest

from studio.media.bare import NotReadable, without_words
from studio.media.tags import tagged_file
from tests.factories import drawn_clip
from tests.odd_clips import corners, write_odd
from tests.test_tags import MADE

SECRET = "A whale swims through the cathedral"


def box(kind, body):
    return (len(body) + 8).to_bytes(4) + kind + body


@pytest.fixture
def clip():
    return drawn_clip("16:9", 1)[0]


@pytest.fixture
def wordy(clip, tmp_path):
    """A clip with tags in its index, and XMP and a stranger's box behind its end."""
    path = tmp_path / "wordy.mp4"
    with tagged_file(clip, replace(MADE, prompt=SECRET)) as file:
        path.write_bytes(file.read() + box(b"uuid", b"0123456789abcdef" + SECRET.encode()))
    return path


def test_a_film_that_names_only_our_encoder_is_served_as_it_is(clip):
    with clip.open("rb") as file:
        assert without_words(file) is file
        assert file.tell() == 0


def test_a_film_that_names_more_in_the_same_place_is_not(clip):
    """Nothing rides along behind the encoder's name."""
    data = clip.read_bytes()
    at = data.index(b"udta") - 4
    long = int.from_bytes(data[at : at + 4])
    forged = data[: at + long - 3] + b"sea" + data[at + long :]
    silent = without_words(io.BytesIO(forged)).read()
    assert b"sea" in forged[at : at + long]
    assert b"sea" not in silent[at : at + long]


def test_no_word_is_left_and_no_frame_is_moved(wordy):
    whole = wordy.read_bytes()
    assert SECRET.encode() in whole
    with without_words(wordy.open("rb")) as bare:
        silent = bare.read()
    assert len(silent) == len(whole)
    assert SECRET.encode() not in silent
    with av.open(io.BytesIO(silent)) as film, av.open(str(wordy)) as before:
        assert not {"title", "comment", "description", "synopsis"} & film.metadata.keys()
        assert [bytes(p) for p in film.demux(video=0) if p.size] == [
            bytes(p) for p in before.demux(video=0) if p.size
        ]


def test_any_part_reads_as_that_part_of_the_whole(wordy):
    with without_words(wordy.open("rb")) as bare:
        whole = bare.read()
        for start in range(0, len(whole), 997):
            bare.seek(start)
            assert bare.read(1500) == whole[start : start + 1500]
            bare.seek(start + 3)
            assert bare.read(1) == whole[start + 3 : start + 4]


@pytest.mark.parametrize(
    ("head", "kept"), [((1).to_bytes(4), 16), ((0).to_bytes(4), 8)], ids=["64 bits", "to the end"]
)
def test_boxes_of_unusual_sizes_are_silenced(head, kept):
    body = SECRET.encode()
    large = head + b"meta" + ((16 + len(body)).to_bytes(8) if kept == 16 else b"") + body
    silent = without_words(io.BytesIO(box(b"ftyp", b"isom") + large)).read()
    assert silent == box(b"ftyp", b"isom") + head + b"free" + large[8:kept] + bytes(len(body))


def test_words_deep_in_the_index_are_silenced():
    handler = box(b"mdia", box(b"hdlr", bytes(8) + b"vide" + bytes(12)))
    udta = box(b"udta", b"xx" + SECRET.encode())
    deep = box(b"moov", box(b"trak", handler + udta + box(b"tkhd", b"1234")))
    silent = without_words(io.BytesIO(deep)).read()
    assert SECRET.encode() not in silent
    assert silent.endswith(box(b"tkhd", b"1234"))


@pytest.mark.parametrize("raw", [b"\0\0\0\x04free" + bytes(9), b"\0\0\xff\xffmoov" + bytes(30)])
def test_a_file_that_cannot_be_read_is_not_taken_for_silent(raw):
    with pytest.raises(NotReadable):
        without_words(io.BytesIO(raw))


# ---- Every place that words can be in ---------------------------------------------------------------
def _grown(data, *path, inside=b"", behind=b"", tail=b"", into=None):
    """Return the film with more in the box at `path`, all lengths and chunk offsets made right."""
    parts, at, start = [], 0, 0
    moov = data.index(b"moov") - 4
    size = int.from_bytes(data[moov : moov + 4])
    index = data[moov : moov + size]
    for kind in path:
        at = index.index(kind, at) - 4
        parts.append(at)
        start = at
    length = int.from_bytes(index[start : start + 4])
    piece = inside or behind
    place = start + length if behind or not into else start + into
    grown = bytearray(index[:place] + piece + index[place:])
    for one in parts if not behind else parts[:-1]:
        grown[one : one + 4] = (int.from_bytes(grown[one : one + 4]) + len(piece)).to_bytes(4)
    grown[:4] = (size + len(piece)).to_bytes(4)
    offset = grown.index(b"stco") + 12
    grown[offset : offset + 4] = (int.from_bytes(grown[offset : offset + 4]) + len(piece)).to_bytes(
        4
    )
    return data[:moov] + bytes(grown) + data[moov + size :] + tail


def _with_gap(data):
    """Return the film with words between its header and its samples, in the media box itself."""
    words = SECRET.encode()
    at = data.index(b"mdat") - 4
    offset = data.index(b"stco") + 12
    data = bytearray(data)
    data[offset : offset + 4] = (int.from_bytes(data[offset : offset + 4]) + len(words)).to_bytes(4)
    data[at : at + 4] = (int.from_bytes(data[at : at + 4]) + len(words)).to_bytes(4)
    return bytes(data[: at + 8]) + words + bytes(data[at + 8 :])


WORDS = SECRET.encode()
WORDY = {
    "free behind": lambda d: d + box(b"free", WORDS),
    "skip behind": lambda d: d + box(b"skip", WORDS),
    "an unknown box": lambda d: d + box(b"zzzz", WORDS),
    "a second ilst": lambda d: d + box(b"ilst", WORDS),
    "pdin": lambda d: d + box(b"pdin", WORDS),
    "bytes that are no box": lambda d: d + b"A whale",
    "free in the index": lambda d: _grown(d, b"mvhd", behind=box(b"free", WORDS)),
    "skip in the index": lambda d: _grown(d, b"mvhd", behind=box(b"skip", WORDS)),
    "ilst in the index": lambda d: _grown(d, b"mvhd", behind=box(b"ilst", WORDS)),
    "iods in the index": lambda d: _grown(d, b"mvhd", behind=box(b"iods", WORDS)),
    "a text track": lambda d: _grown(
        d, b"mvhd", behind=box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"text" + bytes(12) + WORDS)))
    ),
    "the handler's name": lambda d: _grown(d, b"trak", b"mdia", b"hdlr", inside=WORDS),
    "where the media is": lambda d: _grown(d, b"trak", b"mdia", b"minf", b"dinf", b"dref", b"url ", inside=WORDS),
    "a box beside the codec": lambda d: _grown(
        d, b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1", inside=box(b"name", WORDS)
    ),
    "the colour profile": lambda d: _grown(
        d, b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1", inside=box(b"colr", b"prof" + WORDS)
    ),
    "behind a table": lambda d: _grown(d, b"trak", b"mdia", b"minf", b"stbl", b"stts", inside=WORDS),
    "a table that nobody plays": lambda d: _grown(
        d, b"trak", b"mdia", b"minf", b"stbl", b"stts", behind=box(b"sgpd", WORDS)
    ),
    "behind a header": lambda d: _grown(d, b"mvhd", inside=WORDS),
    "beside the samples": _with_gap,
    "brands": lambda d: box(b"ftyp", d[8:32] + WORDS) + d[32:],
}  # fmt: skip


@pytest.mark.parametrize("place", WORDY)
def test_words_reach_no_guest_from_any_place(clip, place):
    data = clip.read_bytes()
    if place == "brands":
        data = data.replace(b"ftypisom", b"ftypisom")
    forged = WORDY[place](data)
    said = b"A whale"
    assert said in forged
    silent = without_words(io.BytesIO(forged)).read()
    assert len(silent) == len(forged)
    assert said not in silent and b"whale" not in silent
    if place != "brands":  # which moves the media in this test
        with av.open(io.BytesIO(silent)) as film, av.open(str(clip)) as before:
            frames = [bytes(p) for p in film.demux(video=0) if p.size]
            assert frames == [bytes(p) for p in before.demux(video=0) if p.size]
            assert len(frames) > 10


def test_the_name_of_the_compressor_is_silenced(clip):
    data = bytearray(clip.read_bytes())
    at = data.index(b"avc1", data.index(b"stsd")) + 4 + 42
    data[at : at + 8] = b"\x07A whale"
    silent = without_words(io.BytesIO(bytes(data))).read()
    assert b"whale" not in silent


def test_what_is_silenced_is_looked_for_once(clip, monkeypatch):
    from studio.media import bare

    data = clip.read_bytes() + box(b"free", WORDS)
    first = without_words(io.BytesIO(data), known_as="a film").read()
    monkeypatch.setattr(bare, "_patches", None)
    assert without_words(io.BytesIO(data), known_as="a film").read() == first


@pytest.mark.parametrize("garbage", [bytes(range(64, 128)), WORDS * 3, bytes(64), b"A whale"])
def test_bytes_behind_the_end_of_a_film_do_not_keep_it_from_playing(clip, garbage):
    data = clip.read_bytes()
    silent = without_words(io.BytesIO(data + garbage)).read()
    assert silent[: len(data)] == data
    assert len(silent) == len(data + garbage)
    assert not set(garbage) & set(silent[len(data) + 8 :]) - {0}
    assert pictures(silent) == pictures(data)


def test_a_film_that_is_cut_short_is_not_taken_for_one_with_garbage(clip):
    data = clip.read_bytes()
    with pytest.raises(NotReadable):
        without_words(io.BytesIO(data[: data.index(b"mdat") + 40]))


# ---- WebM and Matroska ---------------------------------------------------------------------------------
def pictures(data):
    with av.open(io.BytesIO(data)) as film:
        return [bytes(packet) for packet in film.demux(video=0) if packet.size]


def write_wordy_matroska(path, kind, sound, words):
    """Write a film with words wherever a muxer puts them: tags, names, chapters, subtitles, files."""
    lines = path.with_suffix(".srt")
    lines.write_text(f"1\n00:00:00,000 --> 00:00:00,400\n{words}\n")
    plain = write_odd(path.with_suffix(".plain"), codec="libvpx-vp9", kind=kind, sound=sound)
    with (
        av.open(str(plain)) as film,
        av.open(str(lines)) as subtitles,
        av.open(str(path), "w", format=kind) as out,
    ):
        out.metadata.update(title=words, comment=words)
        taken = [*film.streams, *(subtitles.streams if kind == "matroska" else ())]
        streams = {id(one): out.add_stream_from_template(one) for one in taken}
        for stream in streams.values():
            stream.metadata.update(title=words, comment=words)
        if kind == "matroska":
            out.add_attachment("words.txt", "text/plain", words.encode())
        out.set_chapters(
            [
                {"id": 1, "start": 0, "end": 400, "time_base": Fraction(1, 1000), "metadata": {"title": words}}
            ]
        )  # fmt: skip
        packets = [p for one in (film, subtitles) for p in one.demux() if id(p.stream) in streams]
        for packet in packets:
            if packet.size and packet.dts is not None:
                packet.stream = streams[id(packet.stream)]
                out.mux(packet)
    return path.read_bytes()


@pytest.mark.once
@pytest.mark.parametrize(
    ("kind", "sound"), [("webm", "libopus"), ("matroska", "flac"), ("webm", "vorbis")]
)
def test_webm_and_matroska_say_nothing_and_play(kind, sound, tmp_path):
    data = write_wordy_matroska(tmp_path / "film", kind, sound, SECRET)
    assert data.count(WORDS) >= 4
    unknown = bytes([0xEC, 0x80 | len(WORDS)]) + WORDS  # a Void element with words in it
    for film in (data, data + unknown, data + WORDS, data + bytes(range(64, 128))):
        silent = without_words(io.BytesIO(film)).read()
        assert len(silent) == len(film)
        assert WORDS not in silent and b"whale" not in silent
        assert b"Lavf" not in silent and b"Lavc" not in silent
        assert pictures(silent) == pictures(data)
        with av.open(io.BytesIO(silent)) as bare, av.open(io.BytesIO(data)) as before:
            assert not bare.metadata and not bare.chapters()
            assert {stream.type for stream in bare.streams} == {"video", "audio"}
            assert bare.duration == before.duration
            frames = [sum(1 for _ in one.decode(audio=0)) for one in (bare, before)]
            assert frames[0] == frames[1] > 5
        with av.open(io.BytesIO(silent)) as bare:
            bare.seek(300_000)
            assert next(bare.decode(video=0)).width == 96


@pytest.mark.once
def test_a_live_webm_whose_sizes_nobody_knew_plays(tmp_path):
    class Pipe(io.RawIOBase):
        data = b""

        def writable(self):
            return True

        def write(self, part):
            self.data += bytes(part)
            return len(part)

    plain = write_odd(tmp_path / "plain", codec="libvpx-vp9", kind="webm", sound="libopus")
    pipe = Pipe()
    with (
        av.open(str(plain)) as film,
        av.open(pipe, "w", format="webm", options={"live": "1"}) as out,
    ):
        out.metadata["title"] = SECRET
        streams = [out.add_stream_from_template(one) for one in film.streams]
        for packet in film.demux():
            if packet.size and packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    assert WORDS in pipe.data
    silent = without_words(io.BytesIO(pipe.data)).read()
    assert WORDS not in silent
    assert pictures(silent) == pictures(pipe.data) != []


@pytest.mark.parametrize(
    "raw",
    [
        bytes.fromhex("1a45dfa3"),
        bytes.fromhex("1a45dfa3 ff"),
        bytes.fromhex("1a45dfa3 84 42828177"),
        bytes.fromhex("1a45dfa3 80 18538067 ff 00 ff ff"),
    ],
)
def test_matroska_that_makes_no_sense_is_not_taken_for_silent(raw):
    with pytest.raises(NotReadable):
        without_words(io.BytesIO(raw))


@pytest.mark.parametrize(
    "flags",
    ["frag_keyframe+empty_moov", "frag_keyframe+empty_moov+default_base_moof", "frag_keyframe"],
)
def test_chapters_of_a_fragmented_film_are_silent_and_its_pictures_stay(flags, tmp_path):
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w", format="mp4", options={"movflags": flags}) as out:
        out.set_chapters(
            [{"id": 1, "start": 0, "end": 900, "time_base": Fraction(1, 1000), "metadata": {"title": SECRET}}]
        )  # fmt: skip
        stream = out.add_stream("libx264", rate=24, options={"g": "6"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index in range(24):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(corners(index), format="rgb24")))
        out.mux(stream.encode(None))
    stored = path.read_bytes()
    assert SECRET.encode() in stored
    bare = without_words(path.open("rb")).read()
    assert SECRET.encode() not in bare
    assert len(bare) == len(stored)
    assert [bytes(packet) for packet in packets(bare)] == [
        bytes(packet) for packet in packets(stored)
    ]


def packets(film: bytes) -> list[av.Packet]:
    with av.open(io.BytesIO(film)) as opened:
        return [packet for packet in opened.demux(video=0) if packet.size]
