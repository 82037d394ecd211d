"""Backups made by a timer or before an upgrade: named by date, the oldest removed.

A list in the folder says which files were made here and how large they were. Only those are ever
removed: whatever else lies in the folder, by whatever name, stays.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from studio.services import disk
from studio.services.errors import StudioError
from studio.services.exchange.backup_format import Report, Say
from studio.services.exchange.backups import part_of, write_backup
from studio.services.exchange.restoring import has_people

LIST = ".ray-studio-backups.json"
BY_DATE, BEFORE_MIGRATING = "ray-studio", "before-migrating"
MAX_BEFORE_MIGRATING = 5
MAX_KEPT = 1000


def backup_folder() -> Path:
    """Return the data folder's own folder for backups, for its owner alone."""
    folder = Path(settings.DATA_DIR) / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def write_and_rotate(
    folder: Path,
    *,
    keep: int,
    prefix: str = BY_DATE,
    media: bool = True,
    say: Say = lambda _: None,
) -> tuple[Path, Report, list[str]]:
    """Write a backup named by date, then remove the oldest of that kind beyond `keep`.

    Returns it, its report, and the names of those removed. Raises StudioError and OSError; then
    nothing was removed.
    """
    with _alone(folder):
        path = _free_name(folder, prefix)
        sizes = _read_list(folder)
        for name in [name for name in sizes if name.endswith(".part")]:
            # Of a run that was killed.
            (folder / name).unlink(missing_ok=True)
            del sizes[name]
        _write_list(folder, sizes | {part_of(path).name: 0})
        report = write_backup(path, media=media, say=say)
        sizes[path.name] = path.stat().st_size
        _write_list(folder, sizes)
        removed = _remove_oldest(folder, sizes, prefix, keep)
        _write_list(folder, sizes)
    return path, report, removed


def save_before_migrating() -> Path | None:
    """Keep the rows as they are now, unless it is switched off or nobody has an account yet.

    Raises StudioError with what to do.
    """
    if not settings.BACKUP_BEFORE_MIGRATING or not has_people():
        return None
    try:
        path, _, _ = write_and_rotate(
            backup_folder(), keep=MAX_BEFORE_MIGRATING, prefix=BEFORE_MIGRATING, media=False
        )
    except (StudioError, OSError) as error:
        why = "the disk is full" if disk.ran_out(error) else str(error).rstrip(".")
        raise StudioError(
            f"The database was not changed, because the backup before it failed: {why}. Mend that, "
            "or set STUDIO_BACKUP_BEFORE_MIGRATING=off and start again."
        ) from error
    return path


def _free_name(folder: Path, prefix: str) -> Path:
    stem = f"{prefix}-{timezone.now():%Y-%m-%d-%H%M%S}"
    path, number = folder / f"{stem}.tar", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.tar"
    return path


def _remove_oldest(folder: Path, sizes: dict[str, int], prefix: str, keep: int) -> list[str]:
    own = [name for name in sizes if name.startswith(f"{prefix}-")]  # in the order they were made
    removed = []
    for name in own[: max(len(own) - keep, 0)]:
        path, size = folder / name, sizes.pop(name)
        if path.is_file() and not path.is_symlink() and path.stat().st_size == size:
            path.unlink()
            removed.append(name)
    return removed


def _read_list(folder: Path) -> dict[str, int]:
    """Return the sizes of the backups made here; empty, so that none is removed, if unreadable."""
    try:
        listed = json.loads((folder / LIST).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(listed, dict):
        return {}
    return {
        name: size
        for name, size in listed.items()
        if isinstance(size, int) and Path(name).name == name and name not in {"", ".", ".."}
    }


def _write_list(folder: Path, sizes: dict[str, int]) -> None:
    draft = folder / f"{LIST}.part"
    draft.write_text(json.dumps(sizes, indent=1))
    draft.replace(folder / LIST)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock the folder against another run."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StudioError(f"Another backup is being written to {folder} already.") from error
        yield
    finally:
        os.close(descriptor)
