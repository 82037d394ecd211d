"""A disk of this run's own that can be full: a tmpfs where we are root, else a folder that cannot."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SIZE_MB = 1024  # memory is taken only by what is written


class Disk:
    """`folder` is where the studio keeps everything. Without a tmpfs, `can_fill` is False."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.can_fill = os.geteuid() == 0 and _mount(folder)
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave not a byte free."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                block = bytes(size)
                try:
                    while file.write(block) == size:
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def remove(self) -> None:
        self.empty()
        if self.can_fill:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)


def _mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0
