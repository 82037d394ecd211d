"""Files in the storage that no row names, and rows that name files which are not there.

A file is let go of only where its name is one the studio gives, it is older than SAFE_AGE, no row
names it, and what it belongs to is not under way: a clip's files are in their place a moment before
its row says so, and with a full disk that moment may last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import models, transaction
from django.utils import timezone

from studio.models import Export, Generation, ImportRun, Keyframe, Project
from studio.models.generation import TERMINAL_STATES, State
from studio.services.gallery.bin import FILES
from studio.services.retention.things import Thing, TooMany

SAFE_AGE = timedelta(days=2)
FOLDERS = ("clips", "stills", "exports")
PUT_ASIDE = {"imports": SAFE_AGE, "doctor": timedelta(days=1)}
# So many files without a row, and as many as have one: a database that is not this storage's.
ALWAYS_FEW = 50
_CODE = re.compile(r"^\.?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})[-.]")
_SHOWN_FOR_LISTING = 10


@dataclass(frozen=True, slots=True)
class Missing:
    """A file that a row names and the storage has not."""

    name: str
    whose: str


# ---- Files without rows ----------------------------------------------------------------------


def unnamed_files() -> list[Thing]:
    """Return the files that may go. Raises TooMany, naming some, when that cannot be right."""
    found: list[Thing] = []
    seen = 0
    for code in _project_codes():
        names = _listed(code)
        seen += len(names)
        found += _unnamed(names - _named_by(code).keys())
    if len(found) > max(ALWAYS_FEW, seen // 2):
        some = ", ".join(thing.name for thing in found[:_SHOWN_FOR_LISTING])
        raise TooMany(
            f"{len(found)} of {seen} stored files have no row, such as {some}. That looks like a "
            "database which is not this storage’s, or one being restored, so none was removed. If it "
            "is right: manage.py retention --even-so"
        )
    return found


def many_unnamed_files() -> list[Thing]:
    """Return the files that may go, however many they are."""
    return [
        thing
        for code in _project_codes()
        for thing in _unnamed(_listed(code) - _named_by(code).keys())
    ]


def _unnamed(names: Iterable[str]) -> Iterator[Thing]:
    for name in sorted(names):
        if _may_go(name):
            with suppress(OSError):
                yield Thing(name, default_storage.size(name), key=name)


def remove_unnamed(thing: Thing) -> bool:
    """Remove one file, if it may still go. Returns whether it did."""
    name = thing.name
    code = _code_of(name)
    with transaction.atomic():
        # Held until the file is gone: nobody begins to fetch or to stitch this again meanwhile.
        if code:
            list(Generation.objects.select_for_update().filter(code=code).values_list("pk"))
            list(Export.objects.select_for_update().filter(code=code).values_list("pk"))
        if not _may_go(name):
            return False
        with suppress(FileNotFoundError):
            default_storage.delete(name)
    return True


def _may_go(name: str) -> bool:
    code = _code_of(name)
    if code is None or _is_young(name, SAFE_AGE):
        return False
    shots = Generation.objects.filter(code=code).exclude(state__in=TERMINAL_STATES)
    films = Export.objects.filter(code=code).exclude(state__in=Export.TERMINAL)
    return not shots.exists() and not films.exists() and not _is_named(name)


def _code_of(name: str) -> UUID | None:
    found = _CODE.match(name.rsplit("/", 1)[-1])
    return UUID(found[1]) if found else None


def _is_young(name: str, age: timedelta) -> bool:
    try:
        return default_storage.get_modified_time(name) > timezone.now() - age
    except OSError:
        return True  # gone, or just being replaced


def _is_named(name: str) -> bool:
    """Whether any row names this file. A purged clip keeps its file's name, and not the file."""
    clips = Generation.objects.filter(purged_at=None)
    if any(clips.filter(**{field: name}).exists() for field in FILES):
        return True
    stills = Keyframe.objects.filter(models.Q(file=name) | models.Q(thumbnail=name))
    return stills.exists() or Export.objects.filter(file=name).exists()


def _project_codes() -> list[str]:
    folders = _entries("projects")[0]
    rows = {str(code) for code in Project.objects.values_list("code", flat=True)}
    return sorted(rows.union(folders))


def _listed(code: str) -> set[str]:
    return {
        f"projects/{code}/{folder}/{name}"
        for folder in FOLDERS
        for name in _entries(f"projects/{code}/{folder}")[1]
    }


def _entries(folder: str) -> tuple[list[str], list[str]]:
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []


def _named_by(code: str) -> dict[str, str]:
    """Return what the rows of a project name, and whose it is; three queries."""
    with suppress(ValueError):
        project = UUID(code)
        named: dict[str, str] = {}
        clips = Generation.objects.filter(
            project__code=project, purged_at=None, state=State.SUCCEEDED
        )
        for number, *names in clips.values_list("number", *FILES).iterator():
            named |= {name: f"clip {number}" for name in names if name}
        stills = Keyframe.objects.filter(project__code=project)
        for title, *names in stills.values_list("name", "file", "thumbnail").iterator():
            named |= {name: f"still “{title}”" for name in names if name}
        films = Export.objects.filter(chain__project__code=project).exclude(file="")
        for title, name in films.values_list("chain__title", "file").iterator():
            named[name] = f"film of “{title}”"
        return named
    return {}


# ---- Rows without files ----------------------------------------------------------------------


def missing_files() -> list[Missing]:
    """Return the files that rows name and the storage has not. Nothing is done about them."""
    found = []
    for code in _project_codes():
        listed = _listed(code)
        for name, whose in _named_by(code).items():
            # Asked for again one by one: it may have been written, or purged, since.
            if name not in listed and not default_storage.exists(name) and _is_named(name):
                found.append(Missing(name, whose))
    return found


# ---- What was put aside ----------------------------------------------------------------------


def put_aside() -> Iterator[Thing]:
    """Yield archives that no import waits for, and what a killed doctor wrote."""
    for folder in PUT_ASIDE:
        for entry in _entries(folder)[1]:
            name = f"{folder}/{entry}"
            if not _waits(name):
                with suppress(OSError):
                    yield Thing(name, default_storage.size(name), key=name)


def remove_put_aside(thing: Thing) -> bool:
    if _waits(thing.name):
        return False
    with suppress(FileNotFoundError):
        default_storage.delete(thing.name)
    return True


def _waits(name: str) -> bool:
    """Whether it is to be brought in, however old it is, or may just be being uploaded."""
    if _is_young(name, PUT_ASIDE[name.split("/")[0]]):
        return True
    return ImportRun.objects.filter(archive=name, state__in=ImportRun.GOING).exists()
