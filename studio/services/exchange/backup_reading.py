"""Reading a backup through: every row as a restore would, every checksum, every count."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files.utils import validate_file_name

from studio import vault
from studio.services.errors import StudioError
from studio.services.exchange.backup_format import (
    CHUNK,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    MEDIA,
    Manifest,
    Report,
    read_manifest,
    table_member,
)
from studio.services.exchange.backup_rows import NATURAL, Row, RowReader
from studio.services.exchange.schema_state import Models, by_label, models_at

ACCOUNT = "studio.provideraccount"


class Backup:
    """An opened backup whose list of members agrees with its manifest."""

    def __init__(self, tar: tarfile.TarFile, path: Path) -> None:
        self._tar, self._path = tar, path
        self._members: dict[str, tarfile.TarInfo] = {}
        for member in tar.getmembers():
            if not member.isreg():
                raise StudioError(f"{member.name} in the backup is not a file.")
            if member.name in self._members:
                raise StudioError(f"{member.name} is in the backup twice.")
            self._members[member.name] = member
        self.manifest = self._read_manifest()
        self.models: Models = by_label(models_at(self.manifest.migrations))
        self._check_members()

    def _read_manifest(self) -> Manifest:
        member = self._members.get(MANIFEST)
        if member is None:
            return read_manifest(None, self._path.name)
        if member.size > MAX_MANIFEST_BYTES:
            raise StudioError(f"The manifest of {self._path.name} is too large to be one.")
        return read_manifest(json.load(self.open(MANIFEST)), self._path.name)

    def _check_members(self) -> None:
        listed = {label.lower() for label in self.manifest.tables}
        if absent := set(self.models) - listed:
            raise StudioError(f"The backup is incomplete: it has no table {min(absent)}.")
        if extra := listed - set(self.models):
            raise StudioError(f"The backup is damaged: it lists an unknown table {min(extra)}.")
        wanted = {table_member(label) for label in self.manifest.tables}
        wanted |= {f"{MEDIA}{name}" for name in self.manifest.files}
        for name in self.manifest.files:
            _check_name(name)
        if gone := wanted - set(self._members):
            raise StudioError(f"{min(gone)} is missing from the backup.")
        if extra := set(self._members) - wanted - {MANIFEST}:
            raise StudioError(f"{min(extra)} in the backup is not listed in its manifest.")

    def open(self, member: str) -> IO[bytes]:
        data = self._tar.extractfile(self._members[member])
        assert data is not None  # regular files only
        return data

    def media(self) -> Iterator[tuple[str, IO[bytes]]]:
        """Yield each media file's name and content, in the order they lie in the archive."""
        for member in self._members.values():
            if member.name.startswith(MEDIA):
                yield member.name.removeprefix(MEDIA), self.open(member.name)

    def lines(self, label: str) -> Iterator[bytes]:
        """Yield the lines of a table: only a line feed ends one."""
        with gzip.GzipFile(fileobj=self.open(table_member(label))) as unpacked:
            yield from unpacked

    def reader(self, renamed: dict[str, str] | None = None) -> RowReader:
        """Return a reader of its rows that knows the names of its people and groups."""
        reader = RowReader(self.models, renamed=renamed)
        for label in self.manifest.tables:
            if label.lower() in NATURAL:
                reader.learn_names(label.lower(), self.lines(label))
        return reader

    def tables(self, reader: RowReader) -> Iterator[tuple[str, Iterator[Row]]]:
        """Yield each table's label and rows. Checksum and count are checked at the end of the rows."""
        for label in self.manifest.tables:
            yield label.lower(), self._rows(reader, label)

    def _rows(self, reader: RowReader, label: str) -> Iterator[Row]:
        entry, digest, lines, rows = self.manifest.tables[label], hashlib.sha256(), 0, 0

        def counted() -> Iterator[bytes]:
            nonlocal lines
            for line in self.lines(label):
                lines += 1
                digest.update(line)
                yield line

        for row in reader.rows(label.lower(), counted()):
            rows += 1
            yield row
        if digest.hexdigest() != entry.sha256:
            raise _damaged(table_member(label))
        # Where earlier versions cut a row in two, they counted the pieces.
        if entry.rows not in {rows, lines}:
            raise StudioError(
                f"{table_member(label)} in the backup has {rows} rows; {entry.rows} are listed."
            )

    def check(self) -> Report:
        """Read everything as a restore would. Raises StudioError at the first thing that is wrong."""
        report = Report(missing=list(self.manifest.missing))
        reader = self.reader()
        for label, rows in self.tables(reader):
            for row in rows:
                report.rows += 1
                if label == ACCOUNT and not can_unlock(row.object):
                    report.locked_keys += 1
        reader.check_references()
        report.cleaned, report.renamed = reader.cleaned, reader.names.renamed
        for name, content in self.media():
            entry, digest, size = self.manifest.files[name], hashlib.sha256(), 0
            while part := content.read(CHUNK):
                digest.update(part)
                size += len(part)
            if (digest.hexdigest(), size) != (entry.sha256, entry.bytes):
                raise _damaged(f"{MEDIA}{name}")
            report.files += 1
            report.bytes += size
        return report


@contextmanager
def opened(path: Path) -> Iterator[Backup]:
    """Open a backup. Whatever cannot be read in it raises StudioError with a sentence."""
    try:
        with tarfile.open(path, "r:") as tar:
            yield Backup(tar, path)
    except (tarfile.TarError, EOFError, zlib.error, RecursionError) as error:
        raise StudioError(f"{path.name} cannot be read as a backup: {error}.") from error


@contextmanager
def reading(path: Path) -> Iterator[Backup]:
    """Open a backup to be read only: errors of the disk and of texts are the backup's own."""
    try:
        with opened(path) as backup:
            yield backup
    except (OSError, ValueError) as error:
        raise StudioError(f"{path.name} cannot be read as a backup: {error}.") from error


def check_backup(path: Path) -> tuple[Manifest, Report]:
    """Read a backup through as a restore would. Raises StudioError with what is wrong."""
    with reading(path) as backup:
        return backup.manifest, backup.check()


def _damaged(name: str) -> StudioError:
    return StudioError(f"{name} in the backup is damaged: its checksum is not what it was.")


def _check_name(name: str) -> None:
    try:
        validate_file_name(name, allow_relative_path=True)
    except SuspiciousFileOperation as error:
        raise StudioError(f"The backup is damaged: “{name[:80]}” is no name of a file.") from error


def can_unlock(account: Any) -> bool:
    try:
        vault.unlock(account.key_locked)
    except ImproperlyConfigured:
        return False
    return True
