"""What of a WebM or Matroska file is no guest's: all that is not needed to play pictures and sound.

Elements that a player needs stay (RFC 9559); the others become Void elements of the same size, filled
with zeros. Subtitles and other tracks of words go with all their blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from studio.media.blanking import Patch
from studio.media.boxes import MAX_TABLE_BYTES, NotReadable

MAGIC = b"\x1a\x45\xdf\xa3"  # of the EBML header, with which every such file begins

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_SEEK_HEAD, _INFO, _TRACKS, _CUES = 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B
_TAGS, _CHAPTERS, _ATTACHMENTS = 0x1254C367, 0x1043A770, 0x1941A469
_TOP = frozenset(
    {_SEGMENT, _CLUSTER, _SEEK_HEAD, _INFO, _TRACKS, _CUES, _TAGS, _CHAPTERS, _ATTACHMENTS}
)
_TRACK, _TRACK_NUMBER, _TRACK_UID, _TRACK_TYPE = 0xAE, 0xD7, 0x73C5, 0x83
_CODEC, _PRIVATE, _DOC_TYPE = 0x86, 0x63A2, 0x4282
_SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK = 0xA3, 0xA0, 0xA1
_VOID = 0xEC
_PICTURE, _SOUND = 1, 2  # types of tracks

# Elements whose children are judged; the children that are not listed are not played.
_CHILDREN: dict[int, frozenset[int]] = {
    _EBML: frozenset({0x4286, 0x42F7, 0x42F2, 0x42F3, _DOC_TYPE, 0x4287, 0x4285}),
    _SEGMENT: frozenset({_SEEK_HEAD, _INFO, _TRACKS, _CUES, _CLUSTER}),
    _SEEK_HEAD: frozenset({0x4DBB}),
    0x4DBB: frozenset({0x53AB, 0x53AC}),
    _INFO: frozenset({0x2AD7B1, 0x4489}),  # the clock and the length
    _TRACKS: frozenset({_TRACK}),
    _TRACK: frozenset(
        {
            _TRACK_NUMBER, _TRACK_UID, _TRACK_TYPE, 0xB9, 0x88, 0x55AA, 0x9C, 0x6DE7, 0x6DF8, 0x23E383,
            0x234E7A, 0x23314F, 0x55EE, _CODEC, _PRIVATE, 0x56AA, 0x56BB, 0xE0, 0xE1, 0x6D80,
        }
    ),
    0xE0: frozenset(  # video
        {
            0x9A, 0x9D, 0x53B8, 0x53C0, 0xB0, 0xBA, 0x54AA, 0x54BB, 0x54CC, 0x54DD, 0x54B0, 0x54BA,
            0x54B2, 0x54B3, 0x55B0, 0x7670,
        }
    ),
    0x55B0: frozenset({*range(0x55B1, 0x55BE), 0x55D0}),  # colour
    0x55D0: frozenset(range(0x55D1, 0x55DB)),
    0x7670: frozenset({0x7671, 0x7673, 0x7674, 0x7675}),  # projection
    0xE1: frozenset({0xB5, 0x78B5, 0x9F, 0x6264}),  # audio
    0x6D80: frozenset({0x6240}),  # how blocks are compressed
    0x6240: frozenset({0x5031, 0x5032, 0x5033, 0x5034}),
    0x5034: frozenset({0x4254, 0x4255}),
    _CUES: frozenset({0xBB}),
    0xBB: frozenset({0xB3, 0xB7}),
    0xB7: frozenset({0xF7, 0xF1, 0xF0, 0xB2, 0x5378, 0xEA}),
    _CLUSTER: frozenset({0xE7, 0xA7, 0xAB, _SIMPLE_BLOCK, _BLOCK_GROUP}),
    _BLOCK_GROUP: frozenset({_BLOCK, 0x9B, 0xFA, 0xFB, 0x75A2}),
}  # fmt: skip
_NOT_NUMBERS = frozenset({_DOC_TYPE, _CODEC, _PRIVATE, _SIMPLE_BLOCK, _BLOCK, _TRACK_UID})
_MOST_OF_A_NUMBER = 8  # bytes; what is longer is no number
_DOC_TYPES = (b"webm", b"matroska")
_CODECS = re.compile(
    rb"(V_VP8|V_VP9|V_AV1|V_MPEG4/ISO/(AVC|SP|ASP|AP)|V_MPEGH/ISO/HEVC|V_PRORES|V_UNCOMPRESSED|V_FFV1"
    rb"|A_OPUS|A_VORBIS|A_FLAC|A_AAC(/MPEG[24]/(MAIN|LC|LC/SBR|SSR|LTP))?|A_AC3|A_EAC3|A_MPEG/L[123]"
    rb"|A_PCM/(INT/(LIT|BIG)|FLOAT/IEEE)|A_ALAC)\0*"
)


@dataclass(frozen=True, slots=True)
class _Element:
    """One element; `end` is None where its size is not known before the next one begins."""

    id: int
    start: int
    body: int
    end: int | None


def patches(file: BinaryIO, size: int) -> Iterator[Patch]:
    """Yield what is to read as zeros. Raises NotReadable where the elements make no sense."""
    return _Matroska(file, size).patches()


class _Matroska:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._played: set[int] = set()  # numbers of tracks

    def patches(self) -> Iterator[Patch]:
        end = 0
        for element in self._elements(0, self._size, garbage_from=0):
            end = self._end(element)
            if element.id in (_EBML, _SEGMENT):
                yield from self._children(element)
            else:
                yield from _voided(element, end)
            if element.id == _SEGMENT:
                break
        yield from _emptied(end, self._size)

    def _elements(
        self, start: int, end: int, *, garbage_from: int | None = None
    ) -> Iterator[_Element]:
        """Yield the elements between two places.

        Bytes that are no element end it where they come behind media, from `garbage_from` elements
        on; raises NotReadable for others.
        """
        at, count = start, 0
        while at < end:
            element = self._element(at, end)
            if element is None:
                if garbage_from is None or not self._played:
                    raise NotReadable("the file's elements do not fit in it")
                return
            yield element
            at, count = self._end(element), count + 1

    def _element(self, at: int, end: int) -> _Element | None:
        """Return the element that begins here, None where none does."""
        self._file.seek(at)
        head = self._file.read(min(12, end - at))
        if not head or not head[0]:
            return None
        width = 9 - head[0].bit_length()
        if width > 4 or len(head) <= width or not head[width]:
            return None
        length = 9 - head[width].bit_length()
        if len(head) < width + length:
            return None
        body = at + width + length
        value = int.from_bytes(head[width : width + length]) & ((1 << 7 * length) - 1)
        kind = int.from_bytes(head[:width])
        if value == (1 << 7 * length) - 1:  # all ones: not known
            return _Element(kind, at, body, None) if kind in (_SEGMENT, _CLUSTER) else None
        return _Element(kind, at, body, body + value) if body + value <= end else None

    def _end(self, element: _Element) -> int:
        """Return where an element ends; one of unknown size ends where one of its own level begins."""
        if element.end is not None:
            return element.end
        if element.id == _SEGMENT:
            return self._size
        at = element.body
        while at < self._size:
            inner = self._element(at, self._size)
            if inner is None or inner.id in _TOP or inner.end is None:
                break
            at = inner.end
        return at

    def _children(self, parent: _Element) -> Iterator[Patch]:
        end, at = self._end(parent), parent.body
        forgiving = 0 if parent.id in (_SEGMENT, _CLUSTER) else None
        for element in self._elements(parent.body, end, garbage_from=forgiving):
            at = self._end(element)
            yield from self._judged(element, at, parent.id)
        yield from _emptied(at, end)

    def _judged(self, element: _Element, end: int, parent: int) -> Iterator[Patch]:
        if element.id not in _CHILDREN[parent]:
            yield from _voided(element, end)
        elif element.id == _TRACK:
            yield from self._track(element, end)
        elif element.id == _BLOCK_GROUP:
            blocks = [e for e in self._elements(element.body, end) if e.id == _BLOCK]
            if all(self._is_played(block) for block in blocks):
                yield from self._children(element)
            else:
                yield from _voided(element, end)
        elif element.id == _SIMPLE_BLOCK:
            if not self._is_played(element):
                yield from _voided(element, end)
        elif element.id == _DOC_TYPE:
            if self._read(element, end).rstrip(b"\0") not in _DOC_TYPES:
                raise NotReadable("the file is of a kind that is not known")
        elif element.id in _CHILDREN:
            yield from self._children(element)
        elif element.id not in _NOT_NUMBERS and end - element.body > _MOST_OF_A_NUMBER:
            yield from _voided(element, end)

    def _track(self, track: _Element, end: int) -> Iterator[Patch]:
        inner = {e.id: e for e in self._elements(track.body, end)}
        number, kind = self._number(inner.get(_TRACK_NUMBER)), self._number(inner.get(_TRACK_TYPE))
        codec = inner.get(_CODEC)
        name = self._read(codec, self._end(codec)) if codec else b""
        if kind not in (_PICTURE, _SOUND) or not _CODECS.fullmatch(name):
            yield from _voided(track, end)
            return
        self._played.add(number)
        yield from self._children(track)
        if uid := inner.get(_TRACK_UID):
            # Needed, and by nobody who plays: any number that is not zero.
            uid_end = self._end(uid)
            yield Patch(
                uid.body, uid_end, number.to_bytes(max(8, uid_end - uid.body))[uid.body - uid_end :]
            )
        if private := inner.get(_PRIVATE):
            yield from self._configuration(private, name)

    def _configuration(self, private: _Element, codec: bytes) -> Iterator[Patch]:
        """The comments in the codec's own headers: Vorbis and FLAC have a place for them."""
        end = self._end(private)
        if codec.startswith((b"A_VORBIS", b"A_FLAC")):
            data = self._read(private, end)
            places = _vorbis_words(data) if codec.startswith(b"A_VORBIS") else _flac_words(data)
            for start, stop in places:
                yield Patch(private.body + start, private.body + stop)

    def _is_played(self, block: _Element) -> bool:
        """Whether a block is of a track that stays; it begins with the track's number."""
        self._file.seek(block.body)
        head = self._file.read(8)
        if not head or not head[0]:
            return False
        width = 9 - head[0].bit_length()
        return int.from_bytes(head[:width]) & ((1 << 7 * width) - 1) in self._played

    def _number(self, element: _Element | None) -> int:
        return int.from_bytes(self._read(element, self._end(element))[:8]) if element else 0

    def _read(self, element: _Element, end: int) -> bytes:
        if end - element.body > MAX_TABLE_BYTES:
            raise NotReadable("a part of the file's index is too large")
        self._file.seek(element.body)
        return self._file.read(end - element.body)


