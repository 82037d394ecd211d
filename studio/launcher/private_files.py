"""The modes of the data folder: nobody else on the machine reads sessions, keys, clips or backups.

Every process creates its files privately (settings.py sets the umask). This module brings a folder
into line that an earlier version, a copy or a restore left open.

With STUDIO_ACCEL a front server reads media and static files from the disk. It does so as a member
of the studio's group, which may read those two folders and pass through the data folder to them.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)

OTHERS = 0o077
READ_FOLDER, READ_FILE, PASS_THROUGH = 0o050, 0o040, 0o010  # for the group


@dataclass(frozen=True)
class Modes:
    """What the owner's group may do in a data folder; everybody else may do nothing."""

    root: Path
    media: Path  # may be a link to another disk
    shown: tuple[Path, ...]  # to the front server

    def right(self, path: Path, mode: int) -> int:
        """Return the mode with the owner's rights as they are and the group's as allowed."""
        return mode & ~OTHERS | self._group(path, is_folder=stat.S_ISDIR(mode))

    def is_wrong(self, path: Path) -> bool:
        mode = mode_of(path)
        return (stat.S_ISDIR(mode) or stat.S_ISREG(mode)) and mode != self.right(path, mode)

    def _group(self, path: Path, *, is_folder: bool) -> int:
        if path == self.root:
            return PASS_THROUGH if self.shown else 0
        if any(path.is_relative_to(folder) for folder in self.shown):
            return READ_FOLDER if is_folder else READ_FILE
        return 0

    def first(self) -> Iterator[Path]:
        """Yield the folder, what is directly in it, and where its media is."""
        yield self.root
        yield from self.root.iterdir()
        yield self.media

    def all(self) -> Iterator[Path]:
        """Yield each file and folder. Links are not followed, but for the media folder itself."""
        roots = [self.root] if self.media.is_relative_to(self.root) else [self.root, self.media]
        for root in roots:
            yield root
            for folder, folders, files in os.walk(root):
                yield from (Path(folder, name) for name in (*folders, *files))


def protect_data_folder() -> None:
    """Give the data folder the modes it must have, and log one line where some were looser.

    Cheap on every start: all of it is looked through only where something at its top is wrong.
    """
    media = settings.MEDIA_ROOT.resolve()
    shown = (settings.MEDIA_ROOT, media, settings.STATIC_ROOT) if settings.STUDIO_ACCEL else ()
    modes = Modes(settings.DATA_DIR, media, shown)
    if not any(modes.is_wrong(path) for path in modes.first()):
        return
    closed = refused = 0
    for path in modes.all():
        if not modes.is_wrong(path):
            continue
        before = mode_of(path)
        right = modes.right(path, before)
        try:
            path.chmod(stat.S_IMODE(right))
        except FileNotFoundError:
            continue
        except OSError:
            refused += 1
        else:
            closed += bool(before & ~right)
    _tell(closed, refused)


def mode_of(path: Path) -> int:
    """Return the type and mode of what is at this path; 0 where nothing is."""
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def _tell(closed: int, refused: int) -> None:
    folder = settings.DATA_DIR
    if refused:
        logger.warning(
            "Other users of this machine may be able to read %s: of %s files and folders in it the "
            "mode cannot be changed. Give them to the user the studio runs as.",
            folder,
            refused,
        )
    elif closed:
        logger.warning(
            "Other users of this machine could read %s; %s files and folders in it are private now.",
            folder,
            closed,
        )
