from __future__ import annotations

import gzip
import hashlib
import http.server
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from studio.media import download
from studio.media.addresses import is_public
from studio.media.download import (
    DownloadFailed,
    DownloadGone,
    DownloadRefused,
    download_video,
    sniff_container,
)

MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(range(256)) * 1000
WEBM = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm" + bytes(200)
PUBLIC = "93.184.215.14"


def public_dns(host, port):
    return [PUBLIC]


def fetch(tmp_path, handler, url="https://cdn.example/clip.mp4?signature=secret", **options):
    options.setdefault("resolve", public_dns)
    transport = httpx.MockTransport(handler)
    return download_video(url, tmp_path / "clip.mp4", transport=transport, **options)


def refuse_all(request):
    raise AssertionError(f"nothing may be sent, but {request.url} was")


def files(folder):
    return [path.name for path in folder.iterdir()]


class Server:
    """A web server on this machine; `answers` maps a path to a function of the handler."""

    def __init__(self, answers, context=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler):
                self.requests.append((handler.path, dict(handler.headers)))
                answers[handler.path](handler)
                handler.close_connection = True

            def log_message(handler, *args):
                pass

        self.requests = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.hosts = frozenset({f"127.0.0.1:{self.port}"})
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()


def sends(body, *, announced=None, status=200, **headers):
    def answer(handler):
        handler.send_response(status)
        if announced is not False:
            length = len(body) if announced is None else announced
            handler.send_header("Content-Length", str(length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_a_clip_is_fetched_whole_and_described(tmp_path):
    with Server({"/clip": sends(MP4, Content_Type="text/plain")}) as server:
        path = tmp_path / "clip.mp4"
        path.write_bytes(b"older")
        result = download_video(f"{server.url}/clip", path, allow_hosts=server.hosts)
    assert path.read_bytes() == MP4
    assert (result.path, result.bytes) == (path, len(MP4))
    assert result.sha256 == hashlib.sha256(MP4).hexdigest()
    assert result.content_type == "video/mp4"
    assert files(tmp_path) == ["clip.mp4"]


def test_redirects_and_bodies_without_a_length_are_followed(tmp_path):
    answers = {
        "/a": sends(b"", status=302, Location="/b"),
        "/b": sends(b"", status=307, Location="c?d=e"),
        "/c?d=e": sends(WEBM, announced=False),
    }
    with Server(answers) as server:
        path = tmp_path / "clip"
        result = download_video(f"{server.url}/a", path, allow_hosts=server.hosts)
    assert result.content_type == "video/webm"
    assert path.read_bytes() == WEBM
    assert [asked for asked, _ in server.requests] == ["/a", "/b", "/c?d=e"]


def test_nothing_of_ours_is_sent_along(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    answers = {
        "/a": sends(b"", status=302, Location="/b", Set_Cookie="session=1; Domain=example.org"),
        "/b": sends(MP4),
    }
    with Server(answers) as server:
        download_video(f"{server.url}/a", tmp_path / "c", allow_hosts=server.hosts)
    for _, headers in server.requests:
        assert set(headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.10",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "100::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1111%eth0",
        "fec0::1",
        "ff02::1",
        "not an address",
        "",
    ],
)
def test_an_address_inside_is_not_public(tmp_path, address):
    assert not is_public(address)
    with pytest.raises(DownloadRefused, match="cdn.example is not a public address"):
        fetch(tmp_path, refuse_all, resolve=lambda host, port: [address])
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_an_address_outside_is_public(address):
    assert is_public(address)


def test_one_private_address_among_public_ones_is_enough_to_refuse(tmp_path):
    with pytest.raises(DownloadRefused, match="not a public address"):
        fetch(tmp_path, refuse_all, resolve=lambda host, port: [PUBLIC, "10.0.0.1"])


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://cdn.example/clip.mp4", "https://"),
        ("file:///etc/passwd", "https://"),
        ("ftp://cdn.example/clip.mp4", "https://"),
        ("data:video/mp4;base64,AAAA", "https://"),
        ("//cdn.example/clip.mp4", "https://"),
        ("https:///clip.mp4", "https://"),
        ("", "https://"),
        ("https://user:word@cdn.example/clip.mp4", "user name or password"),
        ("https://user@cdn.example/clip.mp4", "user name or password"),
        ("https://cdn.example:port/", "not a valid address"),
        ("https://cdn.example/\x00", "not a valid address"),
    ],
)
def test_a_link_of_another_kind_is_refused(tmp_path, url, sentence):
    with pytest.raises(DownloadRefused, match=sentence):
        fetch(tmp_path, refuse_all, url=url)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "localhost", "2130706433", "0x7f.1", "[::ffff:7f00:1]", "0", "127.1"],
)
def test_every_spelling_of_this_machine_is_refused(tmp_path, host):
    with pytest.raises((DownloadRefused, DownloadFailed), match="not a public|not found"):
        download_video(
            f"https://{host}/clip.mp4",
            tmp_path / "clip.mp4",
            transport=httpx.MockTransport(refuse_all),
        )


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("https://169.254.169.254/latest/meta-data", "169.254.169.254 is not a public"),
        ("http://169.254.169.254/latest/meta-data", "https://"),
        ("https://localhost/", "localhost is not a public"),
        ("https://inside.example/", "inside.example is not a public"),
        ("file:///etc/passwd", "https://"),
        ("http://cdn.example/clip.mp4", "https://"),
        ("https://user:word@cdn.example/", "user name or password"),
    ],
)
def test_a_redirect_is_checked_like_the_first_link(tmp_path, location, sentence):
    def handler(request):
        assert request.headers["Host"] == "cdn.example"
        return httpx.Response(302, headers={"Location": location})

    names = {
        "cdn.example": PUBLIC,
        "inside.example": "10.0.0.7",
        "localhost": "127.0.0.1",
        "169.254.169.254": "169.254.169.254",
    }
    with pytest.raises(DownloadRefused, match=sentence):
        fetch(tmp_path, handler, resolve=lambda host, port: [names[host]])
    assert files(tmp_path) == []


