"""Uploading an archive in parts, so that a lost connection or a closed page costs one part at most.

Whoever may import begins an upload by naming the file and sending its beginning and end, sends the
parts in their order, and finishes it: then the import run begins. Only the one who began it may go
on. What nobody goes on with is removed after a day (studio.services.retention.uploads).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from typing import IO
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from studio.models import ImportRun, User
from studio.services import disk, quotas
from studio.services.errors import StudioError
from studio.services.exchange import import_runs, upload_parts
from studio.services.exchange.manifests import MOST_BYTES
from studio.services.exchange.upload_parts import ArchiveUpload, folder_of
from studio.services.files import keep, scratch_file

PART_BYTES = 8 * 2**20
EDGE_BYTES = 64 * 2**10  # of a file's beginning, and of its end, by which it is known again
MAX_UNFINISHED = 2  # uploads of one person
MAX_UNFINISHED_BYTES = MOST_BYTES  # of these together
CHUNK_BYTES = 64 * 2**10
ROOM_KEPT_FOR = timedelta(
    minutes=10
)  # after its latest part; who comes back later may have to wait
ZIP_BEGINS = b"PK\x03\x04"

NOT_A_ZIP = "Choose an archive: a ZIP made by Ray Studio."
GONE = (
    "This upload is not here any more: it was cancelled or left for a day. Choose the file again."
)
CHANGED = "“{name}” has changed since its upload began."


class UploadGone(StudioError):
    """There is no such upload of this person."""

    def __init__(self) -> None:
        super().__init__(GONE)


class OutOfOrder(StudioError):
    """Not the part that comes next. `received`: how many bytes are here."""

    def __init__(self, received: int) -> None:
        super().__init__(f"The first {received:,} bytes are here. Go on from there.")
        self.received = received


class CutShort(StudioError):
    """A part ended early; nothing of it was kept."""

    def __init__(self) -> None:
        super().__init__("The part ended early. Nothing of it was kept; send it again.")


# ---- From the beginning to the end ---------------------------------------------------------


def begin(*, by: User, name: str, size: int, edges: bytes) -> ArchiveUpload:
    """Return an upload of this file: a new one, or the one of it that is here in part.

    `edges`: the file's first EDGE_BYTES and its last, or all of a shorter file. Raises StudioError,
    and then nothing was kept.
    """
    name = import_runs.plain(name)
    if len(edges) != min(size, 2 * EDGE_BYTES) or not edges.startswith(ZIP_BEGINS):
        raise StudioError(NOT_A_ZIP)
    fingerprint = sha256(edges).hexdigest()
    with transaction.atomic():
        _lock(by)
        open_uploads = unfinished(by)
        for upload in open_uploads:
            if upload.name == name:
                return _same(upload, size, fingerprint)
        _check_size(name, size)
        _check_limits(name, size, open_uploads)
        quotas.take(quotas.IMPORTS, by)
        upload = ArchiveUpload(by.pk, uuid.uuid4(), name, size, fingerprint, PART_BYTES)
        upload_parts.write_record(upload)
    return upload


def add_part(
    *, by: User, code: UUID, offset: int, length: int, read: Callable[[int], bytes]
) -> int:
    """Keep the part that begins at this offset; return how many bytes are here.

    `read(n)` returns at most n of the part's `length` bytes, none at its end. A part that is here
    already is not read. Raises UploadGone, OutOfOrder, CutShort, NoRoom and StudioError.
    """
    upload = find(by, code)
    number, rest = divmod(offset, upload.part_bytes)
    if rest or not 0 <= offset < upload.size:
        raise OutOfOrder(upload.received())
    if upload.has_part(number):
        return upload.received()
    if number and not upload.has_part(number - 1):
        raise OutOfOrder(upload.received())
    wanted = upload.part_length(number)
    if length != wanted:
        raise StudioError(
            f"{CHANGED.format(name=upload.name)} The next part has {length:,} bytes and must have "
            f"{wanted:,}. Cancel the upload, then choose the file again."
        )
    disk.check_room()
    _keep_part(upload, number, read)
    return offset + wanted


def _keep_part(upload: ArchiveUpload, number: int, read: Callable[[int], bytes]) -> None:
    """Write one part. It gets its name once it is whole and on the disk: of two that arrive at once
    the later one replaces the same bytes."""
    left = upload.part_length(number)
    with scratch_file(".part") as path:
        with path.open("wb") as file:
            while left and (chunk := read(min(CHUNK_BYTES, left))):
                file.write(chunk)
                left -= len(chunk)
            file.flush()
            os.fsync(file.fileno())
        if left:
            raise CutShort
        keep(path, upload.part_name(number))


def finish(*, by: User, code: UUID) -> ImportRun:
    """Begin the import of an upload of which every part is here; asked again, return the same run.

    Raises UploadGone, OutOfOrder where a part is missing, and StudioError; a file that is no
    archive of a studio, or has changed on its way, is removed.
    """
    archive = folder_of(by.pk, code)
    if (run := _run_of(archive)) is not None:
        return run
    upload = find(by, code)
    received = upload.received()
    if received < upload.size:
        raise OutOfOrder(received)
    try:
        with upload_parts.open_archive(archive) as file:
            if _fingerprint_of(file, upload.size) != upload.fingerprint:
                raise StudioError(f"{CHANGED.format(name=upload.name)} Choose it again.")
            content = import_runs.look_into(file)
    except StudioError as refused:
        # A storage that does not answer just now is no reason to send it all again.
        if not isinstance(refused.__cause__, OSError):
            upload_parts.remove(archive)
        raise
    with transaction.atomic():
        _lock(by)
        return _run_of(archive) or import_runs.start(
            archive=archive, file_name=upload.name, content=content, by=by
        )


def cancel(*, by: User, code: UUID) -> ArchiveUpload:
    """Remove an upload that is not being imported; return what it was. Raises StudioError."""
    with transaction.atomic():
        _lock(by)
        upload = find(by, code)
        if _run_of(upload.folder) is not None:
            raise StudioError(f"“{upload.name}” is being imported already.")
        upload_parts.remove_record(upload.folder)
    upload_parts.remove(upload.folder)
    return upload


# ---- What is here --------------------------------------------------------------------------


def find(by: User, code: UUID) -> ArchiveUpload:
    """Return this person's upload. Raises UploadGone."""
    upload = upload_parts.read_record(folder_of(by.pk, code))
    if upload is None:
        raise UploadGone
    return upload


