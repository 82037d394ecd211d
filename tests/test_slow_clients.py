"""The web server's own part: clients who are slow, at the worker itself with a small application."""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import os
import re
import socket
import threading
import time
from types import SimpleNamespace

import httpx
import pytest
from gunicorn.config import Config

from studio.launcher import buffered_worker, connections, crowding
from studio.launcher.buffered_worker import BufferedWorker, connection_limit
from studio.launcher.connections import FREE_BODY_BYTES, Limits

PATIENCE_S = 0.5
WITHIN_S = 20.0
THREADS = 2
GREETING = b"GET / HTTP/1.1\r\nHost: studio\r\n\r\n"
BIG = 64 * 2**20  # more than the kernel keeps for a client who does not read


class Small:
    """An application: what it was asked, and the few answers that the tests need."""

    def __init__(self):
        self.asked = []
        self.closed = []
        self.hold = threading.Event()

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        body = environ["wsgi.input"].read()
        self.asked.append((environ["REQUEST_METHOD"], path, len(body), environ))
        if path == "/file":
            start_response("200 OK", [("Content-Length", str(BIG))])
            return environ["wsgi.file_wrapper"](Zeros(self), 65536)
        if path == "/stream":
            start_response("200 OK", [("Content-Length", str(BIG))])
            return Pieces(self)
        if environ["REQUEST_METHOD"] == "HEAD":
            start_response("200 OK", [("Content-Length", "12")] if path == "/known" else [])
            return []
        if path == "/long":
            assert self.hold.wait(WITHIN_S)
        text = path.encode()
        start_response("200 OK", [("Content-Length", str(len(text)))])
        return [text]


class Zeros(io.RawIOBase):
    def __init__(self, app):
        self._app, self._at = app, 0

    def seekable(self):
        return True

    def tell(self):
        return self._at

    def seek(self, offset, whence=0):
        self._at = {0: 0, 1: self._at, 2: BIG}[whence] + offset
        return self._at

    def read(self, size=-1):
        data = bytes(min(size, BIG - self._at))
        self._at += len(data)
        return data

    def close(self):
        if not self.closed:
            self._app.closed.append("file")
        super().close()


