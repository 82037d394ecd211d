"""Room for others where one network holds most of a web process's connections.

A connection that asks for something now and then is neither silent nor slow. Two thousand of them, all
of one client, would leave nobody else a place; a proxy in front counts them itself (limit_conn).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from studio.launcher.connections import Channel
from studio.proxies import network_of

# Of the connections a process takes. Nobody is hung up on while fewer are open, ...
CROWDED = 3 / 4
# ... nor is anybody of a network that has fewer: some thirty browsers behind one address.
SHARE = 1 / 8


def make_room(channels: Sequence[Channel], limit: int) -> int:
    """Hang up on clients of the networks that hold the most of `limit` connections; return on how many.

    Connections on which nothing is asked go first, the longest idle before others. Whoever's answer is
    being computed stays.
    """
    excess = len(channels) - int(limit * CROWDED)
    if excess <= 0:
        return 0
    networks: dict[str, list[Channel]] = defaultdict(list)
    for channel in channels:
        networks[network_of(channel.addr[0])].append(channel)
    share = int(limit * SHARE)
    closed = 0
    for crowd in networks.values():
        # What may go, the last first.
        crowd.sort(key=lambda one: (one.is_computed, not one.is_idle, one.idle_since), reverse=True)
    while closed < excess:
        crowd = max(networks.values(), key=len)
        if len(crowd) <= share or crowd[-1].is_computed:
            break
        crowd.pop().handle_close()
        closed += 1
    return closed
