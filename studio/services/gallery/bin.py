"""The bin: what was deleted, and what becomes of it.

A deleted clip keeps its files for BIN_DAYS, so that deleting can be taken back. Then they are
purged; the row stays, for what it cost is part of the project's sums. Two rules:

- What others show may not be deleted: a segment of a chain, a clip a client can open, half of an
  open blind test. It would be missing there a month later, and nobody looking at it was asked.
- What others are made from may be deleted, but keeps its files while they are there: the next
  take of a continuation is cut from the end of the clip it continues.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from studio import lifecycle
from studio.models import BlindPair, Generation, Membership, Project, Segment, Share
from studio.services.apart import Apart
from studio.services.errors import StudioError

logger = logging.getLogger(__name__)

FILES = ("clip", "poster", "strip", "preview")
BATCH = 100


def in_bin(project: Project) -> QuerySet[Generation]:
    """Return what can still be brought back, last deleted first."""
    rows = Generation.objects.filter(project=project, deleted_at__isnull=False, purged_at=None)
    return rows.defer("raw_answer").order_by("-deleted_at", "-pk")


def after(rows: QuerySet[Generation], last: Generation) -> QuerySet[Generation]:
    """Return what comes after this clip in the bin's order."""
    same = Q(deleted_at=last.deleted_at, pk__lt=last.pk)
    return rows.filter(Q(deleted_at__lt=last.deleted_at) | same)


def may_restore(clip: Generation, *, user_pk: int, everything: bool) -> bool:
    """Whether this person may bring it back: what they made or deleted; an owner everything."""
    return everything or user_pk in (clip.by_id, clip.deleted_by_id)


def uses_of(pks: Sequence[int]) -> dict[int, str]:
    """Say of each clip that others show why it cannot be deleted; three queries."""
    said: dict[int, str] = {}
    pairs = BlindPair.objects.filter(test__closed_at=None).filter(
        Q(left__in=pks) | Q(right__in=pks)
    )
    for left, right, title in pairs.values_list("left", "right", "test__title"):
        for pk in {left, right} & set(pks):
            said[pk] = f"It is in the blind test “{title}”. Close the test first."
    now = timezone.now()
    shares = Share.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)
    opened = shares.filter(generations__in=pks).values_list("generations", "title")
    for shown, title in opened:
        name = f" “{title}”" if title else ""
        said[shown] = f"A guest can open it through the share{name}. Revoke or change that first."
    segments = Segment.objects.filter(generation__in=pks, chain__archived_at=None)
    for pk, title in segments.values_list("generation", "chain__title"):
        said[pk] = f"It is part of the chain “{title}”. Take it out of there first."
    return said


def needed_by(pks: Sequence[int]) -> dict[int, int]:
    """Return, for each clip whose files are still needed, the number of a clip made from it.

    A clip that is in the bin itself needs nothing. One query.
    """
    makers = Generation.objects.filter(deleted_at=None).filter(
        Q(start_generation__in=pks) | Q(end_generation__in=pks)
    )
    found: dict[int, int] = {}
    for start, end, number in makers.values_list("start_generation", "end_generation", "number"):
        for pk in (start, end):
            if pk is not None and pk in pks:
                found[pk] = number
    return found


def delete_for_good(*, membership: Membership, clip: Generation) -> None:
    """Remove a deleted clip's files now. Raises StudioError, and PermissionDenied for non-owners."""
    if not membership.can_manage:
        raise PermissionDenied("Only an owner of this project can delete for good.")
    if clip.deleted_at is None:
        raise StudioError("It is not in the bin any more.")
    if clip.purged_at is not None:
        return
    if number := needed_by([clip.pk]).get(clip.pk):
        raise StudioError(
            f"Clip {number} was made from it, and another take of that would need it. "
            "Delete that one too, or leave this one in the bin."
        )
    purge([clip])


def due() -> Iterator[Generation]:
    """Yield the clips that were deleted BIN_DAYS ago and whose files nothing needs."""
    before = timezone.now() - timedelta(days=settings.BIN_DAYS)
    rows = Generation.objects.filter(deleted_at__lt=before, purged_at=None)
    for page in _not_needed(rows.select_related("project")):
        yield from page


def empty(*, project_pk: int, until: str) -> int:
    """Remove the files of what was in a project's bin at that moment (ISO 8601); return how many."""
    rows = Generation.objects.filter(project=project_pk, deleted_at__lte=until, purged_at=None)
    return _purge_all(rows)


def _purge_all(rows: QuerySet[Generation]) -> int:
    return sum(purge(page) for page in _not_needed(rows))


def _not_needed(rows: QuerySet[Generation]) -> Iterator[list[Generation]]:
    after = 0
    while page := list(rows.filter(pk__gt=after).defer("raw_answer").order_by("pk")[:BATCH]):
        after = page[-1].pk
        needed = needed_by([clip.pk for clip in page])
        yield [clip for clip in page if clip.pk not in needed]


def purge(clips: Sequence[Generation]) -> int:
    """Mark these as purged, then remove their files; return how many.

    Marked first: a file without a row that shows it harms nobody, the other way round would. What
    was restored at this moment is left alone. A clip's name stays in its row, without a file: a
    finished shot has one, says the table.
    """
    gone = []
    apart = Apart()
    for clip in clips:
        with apart.one(f"removing clip {clip.pk}"), transaction.atomic():
            # Raises the project's version, and holds its row: nobody restores it meanwhile.
            lifecycle.touch_rows(clip.project_id, [])
            rows = Generation.objects.filter(pk=clip.pk, purged_at=None, deleted_at__isnull=False)
            shown = {"poster": "", "strip": "", "preview": "", "size_bytes": None}
            if rows.update(purged_at=timezone.now(), **shown):
                gone.append(clip)
    _remove(gone)
    return len(gone)


def _remove(clips: Iterable[Generation]) -> None:
    names = {name for clip in clips for f in FILES if (name := getattr(clip, f).name)}
    # Two rows may share a file, such as clips of a copied project: it goes with the last of them.
    kept: set[str] = set()
    for field in FILES:
        rows = Generation.objects.filter(purged_at=None, **{f"{field}__in": names})
        kept |= set(rows.values_list(field, flat=True))
    apart = Apart()
    for name in names - kept:
        with apart.one(f"removing the file {name}"):
            default_storage.delete(name)
