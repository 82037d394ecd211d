"""No process of the studio outlives the one that started it.

Linux sends a process a signal of its choice when its parent dies, even by SIGKILL; every
process of the tree asks for SIGKILL, so a dead launcher takes the whole tree along. Safe for
the work: claims have leases, files are renamed into place. Elsewhere these are no-ops.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

# From linux/prctl.h.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

# Loaded here, not in a child: after a fork only async-signal-safe work is sound.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent, `parent_pid`, dies. Kept across exec."""
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the wish was heard.
    if os.getppid() != parent_pid:
        os._exit(1)


def tie_forks() -> None:
    """From now on, tie every process forked from this one, and their forks, to its parent."""
    parent = os.getpid()

    def remember() -> None:
        nonlocal parent
        parent = os.getpid()

    os.register_at_fork(before=remember, after_in_child=lambda: die_with(parent))


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent died, so that this process can reap them."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
