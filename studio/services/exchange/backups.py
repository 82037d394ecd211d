"""The whole studio in one file: every row and every media file, verified before it is put back.

A tar with one JSON Lines file per table (Django's own serialisation, so that a backup of SQLite
restores into PostgreSQL and back), the media files the rows name, and at the end a manifest with
a checksum of each. The rows are read in one transaction that sees one moment, so it is consistent
while the studio runs; media files never change once they are named by a row.
Sessions, the queue and the search index are not in it: they are made anew.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.apps import apps
from django.contrib.auth.models import Group
from django.core import serializers
from django.core.files import File
from django.core.files.storage import default_storage
from django.core.management.color import no_style
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models, transaction
from django.db.migrations.recorder import MigrationRecorder

from studio.models import Generation, SearchText, User
from studio.models.generation import State
from studio.services.errors import StudioError
from studio.services.files import scratch_dir

FORMAT = "ray-studio-backup"
VERSION = 1
MANIFEST = "manifest.json"
TABLES, MEDIA = "tables/", "media/"
# The apps whose tables are in it.
BACKED_UP = {"studio", "auth", "mfa", "socialaccount"}
BATCH = 500
CHUNK = 1 << 20
HELD = "Restored from a backup: it may have been sent after the backup was made. Look before you let it go."


@dataclass(slots=True)
class Report:
    """What a backup holds. `missing`: files that rows name and the storage does not have."""

    rows: int = 0
    files: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)
    held: int = 0  # shots that wait for a person after a restore


Say = Callable[[str], None]


def backed_up_models() -> list[type[models.Model]]:
    """Return the tables of a backup, those that others point at first."""
    own = [m for m in apps.get_app_config("studio").get_models() if m is not SearchText]
    # Without these a restored studio would let people in without their codes.
    return [Group, *own, Authenticator, SocialAccount]


# ---- Writing ------------------------------------------------------------------------------


def write_backup(path: Path, *, say: Say = lambda _: None) -> Report:
    """Write a backup to `path`, which appears only when it is whole. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    report, tables, files = Report(), {}, {}
    try:
        with tarfile.open(part, "w") as tar:
            with _one_moment():
                migrations = _migrations()
                names: list[str] = []
                for model in backed_up_models():
                    tables[model._meta.label] = _add_table(tar, model, names)
                    report.rows += tables[model._meta.label]["rows"]
            say(f"{report.rows} rows. Reading the media files.")
            for name in dict.fromkeys(names):
                found = _add_file(tar, name)
                if found is None:
                    report.missing.append(name)
                    continue
                files[name] = found
                report.files += 1
                report.bytes += found["bytes"]
            manifest = {
                "format": FORMAT,
                "version": VERSION,
                "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "migrations": migrations,
                "tables": tables,
                "files": files,
                "missing": report.missing,
            }
            _add_bytes(tar, MANIFEST, json.dumps(manifest, indent=1).encode())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return report


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


def _add_table(tar: tarfile.TarFile, model: type[models.Model], names: list[str]) -> dict[str, Any]:
    fields = [f for f in model._meta.concrete_fields if isinstance(f, models.FileField)]
    digest, rows = hashlib.sha256(), 0
    with tempfile.TemporaryFile(dir=scratch_dir()) as out:
        with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed:
            for line in _lines(model):
                packed.write(line)
                digest.update(line)
                rows += 1
        size = out.tell()
        out.seek(0)
        info = tarfile.TarInfo(f"{TABLES}{model._meta.label_lower}.jsonl.gz")
        info.size = size
        tar.addfile(info, out)
    for file_field in fields:
        kept = model._base_manager.exclude(**{file_field.name: ""}).order_by("pk")
        if model is Generation:
            kept = kept.filter(purged_at=None)
        names.extend(kept.values_list(file_field.name, flat=True).iterator())
    return {"rows": rows, "sha256": digest.hexdigest()}


def _lines(model: type[models.Model]) -> Iterator[bytes]:
    """Yield each row as one line of JSON, in the order of their keys."""
    rows = model._base_manager.order_by("pk").iterator(chunk_size=BATCH)
    batch: list[models.Model] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield from _serialised(batch)
            batch = []
    yield from _serialised(batch)


def _serialised(rows: Iterable[models.Model]) -> Iterator[bytes]:
    text = serializers.serialize("jsonl", rows, use_natural_foreign_keys=True, cls=_Exact)
    for line in text.splitlines():
        if line:
            yield f"{line}\n".encode()


