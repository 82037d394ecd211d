"""The one retention routine: run once a day, and by `manage.py retention`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

from studio.models import Generation
from studio.services.apart import DATABASE_AWAY, Apart
from studio.services.gallery import bin as bin_
from studio.services.retention import leftovers, media, uploads
from studio.services.retention.media import Missing
from studio.services.retention.things import Part, Thing, TooMany

logger = logging.getLogger(__name__)

SAID = 5  # missing files in one line of the log


@dataclass(slots=True)
class Heap:
    """What one part found: what went (or would go), and what was left after a second look."""

    part: Part
    things: list[Thing] = field(default_factory=list)
    left: int = 0
    trouble: str = ""

    @property
    def count(self) -> int:
        return sum(thing.count for thing in self.things)

    @property
    def bytes(self) -> int:
        return sum(thing.bytes for thing in self.things)


@dataclass(slots=True)
class Report:
    heaps: list[Heap]
    missing: list[Missing]

    @property
    def bytes(self) -> int:
        return sum(heap.bytes for heap in self.heaps)

    @property
    def sentence(self) -> str:
        """What happened, for the list of tasks in the control room."""
        went = [f"{heap.count} × {heap.part.noun}" for heap in self.heaps if heap.count]
        said = ", ".join(went) or "nothing was due"
        return f"{said}; {self.bytes} bytes; {len(self.missing)} files missing"


def clear_up(*, dry_run: bool = False, even_so: bool = False) -> Report:
    """Let go of everything that is due, part by part; with `dry_run` only look.

    `even_so`: also where so many files have no row that it looks wrong. Safe to run twice at once.
    """
    heaps = [_clear(part, dry_run=dry_run) for part in parts(even_so=even_so)]
    missing = media.missing_files()
    if missing:
        some = ", ".join(f"{gone.name} ({gone.whose})" for gone in missing[:SAID])
        logger.warning("%s files that rows name are not in the storage: %s", len(missing), some)
    return Report(heaps, missing)


def _clear(part: Part, *, dry_run: bool) -> Heap:
    heap, apart = Heap(part), Apart()
    try:
        for thing in part.find():
            removed = False
            with apart.one(thing.name):
                removed = dry_run or part.remove(thing)
            if removed:
                heap.things.append(thing)
            else:
                heap.left += 1
    except (TooMany, OSError) as error:
        # One part's trouble is no reason to keep what the others may let go of.
        heap.trouble = str(error)
        logger.warning("retention, %s: %s", part.name, error)
    except DATABASE_AWAY:
        raise
    except Exception as error:
        heap.trouble = f"{type(error).__name__}: {error}"
        logger.exception("retention, %s", part.name)
    if apart.failed:
        heap.trouble = f"{heap.trouble}{apart}".removeprefix("; ")
    return heap


def parts(*, even_so: bool = False) -> tuple[Part, ...]:
    unnamed = media.many_unnamed_files if even_so else media.unnamed_files
    return (
        Part("bin", "clip", _deleted_clips, _purge),
        Part("files without a row", "file", unnamed, media.remove_unnamed),
        Part("put aside", "file", media.put_aside, media.remove_put_aside),
        Part("unfinished uploads", "upload", uploads.unfinished_uploads, uploads.remove_upload),
        Part("unfinished files", "file", leftovers.unfinished_files, leftovers.remove_unfinished),
        Part("unused stills", "still", leftovers.unused_stills, leftovers.remove_still),
        Part("old rows", "row", leftovers.old_rows, leftovers.remove_rows),
    )


def _deleted_clips() -> Iterator[Thing]:
    for clip in bin_.due():
        name = f"clip {clip.number} “{clip.title}” of {clip.project}"
        yield Thing(name, clip.size_bytes or 0, key=clip)


def _purge(thing: Thing) -> bool:
    assert isinstance(thing.key, Generation)
    return bool(bin_.purge([thing.key]))
