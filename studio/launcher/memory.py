"""Memory that goes back to the system as soon as it is freed.

glibc raises the size from which it takes memory from the system directly whenever such a block is
freed. After one large picture the next ones' blocks come from the heaps of each thread, and stay
there: a web process that had decoded forty held 900 MB. A fixed size stops that.
"""

from __future__ import annotations

import ctypes
import sys

DIRECT_FROM_BYTES = 2**20  # larger blocks are the system's own again once freed
# From malloc.h.
_M_MMAP_THRESHOLD = -3


def return_large_blocks() -> None:
    """Have blocks of DIRECT_FROM_BYTES and more returned when freed. Does nothing without glibc."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, DIRECT_FROM_BYTES)
