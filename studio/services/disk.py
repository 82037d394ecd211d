"""Room on the disk: nothing new is begun when it is short, and what is paid for still comes home.

Below DISK_LEAST_BYTES no shot is queued or sent, nothing is uploaded, rendered or stitched. The last
fifth of that is for finished clips on their way here; when that is gone too they wait, and are
fetched when there is room again. With media in S3 it is the folder for files in the making that counts.
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from studio.services.errors import StudioError

KEPT_FOR_FETCHES = 5  # one part in five of DISK_LEAST_BYTES
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# SQLite and PostgreSQL, where they keep their data on the same disk.
FULL_WORDS = ("disk is full", "no space left on device")
WAITS = "Waits for room: the studio’s disk is nearly full."
WAITS_HOME = "The clip is rendered and safe. It is fetched when the studio’s disk has room again."
WAS_FULL = "The studio’s disk was full just now. Nothing was kept of this; try again in a moment."
LOOK_AGAIN_S = 60
LOOK_AGAIN_LATER_S = 300  # after a file did not fit: the next try costs its whole download


class NoRoom(StudioError):
    """The disk is nearly full, so nothing new is begun; nothing was spent or changed."""


def free_bytes() -> int:
    """Return what is free where the studio writes; of several disks, on the fullest."""
    return min(shutil.disk_usage(folder).free for folder in _folders())


def _folders() -> set[Path]:
    folders = {Path(settings.DATA_DIR)}
    if settings.STUDIO_STORAGE == "file":
        folders.add(Path(settings.MEDIA_ROOT))
    return {_existing(folder) for folder in folders}


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)


def is_short() -> bool:
    """Whether nothing new may be begun."""
    return free_bytes() < settings.DISK_LEAST_BYTES


def is_spent() -> bool:
    """Whether even what is paid for has to wait."""
    return free_bytes() < settings.DISK_LEAST_BYTES // KEPT_FOR_FETCHES


def shortage() -> str:
    """Say what is short and what helps; empty while there is room."""
    free, least = free_bytes(), settings.DISK_LEAST_BYTES
    if free >= least:
        return ""
    return (
        f"The studio’s disk is nearly full: {_megabytes(free)} are free, and new work needs "
        f"{_megabytes(least)}. Nothing was spent, and nothing is lost. Ask an admin to make room."
    )


def check_room() -> None:
    """Raise NoRoom when nothing new may be begun."""
    if said := shortage():
        raise NoRoom(said)


def ran_out(error: BaseException | None) -> bool:
    """Whether this error, or one it came from, is a full disk."""
    seen = 0
    while error is not None and seen < 20:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        if isinstance(error, DatabaseError) and any(
            words in str(error).lower() for words in FULL_WORDS
        ):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