def _voided(element: _Element, end: int) -> Iterator[Patch]:
    yield from _emptied(element.start, end)


def _emptied(start: int, end: int) -> Iterator[Patch]:
    """A stretch becomes a Void element; one byte, which is too short for it, becomes zero."""
    length = end - start
    if length >= 9:
        yield Patch(start, end, bytes([_VOID, 1]) + (length - 9).to_bytes(7))
    elif length >= 2:
        yield Patch(start, end, bytes([_VOID, 0x80 | (length - 2)]))
    else:
        yield Patch(start, end)


def _vorbis_words(private: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the strings of Vorbis comments stand in the three laced headers."""
    at, sizes = 1, []
    for _ in range(2):
        size = 0
        while at < len(private):
            at, size = at + 1, size + private[at]
            if private[at - 1] != 255:
                break
        sizes.append(size)
    first = at + sizes[0]
    yield from _comments(private, first + 7, min(first + sizes[1], len(private)))


def _flac_words(private: bytes) -> Iterator[tuple[int, int]]:
    """Yield what is not the stream's own description: its metadata blocks behind the first."""
    at = 4  # "fLaC"
    while at + 4 <= len(private):
        kind, size = private[at] & 0x7F, int.from_bytes(private[at + 1 : at + 4])
        end = min(at + 4 + size, len(private))
        if kind == 4:
            yield from _comments(private, at + 4, end)
        elif kind != 0:
            yield at + 4, end
        at = end
    yield min(at, len(private)), len(private)


def _comments(data: bytes, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where the vendor's name and the comments stand; their lengths stay."""
    lengths = 1
    first = True
    while lengths and at + 4 <= end:
        size = int.from_bytes(data[at : at + 4], "little")
        yield at + 4, min(at + 4 + size, end)
        at, lengths = at + 4 + size, lengths - 1
        if first:
            lengths, at, first = int.from_bytes(data[at : at + 4], "little"), at + 4, False
    yield min(at + 1, end), end  # behind the framing bit
