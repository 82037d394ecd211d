"""Films that say nothing of themselves."""

from __future__ import annotations

import io
from dataclasses import replace

import av
import pytest

from studio.media.bare import NotReadable, without_words
from studio.media.tags import tagged_file
from tests.factories import drawn_clip
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
    deep = box(b"moov", box(b"trak", box(b"udta", b"xx" + SECRET.encode()) + box(b"tkhd", b"1234")))
    silent = without_words(io.BytesIO(deep)).read()
    assert SECRET.encode() not in silent
    assert silent.endswith(box(b"tkhd", b"1234"))


@pytest.mark.parametrize("raw", [b"\0\0\0\x04free" + bytes(9), b"\0\0\xff\xffmoov" + bytes(30)])
def test_a_file_that_cannot_be_read_is_not_taken_for_silent(raw):
    with pytest.raises(NotReadable):
        without_words(io.BytesIO(raw))
