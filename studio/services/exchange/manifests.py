"""Reading an archive somebody brings: nothing in it is believed before it was looked at."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from studio.services.errors import StudioError
from studio.services.exchange.archives import FORMAT, MANIFEST

MOST_FILES = 20_000
MOST_MANIFEST_BYTES = 50 * 2**20
MOST_FILE_BYTES = 4 * 2**30
MOST_BYTES = 500 * 2**30  # of all files together
MOST_RATIO = 20  # film and pictures hardly shrink; what does is a bomb
_BLOCK = 1 << 20
_PLACE = re.compile(r"(clips|stills)/\w[\w.-]{0,150}", re.ASCII)


class Damaged(StudioError):
    """One file of the archive is not what the manifest says."""


class Record:
    """One object of a manifest. Each reader raises StudioError naming place, value and what may be."""

    def __init__(self, where: str, data: Any) -> None:
        if not isinstance(data, dict):
            raise StudioError(f"The archive cannot be read: {where or 'it'} must be an object.")
        self._where = where
        self._data: dict[str, Any] = data

    def text(self, key: str, most: int, *, pattern: str | None = None) -> str:
        """Return text of at most `most` characters; "" where there is none."""
        value = self._data.get(key)
        if value is None:
            value = ""
        fits = isinstance(value, str) and len(value) <= most and "\0" not in value
        if not fits or (pattern and value and not re.fullmatch(pattern, value)):
            self._refuse(key, f"text of at most {most:,} characters")
        return str(value)

    def number(self, key: str, least: int, most: int, default: int | None = None) -> int:
        value = self._data.get(key)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self._refuse(key, f"a whole number from {least:,} to {most:,}")
        assert isinstance(value, int)
        return value

    def has(self, key: str) -> bool:
        return self._data.get(key) is not None

    def flag(self, key: str) -> bool:
        return self._data.get(key) is True

    def code(self, key: str) -> UUID | None:
        value = self._data.get(key)
        if value is None:
            return None
        try:
            return UUID(value)
        except (ValueError, AttributeError, TypeError):
            self._refuse(key, "a code")
            raise

    def moment(self, key: str) -> datetime:
        """Return a time; now where there is none."""
        value = self._data.get(key)
        if value is None:
            return timezone.now()
        try:
            found = parse_datetime(value)
        except (ValueError, TypeError):
            found = None
        if found is None or found.tzinfo is None:
            self._refuse(key, "a time with its zone")
        assert found is not None
        return found

    def words(self, key: str, most: int) -> list[str]:
        """Return a list of short names."""
        value = self._data.get(key) or []
        if not isinstance(value, list) or len(value) > most:
            self._refuse(key, f"a list of at most {most}")
        if not all(isinstance(w, str) and re.fullmatch(r"[a-z0-9_]{1,40}", w) for w in value):
            self._refuse(key, "a list of names")
        return list(value)

    def records(self, key: str, most: int) -> list[Record]:
        value = self._data.get(key) or []
        if not isinstance(value, list) or len(value) > most:
            self._refuse(key, f"a list of at most {most:,}")
        place = f"{self._where}.{key}" if self._where else key
        return [Record(f"{place}[{index}]", item) for index, item in enumerate(value)]

    def record(self, key: str) -> Record:
        return Record(f"{self._where}.{key}" if self._where else key, self._data.get(key))

    def plain(self, *left_out: str) -> dict[str, Any]:
        """Return the object as it came, to be kept for reference."""
        return {key: value for key, value in self._data.items() if key not in left_out}

    def _refuse(self, key: str, allowed: str) -> None:
        shown = repr(self._data.get(key))[:60]
        place = f"{self._where}.{key}" if self._where else key
        raise StudioError(f"The archive cannot be read: {place} is {shown}; it must be {allowed}.")


class Archive:
    """An opened archive whose manifest and file list have been checked. A context manager."""

    def __init__(self, file: IO[bytes] | Path) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise StudioError("This is not a ZIP archive, or it is cut short.") from error
        try:
            self._infos = {info.filename: info for info in self._zip.infolist()}
            if len(self._infos) > MOST_FILES:
                raise StudioError(
                    f"The archive has {len(self._infos):,} files; at most {MOST_FILES:,} are allowed."
                )
            self.manifest = self._read_manifest()
            self.clips = self.manifest.records("clips", MOST_FILES)
            self.stills = self.manifest.records("stills", MOST_FILES)
            self.chains = self.manifest.records("chains", MOST_FILES)
            total = sum(self._info_of(record).file_size for record in self.clips + self.stills)
            if total > MOST_BYTES:
                raise StudioError(
                    f"The archive holds {total / 2**30:,.0f} GB; at most "
                    f"{MOST_BYTES // 2**30} GB are allowed."
                )
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *unused: object) -> None:
        self._zip.close()

    def extract(self, record: Record, target: Path) -> None:
        """Write a clip's or still's file to `target`. Raises Damaged when its checksum is wrong."""
        info = self._info_of(record)
        digest = hashlib.sha256()
        try:
            with self._zip.open(info) as source, target.open("wb") as file:
                while block := source.read(_BLOCK):
                    digest.update(block)
                    file.write(block)
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise Damaged(f"“{info.filename}” is damaged in the archive.") from error
        if digest.hexdigest() != record.text("sha256", 64):
            raise Damaged(f"“{info.filename}” is not the file the manifest describes.")

    def _read_manifest(self) -> Record:
        info = self._infos.get(MANIFEST)
        if info is None:
            raise StudioError(f"The archive has no {MANIFEST}: no studio made it.")
        if info.file_size > MOST_MANIFEST_BYTES:
            raise StudioError(
                f"{MANIFEST} is {info.file_size / 2**20:,.0f} MB; at most "
                f"{MOST_MANIFEST_BYTES // 2**20} MB are allowed."
            )
        try:
            data = json.loads(self._zip.read(info))
        except (ValueError, RecursionError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
            raise StudioError(f"{MANIFEST} in the archive is damaged.") from None
        manifest = Record("", data)
        found = manifest.text("format", 40)
        if found != FORMAT:
            raise StudioError(f"The archive's format is “{found}”; this studio reads “{FORMAT}”.")
        return manifest

    def _info_of(self, record: Record) -> zipfile.ZipInfo:
        """Return the member a record names, if it may be read at all.

        Its name is never used as a path, so there is nothing it could point out of.
        """
        name = record.text("file", 160)
        info = self._infos.get(name)
        if not _PLACE.fullmatch(name) or info is None:
            raise StudioError(f"The archive cannot be read: it has no file “{name[:80]}”.")
        known = info.compress_type in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
        if info.flag_bits & 1 or not known:
            raise StudioError(f"“{name}” is encrypted or packed in a way the studio cannot read.")
        if not 0 < info.file_size <= MOST_FILE_BYTES:
            raise StudioError(
                f"“{name}” has {info.file_size:,} bytes; 1 to {MOST_FILE_BYTES:,} are allowed."
            )
        if info.file_size > MOST_RATIO * info.compress_size + _BLOCK:
            raise StudioError(f"“{name}” is packed too tightly to be film or a picture.")
        return info
