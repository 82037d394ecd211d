"""What files share that are read from any place and exist nowhere as they are read."""

from __future__ import annotations

import io


class Seeking(io.RawIOBase):
    """Keeps the place, `_at`, in a file of `size` bytes; what is there, `readinto` says."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at