def unfinished(by: User) -> list[ArchiveUpload]:
    """Return this person's uploads that no import has begun with."""
    found = upload_parts.uploads(by.pk)
    names = [upload.folder for upload in found]
    begun = set(ImportRun.objects.filter(archive__in=names).values_list("archive", flat=True))
    return [upload for upload in found if upload.folder not in begun]


def _run_of(archive: str) -> ImportRun | None:
    return ImportRun.objects.filter(archive=archive).first()


def _lock(by: User) -> None:
    """Hold this person's row: of two tabs one begins, finishes or cancels after the other."""
    list(User.objects.select_for_update(no_key=True).filter(pk=by.pk).values_list("pk"))


def _fingerprint_of(file: IO[bytes], size: int) -> str:
    edges = file.read(EDGE_BYTES)
    file.seek(max(EDGE_BYTES, size - EDGE_BYTES))
    edges += file.read(EDGE_BYTES)
    file.seek(0)
    return sha256(edges).hexdigest()


# ---- What is refused before a byte is sent ---------------------------------------------------


def _same(upload: ArchiveUpload, size: int, fingerprint: str) -> ArchiveUpload:
    if (size, fingerprint) != (upload.size, upload.fingerprint):
        raise StudioError(
            f"{upload.percent()} % of another file named “{upload.name}” is here already. Cancel that "
            "upload first, or choose the same file again."
        )
    return upload


def _check_size(name: str, size: int) -> None:
    if size > MOST_BYTES:
        raise StudioError(
            f"“{name}” has {_gigabytes(size)}; an archive may have at most {_gigabytes(MOST_BYTES)}."
        )
    disk.check_room()
    if settings.STUDIO_STORAGE != "file":
        return
    promised = sum(upload.size - upload.received() for upload in _going_on())
    room = max(0, disk.free_bytes() - settings.DISK_LEAST_BYTES - promised)
    if size > room:
        raise disk.NoRoom(
            f"“{name}” has {_gigabytes(size)}, and the studio’s disk has room for "
            f"{_gigabytes(room)} of uploads. Nothing was sent. Ask an admin to make room."
        )


def _going_on() -> list[ArchiveUpload]:
    """Return the uploads whose latest part is not old: room is kept for these alone."""
    since = timezone.now() - ROOM_KEPT_FOR
    going_on = []
    for upload in upload_parts.uploads():
        with suppress(OSError):
            if upload_parts.written_at(upload.folder) > since:
                going_on.append(upload)
    return going_on


def _check_limits(name: str, size: int, open_uploads: list[ArchiveUpload]) -> None:
    if len(open_uploads) >= MAX_UNFINISHED:
        names = " and ".join(f"“{upload.name}”" for upload in open_uploads)
        raise StudioError(
            f"{len(open_uploads)} uploads of yours are unfinished: {names}. At most {MAX_UNFINISHED} "
            "may be; finish or cancel one."
        )
    together = size + sum(upload.size for upload in open_uploads)
    if together > MAX_UNFINISHED_BYTES:
        raise StudioError(
            f"With “{name}” your unfinished uploads would have {_gigabytes(together)}; at most "
            f"{_gigabytes(MAX_UNFINISHED_BYTES)} are allowed. Finish or cancel one."
        )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
