"""An MP4 or MOV without the words in it: nothing of what a provider or a tool wrote into it is read.

Boxes of metadata are read as free space of the same size. No byte of the media moves, so the file
can be served in parts as it lies on the disk.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from studio.media.seeking import Seeking

# Where metadata can be, ISO/IEC 14496-12 section 8.10 and 8.11, and C2PA's own box.
_WORDS = {b"udta", b"meta", b"uuid", b"jumb", b"jumd", b"ID32"}
_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf", b"edts"}
# What our own encoder writes into every film: its version, and nothing besides. Such a film is served
# as it lies on the disk, by the front server where there is one.
_ONLY_THE_ENCODER = re.compile(
    rb".{4}udta.{4}meta\0{4}.{4}hdlr.{25}.{4}ilst.{4}\xa9too.{4}data.{8}Lavf[0-9.]+", re.DOTALL
)
_MOST_OF_IT = 256  # bytes


class NotReadable(ValueError):
    """The file's boxes make no sense, so what they say is not known."""


def without_words(file: BinaryIO) -> BinaryIO:
    """Return what reads as this seekable file without its metadata; the file itself if it has none.

    Closing what is returned closes the file. Raises NotReadable, with the file left open.
    """
    size = file.seek(0, io.SEEK_END)
    found = list(_find(file, 0, size))
    file.seek(0)
    return io.BufferedReader(_Blanked(file, size, found)) if found else file


def _find(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where each box of metadata begins and ends, header included."""
    at = start
    while at + 8 <= end:
        file.seek(at)
        head = file.read(16)
        length, kind, body = int.from_bytes(head[:4]), head[4:8], at + 8
        if length == 1:
            length, body = int.from_bytes(head[8:16]), at + 16
        elif length == 0:
            length = end - at
        if length < body - at or at + length > end:
            raise NotReadable("the file's boxes do not fit in it")
        if kind in _WORDS:
            if not _only_the_encoder(file, at, length):
                yield at, at + length
        elif kind in _CONTAINERS:
            yield from _find(file, body, at + length)
        at += length


def _only_the_encoder(file: BinaryIO, at: int, length: int) -> bool:
    if length > _MOST_OF_IT:
        return False
    file.seek(at)
    return _ONLY_THE_ENCODER.fullmatch(file.read(length)) is not None


class _Blanked(Seeking):
    """A file in which some boxes are free space, filled with zeros."""

    def __init__(self, file: BinaryIO, size: int, boxes: list[tuple[int, int]]) -> None:
        super().__init__(size)
        self._file = file
        self._boxes = boxes

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._file.seek(self._at)
        data = bytearray(self._file.read(len(buffer)))
        for start, end in self._boxes:
            # The kind is the second word of the header; a 64-bit size behind it stays.
            _lay(data, self._at, start + 4, b"free")
            kept = 16 if self._is_large(start) else 8
            first = max(start + kept, self._at)
            _lay(data, self._at, first, bytes(max(0, min(end, self._at + len(data)) - first)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _is_large(self, start: int) -> bool:
        self._file.seek(start)
        return self._file.read(4) == b"\0\0\0\1"

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _lay(data: bytearray, at: int, first: int, piece: bytes) -> None:
    """Put `piece`, which begins at byte `first` of the file, over `data`, which begins at `at`."""
    low, high = max(first, at), min(first + len(piece), at + len(data))
    if low < high:
        data[low - at : high - at] = piece[low - first : high - first]