class _Exact(DjangoJSONEncoder):
    """Django's encoder cuts times to milliseconds; a backup keeps them whole."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


def _add_file(tar: tarfile.TarFile, name: str) -> dict[str, Any] | None:
    if not default_storage.exists(name):
        return None
    digest = hashlib.sha256()
    with default_storage.open(name, "rb") as source:
        info = tarfile.TarInfo(f"{MEDIA}{name}")
        info.size = source.size
        tar.addfile(info, _Hashing(source, digest))
    return {"bytes": info.size, "sha256": digest.hexdigest()}


class _Hashing:
    """Reads a file and adds what was read to a digest."""

    def __init__(self, source: Any, digest: Any) -> None:
        self.source, self.digest = source, digest

    def read(self, size: int = -1) -> bytes:
        part: bytes = self.source.read(size)
        self.digest.update(part)
        return part


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _migrations() -> list[str]:
    applied = MigrationRecorder(connection).applied_migrations()
    return sorted(f"{app}.{name}" for app, name in applied if app in BACKED_UP)


# ---- Reading ------------------------------------------------------------------------------


def verify_backup(path: Path) -> dict[str, Any]:
    """Read a backup through and return its manifest. Raises StudioError when a byte is wrong."""
    seen: dict[str, tuple[str, int]] = {}
    manifest: dict[str, Any] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                data = tar.extractfile(member)
                if data is None:
                    raise StudioError(f"{member.name} in the backup is not a file.")
                if member.name == MANIFEST:
                    manifest = json.load(data)
                else:
                    seen[member.name] = _digest(data, packed=member.name.startswith(TABLES))
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
        raise StudioError(f"{path.name} cannot be read as a backup: {error}.") from error
    if manifest.get("format") != FORMAT:
        raise StudioError(
            f"{path.name} is not a whole backup of Ray Studio: its manifest is missing."
        )
    if manifest["version"] > VERSION:
        raise StudioError(
            "This backup was made by a newer Ray Studio. Upgrade first, then restore."
        )
    wanted = {
        f"{TABLES}{label.lower()}.jsonl.gz": (entry["sha256"], None)
        for label, entry in manifest["tables"].items()
    } | {
        f"{MEDIA}{name}": (entry["sha256"], entry["bytes"])
        for name, entry in manifest["files"].items()
    }
    for name, (sha256, size) in wanted.items():
        found = seen.get(name)
        if found is None:
            raise StudioError(f"{name} is missing from the backup.")
        if found[0] != sha256 or (size is not None and found[1] != size):
            raise StudioError(f"{name} in the backup is damaged: its checksum is not what it was.")
    return manifest


def restore_backup(path: Path, *, replace: bool = False, say: Say = lambda _: None) -> Report:
    """Put a backup back into an empty studio, or with `replace` in the place of what is there.

    Everything is verified first; the rows are put back in one transaction. Raises StudioError, and
    then nothing was changed. Shots that waited to be sent to a paid provider are held: they may have
    been sent between the backup and now.
    """
    manifest = verify_backup(path)
    if manifest["migrations"] != _migrations():
        raise StudioError(
            "This backup is of another version of the tables. Restore it with the Ray Studio that "
            "made it, then upgrade."
        )
    if User.objects.exists() and not replace:
        raise StudioError(
            "There are people in this studio already. To put the backup in their place: --replace."
        )
    report = Report()
    say("The backup is whole. Putting the media files back.")
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            if member.name.startswith(MEDIA):
                _put_file(tar, member)
                report.files += 1
                report.bytes += member.size
    say("Putting the rows back.")
    with transaction.atomic():
        for model in reversed(backed_up_models()):
            _empty(model)
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.name.startswith(TABLES):
                    report.rows += _put_rows(tar, member)
        for statement in connection.ops.sequence_reset_sql(no_style(), backed_up_models()):
            with connection.cursor() as cursor:
                cursor.execute(statement)
        report.held = _hold_what_waits()
        connection.check_constraints()  # now, not at the commit: what is wrong undoes it all
    report.missing = manifest["missing"]
    return report


def _digest(data: IO[bytes], *, packed: bool) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    source: IO[bytes] = gzip.GzipFile(fileobj=data) if packed else data  # type: ignore[assignment]  # reads like a file
    while part := source.read(CHUNK):
        digest.update(part)
        size += len(part)
    return digest.hexdigest(), size


def _put_file(tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    name = member.name.removeprefix(MEDIA)
    data = tar.extractfile(member)
    assert data is not None
    if default_storage.exists(name):
        default_storage.delete(name)
    kept = default_storage.save(name, File(data, name))
    if kept != name:
        default_storage.delete(kept)
        raise StudioError(f"The storage would not keep {name} under its own name.")


def _put_rows(tar: tarfile.TarFile, member: tarfile.TarInfo) -> int:
    data = tar.extractfile(member)
    assert data is not None
    batch: list[Any] = []
    count = 0
    with gzip.open(data, "rt", encoding="utf-8") as lines:
        for row in serializers.deserialize("jsonl", lines, handle_forward_references=True):
            batch.append(row)
            count += 1
            if len(batch) == BATCH:
                _insert(batch)
                batch = []
    _insert(batch)
    return count


def _insert(rows: list[Any]) -> None:
    if not rows:
        return
    model = type(rows[0].object)
    model._base_manager.bulk_create([row.object for row in rows], batch_size=BATCH)
    for row in rows:
        for name, values in (row.m2m_data or {}).items():
            if values:
                getattr(row.object, name).set(values)


def _empty(model: type[models.Model]) -> None:
    for relation in model._meta.many_to_many:
        relation.remote_field.through._base_manager.all()._raw_delete("default")  # type: ignore[union-attr]
    model._base_manager.all()._raw_delete("default")


def _hold_what_waits() -> int:
    waiting = Generation.objects.filter(state=State.QUEUED).exclude(provider="previs")
    return waiting.update(held=True, waiting_text=HELD)