def test_endless_redirects_are_refused(tmp_path):
    asked = []

    def handler(request):
        asked.append(request.url)
        return httpx.Response(302, headers={"Location": f"/{len(asked)}"})

    with pytest.raises(DownloadRefused, match="redirects more than 5 times"):
        fetch(tmp_path, handler)
    assert len(asked) == 6


def test_the_address_that_was_checked_is_the_one_connected_to(tmp_path):
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    seen = []

    def handler(request):
        seen.append(request)
        return httpx.Response(200, content=MP4)

    fetch(
        tmp_path,
        handler,
        url="https://cdn.example:8443/a%2Fb.mp4?x=%2B",
        resolve=lambda host, port: next(answers),
    )
    (request,) = seen
    assert str(request.url) == f"https://{PUBLIC}:8443/a%2Fb.mp4?x=%2B"
    assert request.headers["Host"] == "cdn.example:8443"
    assert request.extensions["sni_hostname"] == "cdn.example"


def test_the_next_address_is_tried_when_one_does_not_connect(tmp_path):
    def handler(request):
        if request.url.host != PUBLIC:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, content=MP4)

    fetch(tmp_path, handler, resolve=lambda host, port: ["2606:4700::1111", PUBLIC])
    with pytest.raises(DownloadFailed, match="connection"):
        fetch(tmp_path, handler, resolve=lambda host, port: ["2606:4700::1111"])


def test_a_name_that_is_not_found_is_worth_another_try(tmp_path):
    def resolve(host, port):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    with pytest.raises(DownloadFailed, match="cdn.example was not found"):
        fetch(tmp_path, refuse_all, resolve=resolve)


