"""Where the pictures and the sound of a fragmented MP4 stand (ISO/IEC 14496-12, 8.8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from studio.media.boxes import Box, NotReadable, boxes, inner_box, read

# Flags of a track fragment's header, and of its runs.
_BASE, _DESCRIPTION, _DURATION, _SIZE, _FROM_MOOF = 0x1, 0x2, 0x8, 0x10, 0x020000
_OFFSET, _FIRST_FLAGS = 0x1, 0x4
_SAMPLE_DURATION, _SAMPLE_SIZE, _SAMPLE_FLAGS, _SAMPLE_SHIFT = 0x100, 0x200, 0x400, 0x800
_MAX_SAMPLES = 10**7  # of one run without a table


class Fragments:
    """The tracks of a file that are seen and heard, and their samples in each of its fragments."""

    def __init__(self) -> None:
        self._played: set[int] = set()  # numbers of tracks
        self._sizes: dict[int, int] = {}  # of samples, where nothing else is said

    def plays(self, file: BinaryIO, trak: Box) -> None:
        """Note a track of pictures or sound."""
        header = inner_box(file, trak, b"tkhd")
        body = read(file, header) if header else b""
        at = 20 if body[:1] == b"\1" else 12
        self._played.add(int.from_bytes(body[at : at + 4]))

    def read_defaults(self, file: BinaryIO, mvex: Box) -> None:
        for box in boxes(file, mvex.body, mvex.end):
            if box.kind == b"trex":
                body = read(file, box)
                self._sizes[int.from_bytes(body[4:8])] = int.from_bytes(body[16:20])

    def is_played(self, file: BinaryIO, traf: Box) -> bool:
        return int.from_bytes(_header(file, traf)[4:8]) in self._played

    def samples(self, file: BinaryIO, moof: Box) -> list[tuple[int, int]]:
        """Return where each run of samples that is seen or heard begins and ends."""
        found, end = [], moof.start
        for traf in boxes(file, moof.body, moof.end):
            if traf.kind != b"traf":
                continue
            header = _header(file, traf)
            flags, track = int.from_bytes(header[1:4]), int.from_bytes(header[4:8])
            base, at = end, 8
            if flags & _BASE:
                base, at = int.from_bytes(header[8:16]), 16
            elif flags & _FROM_MOOF:
                base = moof.start
            at += 4 * bool(flags & _DESCRIPTION) + 4 * bool(flags & _DURATION)
            size = self._sizes.get(track, 0)
            if flags & _SIZE:
                size = int.from_bytes(header[at : at + 4])
            end = base
            for start, stop in _runs(file, traf, base, size):
                end = stop
                if track in self._played:
                    found.append((start, stop))
        return found


def _header(file: BinaryIO, traf: Box) -> bytes:
    header = inner_box(file, traf, b"tfhd")
    if header is None:
        raise NotReadable("a fragment of the file does not say whose it is")
    return read(file, header)


def _runs(file: BinaryIO, traf: Box, base: int, size: int) -> Iterator[tuple[int, int]]:
    at = base
    for box in boxes(file, traf.body, traf.end):
        if box.kind != b"trun":
            continue
        body = read(file, box)
        flags, count = int.from_bytes(body[1:4]), int.from_bytes(body[4:8])
        place = 8
        if flags & _OFFSET:
            at, place = base + int.from_bytes(body[8:12], signed=True), 12
        place += 4 * bool(flags & _FIRST_FLAGS)
        length = size * min(count, _MAX_SAMPLES)
        if flags & _SAMPLE_SIZE:
            step = 4 * sum(
                bool(flags & flag)
                for flag in (_SAMPLE_DURATION, _SAMPLE_SIZE, _SAMPLE_FLAGS, _SAMPLE_SHIFT)
            )
            first = place + 4 * bool(flags & _SAMPLE_DURATION)
            sizes = range(first, min(len(body) - 3, first + step * count), step)
            length = sum(int.from_bytes(body[where : where + 4]) for where in sizes)
        yield at, at + length
        at += length
