"""What retention finds: one file, one clip, or some rows of a log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that may go. `key` is what its part knows it by."""

    name: str
    bytes: int = 0
    count: int = 1
    key: object = None


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of thing: how it is found, and how one is removed.

    `remove` looks again: what is used, young or under way by now stays, and it returns False.
    """

    name: str
    noun: str  # one of them
    find: Callable[[], Iterable[Thing]]
    remove: Callable[[Thing], bool]


class TooMany(Exception):
    """So much looks unused that something else must be wrong. The message says what to look at."""
