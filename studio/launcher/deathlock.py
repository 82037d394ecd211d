"""A lock between processes which the kernel takes back from the dead."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
from multiprocessing.context import assert_spawning
from typing import IO, Any

ASK_AGAIN_S = 0.01


class DeathLock:
    """A re-entrant lock between forked processes, in place of multiprocessing's Lock and RLock.

    It is a POSIX record lock on a file without a name: whoever dies holding it, by whatever
    signal and at whatever instruction, holds it no more. Threads of one process are not kept
    apart; each process may use it from one thread only.
    """

    def __init__(self) -> None:
        self._file = _nameless_file()
        self._owner = 0
        self._depth = 0

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        pid = os.getpid()
        if self._owner != pid:  # a child begins with its parent's count, but not with its lock
            self._owner, self._depth = pid, 0
        if self._depth or self._take(block, timeout):
            self._depth += 1
            return True
        return False

    def _take(self, block: bool, timeout: float | None) -> bool:
        until = None if timeout is None else time.monotonic() + max(timeout, 0)
        wait = block and until is None
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                return True
            except OSError as error:
                # The kernel looks at processes where two threads wait for different locks, and
                # sees circles that are none.
                if error.errno not in (errno.EDEADLK, errno.EAGAIN, errno.EACCES):
                    raise
            if not block or (until is not None and time.monotonic() >= until):
                return False
            time.sleep(ASK_AGAIN_S)

    def release(self) -> None:
        if self._owner != os.getpid() or not self._depth:
            raise ValueError("This process does not hold the lock.")
        self._depth -= 1
        if not self._depth:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()

    def __getstate__(self) -> Any:
        assert_spawning(self)  # as multiprocessing's own locks: they are inherited, never sent
        raise TypeError("This lock is inherited by forking.")


def _nameless_file() -> IO[bytes]:
    # In memory, where there is such a thing: a worker must start on a full disk too.
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("lock"), "r+b")
    return tempfile.TemporaryFile()
