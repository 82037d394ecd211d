"""Between the storage (local disk or S3) and code that needs a real file."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db.models.fields.files import FieldFile


def scratch_dir() -> Path:
    """Return the folder for files in the making: same disk as the media, emptied at start."""
    folder: Path = settings.DATA_DIR / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def scratch_file(suffix: str) -> Iterator[Path]:
    """Yield a path of our own to write to; whatever is there afterwards is removed."""
    path = scratch_dir() / f"{uuid.uuid4().hex}{suffix}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def local_copy(file: FieldFile) -> Iterator[Path]:
    """Yield a path where this stored file can be read: itself on disk, a copy from S3."""
    try:
        yield Path(file.path)
    except NotImplementedError:  # the storage is not on this machine
        with scratch_file(Path(file.name or "").suffix) as path:
            with file.open("rb") as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            yield path


class Movable(File):  # type: ignore[type-arg]
    """A finished scratch file: a local storage renames it into place instead of copying."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"), name=path.name)
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


def keep(path: Path, name: str) -> str:
    """Put a finished scratch file into the storage under `name`; an earlier file there is replaced."""
    with Movable(path) as file:
        return default_storage.save(name, file)


def keep_bytes(data: bytes, name: str) -> str:
    """Put these bytes into the storage under `name`, whole or not at all."""
    with scratch_file(Path(name).suffix) as path:
        path.write_bytes(data)
        return keep(path, name)
