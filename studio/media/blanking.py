"""A file in which some stretches read otherwise than they are stored; no other byte moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from studio.media.seeking import Seeking


@dataclass(frozen=True, slots=True)
class Patch:
    """A stretch of the file that reads as `head`, then zeros."""

    start: int
    end: int
    head: bytes = b""


def changes(file: BinaryIO, patch: Patch) -> bool:
    """Whether the stretch reads otherwise on the disk."""
    file.seek(patch.start)
    at = patch.start
    while at < patch.end:
        data = file.read(min(1 << 16, patch.end - at))
        wanted = bytearray(len(data))
        _lay(wanted, at, patch.start, patch.head)
        if not data or data != wanted:
            return True
        at += len(data)
    return False


class Blanked(Seeking):
    """A file in which some stretches read as zeros."""

    def __init__(self, file: BinaryIO, size: int, patches: tuple[Patch, ...]) -> None:
        super().__init__(size)
        self._file = file
        self._patches = patches

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._file.seek(self._at)
        data = bytearray(self._file.read(len(buffer)))
        end = self._at + len(data)
        for patch in self._patches:
            if patch.start < end and patch.end > self._at:
                low, high = max(patch.start, self._at), min(patch.end, end)
                data[low - self._at : high - self._at] = bytes(high - low)
                _lay(data, self._at, patch.start, patch.head)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _lay(data: bytearray, at: int, first: int, piece: bytes) -> None:
    """Put `piece`, which begins at byte `first` of the file, over `data`, which begins at `at`."""
    low, high = max(first, at), min(first + len(piece), at + len(data))
    if low < high:
        data[low - at : high - at] = piece[low - first : high - first]