@pytest.mark.parametrize(
    ("entry", "url", "allowed"),
    [
        ("media.lan", "http://media.lan/x", True),
        ("media.lan", "http://MEDIA.lan:8080/x", True),
        ("media.lan:8080", "http://media.lan:8080/x", True),
        ("media.lan:443", "https://media.lan/x", True),
        ("[::1]:8080", "http://[::1]:8080/x", True),
        ("media.lan:8080", "http://media.lan/x", False),
        ("media.lan", "http://other.media.lan/x", False),
        ("lan", "http://media.lan/x", False),
    ],
)
def test_listed_hosts_are_exempt_and_no_others(tmp_path, entry, url, allowed):
    def handler(request):
        return httpx.Response(200, content=MP4)

    if allowed:
        fetch(tmp_path, handler, url=url, allow_hosts=frozenset({entry}))
    else:
        with pytest.raises(DownloadRefused):
            fetch(tmp_path, handler, url=url, allow_hosts=frozenset({entry}))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b"", DownloadGone),
        (403, b"", DownloadGone),
        (404, b"", DownloadGone),
        (410, b"", DownloadGone),
        (400, b"<Error><Code>ExpiredToken</Code></Error>", DownloadGone),
        (400, b"bad request", DownloadRefused),
        (405, b"", DownloadRefused),
        (204, b"", DownloadFailed),
        (302, b"", DownloadFailed),
        (206, MP4, DownloadFailed),
        (304, b"", DownloadFailed),
        (429, b"", DownloadFailed),
        (500, b"", DownloadFailed),
        (503, b"", DownloadFailed),
    ],
)
def test_each_status_ends_in_a_clear_state(tmp_path, status, body, error):
    with pytest.raises(error, match=f"status {status}"):
        fetch(tmp_path, lambda request: httpx.Response(status, content=body))
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("9" * 9, 86400), ("soon", None), ("-5", None), ("", None), ("9" * 50, None)],
)
def test_retry_after_is_passed_on(tmp_path, value, seconds):
    with pytest.raises(DownloadFailed) as caught:
        fetch(tmp_path, lambda request: httpx.Response(503, headers={"Retry-After": value}))
    assert caught.value.retry_after_s == seconds


def test_retry_after_may_be_a_date(tmp_path):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    with pytest.raises(DownloadFailed) as caught:
        fetch(tmp_path, lambda request: httpx.Response(429, headers={"Retry-After": date}))
    assert 80 <= caught.value.retry_after_s <= 90


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        (sends(MP4, announced=len(MP4) + 10), DownloadFailed, "connection|incomplete"),
        (sends(b"", announced=0), DownloadFailed, "empty"),
        (sends(b"", announced=False), DownloadFailed, "empty"),
        (sends(b"<!doctype html>" + b"x" * 500), DownloadRefused, "not an MP4"),
        (sends(b"\x89PNG\r\n\x1a\n" + bytes(500)), DownloadRefused, "not an MP4"),
        (sends(b"{}"), DownloadRefused, "not an MP4"),
        (sends(MP4, announced=10**9), DownloadRefused, "larger than the allowed 1 MB"),
        (sends(MP4 * 8, announced=False), DownloadRefused, "larger than the allowed 1 MB"),
    ],
)
def test_a_bad_body_leaves_no_file(tmp_path, answer, error, sentence):
    with Server({"/x": answer}) as server, pytest.raises(error, match=sentence):
        download_video(f"{server.url}/x", tmp_path / "c", allow_hosts=server.hosts, max_bytes=2**20)
    assert files(tmp_path) == []


def test_an_endless_body_is_cut_at_the_limit(tmp_path):
    sent = []

    def endless():
        yield MP4
        while True:
            sent.append(1)
            yield bytes(65536)

    with pytest.raises(DownloadRefused, match="larger than the allowed 2 MB"):
        fetch(tmp_path, lambda request: httpx.Response(200, content=endless()), max_bytes=2**21)
    assert len(sent) < 40
    assert files(tmp_path) == []


def test_a_wrong_type_is_noticed_before_the_rest_is_fetched(tmp_path):
    def page():
        yield b"<html>" + bytes(100)
        raise AssertionError("read on after the first bytes were wrong")

    with pytest.raises(DownloadRefused, match="not an MP4"):
        fetch(tmp_path, lambda request: httpx.Response(200, content=page()))


def test_a_body_in_tiny_pieces_is_recognised(tmp_path):
    pieces = (MP4[index : index + 3] for index in range(0, len(MP4), 3))
    result = fetch(tmp_path, lambda request: httpx.Response(200, content=pieces))
    assert result.bytes == len(MP4)


def test_a_compressed_body_is_kept_as_it_was_meant(tmp_path):
    squeezed = gzip.compress(MP4)
    for answer in (sends(squeezed, Content_Encoding="gzip"), sends(MP4, Content_Encoding="x-own")):
        with Server({"/x": answer}) as server:
            download_video(f"{server.url}/x", tmp_path / "c", allow_hosts=server.hosts)
        assert (tmp_path / "c").read_bytes() == MP4


