"""The whole studio in one file: every row and every media file, verified before it is put back.

A tar with one JSON Lines file per table (so that a backup of SQLite restores into PostgreSQL and
back), the media files the rows name, and at the end a manifest with a checksum of each and the
migrations it was made at. The rows are read in one transaction that sees one moment, so it is
consistent while the studio runs; media files never change once they are named by a row.
Sessions, the queue and the search index are not in it: they are made anew.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.db import connection, models, transaction

from studio.services.errors import StudioError
from studio.services.exchange.backup_format import (
    FORMAT,
    MANIFEST,
    MEDIA,
    VERSION,
    Report,
    Say,
    table_member,
)
from studio.services.exchange.backup_reading import check_backup
from studio.services.exchange.backup_rows import lines_of
from studio.services.exchange.restoring import HELD, _empty, restore_backup
from studio.services.exchange.schema_state import (
    applied_migrations,
    backed_up_models,
    models_at,
    unknown_migrations,
)
from studio.services.files import scratch_dir

__all__ = [
    "HELD",
    "Report",
    "_empty",
    "backed_up_models",
    "restore_backup",
    "verify_backup",
    "write_backup",
]

OWNER_ONLY = 0o600


def write_backup(path: Path, *, media: bool = True, say: Say = lambda _: None) -> Report:
    """Write a backup to `path`, readable by its owner alone; it appears when it was read back whole.

    Without `media` it holds the rows only. The tables may be of an earlier version: they are
    written as they are. Raises StudioError and OSError.
    """
    part = part_of(path)
    report, tables, files = Report(), {}, {}
    try:
        with (
            os.fdopen(
                os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "wb"
            ) as out,
            tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            with _one_moment():
                migrations = _migrations()
                names: list[str] = []
                for model in _models_of(migrations):
                    tables[model._meta.label] = _add_table(tar, model, names)
                    report.rows += tables[model._meta.label]["rows"]
            if media:
                say(f"{report.rows} rows. Reading the media files.")
                for name in dict.fromkeys(names):
                    entry = _add_file(tar, name)
                    if entry is None:
                        report.missing.append(name)
                        continue
                    files[name] = entry
                    report.files += 1
                    report.bytes += entry["bytes"]
            manifest = {
                "format": FORMAT,
                "version": VERSION,
                "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "migrations": migrations,
                "tables": tables,
                "media": media,
                "files": files,
                "missing": report.missing,
            }
            _add_bytes(tar, MANIFEST, json.dumps(manifest, indent=1).encode())
            tar.close()
            out.flush()
            os.fsync(out.fileno())
        check_backup(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return report


def part_of(path: Path) -> Path:
    """Return where a backup lies while it is written."""
    return path.with_name(f".{path.name}.part")


def verify_backup(path: Path) -> dict[str, Any]:
    """Read a backup through as a restore would and return its manifest. Raises StudioError."""
    manifest, _ = check_backup(path)
    return manifest.data


@contextmanager
def _one_moment() -> Iterator[None]:
    """A transaction in which every query sees the database as it was at the first."""
    if connection.in_atomic_block:
        yield
        return
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
        return
    # Not atomic(): the studio's transactions take SQLite's write lock, and nobody should wait.
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def _migrations() -> list[str]:
    return applied_migrations()


def _models_of(migrations: list[str]) -> list[type[models.Model]]:
    if not migrations:
        raise StudioError("The database has no tables yet: there is nothing to back up.")
    if unknown := unknown_migrations(migrations):
        raise StudioError(
            f"The database is of a newer Ray Studio (this one does not know {unknown[0]}). "
            "Make the backup with that one."
        )
    return models_at(migrations)


def _add_table(tar: tarfile.TarFile, model: type[models.Model], names: list[str]) -> dict[str, Any]:
    fields = [f for f in model._meta.concrete_fields if isinstance(f, models.FileField)]
    digest, rows = hashlib.sha256(), 0
    with tempfile.TemporaryFile(dir=scratch_dir()) as out:
        with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed:
            for line in lines_of(model):
                packed.write(line)
                digest.update(line)
                rows += 1
        size = out.tell()
        out.seek(0)
        info = tarfile.TarInfo(table_member(model._meta.label))
        info.size, info.mode = size, OWNER_ONLY
        tar.addfile(info, out)
    for one in fields:
        kept = model._base_manager.exclude(**{one.name: ""}).order_by("pk")
        if any(column.name == "purged_at" for column in model._meta.concrete_fields):
            kept = kept.filter(purged_at=None)
        names.extend(kept.values_list(one.name, flat=True).iterator())
    return {"rows": rows, "sha256": digest.hexdigest()}


def _add_file(tar: tarfile.TarFile, name: str) -> dict[str, Any] | None:
    """Add a media file; None when the storage does not have it, or not any more."""
    digest = hashlib.sha256()
    try:
        if not default_storage.exists(name):
            return None
        source = default_storage.open(name, "rb")
    except FileNotFoundError:
        return None
    with source:
        info = tarfile.TarInfo(f"{MEDIA}{name}")
        info.size, info.mode = source.size, OWNER_ONLY
        tar.addfile(info, _Hashing(source, digest))
    return {"bytes": info.size, "sha256": digest.hexdigest()}


class _Hashing(io.RawIOBase):
    """Reads a file and adds what was read to a digest."""

    def __init__(self, source: Any, digest: Any) -> None:
        self.source, self.digest = source, digest

    def read(self, size: int = -1) -> bytes:
        part: bytes = self.source.read(size)
        self.digest.update(part)
        return part


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), OWNER_ONLY
    tar.addfile(info, io.BytesIO(data))
