"""Posting one message to an address outside: checked first, never redirected, soon over."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import re
import socket
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx

from studio.media.addresses import is_public, resolve_host
from studio.tls import tls_context

logger = logging.getLogger(__name__)

TIMEOUT_S = 10.0  # for all of one message: name, connection, answer
SECRET_PREFIX = "whsec_"  # noqa: S105 (how Standard Webhooks begins every secret)
USER_AGENT = "Ray-Studio-Webhooks/1"
MOST_ADDRESSES = 3
NOT_AN_ADDRESS = "This is not an address. It should read like https://hooks.example/ray."
# Names that no public server has (RFC 6761, 6762, 8375, and what routers and clouds use inside).
INSIDE = (".localhost", ".localdomain", ".local", ".internal", ".home.arpa", ".lan")
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
# The last label has a letter: anything else is an address that was mistyped.
_HOST_NAME = re.compile(rf"({_LABEL}\.)*(?=[^.]*[a-z]){_LABEL}\.?", re.I)


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it leaves. `id` stays the same however often it is tried."""

    id: str
    url: str
    secret: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: an HTTP status, or why there is none. `ok` is a 2xx."""

    status: int | None = None
    error: str = ""

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def refusal(url: str, allow_hosts: frozenset[str]) -> str:
    """Say why messages must not go to this address, as far as it can be told without asking DNS.

    Read by the same parser that sends, so that both mean the same host.
    """
    try:
        target = httpx.URL(url)
        host, port = target.raw_host.decode("ascii"), _port_of(target)
        urlsplit(url).port  # noqa: B018 (raises ValueError above 65535)
    except (httpx.InvalidURL, ValueError):
        return NOT_AN_ADDRESS
    if target.scheme not in {"http", "https"} or not host or any(c.isspace() for c in url):
        return NOT_AN_ADDRESS
    if target.userinfo or "\\" in url:
        return "The address has a user name or password in it. The signature is what proves us."
    if is_listed(host, port, allow_hosts):
        return ""
    if target.scheme != "https":
        return "The address must begin with https://."
    address = _literal(host)
    if address is None and not _HOST_NAME.fullmatch(host):
        return NOT_AN_ADDRESS
    if _is_inside(host) if address is None else not is_public(address):
        return f"The host {target.host} is not on the public internet."
    return ""


def _port_of(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _literal(host: str) -> str | None:
    """Return the IP address a host is written as, in any way the system's resolver reads; else None."""
    if ":" in host:
        return host
    try:
        return socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))
    except OSError:
        return None


def _is_inside(name: str) -> bool:
    """Whether a host name is of this machine or its network: one word, or of a reserved ending."""
    return "." not in name.rstrip(".") or name.rstrip(".").endswith(INSIDE)


def is_listed(host: str, port: int, allow_hosts: frozenset[str]) -> bool:
    """Whether STUDIO_WEBHOOK_HOSTS names this host, with or without its port."""
    names = {host.lower(), f"[{host.lower()}]"}
    names |= {f"{name}:{port}" for name in names}
    return not names.isdisjoint(entry.lower() for entry in allow_hosts)


# ---- The signature --------------------------------------------------------------------------
def body_of(payload: dict[str, Any]) -> bytes:
    """Return the exact bytes that are signed and sent; the same for every try."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature as the webhook-signature header has it.

    Source: the Standard Webhooks specification, version 1 (symmetric).
    """
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = b".".join([message_id.encode(), str(timestamp).encode(), body])
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers_for(message: Message, timestamp: int, body: bytes) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": message.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(message.secret, message.id, timestamp, body),
    }


# ---- Sending --------------------------------------------------------------------------------
def post_all(
    messages: Sequence[Message],
    *,
    timestamp: int,
    allow_hosts: frozenset[str],
    timeout_s: float = TIMEOUT_S,
) -> list[Answer]:
    """Post all messages side by side and return their answers in order, in at most `timeout_s`."""
    return asyncio.run(_post_all(messages, timestamp, allow_hosts, timeout_s))


async def _post_all(
    messages: Sequence[Message], timestamp: int, allow_hosts: frozenset[str], timeout_s: float
) -> list[Answer]:
    # Each message has a thread that looks up its host, and nobody waits for those that hang: a name's
    # own server may take far longer than a message may.
    lookups = ThreadPoolExecutor(max(len(messages), 1), "webhook-names")
    try:
        async with httpx.AsyncClient(
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            verify=tls_context(trust_env=False),
        ) as client:
            post = partial(
                _post,
                client,
                lookups,
                timestamp=timestamp,
                allow_hosts=allow_hosts,
                timeout_s=timeout_s,
            )
            return list(await asyncio.gather(*(post(message) for message in messages)))
    finally:
        lookups.shutdown(wait=False, cancel_futures=True)


async def _post(
    client: httpx.AsyncClient,
    lookups: Executor,
    message: Message,
    *,
    timestamp: int,
    allow_hosts: frozenset[str],
    timeout_s: float,
) -> Answer:
    if why := refusal(message.url, allow_hosts):
        return Answer(error=why)
    try:
        body = body_of(message.payload)
        headers = headers_for(message, timestamp, body)
        # One limit over everything: a receiver may send a byte of its answer now and then for ever.
        async with asyncio.timeout(timeout_s):
            url = httpx.URL(message.url)
            return await _send(client, lookups, url, headers, body, allow_hosts)
    except (TimeoutError, httpx.TimeoutException):
        return Answer(error=f"No answer within {timeout_s:g} s.")
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
        return Answer(error=_reason(error))
    except ValueError:
        return Answer(error="The address, the secret or the message cannot be used.")
    except Exception:  # the others of the batch are sent
        logger.exception("message %s could not be sent", message.id)
        return Answer(error="An error in the studio kept it from being sent; the log has it.")


async def _send(
    client: httpx.AsyncClient,
    lookups: Executor,
    url: httpx.URL,
    headers: dict[str, str],
    body: bytes,
    allow_hosts: frozenset[str],
) -> Answer:
    host = url.raw_host.decode("ascii")
    port = _port_of(url)
    if is_listed(host, port, allow_hosts):
        return await _exchange(
            client, client.build_request("POST", url, headers=headers, content=body)
        )
    addresses = await _addresses(lookups, host, port)
    if not addresses:
        return Answer(error=f"The host {url.host} was not found.")
    if not all(is_public(address) for address in addresses):
        return Answer(error=f"The host {url.host} is not on the public internet.")
    # Connected to the address that was checked, and to no other; the certificate is still checked
    # against the name, which also goes out as Host and SNI.
    failure: httpx.TransportError | None = None
    for address in addresses[:MOST_ADDRESSES]:
        request = client.build_request(
            "POST",
            url.copy_with(host=address),
            headers=headers | {"host": url.netloc.decode("ascii")},
            content=body,
            extensions={"sni_hostname": host.rstrip(".")},
        )
        try:
            return await _exchange(client, request)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failure = error
    assert failure is not None
    raise failure


async def _exchange(client: httpx.AsyncClient, request: httpx.Request) -> Answer:
    # Streamed and left unread: what the receiver says beyond its status is of no use here.
    response = await client.send(request, stream=True)
    await response.aclose()
    if 300 <= response.status_code < 400:
        return Answer(response.status_code, "It redirects; redirects are not followed.")
    return Answer(response.status_code)


async def _addresses(lookups: Executor, host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        return await loop.run_in_executor(lookups, resolve_host, host, port)
    except (socket.gaierror, UnicodeError):
        return []


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.ConnectError):
        return "No connection: nothing answers there, or its certificate is not good."
    return "The connection broke before an answer came."
