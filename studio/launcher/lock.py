"""One studio per data folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO

from django.core.management.base import CommandError


def hold_data_folder(folder: Path) -> TextIO:
    """Lock the folder for this process's life and return the open lock file.

    The kernel drops the lock when the process ends, however it ends. Raises CommandError
    with one sentence when another studio holds it.
    """
    # Not on Windows, where the command must still be able to say that it cannot run.
    import fcntl

    file = (folder / "studio.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise CommandError(
            f"Another studio{f' (process {holder})' if holder else ''} is running on {folder}. "
            "Stop it first, or set STUDIO_DATA_DIR to another folder."
        ) from error
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
