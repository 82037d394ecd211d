"""Which network addresses a link from outside may lead to."""

from __future__ import annotations

import ipaddress
import socket

_V4_SPECIAL = (
    # Partly or wholly missing from ipaddress's own tables in Python 3.11.
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),
)
_V6_UNICAST = ipaddress.IPv6Network("2000::/3")
_V6_TEREDO = ipaddress.IPv6Network("2001::/32")
_V6_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Say whether an IP address is a unicast address of the public internet.

    IPv6 addresses that carry an IPv4 address (mapped, 6to4, NAT64) are judged by that one;
    anything else outside 2000::/3, and anything with a zone, is not public.
    Source: IANA special-purpose address registries, RFC 6052, RFC 3056.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        carried = _carried_v4(address)
        if carried is None:
            return address in _V6_UNICAST and address not in _V6_TEREDO and _is_global(address)
        address = carried
    return _is_global(address) and not any(address in network for network in _V4_SPECIAL)


def resolve_host(host: str, port: int) -> list[str]:
    """Return the addresses of a host name, in the order to try them. Raises socket.gaierror."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def _carried_v4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _V6_NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    # Multicast counts as global there, 6to4's prefix as private.
    return address.is_global and not address.is_multicast and not address.is_reserved
