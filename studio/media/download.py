"""Fetching a finished clip from a link that someone else chose.

Errors, as a tree:

    DownloadError(message)
    ├── DownloadRefused   the host refuses, or sends something that is no video
    │   └── DownloadForbidden   a link or address that this studio's own rules do not allow
    │       └── DownloadTooLarge   nor a file of this size
    ├── DownloadGone      the link does not work (yet, or any more)
    └── DownloadFailed    something went wrong on the way; `retry_after_s` when the host said when

None of them is final: what a host answers may change, and the provider may give another link.

`message` is a sentence for people; it names the host at most, never the link, which may be signed.
"""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

import httpx

from studio.media.addresses import is_public, resolve_host
from studio.media.atomic import replacing
from studio.tls import tls_context

MAX_BYTES = 2**30
TIMEOUT_S = 600.0
MAX_REDIRECTS = 5
SLOW_WINDOW_S = 20.0
SLOW_BYTES_PER_S = 8 * 1024

_STEP_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({401, 403, 404, 410})
_TRY_AGAIN = frozenset({408, 425, 429})
_HEAD_BYTES = 64
_MAX_RETRY_AFTER_S = 24 * 3600
_HEADERS = {"User-Agent": "RayStudio/1.0", "Accept": "*/*", "Accept-Encoding": "identity"}
_IMAGE_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"})


class DownloadError(Exception):
    """The clip was not fetched; nothing was left on the disk."""


class DownloadRefused(DownloadError):
    """The host refuses to send it, or what it sends is no video."""


class DownloadForbidden(DownloadRefused):
    """A link or an address that is not allowed here, and was not followed."""


class DownloadTooLarge(DownloadForbidden):
    """A file larger than is allowed here."""


class DownloadGone(DownloadError):
    """The link does not work: not yet, expired, or the file was removed."""


class DownloadFailed(DownloadError):
    """Something went wrong on the way; `retry_after_s` is the host's own advice, if any."""

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class DownloadedFile:
    """A fetched clip in its place."""

    path: Path
    bytes: int
    sha256: str  # hexadecimal
    content_type: str  # by content: video/mp4, video/quicktime or video/webm


Resolver = Callable[[str, int], list[str]]


def download_video(
    url: str,
    destination: Path,
    *,
    allow_hosts: frozenset[str] = frozenset(),
    max_bytes: int = MAX_BYTES,
    timeout_s: float = TIMEOUT_S,
    transport: httpx.BaseTransport | None = None,
    resolve: Resolver = resolve_host,
) -> DownloadedFile:
    """Fetch a video to `destination`, whole or not at all; an older file there is replaced.

    https and public addresses only, checked after name resolution on every redirect; the address
    that was checked is the one connected to. Hosts in `allow_hosts` (`host` or `host:port`) are
    exempt from both. Sends no cookie, key or proxy setting of ours. The body must be an MP4, MOV
    or WebM by its first bytes, as long as announced and at most `max_bytes`; it may take
    `timeout_s` in all and must bring SLOW_BYTES_PER_S over any SLOW_WINDOW_S.
    Raises DownloadForbidden, DownloadRefused, DownloadGone or DownloadFailed.
    """
    with (
        _Deadline(timeout_s) as deadline,
        httpx.Client(
            verify=tls_context(trust_env=False),
            transport=transport,
            timeout=_STEP_TIMEOUT,
            headers=_HEADERS,
            trust_env=False,
        ) as client,
    ):
        journey = _Journey(client, allow_hosts, resolve, deadline)
        try:
            with journey.arrive(url) as response:
                return _store(response, destination, max_bytes, deadline)
        except httpx.TimeoutException as error:
            raise DownloadFailed("The host of the clip did not answer in time.") from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            deadline.check()
            raise DownloadFailed("The connection to the host of the clip broke.") from error
        except OSError as error:
            reason = error.strerror or "the disk refused it"
            raise DownloadFailed(f"The clip could not be saved: {reason}.") from error


