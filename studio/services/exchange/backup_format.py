"""What a backup file consists of: names of its members, its manifest, and the report about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from studio.services.errors import StudioError

FORMAT = "ray-studio-backup"
VERSION = 1
MANIFEST = "manifest.json"
TABLES, MEDIA = "tables/", "media/"
BATCH = 500
CHUNK = 1 << 20
MAX_MANIFEST_BYTES = 1 << 30

Say = Callable[[str], None]


@dataclass(slots=True)
class Report:
    """What a backup holds, or a restore put back."""

    rows: int = 0
    files: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)  # named by rows, not in the storage
    held: int = 0  # shots that wait for a person after a restore
    cleaned: int = 0  # rows with characters that this database cannot store
    renamed: list[str] = field(default_factory=list)  # sentences: names that differ in case alone
    locked_keys: int = 0  # provider accounts whose key cannot be decrypted here
    left_out: list[str] = field(default_factory=list)  # permissions this version does not have


@dataclass(frozen=True, slots=True)
class TableEntry:
    """What the manifest says of one table."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What the manifest says of one media file."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a backup, checked field by field."""

    made_at: str
    migrations: list[str]
    tables: dict[str, TableEntry]
    files: dict[str, FileEntry]
    missing: list[str]
    has_media: bool
    data: dict[str, Any]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


def table_member(label: str) -> str:
    """Return the name of a table's member in the archive."""
    return f"{TABLES}{label.lower()}.jsonl.gz"


def read_manifest(data: object, file_name: str) -> Manifest:
    """Return the manifest from its JSON. Raises StudioError naming what is wrong with it."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise StudioError(
            f"{file_name} is not a whole backup of Ray Studio: its manifest is missing."
        )

    def part(key: str, kind: type) -> Any:
        value = data.get(key)
        if not isinstance(value, kind) or isinstance(value, bool) and kind is int:
            raise StudioError(
                f"The manifest of {file_name} is damaged: it lacks a readable “{key}”."
            )
        return value

    if part("version", int) > VERSION:
        raise StudioError(
            "This backup was made by a newer Ray Studio. Upgrade first, then restore."
        )
    return Manifest(
        made_at=part("made_at", str),
        migrations=_texts(part("migrations", list), "migrations", file_name),
        tables={
            str(label): TableEntry(
                _number(entry, "rows", label, file_name), _hash(entry, label, file_name)
            )
            for label, entry in part("tables", dict).items()
        },
        files={
            str(name): FileEntry(
                _number(entry, "bytes", name, file_name), _hash(entry, name, file_name)
            )
            for name, entry in part("files", dict).items()
        },
        missing=_texts(part("missing", list), "missing", file_name),
        has_media=data.get("media", True) is not False,
        data=data,
    )


def _texts(values: list[Any], key: str, file_name: str) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        raise StudioError(f"The manifest of {file_name} is damaged: it lacks a readable “{key}”.")
    return values


def _number(entry: Any, key: str, name: str, file_name: str) -> int:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise StudioError(f"The manifest of {file_name} is damaged: “{name}” has no “{key}”.")
    return value


def _hash(entry: Any, name: str, file_name: str) -> str:
    value = entry.get("sha256") if isinstance(entry, dict) else None
    if not isinstance(value, str):
        raise StudioError(f"The manifest of {file_name} is damaged: “{name}” has no checksum.")
    return value
