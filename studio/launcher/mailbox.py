"""A queue between forked processes that no death can break."""

from __future__ import annotations

import errno
import pickle
import select
import socket
import struct
from multiprocessing import RawValue
from typing import Any

MOST_BYTES = 200 * 1024  # of one message
# What a small message counts for in the kernel's books, about.
COUNTED_BYTES = 1280
LEAST_ROOM_BYTES = 16 * 1024


class Mailbox:
    """What django-q2 needs of multiprocessing's Queue, without its locks, counts and threads.

    Each message is one packet, which the kernel hands over whole or not at all, to one reader: who
    dies at whatever instruction leaves no lock taken, no half message and no wrong count. Nothing
    is kept in a process, so a message that was put is there although its writer died.

    `put` waits while about `most` small messages wait (0: as many as the system allows, over a
    hundred). With `patience_s` it waits no longer than that, and raises TimeoutError.
    """

    def __init__(self, most: int = 0, *, patience_s: int = 0) -> None:
        self._reader, self._writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        if most:
            room = max(most * COUNTED_BYTES, LEAST_ROOM_BYTES)
            # The kernel takes it times two.
            self._writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room // 2)
        if patience_s:
            # Not Python's own timeout: that would make both ends of every process non-blocking.
            limit = struct.pack("ll", patience_s, 0)
            self._writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def put(self, message: Any) -> None:
        """Add a message. Raises TimeoutError, and ValueError for one that is too long."""
        try:
            self._writer.send(pickle.dumps(message))
        except BlockingIOError as error:
            raise TimeoutError("Nobody takes messages out.") from error
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                raise ValueError("The message is too long.") from error
            raise

    def get(self) -> Any:
        """Take the oldest message out, waiting for one."""
        return pickle.loads(self._reader.recv(MOST_BYTES))  # noqa: S301 (our own processes')

    def empty(self) -> bool:
        return not select.select([self._reader], [], [], 0)[0]

    def qsize(self) -> int:
        """Return 0 when it is empty, else 1: the kernel does not tell how many wait."""
        return int(not self.empty())

    def close(self) -> None:
        """Do nothing: what waits must still be read. The last process to end closes it."""

    def join_thread(self) -> None:
        """Do nothing: there is no thread, and `put` has put."""


class Results(Mailbox):
    """Where workers leave what became of their tasks.

    Nothing hangs on a result but its acknowledgement, and a worker waits here holding its timer,
    which the sentinel asks for: so it waits a little only, and then goes on without.
    """

    def __init__(self) -> None:
        super().__init__(patience_s=5)

    def put(self, message: Any) -> None:
        try:
            super().put(message)
        except ValueError:
            super().put({**message, "result": str(message["result"])[:10_000]})
        except TimeoutError:
            return


class Flag:
    """What django-q2 needs of multiprocessing's Event, without its lock: one byte, set once."""

    def __init__(self) -> None:
        self._value = RawValue("b", 0)

    def set(self) -> None:
        self._value.value = 1

    def is_set(self) -> bool:
        return bool(self._value.value)
