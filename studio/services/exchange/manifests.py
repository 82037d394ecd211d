"""Reading an archive somebody brings: nothing in it is believed before it was looked at."""

from __future__ import annotations

import hashlib
import re
import threading
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO

from studio.plain_text import one_line
from studio.services.errors import StudioError
from studio.services.exchange.manifest_json import MAX_VALUES, TooManyValues, read_json
from studio.services.exchange.records import BadValue, Damaged, Record

FORMAT = "ray-studio/1"
MANIFEST = "manifest.json"
MOST_FILES = 20_000
MOST_MANIFEST_BYTES = 50 * 2**20
MOST_FILE_BYTES = 4 * 2**30
MOST_BYTES = 500 * 2**30  # of all files together
MOST_RATIO = 20  # film and pictures hardly shrink; what does is a bomb
MAX_PROBLEMS = 300
# What zipfile raises for a member that is not what its headers say.
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError)
_BLOCK = 1 << 20
# One at a time in each process: reading the largest takes hundreds of megabytes.
_one_manifest = threading.Lock()
_SYSTEM_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_PLACE = re.compile(r"(clips|stills)/\w[\w.-]{0,150}", re.ASCII)


class Archive:
    """An opened archive whose manifest and file list have been checked. A context manager.

    Its lists hold what may come in; `problems` are sentences about what cannot, at most MAX_PROBLEMS.
    """

    def __init__(self, file: IO[bytes] | Path) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except (*BROKEN, OSError) as error:
            raise StudioError("This is not a ZIP archive, or it is cut short.") from error
        self.problems: list[str] = []
        self._more_problems = 0
        try:
            members = self._zip.infolist()
            if len(members) > MOST_FILES:
                raise StudioError(
                    f"The archive has {len(members):,} files; at most {MOST_FILES:,} are allowed."
                )
            self._infos = _by_place(members)
            self._manifest = self._read_manifest()
            self._check_size()
            self.project = self._project()
            self.clips = self._list("clips", "The clip")
            self.stills = self._list("stills", "The still")
            self.chains = self._list("chains", "The chain")
            self.collections = self._list("collections", "The collection")
            self.saved_views = self._list("saved_views", "The saved view")
            self._name_files_once()
        except BaseException:
            self._zip.close()
            raise
        if self._more_problems:
            self.problems.append(f"{self._more_problems:,} more were left out for the like.")

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *unused: object) -> None:
        self._zip.close()

    def extract(self, record: Record, target: Path) -> None:
        """Write a clip's or still's file to `target`. Raises Damaged when its checksum is wrong."""
        info, wanted = self._info_of(record), record.digest("sha256")
        digest = hashlib.sha256()
        try:
            with self._zip.open(info) as source, target.open("wb") as file:
                while block := source.read(_BLOCK):
                    digest.update(block)
                    file.write(block)
        except BROKEN as error:
            raise Damaged(f"“{info.filename}” is damaged in the archive.") from error
        if digest.hexdigest() != wanted:
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
            with _one_manifest:
                data = read_json(self._zip.read(info))
        except TooManyValues:
            raise StudioError(
                f"{MANIFEST} holds more than {MAX_VALUES:,} values. Split the project, or take less "
                "of it into one archive."
            ) from None
        except (*BROKEN, RecursionError, RuntimeError):
            raise StudioError(f"{MANIFEST} in the archive is damaged.") from None
        found = data.get("format") if isinstance(data, dict) else None
        if not isinstance(found, str):
            raise StudioError(f"{MANIFEST} says no format: no studio made it.")
        if found != FORMAT:
            found = one_line(found, most=40)
            raise StudioError(f"The archive's format is “{found}”; this studio reads “{FORMAT}”.")
        return Record("", data)

    def _check_size(self) -> None:
        total = sum(info.file_size for info in self._infos.values())
        if total > MOST_BYTES:
            raise StudioError(
                f"The archive holds {total / 2**30:,.0f} GB; at most "
                f"{MOST_BYTES // 2**30} GB are allowed."
            )

    def _project(self) -> Record:
        try:
            return self._manifest.record("project")
        except BadValue as error:
            self._problem(f"The project’s name and settings were left out: {error.message}")
            return Record("project", {})

    def _list(self, key: str, noun: str) -> list[Record]:
        """Return the objects of a list of the manifest, of two with one code the first."""
        try:
            records = self._manifest.records(key, MOST_FILES, problem=self._problem)
        except BadValue as error:
            self._problem(f"Left out: {error.message}")
            return []
        return self._first_of_each(records, noun, "code", "a code that nothing else has")

    def _name_files_once(self) -> None:
        """Leave out what names a file that is named already: each clip and still has its own."""
        allowed = "a file that no other clip or still names"
        self.clips = self._first_of_each(self.clips, "The clip", "file", allowed)
        files = (record.value("file") for record in self.clips)
        named = {file.lower() for file in files if isinstance(file, str)}
        self.stills = self._first_of_each(self.stills, "The still", "file", allowed, named)

    def _first_of_each(
        self,
        records: list[Record],
        noun: str,
        key: str,
        allowed: str,
        taken: Collection[str] = (),
    ) -> list[Record]:
        seen, kept = set(taken), []
        for record in records:
            name = _folded(record, key)
            if name is None or name not in seen:
                kept.append(record)
                if name is not None:
                    seen.add(name)
                continue
            try:
                record.refuse(key, allowed)
            except BadValue as error:
                self._problem(f"{record.label(noun)} was left out: {error.message}")
        return kept

    def _problem(self, sentence: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(sentence)
        else:
            self._more_problems += 1

    def _info_of(self, record: Record) -> zipfile.ZipInfo:
        """Return the member a record names, if it may be read at all. Raises Damaged.

        Its name is never used as a path, so there is nothing it could point out of.
        """
        name = record.text("file", 160)
        info = self._infos.get(name)
        if not _PLACE.fullmatch(name) or info is None:
            record.refuse("file", "a file of the archive in clips/ or stills/")
        known = info.compress_type in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
        if info.flag_bits & 1 or not known:
            raise Damaged(
                f"“{name}” was left out: it is encrypted or packed in a way the studio cannot read."
            )
        if not 0 < info.file_size <= MOST_FILE_BYTES:
            raise Damaged(
                f"“{name}” was left out: it has {info.file_size:,} bytes; "
                f"1 to {MOST_FILE_BYTES:,} are allowed."
            )
        if info.file_size > MOST_RATIO * info.compress_size + _BLOCK:
            raise Damaged(
                f"“{name}” was left out: it is packed too tightly to be film or a picture."
            )
        return info


def _folded(record: Record, key: str) -> str | None:
    """Return a code or file name in the one way it is compared; None where there is none.

    A code can be written in several ways. What cannot be one is refused where it is read.
    """
    try:
        value = str(record.code(key) or "") if key == "code" else record.value(key)
    except BadValue:
        return None
    return value.lower() if value and isinstance(value, str) else None


def _by_place(members: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Return members by their place in the archive as the studio made it.

    Whoever unpacks one and packs it again gets a folder around it all, files of their system beside
    it, and on Windows sometimes other slashes. The folder is the one its only manifest lies in.
    """
    by_name: dict[str, zipfile.ZipInfo] = {}
    for info in members:
        name = info.filename.replace("\\", "/").removeprefix("./")
        # A name may be empty: of one that begins with NUL nothing is left.
        if name and not info.is_dir() and not _is_of_the_system(name):
            by_name[name] = info
    if MANIFEST in by_name:
        return by_name
    folders = {name.removesuffix(MANIFEST) for name in by_name if name.endswith(f"/{MANIFEST}")}
    if len(folders) != 1:
        return by_name
    (folder,) = folders
    return {
        name.removeprefix(folder): info for name, info in by_name.items() if name.startswith(folder)
    }


def _is_of_the_system(name: str) -> bool:
    """Whether macOS or Windows put it there: notes on folders, and macOS's twin of each file."""
    first, last = name.split("/", 1)[0], name.rsplit("/", 1)[-1]
    return first == "__MACOSX" or last.startswith("._") or last in _SYSTEM_FILES
