"""Room on this machine: how many long pieces of work of one kind run side by side here.

A worker that finds no room leaves the row as it is and returns at once; whoever holds a place
asks for the next one when it is done, and the sweep asks every few seconds. There are as many
slots as all kinds have places, so none ever waits for another: a paid shot is sent whatever
renders, and a finished clip is fetched however long the line of sends is.

A place is a lock file held by the kernel: a worker that is killed gives it back.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

RENDERS = "render"  # renders and exports: the processor
FETCHES = "fetch"  # downloads, and the pictures made of them
SENDS = "send"  # submits: a provider that hangs holds one for half a minute
ERRANDS = "errand"  # searches at a provider, balances: may wait


def places(kind: str) -> int:
    """Return how many of this kind may run side by side on this machine."""
    places = {RENDERS: settings.WORKERS, FETCHES: settings.FETCHERS, SENDS: settings.SENDERS}
    return places.get(kind, 1)


@contextmanager
def room(kind: str) -> Iterator[bool]:
    """Yield whether there was a place of this kind; it is ours for the block."""
    # Not on Windows, where commands must still be able to say what they cannot do.
    import fcntl

    for number in range(places(kind)):
        held = os.open(_lock(kind, number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield True
            return
        finally:
            os.close(held)
    yield False


def _lock(kind: str, number: int) -> Path:
    folder: Path = settings.DATA_DIR / "places"
    folder.mkdir(parents=True, exist_ok=True)
    # Several machines may share the folder; each has its own places.
    return folder / f"{socket.gethostname()}-{kind}-{number}"
