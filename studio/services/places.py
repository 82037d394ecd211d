"""Places for what is computed at the same moment, counted in each web process by who asks.

A request holds a thread while it waits for a turn, a disk or a hash. Without a count, one browser
that sends sixty of them holds every thread, and no page opens for anybody.
"""

from __future__ import annotations

import threading
from collections import Counter


class Places:
    """How many each has taken. One object for each thing that is counted; safe among threads."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, who: str, most: int, most_in_all: int | None = None) -> bool:
        """Take a place, unless `who` has `most` already or all have `most_in_all`; return whether
        it was taken."""
        with self._lock:
            if self._taken[who] >= most:
                return False
            if most_in_all is not None and self._taken.total() >= most_in_all:
                return False
            self._taken[who] += 1
            return True

    def give_back(self, who: str) -> None:
        with self._lock:
            self._taken[who] -= 1
            if self._taken[who] <= 0:
                del self._taken[who]

    def __len__(self) -> int:
        """Return how many places are taken in all."""
        with self._lock:
            return self._taken.total()