class Pieces:
    def __init__(self, app):
        self._app = app
        self._pieces = itertools.repeat(bytes(65536), BIG // 65536)

    def __iter__(self):
        return self._pieces

    def close(self):
        self._app.closed.append("stream")


class Server:
    """A worker in a thread of this process, with limits of its own."""

    def __init__(
        self,
        listener,
        *,
        may_be_sent=lambda *_: True,
        patience_s=PATIENCE_S,
        reading_patience_s=None,
        **settings,
    ):
        self.app = Small()
        self.listener = listener
        limits = Limits(may_be_sent, patience_s, reading_patience_s or patience_s)
        cfg = Config()
        for name, value in {"threads": THREADS, "keepalive": 1, **settings}.items():
            cfg.set(name, value)
        kind = type("Worker", (BufferedWorker,), {"limits": lambda _: limits})
        self.worker = kind(1, os.getppid(), [listener], None, 30, cfg, None)
        self.worker.wsgi = self.app
        self._thread = threading.Thread(target=self.worker.run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self.app.hold.set()
        self.stop()
        assert self.ends()

    def stop(self):
        self.worker.handle_exit(15, None)

    def ends(self, seconds=WITHIN_S):
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def client(self, data=GREETING, **options):
        client = socket.socket(self.listener.family)
        client.settimeout(WITHIN_S)
        for name, value in options.items():
            level = socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP
            client.setsockopt(level, getattr(socket, name), value)
        client.connect(self.listener.getsockname())
        client.sendall(data)
        return client

    def get(self, path="/ok", head=""):
        with self.client(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n".encode()
        ) as client:
            return whole(client)


def whole(client):
    parts = []
    while data := client.recv(1 << 20):
        parts.append(data)
    return b"".join(parts)


def answer(client):
    """The body of the next answer, and nothing of one behind it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        assert byte, head
        head += byte
    left, body = int(re.search(rb"Content-Length: (\d+)", head)[1]), b""
    while left > len(body):
        body += client.recv(left - len(body))
    return body


def listening():
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(WITHIN_S)
    return listener


@pytest.fixture(autouse=True)
def looked_after_often(monkeypatch):
    monkeypatch.setattr(buffered_worker, "TICK_S", 0.1)


@pytest.fixture
def server():
    with listening() as listener, Server(listener) as running:
        yield running


def hung_up(client, seconds=WITHIN_S):
    """Whether the server ends this connection in time, whatever it has sent before."""
    until = time.monotonic() + seconds
    client.settimeout(0.05)
    while time.monotonic() < until:
        try:
            if not client.recv(1):
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


def wait_for(condition, seconds=WITHIN_S):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@contextlib.contextmanager
def trickling(client, data, *, pause_s):
    """Send a byte now and then in a thread, as long as this lasts."""
    ended = threading.Event()

    def send():
        with contextlib.suppress(OSError):
            for byte in data:
                if ended.wait(pause_s):
                    return
                client.send(bytes([byte]))

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(WITHIN_S)


UNFINISHED = [
    pytest.param(GREETING[:-2] + b"X-Long: ", id="head"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", id="body"),
    pytest.param(b"", id="nothing"),
]


@pytest.mark.parametrize("begun", UNFINISHED)
def test_whoever_sends_too_slowly_holds_no_thread_and_is_hung_up_on(server, begun):
    clients = [server.client(begun) for _ in range(THREADS * 3)]
    with contextlib.ExitStack() as all_of_them:
        for client in clients:
            all_of_them.enter_context(client)
            all_of_them.enter_context(trickling(client, b"x" * 1000 if begun else b"", pause_s=0.1))
        assert server.get().endswith(b"/ok")
        began = time.monotonic()
        assert all(hung_up(client) for client in clients)
        assert time.monotonic() - began < 3 * PATIENCE_S + 3
    assert server.get().endswith(b"/ok")


def test_line_ends_alone_keep_no_connection(server):
    with server.client(b"") as client, trickling(client, b"\r\n" * 500, pause_s=0.1):
        assert hung_up(client)


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_whoever_reads_too_slowly_is_hung_up_on(server, kind):
    asking = f"GET /{kind} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with server.client(asking, SO_RCVBUF=4096) as client:
        wait_for(lambda: server.app.closed == [kind])  # the application's part is ended, too
        assert hung_up(client)
    assert server.get().endswith(b"/ok")


def test_files_being_read_slowly_hold_no_thread(server):
    asking = b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n"
    with contextlib.ExitStack() as clients:
        for _ in range(THREADS * 4):
            clients.enter_context(server.client(asking, SO_RCVBUF=4096)).recv(10)
        assert server.get().endswith(b"/ok")


def test_requests_in_a_row_whose_answers_are_read_slowly_hold_no_thread():
    """Many requests at once, each with an answer larger than what may wait in memory."""
    asking = b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n" * 50
    with (
        listening() as listener,
        Server(listener, patience_s=2 * WITHIN_S) as server,
        contextlib.ExitStack() as clients,
    ):
        for _ in range(THREADS * 4):
            clients.enter_context(server.client(asking, SO_RCVBUF=4096)).recv(10)
        assert server.get().endswith(b"/ok")
        assert [asked[1] for asked in server.app.asked].count("/file") == THREADS * 4


def test_whoever_says_nothing_makes_room_soon(monkeypatch):
    monkeypatch.setattr(connections, "FIRST_WORD_S", 0.2)
    with (
        listening() as listener,
        Server(listener, keepalive=60) as server,
        server.client(b"") as silent,
        server.client() as spoken,
    ):
        assert answer(spoken) == b"/"
        assert hung_up(silent)
        spoken.sendall(GREETING)
        assert answer(spoken) == b"/"


def connected_from(server, address, stack):
    """A client that was answered once and stays."""
    client = stack.enter_context(socket.socket())
    client.settimeout(WITHIN_S)
    client.bind((address, 0))
    client.connect(server.listener.getsockname())
    client.sendall(GREETING)
    return client


def test_one_network_leaves_others_a_connection():
    with (
        listening() as listener,
        Server(listener, keepalive=60, worker_connections=16) as server,
        contextlib.ExitStack() as stack,
    ):
        other = connected_from(server, "127.0.0.3", stack)
        assert answer(other) == b"/"
        crowd = [connected_from(server, "127.0.0.2", stack) for _ in range(40)]
        late = connected_from(server, "127.0.0.4", stack)
        assert answer(late) == b"/"
        for client in (other, late):
            client.sendall(GREETING)
            assert answer(client) == b"/"
        assert sum(hung_up(client, 0.1) for client in crowd[:16]) >= 4


def test_room_is_made_of_the_largest_networks_idle_connections_first():
    def channel(address, *, computed=False, idle=True, since=0):
        one = SimpleNamespace(
            addr=(address, 1), is_computed=computed, is_idle=idle, idle_since=since
        )
        one.handle_close = lambda: closed.append(one)
        return one

    closed = []
    few = [channel("192.0.2.1") for _ in range(2)]
    busy = [channel("2001:db8::1", idle=False) for _ in range(10)]
    computed = [channel("2001:db8::2", computed=True, idle=False) for _ in range(10)]
    idle = [channel(f"2001:db8::{n:x}", since=n) for n in range(3, 53)]
    everyone = [*few, *busy, *computed, *idle]
    assert crowding.make_room(everyone, 200) == 0
    assert crowding.make_room(everyone, 80) == 12 and closed == idle[:12]
    closed.clear()
    crowding.make_room(everyone, 16)
    assert closed[:50] == idle and len(closed) == 60, "what is being computed stays, and who is few"
    closed.clear()
    assert crowding.make_room([channel(f"192.0.2.{n}") for n in range(100)], 100) == 0


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["a length without end", "an address cut short"],
)
def test_a_head_that_cannot_be_read_is_answered(server, head):
    with server.client(head) as client:
        assert whole(client).startswith(b"HTTP/1.1 400 ")
    assert server.get().endswith(b"/ok")


def test_a_phone_in_a_poor_network_is_never_hung_up_on():
    """5 kB/s, sent and read, for more than twice the patience."""
    patience_s, each, pause_s = 2.0, 500, 0.1
    times = int(2.5 * patience_s / pause_s)
    head = b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (each * times)
    with (
        listening() as listener,
        Server(listener, patience_s=patience_s) as server,
        server.client(head) as sending,
        # This machine's own network has no small packets: what is read shows in steps of half this.
        server.client(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n", SO_RCVBUF=4096) as reading,
    ):
        for _ in range(times):
            time.sleep(pause_s)
            sending.sendall(bytes(each))
            assert reading.recv(each)
        assert answer(sending) == b"/up"
        assert server.app.closed == []


def test_a_proxy_hangs_up_on_its_own_clients():
    """It takes an answer in leaps, with minutes between them where its client is slow."""
    asking = b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n"
    with (
        listening() as listener,
        Server(listener, reading_patience_s=60) as server,
        server.client(asking, SO_RCVBUF=4096),
    ):
        time.sleep(3 * PATIENCE_S)
        assert server.app.closed == []


def test_an_answer_that_takes_long_is_not_the_clients_slowness(server):
    with server.client(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n") as client:
        time.sleep(3 * PATIENCE_S)
        server.app.hold.set()
        assert answer(client) == b"/long"


def test_requests_in_a_row_are_answered_in_their_order(server):
    with server.client(b"".join(GREETING.replace(b"/ ", b"/%d " % n, 1) for n in range(5))) as one:
        wait_for(lambda: len(server.app.asked) == 5)
        text = b""
        while not text.endswith(b"/4"):
            text += one.recv(1000)
    assert [asked[1] for asked in server.app.asked] == [f"/{n}" for n in range(5)]


def test_a_body_is_asked_for_where_it_is_expected(server):
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with server.client(head) as client:
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"12345")
        assert answer(client) == b"/"
    assert server.app.asked[0][2] == 5


@pytest.mark.parametrize(("path", "length"), [("/unknown", None), ("/known", b"12")])
def test_head_has_the_headers_alone(server, path, length):
    request = f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with server.client(request.encode()) as client:
        head, _, body = whole(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and body == b""
    assert length is None or b"Content-Length: " + length in head
    assert b"Server:" not in head


LONG = FREE_BODY_BYTES + 1


@pytest.mark.parametrize("expect", ["", "Expect: 100-continue\r\n"])
def test_a_long_body_is_received_from_whom_it_may_come_alone(expect):
    judged = []

    def may_be_sent(path, length, cookies):
        judged.append((path, length, cookies))
        return cookies == "me"

    head = f"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: {LONG}\r\n{expect}Cookie: {{}}\r\n\r\n"
    with listening() as listener, Server(listener, may_be_sent=may_be_sent) as server:
        with server.client(head.format("me").encode()) as client:
            if expect:
                assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(bytes(LONG))
            assert answer(client) == b"/up"
        with server.client(head.format("you").encode()) as client:
            client.sendall(bytes(LONG))  # what a browser does before it looks
            assert whole(client).endswith(b"/up")
    assert judged == [("/up", LONG, "me"), ("/up", LONG, "you")]
    assert [(length, env["CONTENT_LENGTH"]) for _, _, length, env in server.app.asked] == [
        (LONG, str(LONG)),
        (0, str(LONG)),
    ]


@pytest.mark.parametrize("allowed", [True, False])
def test_a_long_body_waits_for_the_answer_before_it(allowed):
    first = b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n"
    second = b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % LONG
    with (
        listening() as listener,
        Server(listener, may_be_sent=lambda *_: allowed) as server,
        server.client(first + second) as client,
    ):
        wait_for(lambda: server.app.asked)
        time.sleep(0.2)
        assert len(server.app.asked) == 1
        server.app.hold.set()
        assert answer(client) == b"/long"
        client.sendall(bytes(LONG))
        assert answer(client) == b"/up"
        assert [asked[2] for asked in server.app.asked] == [0, LONG if allowed else 0]


def test_a_body_of_unknown_length_is_answered_by_its_head(server):
    head = b"POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with server.client(head + b"5\r\n12345\r\n") as client:
        assert whole(client).endswith(b"/up")
    _, _, length, environ = server.app.asked[0]
    assert (length, environ["HTTP_TRANSFER_ENCODING"]) == (0, "chunked")


def test_a_head_without_end_is_refused(server):
    with server.client(GREETING[:-2] + b"X-Long: " + bytes(70_000)) as client:
        assert whole(client).startswith(b"HTTP/1.1 431 ") or server.app.asked == []


def test_who_asks_is_known_by_address(tmp_path):
    for listener, address in (
        (listening(), "127.0.0.1"),
        (socket.create_server(("::1", 0), family=socket.AF_INET6), "::1"),
        (socket.socket(socket.AF_UNIX), ""),
    ):
        with listener:
            if not address:
                listener.bind(str(tmp_path / "socket"))
                listener.listen()
            with Server(listener) as server:
                server.get()
            assert server.app.asked[0][3]["REMOTE_ADDR"] == address


def test_stopping_finishes_what_is_asked_and_refuses_nobody(server):
    with (
        server.client(b"") as just_connected,
        server.client(GREETING) as kept,
        server.client(GREETING[:-2]) as half_way,
        server.client(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n") as computed,
    ):
        wait_for(lambda: len(server.app.asked) == 2)
        kept.recv(1000)
        server.stop()
        time.sleep(0.3)
        assert not server.ends(0)
        server.app.hold.set()
        just_connected.sendall(GREETING)
        kept.sendall(GREETING)
        half_way.sendall(b"\r\n")
        for client in (just_connected, kept, half_way, computed):
            assert b"Connection: close" in whole(client)
        assert server.ends(2)


def test_stopping_waits_no_longer_than_it_should():
    with (
        listening() as listener,
        Server(listener, graceful_timeout=1) as server,
        server.client(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n"),
    ):
        wait_for(lambda: server.app.asked)
        began = time.monotonic()
        server.stop()
        assert server.ends() and 0.9 < time.monotonic() - began < 3


def test_a_process_ends_after_its_last_request():
    with listening() as listener, Server(listener, max_requests=2) as server:
        server.get()
        assert not server.ends(0.1)
        server.get()
        assert server.ends()


def test_as_many_clients_as_open_files_allow(monkeypatch):
    import resource

    limits = [256, 4096]
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.__setitem__(0, both[0]))
    assert (connection_limit(1000), limits) == (1000, [3200, 4096])
    limits[:] = [256, 500]
    assert (connection_limit(1000), limits) == (100, [500, 500])


def test_a_studio_without_a_proxy_answers_beside_sixty_slow_clients(studio_process):
    """More than it has threads: unfinished heads, and bodies at addresses that read them."""
    with contextlib.ExitStack() as clients:
        for number in range(60):
            client = clients.enter_context(
                socket.create_connection(("127.0.0.1", studio_process.port), WITHIN_S)
            )
            client.sendall(
                b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n" + b"\r\n--x\r\n" * (number % 2)
            )
        began = time.monotonic()
        for path in ("/login/", "/healthz", "/static/nothing.css"):
            answer = httpx.get(studio_process.url + path, timeout=WITHIN_S)
            assert answer.status_code == (404 if "nothing" in path else 200)
        assert time.monotonic() - began < WITHIN_S
    stranger = {"Content-Length": str(60 * 2**20)}
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", studio_process.port, timeout=WITHIN_S)
    ) as connection:
        connection.putrequest("POST", "/projects/import/")
        for name, value in stranger.items():
            connection.putheader(name, value)
        connection.endheaders(bytes(4 * 2**20))  # and no more: nothing of it is waited for
        refused = connection.getresponse()
        assert (refused.status, refused.headers["Location"][:7]) == (302, "/login/")