def test_a_slow_body_is_stopped(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(download, "monotonic", lambda: now[0])

    def slow(bytes_per_s):
        yield MP4[:100]
        for _ in range(60):
            now[0] += 1
            yield bytes(bytes_per_s)

    with pytest.raises(DownloadFailed, match="too slowly"):
        fetch(tmp_path, lambda request: httpx.Response(200, content=slow(5_000)))
    assert files(tmp_path) == []
    fetch(tmp_path, lambda request: httpx.Response(200, content=slow(20_000)))


@pytest.mark.parametrize("part", ["header", "body"])
def test_the_whole_download_has_a_time_limit(tmp_path, part):
    stop = threading.Event()

    def drip(handler):
        if part == "body":
            handler.send_response(200)
            handler.end_headers()
            handler.wfile.write(MP4[:100])
        # Each byte arrives well within the read timeout, and the end never comes.
        while not stop.wait(0.05):
            try:
                handler.wfile.write(b"H" if part == "header" else b"\x00")
            except OSError:
                return

    with Server({"/x": drip}) as server, pytest.raises(DownloadFailed, match="took too long"):
        try:
            download_video(
                f"{server.url}/x", tmp_path / "c", allow_hosts=server.hosts, timeout_s=0.4
            )
        finally:
            stop.set()
    assert files(tmp_path) == []


def test_an_interrupted_download_leaves_no_file(tmp_path):
    def body():
        yield MP4[:1000]
        raise SystemExit

    with pytest.raises(SystemExit):
        fetch(tmp_path, lambda request: httpx.Response(200, content=body()))
    assert files(tmp_path) == []


def test_a_full_disk_is_a_failure_with_a_reason(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("studio.media.atomic.os.fsync", full)
    with pytest.raises(DownloadFailed, match="No space left on device"):
        fetch(tmp_path, lambda request: httpx.Response(200, content=MP4))
    assert files(tmp_path) == []


def test_no_message_shows_the_signed_link(tmp_path):
    answers = [httpx.Response(status) for status in (302, 403, 405, 500)]
    for answer in [*answers, httpx.Response(200, content=b"<html>" * 50), httpx.Response(200)]:
        with pytest.raises(download.DownloadError) as caught:
            fetch(tmp_path, lambda request, answer=answer: answer)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        (MP4[:64], "video/mp4"),
        (b"\x00\x00\x00\x14ftypqt  " + bytes(50), "video/quicktime"),
        (b"\x00\x00\x00\x08wide\x00\x00\x10\x00mdat", "video/quicktime"),
        (WEBM[:64], "video/webm"),
        (WEBM[:64].replace(b"webm", b"abcd"), None),
        (b"\x00\x00\x00\x1cftypavif" + bytes(50), None),
        (b"GIF89a" + bytes(60), None),
        (b"#EXTM3U\n", None),
        (b"", None),
    ],
)
def test_containers_are_told_by_their_first_bytes(head, content_type):
    assert sniff_container(head) == content_type


def certificate_for(name, folder):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return pem


@pytest.mark.parametrize(("asked", "works"), [("cdn.example", True), ("evil.example", False)])
def test_the_certificate_is_checked_against_the_name_on_a_pinned_connection(
    tmp_path, monkeypatch, asked, works
):
    keys, out = tmp_path / "keys", tmp_path / "out"
    keys.mkdir()
    out.mkdir()
    pem = certificate_for("cdn.example", keys)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem)
    trusting = ssl.create_default_context(cafile=str(pem))
    monkeypatch.setattr(download, "is_public", lambda address: True)
    with Server({"/x": sends(MP4)}, serving) as server:
        options = {
            "transport": httpx.HTTPTransport(verify=trusting),
            "resolve": lambda host, port: ["127.0.0.1"],
        }
        url = f"https://{asked}:{server.port}/x"
        if works:
            assert download_video(url, out / "c", **options).bytes == len(MP4)
            assert server.requests[0][1]["Host"] == f"cdn.example:{server.port}"
        else:
            with pytest.raises(DownloadFailed, match="connection"):
                download_video(url, out / "c", **options)
            assert server.requests == []
            assert files(out) == []
