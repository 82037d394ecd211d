"""Whose request it is, where proxies stand in front of the studio."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 (nothing listens there: it stands for no address)


def client_address(request: HttpRequest) -> str:
    """Return the IP address of whoever asks; UNKNOWN_ADDRESS behind a socket, which has none.

    Each of the STUDIO_PROXIES proxies wrote down, at the end of X-Forwarded-For, whom it was asked
    by. What stands before those, anybody may have written. Some write the port too.
    """
    direct: str = request.META.get("REMOTE_ADDR", "")
    said = request.headers.get("X-Forwarded-For", "")
    hops = [hop.strip() for hop in said.split(",") if hop.strip()]
    count = settings.PROXIES
    named = hops[-count] if 0 < count <= len(hops) else direct
    host = named[1:].partition("]")[0] if named.startswith("[") else named
    for one in (host, host.rpartition(":")[0]):
        try:
            return str(ipaddress.ip_address(one))
        except ValueError:
            continue
    # PostgreSQL takes nothing else for an address: it would be an error at every sign-in.
    return UNKNOWN_ADDRESS


def network_of(address: str) -> str:
    """Return what one line has at least: an IPv4 address, or the /64 network of an IPv6 address.

    Limits count these: whoever has one IPv6 address has the other 2^64 of its network too.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return UNKNOWN_ADDRESS
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False).network_address)
