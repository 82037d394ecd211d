"""An archive that arrives in parts: how its parts are kept in the storage and read as one file.

Each part is a file of its own, `uploads/<owner>/<code>/000000.part`, written whole or not at all, so
that it works in a bucket as on a disk, any web machine takes the next part, and a part sent twice
is the same part. `upload.json` beside them says what is being uploaded.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import IO, Any
from uuid import UUID

from django.core.files.storage import default_storage

from studio.media.seeking import Seeking
from studio.services.files import keep_bytes

FOLDER = "uploads"
RECORD = "upload.json"


@dataclass(frozen=True, slots=True)
class ArchiveUpload:
    """One archive on its way here. Sizes and offsets are in bytes."""

    owner_pk: int
    code: UUID
    name: str
    size: int
    fingerprint: str
    part_bytes: int

    @property
    def folder(self) -> str:
        return folder_of(self.owner_pk, self.code)

    def part_name(self, number: int) -> str:
        return f"{self.folder}/{_part(number)}"

    def part_length(self, number: int) -> int:
        return min(self.part_bytes, self.size - number * self.part_bytes)

    def has_part(self, number: int) -> bool:
        return default_storage.exists(self.part_name(number))

    def received(self) -> int:
        """Return how many bytes are here, from the beginning without a gap."""
        names = set(_entries(self.folder)[1])
        parts = 0
        while _part(parts) in names:
            parts += 1
        return min(parts * self.part_bytes, self.size)

    def percent(self) -> int:
        """Return how much is here in whole per cent, rounded down: 100 is all of it."""
        return 100 * self.received() // self.size


def folder_of(owner_pk: int, code: UUID) -> str:
    return f"{FOLDER}/{owner_pk}/{code}"


def _part(number: int) -> str:
    return f"{number:06d}.part"


def _entries(folder: str) -> tuple[list[str], list[str]]:
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []


# ---- The record ----------------------------------------------------------------------------


def write_record(upload: ArchiveUpload) -> None:
    record = asdict(upload) | {"code": str(upload.code)}
    keep_bytes(json.dumps(record).encode(), f"{upload.folder}/{RECORD}")


def read_record(folder: str) -> ArchiveUpload | None:
    """Return the upload in this folder of the storage; None where there is none (any more)."""
    try:
        with default_storage.open(f"{folder}/{RECORD}") as file:
            record: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return None
    return ArchiveUpload(**record | {"code": UUID(record["code"])})


def folders(owner_pk: int | None = None) -> Iterator[str]:
    """Yield the folder of each upload, of one person or of everybody, also of what is left of one."""
    owners = _entries(FOLDER)[0] if owner_pk is None else [str(owner_pk)]
    for owner in sorted(owners):
        for code in sorted(_entries(f"{FOLDER}/{owner}")[0]):
            yield f"{FOLDER}/{owner}/{code}"


def uploads(owner_pk: int | None = None) -> list[ArchiveUpload]:
    found = [read_record(folder) for folder in folders(owner_pk)]
    return [upload for upload in found if upload is not None]


def files_in(folder: str) -> list[str]:
    """Return the storage's names of everything in an upload's folder, the parts in their order."""
    return [f"{folder}/{name}" for name in sorted(_entries(folder)[1])]


def written_at(folder: str) -> datetime:
    """Return when an upload's latest part came. Raises OSError where there is none (any more)."""
    # Parts come in their order, and the record is last by its name.
    latest = files_in(folder)[-2:] or [folder]
    return max(map(default_storage.get_modified_time, latest))


def remove_record(folder: str) -> None:
    """End an upload: nobody finds it any more, whatever of it is still in the storage."""
    with suppress(FileNotFoundError):
        default_storage.delete(f"{folder}/{RECORD}")


def remove(folder: str) -> None:
    """Remove an upload with all its parts. Raises OSError."""
    remove_record(folder)
    for name in files_in(folder):
        with suppress(FileNotFoundError):
            default_storage.delete(name)
    # A bucket has no folders; one in which somebody still writes is removed another day.
    with suppress(OSError):
        default_storage.delete(folder)


# ---- Archives, in parts or in one file ------------------------------------------------------


def archive_exists(archive: str) -> bool:
    """Whether the archive of an import is in the storage."""
    return default_storage.exists(f"{archive}/{RECORD}" if _is_in_parts(archive) else archive)


def open_archive(archive: str) -> IO[bytes]:
    """Open the archive of an import for reading. Raises OSError."""
    if not _is_in_parts(archive):
        return default_storage.open(archive, "rb")
    upload = read_record(archive)
    if upload is None:
        raise FileNotFoundError(f"“{archive}” is not in the storage.")
    return io.BufferedReader(_Parts(upload))


def delete_archive(archive: str) -> None:
    """Remove the archive of an import. Raises OSError."""
    if _is_in_parts(archive):
        remove(archive)
    else:
        default_storage.delete(archive)


def _is_in_parts(archive: str) -> bool:
    return archive.startswith(f"{FOLDER}/")


class _Parts(Seeking):
    """The parts of an upload as one file; the part last read from stays open."""

    def __init__(self, upload: ArchiveUpload) -> None:
        super().__init__(upload.size)
        self._upload = upload
        self._number = -1
        self._file: IO[bytes] = io.BytesIO()

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size:
            return 0
        number, start = divmod(self._at, self._upload.part_bytes)
        if number != self._number:
            self._file.close()
            self._file = default_storage.open(self._upload.part_name(number), "rb")
            self._number = number
        if self._file.tell() != start:
            self._file.seek(start)
        data = self._file.read(min(len(buffer), self._upload.part_length(number) - start))
        if not data:
            raise OSError(f"Part {number} of “{self._upload.name}” is cut short.")
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
