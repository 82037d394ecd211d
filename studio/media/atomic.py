"""Files appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

_SUFFIX = ".part"


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the same folder; rename it to `path` when the block ends well.

    When the block raises, the temporary file is removed and `path` is untouched. `durable` also
    waits until file and name are on the disk, so that a power cut cannot leave an empty file.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_SUFFIX}")
    try:
        yield temporary
        if durable:
            _sync(temporary)
        temporary.replace(path)
        if durable:
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remove_stale_parts(folder: Path, *, older_than_s: float) -> int:
    """Delete temporary files that killed processes left in `folder`; return how many."""
    limit = time.time() - older_than_s
    removed = 0
    for part in folder.glob(f".*{_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            if part.stat().st_mtime < limit:
                part.unlink()
                removed += 1
    return removed


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
