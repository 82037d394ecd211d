"""`python -m studio.launcher.cluster_health`: whether a cluster of workers runs in this container.

Needs no setting, database or queue, and imports nothing of the studio: it is asked every half
minute. Linux only. Exit code 0: the cluster is whole.
"""

from __future__ import annotations

import sys
from pathlib import Path

# The command itself, its sentinel, what takes tasks in, what notes results, and one worker at least.
LEAST_PROCESSES = 5


def cluster_size(processes: Path = Path("/proc")) -> int:
    """Return how many processes run `manage.py qcluster`, forks of it included."""
    return sum(_is_of_cluster(folder) for folder in processes.iterdir() if folder.name.isdigit())


def _is_of_cluster(process: Path) -> bool:
    try:
        program, *arguments = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:  # ended meanwhile
        return False
    # The container's init has the same arguments.
    return b"python" in program and b"qcluster" in arguments


def main() -> int:
    size = cluster_size()
    if size >= LEAST_PROCESSES:
        return 0
    print(f"Of the workers' cluster {size} processes run.", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
