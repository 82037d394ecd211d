"""ZIP archives that are sent while they are written: nothing is compressed, nothing is kept."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import IO

_BLOCK = 256 * 1024
_OLDEST = (1980, 1, 1, 0, 0, 0)  # the format knows no earlier time


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive. `size` must be what `open` then gives, in bytes."""

    name: str
    size: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    changed_at: datetime | None = None

    def info(self) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(
            self.name, self.changed_at.timetuple()[:6] if self.changed_at else _OLDEST
        )
        info.file_size = self.size
        info.external_attr = 0o644 << 16
        return info

    @property
    def is_long(self) -> bool:
        # As zipfile asks, which leaves room for what compressing might add.
        return self.size * 1.05 > zipfile.ZIP64_LIMIT


def stream_zip(entries: Sequence[Entry]) -> Iterator[bytes]:
    """Yield an archive in pieces of a quarter megabyte. Raises OSError when a file is not there."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for entry in entries:
            with (
                entry.open() as source,
                archive.open(entry.info(), "w", force_zip64=entry.is_long) as target,
            ):
                while block := source.read(_BLOCK):
                    target.write(block)
                    yield sink.taken()
            yield sink.taken()
    yield sink.taken()


def zip_size(entries: Sequence[Entry]) -> int:
    """Return how many bytes `stream_zip` yields.

    Source: PKWARE's APPNOTE 6.3.10, sections 4.3.7 to 4.3.16 and 4.5.3, as zipfile writes them.
    """
    at = directory = 0
    for entry in entries:
        name = len(entry.name.encode())
        numbers = 16 * (entry.size > zipfile.ZIP64_LIMIT) + 8 * (at > zipfile.ZIP64_LIMIT)
        directory += 46 + name + (4 + numbers if numbers else 0)
        at += 30 + name + 20 * entry.is_long + entry.size + (24 if entry.is_long else 16)
    many = len(entries) > zipfile.ZIP_FILECOUNT_LIMIT
    ended_long = many or max(at, directory) > zipfile.ZIP64_LIMIT
    return at + directory + 22 + 76 * ended_long


class _Sink:
    """What zipfile writes to: it can neither tell nor seek, so that sizes come after the data."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data
