"""The one place that speaks HTTP. Adapters describe a `Call`; a `Door` sends it, sync or async.

How trouble maps to the contract (a paid call is one that may buy something):

    nothing left this machine      ProviderUnavailable
    no answer, answer cut, 5xx     SubmitUncertain when paid, else ProviderUnavailable
    429                            RateLimited, with Retry-After in seconds
    redirect, web page as a 4xx    WrongEndpoint: whoever answered is not the provider
    404 or 405 for the call itself WrongEndpoint when paid
    408, 425, page as a 409        as no answer: they do not say whether it was acted upon
    2xx that cannot be read        SubmitUncertain when paid, else ProtocolError
    2xx that holds an error        that error, as the adapter's parser raises it
    other 4xx                      what the adapter's `explain` makes of it

No retries, no redirects; only a GET on a kept connection that turned out closed is sent once more,
by the event loop's client itself. Keys never appear in an error, a log line or a repr.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from studio.media.addresses import is_public, resolve_host
from studio.providers.base import (
    AuthFailed,
    ProtocolError,
    ProviderError,
    ProviderUnavailable,
    Refused,
    SubmitUncertain,
)
from studio.providers.calls import Answer, Call
from studio.providers.http_errors import Explain, error_of, unreadable
from studio.providers.masking import mask_text
from studio.providers.wording import clean
from studio.tls import tls_context

logger = logging.getLogger(__name__)
# Both log every URL as it is, presigned uploads with their signature included.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

T = TypeVar("T")
Transport = httpx.BaseTransport | httpx.AsyncBaseTransport

USER_AGENT = "RayStudio/0.1"
CONNECT_TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 5 * 1024 * 1024
DETAIL_CHARS = 500

# Raised before a byte of the request left this machine.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
)
# The aiohttp transport reports a connection lost after sending as ConnectTimeout, so on the
# event loop only a plain ConnectError proves that nothing left.
_NEVER_SENT_ASYNC = (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL)
_TROUBLE = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, aiohttp.ClientError, TimeoutError)


class Door:
    """One account's way to its provider: base URL, key headers, and the two clients.

    `explain` turns a 4xx or 5xx into an error of the contract; it returns None for a 5xx it
    cannot place. `transport` replaces the network, for tests; `timeout_s` shortens every call.
    """

    def __init__(
        self,
        *,
        label: str,
        base_url: str,
        headers: Mapping[str, str],
        secrets: tuple[str, ...],
        explain: Explain,
        transport: Transport | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self.label = label
        self.base_url = base_url.rstrip("/")
        self.secrets = tuple(secret for secret in secrets if secret)
        self._headers = {"User-Agent": USER_AGENT, "Accept": "application/json", **headers}
        self._explain = explain
        self._transport = transport
        self._timeout_s = timeout_s
        self._client: httpx.Client | None = None
        self._aclient: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"<Door {self.label} {mask_text(self.base_url, self.secrets)}>"

    def send(self, call: Call[T]) -> T:
        """Send a call and return what its parser makes of the answer. Raises any ProviderError."""
        self._check_key()
        started = time.monotonic()
        try:
            client = self._sync_client()
            request = self._build(client, call)
            response = client.send(request, stream=True)
            try:
                body = self._read(response, call, started)
            finally:
                response.close()
        except _TROUBLE as trouble:
            self._raise_trouble(call, trouble, isinstance(trouble, _NEVER_SENT))
        return self._finish(call, Answer(response.status_code, response.headers, body), started)

    async def asend(self, call: Call[T]) -> T:
        """As `send`, on the running event loop, over keep-alive connections."""
        self._check_key()
        started = time.monotonic()
        try:
            client = self._async_client()
            request = self._build(client, call)
            async with asyncio.timeout(2 * self._patience(call)):
                response = await client.send(request, stream=True)
                try:
                    body = await self._aread(response, call)
                finally:
                    await response.aclose()
        except _TROUBLE as trouble:
            self._raise_trouble(call, trouble, isinstance(trouble, _NEVER_SENT_ASYNC))
        return self._finish(call, Answer(response.status_code, response.headers, body), started)

    def put_file(
        self, url: str, data: bytes, content_type: str, *, timeout_s: float = 60.0
    ) -> None:
        """PUT bytes to a presigned URL, without the key. Raises ProviderUnavailable."""
        if not url.startswith(("https://", f"{self.base_url.partition('://')[0]}://")):
            raise ProtocolError(f"{self.label} gave an upload address that is not https.")
        if _leads_inside(url, self.base_url):
            raise ProtocolError(f"{self.label} gave an upload address that is not public.")
        transport = self._transport if isinstance(self._transport, httpx.BaseTransport) else None
        try:
            with httpx.Client(
                verify=tls_context(), transport=transport, timeout=_timeout(timeout_s)
            ) as client:
                headers = {"User-Agent": USER_AGENT, "Content-Type": content_type}
                status = client.put(url, content=data, headers=headers).status_code
        except _TROUBLE as trouble:
            raise ProviderUnavailable(
                f"{self.label} did not take the picture. Nothing was sent to render.",
                detail=type(trouble).__name__,
            ) from trouble
        if not 200 <= status < 300:
            raise ProviderUnavailable(
                f"{self.label} did not take the picture (HTTP {status}). "
                "Nothing was sent to render."
            )

    def close(self) -> None:
        """Close the synchronous client."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def aclose(self) -> None:
        """Close the event loop's client."""
        if self._aclient is not None:
            await self._aclient.aclose()
            self._aclient = None

    def _check_key(self) -> None:
        # A key with a line break or an accent cannot be put in a header at all.
        if not all(secret.isascii() and secret.isprintable() for secret in self.secrets):
            raise AuthFailed(
                f"The {self.label} key holds characters that no key has. Enter it again."
            )

    def _build(self, client: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
        try:
            return client.build_request(call.method, self._url(call), **self._parts(call))
        except (ValueError, TypeError) as error:
            raise Refused(
                f"{self.label} cannot be asked this: it holds characters that no request can carry.",
                detail=type(error).__name__,
            ) from error

    def _patience(self, call: Call[Any]) -> float:
        return min(call.timeout_s, self._timeout_s or call.timeout_s)

    def _parts(self, call: Call[Any]) -> dict[str, Any]:
        timeout = _timeout(self._patience(call))
        parts: dict[str, Any] = {"headers": dict(call.headers), "timeout": timeout}
        if call.params:
            parts["params"] = dict(call.params)
        if call.json is not None:
            parts["json"] = call.json
        if call.files is not None:
            parts["files"] = dict(call.files)
        return parts

    def _url(self, call: Call[Any]) -> str:
        return f"{self.base_url}{call.path}"

    def _sync_client(self) -> httpx.Client:
        if self._client is None:
            transport = self._transport
            self._client = httpx.Client(
                verify=tls_context(),
                headers=self._headers,
                follow_redirects=False,
                transport=transport if isinstance(transport, httpx.BaseTransport) else None,
                # A kept connection may be closed by the other side just as a paid request is
                # written to it: the outcome would be unknown for no reason.
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return self._client

    def _async_client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._aclient is None or self._loop is not loop:
            transport = self._transport
            if not isinstance(transport, httpx.AsyncBaseTransport):
                transport = AiohttpTransport(
                    verify=tls_context(), client=_session, proxy=_proxy_for(self.base_url)
                )
            self._aclient = httpx.AsyncClient(
                headers=self._headers, follow_redirects=False, transport=transport
            )
            self._loop = loop
        return self._aclient

    def _read(self, response: httpx.Response, call: Call[Any], started: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise _TooLarge("answer larger than 5 MB")
            if time.monotonic() - started > 2 * self._patience(call):
                raise httpx.ReadTimeout("answer too slow")
            chunks.append(chunk)
        return b"".join(chunks)

    async def _aread(self, response: httpx.Response, call: Call[Any]) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise _TooLarge("answer larger than 5 MB")
            chunks.append(chunk)
        return b"".join(chunks)

    def _raise_trouble(self, call: Call[Any], trouble: Exception, never_sent: bool) -> NoReturn:
        detail = self._mask(f"{type(trouble).__name__}: {trouble}")
        logger.info("%s %s %s: %s", self.label, call.method, call.path, detail)
        if call.paid and not never_sent:
            raise SubmitUncertain(
                f"The request went to {self.label}, but no answer came. It may be rendering and it "
                "may cost.",
                detail=detail,
            ) from trouble
        if isinstance(trouble, _TooLarge):
            raise ProtocolError(
                f"{self.label} sent more data than an answer can hold.", detail=detail
            ) from trouble
        raise ProviderUnavailable(f"{self.label} isn't answering.", detail=detail) from trouble

    def _finish(self, call: Call[T], answer: Answer, started: float) -> T:
        if logger.isEnabledFor(logging.DEBUG):
            headers = answer.headers
            logger.debug(
                "%s %s %s: %s in %.0f ms, request %s",
                self.label,
                call.method,
                call.path,
                answer.status,
                1000 * (time.monotonic() - started),
                headers.get("x-request-id") or headers.get("x-inference-id") or "-",
            )
        if not 200 <= answer.status < 300:
            raise error_of(self.label, call, answer, self._explain, self._mask)
        trouble: Exception
        try:
            return call.read(answer)
        except (ValueError, ProtocolError) as error:
            trouble = error
        except ProviderError:
            raise
        except Exception as error:  # one odd answer must not stop who reads the next
            logger.exception("%s %s %s: a parser failed", self.label, call.method, call.path)
            trouble = ValueError(type(error).__name__)
        answered = unreadable(self.label, call, trouble, self._mask(answer.text))
        raise answered from (None if answered is trouble else trouble)

    def _mask(self, text: str) -> str:
        return clean(mask_text(text, self.secrets), most=DETAIL_CHARS)


class _TooLarge(httpx.StreamError):
    pass


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=256, keepalive_timeout=30, ssl=tls_context()),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _proxy_for(url: str) -> httpx.Proxy | None:
    """Return the proxy the environment names for this URL, as httpx's own transport finds it.

    aiohttp can look it up too, but does so on a thread for every single request.
    """
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    if not proxy.startswith(("http://", "https://")) or proxy_bypass(parts.netloc):
        return None
    return httpx.Proxy(proxy)


def _leads_inside(url: str, base_url: str) -> bool:
    """Whether an address a provider gave leads to a machine that is neither public nor its own."""
    host = urlsplit(url).hostname or ""
    if host == urlsplit(base_url).hostname:
        return False
    try:
        return not all(map(is_public, resolve_host(host, 443)))
    except socket.gaierror:
        return False  # nobody is there: connecting says so


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT_S))
