"""The studio's listening socket, and whether the web server behind it answers."""

from __future__ import annotations

import errno
import http.client
import ipaddress
import socket

from django.core.management.base import CommandError

BACKLOG = 512
ANSWER_WITHIN_S = 1.0


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket for this address. Raises CommandError with one sentence.

    The launcher owns it, so connections wait, not fail, while the web server restarts.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise CommandError(f"--host is {host}; this machine has no such address.") from error
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise CommandError(_why(error, host, port)) from error
    return made


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is already in use. Stop the program that uses it, "
            f"or choose another port with --port (make run PORT=...)."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} is reserved for the system. Choose one above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host is {host}; this machine has no such address."
    return f"Cannot listen on {host} port {port}: {error.strerror}."


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server at this host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def local_host(host: str) -> str:
    """Return the host as this machine's own browser should write it, in brackets for IPv6."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return str(address) if address.version == 4 else f"[{address}]"


def answers(host: str, port: int) -> bool:
    """Whether the web server gives any HTTP answer within a second."""
    connection = http.client.HTTPConnection(
        local_host(host).strip("[]"), port, timeout=ANSWER_WITHIN_S
    )
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        return bool(connection.getresponse().status)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
