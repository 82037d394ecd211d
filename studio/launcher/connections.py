"""One client's connection to the web server: waitress's, with a time limit for whoever is too slow.

The event loop receives a request whole, lends it a thread while it is computed, and sends what is left
of the answer by itself. So a slow client costs a socket and a buffer; after a while not even those.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import WSGITask
from waitress.utilities import Error

# Whoever is waited for, in the middle of a request or an answer, moves this much or is hung up on. A
# phone at the edge of a network has ten times as much; the network's own waits are shorter than this.
MIN_BYTES_PER_S = 500
PATIENCE_S = 30.0
# A proxy hangs up on its clients itself, and takes their answers in leaps of megabytes.
PROXY_PATIENCE_S = 3600.0
# A longer body is awaited only once a thread has looked whether whoever sends it may.
FREE_BODY_BYTES = 64 * 1024
# A new connection says something within this time, or makes room for others.
FIRST_WORD_S = 3.0
# After a refusal, what is still on its way is thrown away for so long, so that the answer is read.
LINGER_S = 5.0
# What one client gets before the loop turns to the next, and how much of a file is read at once.
TURN_BYTES = 2**20
BLOCK_BYTES = 128 * 1024
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: what is unsent is dropped, and the socket is free

MayBeSent = Callable[[str, int, str], bool]  # path, length of the body, cookies


@dataclass(slots=True)
class Limits:
    """What holds for all connections of a process."""

    may_be_sent: MayBeSent
    patience_s: float = PATIENCE_S
    reading_patience_s: float = PATIENCE_S
    has_proxy: bool = False  # all clients have its address, and it counts theirs itself
    is_closing: bool = False  # the process stops: every answer is its connection's last


class NoRoom(Error):  # type: ignore[misc]
    code = 507
    reason = "Insufficient Storage"


class Request(HTTPRequestParser):  # type: ignore[misc]
    """A request. Where its body may not come, it is answered by its head, and the connection ends."""

    is_allowed = False  # to send the body, however long
    is_refused = False

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # a length of 5,000 digits, an address like http://[::1/
            raise ParsingError(f"Bad head: {type(error).__name__}") from error
        if self.chunked:  # no browser sends so: the studio answers that it takes no such thing
            self.headers["TRANSFER_ENCODING"] = "chunked"
            self.refuse_body()

    @property
    def is_to_be_judged(self) -> bool:
        return self.content_length > FREE_BODY_BYTES and not self.is_allowed and not self.is_refused

    def refuse_body(self) -> None:
        """Leave the body unread. The studio sees its length and refuses it, as it would unread."""
        self.close()
        self.body_rcv = None
        self.chunked = self.expect_continue = False
        self.content_length = 0
        self.headers["CONNECTION"] = "close"
        self.is_refused = self.completed = True


class Task(WSGITask):  # type: ignore[misc]
    """The answer to a request."""

    def build_response_header(self) -> bytes:
        if self.channel.limits.is_closing:
            self.set_close_on_finish()
        return bytes(super().build_response_header())

    def finish(self) -> None:
        if not self.wrote_header:
            self.write(b"")
        if self.request.command == "HEAD":
            self.chunked_response = False  # the end of a body, where there is none
        super().finish()


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection. The loop calls `tend` every second."""

    parser_class = Request
    task_class = Task
    request: Any = None  # what is being received

    def __init__(
        self, server: Any, sock: socket.socket, addr: Any, adj: Any, map: Any, *, limits: Limits
    ) -> None:
        # Before the socket is in the loop's hands. A socket file's clients have no address.
        self.limits = limits
        self._moved = 0
        self._turn = 0
        self._pace: tuple[float, int] | None = None
        self._judging = False
        self._behind: list[Request] = []  # requests sent in a row, whose turn is when nothing waits
        self._has_spoken = False
        self._lingers = False
        self._lingers_until = 0.0
        self.idle_since = time.monotonic()
        super().__init__(server, sock, ("", 0) if sock.family == socket.AF_UNIX else addr, adj, map)
        self.sendbuf_len = BLOCK_BYTES

    # ---- What moves ------------------------------------------------------------------------------

    def recv(self, buffer_size: int) -> bytes:
        data: bytes = super().recv(buffer_size)
        self._moved += len(data)
        self._has_spoken = self._has_spoken or bool(data)
        return data

    def send(self, data: bytes, do_close: bool = True) -> int:
        if self._turn >= TURN_BYTES:
            return 0  # as if nothing more could be taken now
        sent: int = super().send(data, do_close)
        self._turn += sent
        self._moved += sent
        return sent

    def _flush_some(self, do_close: bool = True) -> bool:
        self._turn = 0
        return bool(super()._flush_some(do_close))

    # ---- Who is too slow -------------------------------------------------------------------------

    @property
    def is_computed(self) -> bool:
        """Whether it is the studio's turn: a request has arrived, and nothing of its answer waits."""
        return self._judging or bool(self.requests and not self.total_outbufs_len)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being asked or answered."""
        return self.request is None and not self.requests and not self.total_outbufs_len

    def tend(self, now: float) -> None:
        """Hang up if this client is idle for too long, or too slow. `now` is of the monotonic clock."""
        if self._lingers_until:
            if now > self._lingers_until:
                self.handle_close()
        elif self.is_computed:
            self.idle_since, self._pace = now, None  # it is the studio's turn
        elif self.request is None and not self.total_outbufs_len:
            self._pace = None
            patience_s = self.adj.channel_timeout
            if not self._has_spoken:
                patience_s = min(patience_s, FIRST_WORD_S)
            if now - self.idle_since > patience_s:
                self.handle_close()
        else:
            if self.total_outbufs_len:  # line ends between two requests, however many, are no use
                self.idle_since = now
            self._keep_pace(now)

    def _keep_pace(self, now: float) -> None:
        moved = self._moved - _unacknowledged(self.socket)
        if self._pace is None:
            self._pace = now, moved
        began, before = self._pace
        limits = self.limits
        reads = bool(self.total_outbufs_len)
        if now - began < (limits.reading_patience_s if reads else limits.patience_s):
            return
        if moved - before < MIN_BYTES_PER_S * (now - began):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.handle_close()
        self._pace = now, moved

    # ---- What is received ------------------------------------------------------------------------

    def received(self, data: bytes) -> bool:
        try:
            taken = bool(super().received(data))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._answer_by_head(NoRoom("There is no room for what was sent. Nothing was saved."))
            return False
        if self.request is not None and self.request.is_to_be_judged:
            self._judging = True
            self.server.task_dispatcher.add_task(Judgement(self))
        return taken

    def readable(self) -> bool:
        if self._lingers_until:
            return True
        return not self._judging and not self._behind and bool(super().readable())

    def send_continue(self) -> None:
        # waitress asks for the body of a request that it has refused, too.
        # Nor before the answers to the requests ahead of it have left.
        if self.request.error is None and not self.request.is_to_be_judged and not self._behind:
            super().send_continue()

    def judge(self) -> None:
        """Find out, in a thread, whether the body that is announced may come."""
        request = self.request
        path, cookies = request.path, request.headers.get("COOKIE", "")
        request.is_allowed = self.limits.may_be_sent(path, request.content_length, cookies)
        # Between two requests the loop alone sends: two at once would say it twice.
        self.server.trigger.pull_trigger(self._act_on_judgement)

    def _act_on_judgement(self) -> None:
        request, self._judging = self.request, False
        if not request.is_allowed:
            self._answer_by_head()
            return
        with self.requests_lock:
            # Answers before this one go first; then waitress asks for the body itself.
            if request.expect_continue and not self.requests and not self.sent_continue:
                self.send_continue()  # unless others are ahead

    def _answer_by_head(self, error: Error | None = None) -> None:
        with self.requests_lock:
            request, self.request = self.request, None
            request.refuse_body()
            request.error = error
            if self.requests or self._behind:
                self._behind.append(request)
            else:
                self.requests.append(request)
                self.server.add_task(self)

    # ---- What is answered ------------------------------------------------------------------------

    def service(self) -> None:
        """Answer one request. Those behind it are for the loop: waitress would hold the thread for them."""
        with self.requests_lock:
            self._behind += self.requests[1:]
            del self.requests[1:]
            request = self.requests[0]
        self._lingers = request.error is not None or request.is_refused
        super().service()
        self.idle_since = time.monotonic()

    def _is_next_ones_turn(self) -> bool:
        return bool(self._behind) and not (
            self.requests or self.total_outbufs_len or self.close_when_flushed or self.will_close
        )

    def _begin_next(self) -> None:
        with self.requests_lock:
            self.requests.append(self._behind.pop(0))
            self.server.add_task(self)

    def handle_close(self) -> None:
        for request in self._behind:
            request.close()
        self._behind = []
        super().handle_close()

    def handle_read(self) -> None:
        if not self._lingers_until:
            super().handle_read()
        else:
            try:
                self.recv(TURN_BYTES)  # closes at its end
            except OSError:
                self.handle_close()

    def writable(self) -> bool:
        if self._lingers_until:
            return False
        return self._is_next_ones_turn() or bool(super().writable())

    def handle_write(self) -> None:
        if self._is_next_ones_turn():
            self._begin_next()
            return
        if not (self._lingers and self.close_when_flushed):
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if self.connected and not self.total_outbufs_len:
            self._linger()

    def _linger(self) -> None:
        """Say that no more comes, and wait for the client to see it: closed at once, it might not."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()
            return
        self.close_when_flushed = False
        self._lingers_until = time.monotonic() + LINGER_S


class Judgement:
    """Whether a long body may be sent, as a task for the threads that answer requests."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def service(self) -> None:
        try:
            self._channel.judge()
        except Exception:
            self._channel.will_close = True
            raise

    def cancel(self) -> None:
        self._channel.will_close = True


def _unacknowledged(sock: socket.socket) -> int:
    """Return how many bytes wait in the kernel for the client to take them; 0 where it does not tell."""
    try:
        (waiting,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))
    except OSError:
        return 0
    return int(waiting)
