"""Media files of a backup on their way into the storage: added whole, taken back when it fails.

A file that is there already with the same content stays. One with other content stays too, for
the rows of now name it: the backup's is stored beside it under another name, which the restored
rows then carry until `settle` has put it in the place of the old one. So whatever is killed when, the
rows name files that are whole. A journal in the data folder says what was added by a restore that was killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import models

from studio.services.errors import StudioError
from studio.services.exchange.backup_format import CHUNK, MEDIA, FileEntry, Report
from studio.services.exchange.backup_reading import Backup
from studio.services.exchange.schema_state import (
    applied_migrations,
    backed_up_models,
    models_at,
)
from studio.services.files import keep, scratch_file

JOURNAL = "restoring.jsonl"


class RestoredMedia:
    """The files that one restore adds. `renamed`: the names under which some lie for now."""

    def __init__(self) -> None:
        self.renamed: dict[str, str] = {}
        self._added: list[str] = []

    def add(self, backup: Backup, report: Report) -> None:
        """Add the files of a backup that the storage does not have. Raises OSError, StudioError."""
        for name, content in backup.media():
            entry = backup.manifest.files[name]
            report.files += 1
            report.bytes += entry.bytes
            if not _is_stored(name, entry):
                self._add(name, content, entry)

    def _add(self, name: str, content: IO[bytes], entry: FileEntry) -> None:
        with scratch_file(PurePosixPath(name).suffix) as path:
            _extract(content, path, name, entry)
            place = name
            if default_storage.exists(name):
                place = self.renamed[name] = _beside(name)
            _note_in_journal(place)
            self._added.append(place)
            stored = keep(path, place)
        if stored != place:
            default_storage.delete(stored)
            raise StudioError(f"The storage would not keep {name} under its own name.")

    def take_back(self) -> None:
        """Remove what was added: the restore failed. Raises OSError; then the journal stays."""
        for name in self._added:
            default_storage.delete(name)
        _journal().unlink(missing_ok=True)

    def settle(self) -> None:
        """Give the files that lie beside older ones their own names. The rows are restored by now."""
        places = {place: name for name, place in self.renamed.items()}
        for model in backed_up_models():
            for one in _file_fields(model):
                rows = model._base_manager.filter(**{f"{one.name}__in": list(places)})
                for pk, place in list(rows.values_list("pk", one.name)):
                    _copy_stored(place, places[place])
                    model._base_manager.filter(pk=pk).update(**{one.name: places[place]})
        clear_up_after_restore()


def clear_up_after_restore() -> None:
    """Remove the files that a killed restore added, but those that rows name by now."""
    journal = _journal()
    if not journal.is_file():
        return
    for name in set(_journal_names(journal)) - _named_by_rows():
        default_storage.delete(name)
    journal.unlink(missing_ok=True)


def _named_by_rows() -> set[str]:
    applied = applied_migrations()
    return {
        name
        for model in (models_at(applied) if applied else [])
        for one in _file_fields(model)
        for name in model._base_manager.exclude(**{one.name: ""})
        .values_list(one.name, flat=True)
        .iterator()
    }


def _file_fields(model: type[models.Model]) -> list[models.FileField]:
    return [one for one in model._meta.concrete_fields if isinstance(one, models.FileField)]


def _journal() -> Path:
    return Path(settings.DATA_DIR) / JOURNAL


def _note_in_journal(name: str) -> None:
    # Before the file: one that is listed and not there harms nothing.
    with _journal().open("a") as file:
        file.write(f"{json.dumps(name)}\n")
        file.flush()
        os.fsync(file.fileno())


def _journal_names(journal: Path) -> Iterator[str]:
    for line in journal.read_text().split("\n"):
        with suppress(ValueError):  # the last line may be cut
            yield json.loads(line)


def _beside(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem[:80]}-{uuid.uuid4().hex[:8]}{path.suffix}"))


def _is_stored(name: str, entry: FileEntry) -> bool:
    if not default_storage.exists(name) or default_storage.size(name) != entry.bytes:
        return False
    digest = hashlib.sha256()
    with default_storage.open(name, "rb") as source:
        while part := source.read(CHUNK):
            digest.update(part)
    return digest.hexdigest() == entry.sha256


def _extract(content: IO[bytes], path: Path, name: str, entry: FileEntry) -> None:
    digest = hashlib.sha256()
    with path.open("wb") as target:
        while part := content.read(CHUNK):
            digest.update(part)
            target.write(part)
    if digest.hexdigest() != entry.sha256:
        raise StudioError(
            f"{MEDIA}{name} in the backup is damaged: its checksum is not what it was."
        )


def _copy_stored(place: str, name: str) -> None:
    """Put a copy of one stored file in the place of another, whole at any moment."""
    with scratch_file(PurePosixPath(name).suffix) as path:
        with default_storage.open(place, "rb") as source, path.open("wb") as target:
            while part := source.read(CHUNK):
                target.write(part)
        keep(path, name)
