"""ZIP archives that are sent while they are written: nothing is compressed, nothing is kept.

Each file is read twice, for its checksum and to be sent, so that its header can say size and
checksum in front. With them behind the data, where nothing is compressed, a reader that does not
seek cannot know where a file ends: `jar`, stream readers and older macOS refuse such archives.

Source: PKWARE's APPNOTE 6.3.10, sections 4.3.7 to 4.3.16, 4.4.4 and 4.5.3.
"""

from __future__ import annotations

import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import IO

ZIP64_LIMIT = 0xFFFFFFFF  # sizes and places from here on are written in eight bytes
ZIP_FILECOUNT_LIMIT = 0xFFFF
_BLOCK = 256 * 1024
_UTF8 = 1 << 11
_REGULAR_FILE = 0o100644 << 16  # as Unix has it
_MADE_BY = 3 << 8 | 45  # on Unix, by version 4.5 of the format


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive. `size` must be what `open` then gives, in bytes; it can seek."""

    name: str
    size: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    changed_at: datetime | None = None

    @property
    def file_name(self) -> bytes:
        """Its name as written: composed letters, as all systems but macOS type them."""
        return unicodedata.normalize("NFC", self.name).encode()

    @property
    def is_long(self) -> bool:
        return self.size >= ZIP64_LIMIT


@dataclass(frozen=True, slots=True)
class _Written:
    entry: Entry
    crc: int
    at: int  # bytes from the archive's beginning


def stream_zip(entries: Sequence[Entry]) -> Iterator[bytes]:
    """Yield an archive in pieces of a quarter megabyte.

    Raises OSError when a file is not there, or has another size than its entry says.
    """
    at, written = 0, []
    for entry in entries:
        with entry.open() as source:
            crc = _checksum(entry, source)
            source.seek(0)
            header = _local_header(entry, crc)
            yield header
            left = entry.size
            while left:
                block = source.read(min(_BLOCK, left))
                if not block:
                    raise _changed(entry)
                left -= len(block)
                yield block
        written.append(_Written(entry, crc, at))
        at += len(header) + entry.size
    directory = b"".join(map(_directory_entry, written))
    yield directory + _end(len(written), len(directory), at)


def zip_size(entries: Sequence[Entry]) -> int:
    """Return how many bytes `stream_zip` yields."""
    at = directory = 0
    for entry in entries:
        directory += len(_directory_entry(_Written(entry, 0, at)))
        at += len(_local_header(entry, 0)) + entry.size
    return at + directory + len(_end(len(entries), directory, at))


def _checksum(entry: Entry, source: IO[bytes]) -> int:
    crc = size = 0
    while block := source.read(_BLOCK):
        crc = zlib.crc32(block, crc)
        size += len(block)
    if size != entry.size:
        raise _changed(entry)
    return crc


def _changed(entry: Entry) -> OSError:
    return OSError(f"“{entry.name}” changed while it was sent.")


# ---- Records of the format -----------------------------------------------------------------------


def _local_header(entry: Entry, crc: int) -> bytes:
    extra = struct.pack("<HHQQ", 1, 16, entry.size, entry.size) if entry.is_long else b""
    size = 0xFFFFFFFF if entry.is_long else entry.size
    return (
        struct.pack(
            "<4sHHHLLLLHH", b"PK\3\4", *_common(entry, bool(extra)), crc, size, size,
            len(entry.file_name), len(extra),
        )
        + entry.file_name
        + extra
    )  # fmt: skip


def _directory_entry(written: _Written) -> bytes:
    entry = written.entry
    numbers = [entry.size, entry.size] if entry.is_long else []
    numbers += [written.at] if written.at >= ZIP64_LIMIT else []
    extra = struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""
    size = 0xFFFFFFFF if entry.is_long else entry.size
    place = 0xFFFFFFFF if written.at >= ZIP64_LIMIT else written.at
    return (
        struct.pack(
            "<4sHHHHLLLLHHHHHLL", b"PK\1\2", _MADE_BY, *_common(entry, bool(extra)), written.crc,
            size, size, len(entry.file_name), len(extra), 0, 0, 0, _REGULAR_FILE, place,
        )
        + entry.file_name
        + extra
    )  # fmt: skip


def _common(entry: Entry, is_long: bool) -> tuple[int, int, int, int]:
    """Return version needed, flags, method (stored) and time: MS-DOS's date and time as one."""
    flags = 0 if entry.file_name.isascii() else _UTF8
    return 45 if is_long else 20, flags, 0, _dos_time(entry.changed_at)


def _dos_time(at: datetime | None) -> int:
    # The format counts two-second steps from 1980 to 2107.
    if at is None or not 1980 <= at.year <= 2107:
        return (1 << 5 | 1) << 16
    date = at.year - 1980 << 9 | at.month << 5 | at.day
    return date << 16 | at.hour << 11 | at.minute << 5 | at.second // 2


def _end(count: int, size: int, at: int) -> bytes:
    """Return the records behind the directory, which has `size` bytes and begins at `at`."""
    is_long = count >= ZIP_FILECOUNT_LIMIT or max(size, at) >= ZIP64_LIMIT
    longer = b""
    if is_long:
        longer = struct.pack(
            "<4sQHHLLQQQQ", b"PK\6\6", 44, _MADE_BY, 45, 0, 0, count, count, size, at
        ) + struct.pack("<4sLQL", b"PK\6\7", 0, at + size, 1)
    few, short, place = (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF) if is_long else (count, size, at)
    return longer + struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, few, few, short, place, 0)