def sniff_container(head: bytes) -> str | None:
    """Tell the content type of a video from its first 64 bytes, or None for anything else."""
    kind = head[4:8]
    if kind == b"ftyp":
        brand = head[8:12]
        if brand in _IMAGE_BRANDS:
            return None
        return "video/quicktime" if brand == b"qt  " else "video/mp4"
    # QuickTime files from before the ftyp box begin with one of these.
    if kind in {b"moov", b"mdat", b"wide"}:
        return "video/quicktime"
    if head.startswith(b"\x1a\x45\xdf\xa3") and b"webm" in head:
        return "video/webm"
    return None


class _Deadline:
    """Ends a download after a given time, even in the middle of a read that never ends.

    A host may send one byte of a header now and then for ever: every single read is in time.
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True
        self._expired = False
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()

    def check(self) -> None:
        """Raise DownloadFailed once the time is over."""
        if self._expired:
            raise DownloadFailed("Fetching the clip took too long and was stopped.")

    def watch(self, event: str, info: dict[str, Any]) -> None:
        """Note the socket in use; given to httpx as its "trace" extension."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._socket = info["return_value"].get_extra_info("socket")

    def _expire(self) -> None:
        self._expired = True
        if self._socket is not None:
            with suppress(OSError):
                # The plain method wakes a blocked reader; SSLSocket's own drops its state first.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True)
class _Journey:
    """From the link to the answer that carries the clip, through checked hops only."""

    client: httpx.Client
    allow_hosts: frozenset[str]
    resolve: Resolver
    deadline: _Deadline

    @contextmanager
    def arrive(self, link: str) -> Iterator[httpx.Response]:
        url = _parsed(link)
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(url)
            try:
                self.deadline.check()
                location = response.headers.get("Location")
                if response.status_code not in _REDIRECTS or not location:
                    _check_status(response)
                    yield response
                    return
                url = _parsed(location, base=url)
            finally:
                response.close()
        raise DownloadForbidden(f"The link of the clip redirects more than {MAX_REDIRECTS} times.")

    def _send(self, url: httpx.URL) -> httpx.Response:
        """GET one hop, connecting to an address that was checked and to no other."""
        if url.userinfo:
            raise DownloadForbidden("The link of the clip contains a user name or password.")
        extensions: dict[str, Any] = {"trace": self.deadline.watch}
        if _is_listed(url, self.allow_hosts):
            request = self.client.build_request("GET", url, extensions=extensions)
            return self.client.send(request, stream=True)
        if url.scheme != "https":
            raise DownloadForbidden("The link of the clip does not begin with https://.")
        # The certificate is still checked against the name, which also goes out as Host and SNI.
        extensions["sni_hostname"] = url.raw_host.decode("ascii").rstrip(".")
        error: httpx.TransportError | None = None
        for address in self._checked_addresses(url):
            request = self.client.build_request(
                "GET",
                url.copy_with(host=address),
                headers={"Host": url.netloc.decode("ascii")},
                extensions=extensions,
            )
            try:
                return self.client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as failure:
                error = failure
            self.deadline.check()
        assert error is not None
        raise error

    def _checked_addresses(self, url: httpx.URL) -> list[str]:
        try:
            addresses = self.resolve(url.raw_host.decode("ascii"), url.port or 443)
        except (socket.gaierror, UnicodeError) as error:
            raise DownloadFailed(f"The host {url.host} was not found.") from error
        if not addresses:
            raise DownloadFailed(f"The host {url.host} was not found.")
        if not all(is_public(address) for address in addresses):
            raise DownloadForbidden(f"The host {url.host} is not a public address.")
        return addresses[:4]


def _parsed(link: str, *, base: httpx.URL | None = None) -> httpx.URL:
    try:
        url = base.join(link) if base else httpx.URL(link)
    except (httpx.InvalidURL, ValueError):
        raise DownloadForbidden("The link of the clip is not a valid address.") from None
    if url.scheme not in {"https", "http"} or not url.host:
        raise DownloadForbidden("The link of the clip does not begin with https://.")
    return url


def _is_listed(url: httpx.URL, allow_hosts: frozenset[str]) -> bool:
    host = url.raw_host.decode("ascii").lower()
    port = url.port or (443 if url.scheme == "https" else 80)
    names = {host, f"[{host}]"}
    names |= {f"{name}:{port}" for name in names}
    return not names.isdisjoint(entry.strip().lower() for entry in allow_hosts)


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status == 200:
        return
    # Google's storage answers an expired signature with 400 and says so in the body only.
    if status in _GONE or (status == 400 and b"expired" in _beginning(response).lower()):
        raise DownloadGone(f"The link of the clip no longer works (status {status}).")
    if status in _TRY_AGAIN or status >= 500 or status < 400:
        raise DownloadFailed(
            f"The host of the clip answered with status {status}.",
            retry_after_s=_retry_after_s(response.headers.get("Retry-After", "")),
        )
    raise DownloadRefused(f"The host of the clip refused to send it (status {status}).")


def _beginning(response: httpx.Response, limit: int = 4096) -> bytes:
    read = b""
    for chunk in response.iter_bytes():
        read += chunk
        if len(read) >= limit:
            break
    return read[:limit]


def _retry_after_s(value: str) -> int | None:
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return min(int(value), _MAX_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - datetime.now(UTC)).total_seconds()
    return round(min(max(seconds, 0), _MAX_RETRY_AFTER_S))


def _store(
    response: httpx.Response, destination: Path, max_bytes: int, deadline: _Deadline
) -> DownloadedFile:
    announced = response.headers.get("Content-Length", "")
    expected = int(announced) if announced.isascii() and announced.isdigit() else None
    if expected is not None and expected > max_bytes:
        raise _too_large(max_bytes)
    digest, received, head = hashlib.sha256(), 0, b""
    with replacing(destination, durable=True) as part:
        with part.open("xb") as file:
            for chunk in _paced(response.iter_bytes(), deadline):
                received += len(chunk)
                if received > max_bytes:
                    raise _too_large(max_bytes)
                if len(head) < _HEAD_BYTES:
                    head = (head + chunk)[:_HEAD_BYTES]
                    if len(head) == _HEAD_BYTES:
                        _content_type(head)
                digest.update(chunk)
                file.write(chunk)
        # A connection that the deadline shut looks like the end of a body without a length.
        deadline.check()
        if not received:
            raise DownloadFailed("The host of the clip sent an empty file.")
        # What was announced is what went over the wire, before any decompression.
        if expected is not None and (response.num_bytes_downloaded or received) != expected:
            raise DownloadFailed("The clip arrived incomplete.")
        content_type = _content_type(head)
    return DownloadedFile(destination, received, digest.hexdigest(), content_type)


def _paced(chunks: Iterator[bytes], deadline: _Deadline) -> Iterator[bytes]:
    window_began, in_window = monotonic(), 0
    for chunk in chunks:
        deadline.check()
        yield chunk
        in_window += len(chunk)
        elapsed = monotonic() - window_began
        if elapsed >= SLOW_WINDOW_S:
            if in_window < SLOW_BYTES_PER_S * elapsed:
                raise DownloadFailed("The host of the clip sends too slowly; it was stopped.")
            window_began, in_window = monotonic(), 0


def _content_type(head: bytes) -> str:
    found = sniff_container(head)
    if found is None:
        raise DownloadRefused("What the link leads to is not an MP4, MOV or WebM video.")
    return found


def _too_large(max_bytes: int) -> DownloadTooLarge:
    return DownloadTooLarge(f"The clip is larger than the allowed {max_bytes // 2**20} MB.")
