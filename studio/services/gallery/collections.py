"""Collections: chosen clips in a chosen order, such as a client's shortlist."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from studio import lifecycle
from studio.bulk import update_rows
from studio.incoming_text import tidy_line
from studio.models import Collection, CollectionItem, Generation, Project, User
from studio.services.errors import StudioError

MAX_TITLE_CHARS = 120
MAX_NOTE_CHARS = 500
SHOWN_POSTERS = 4


def clean_title(raw: str) -> str:
    title = tidy_line(raw)
    if not 1 <= len(title) <= MAX_TITLE_CHARS:
        raise StudioError(
            f"The title has {len(title)} characters; 1 to {MAX_TITLE_CHARS} are allowed.",
            field="title",
        )
    return title


def open_collections(project: Project) -> QuerySet[Collection]:
    """Return the project's collections, newest first, with `clip_count`; one query."""
    shown = Count("items", filter=Q(items__generation__deleted_at=None))
    rows = Collection.objects.filter(project=project, archived_at=None)
    return rows.select_related("created_by").annotate(clip_count=shown).order_by("-pk")


def posters_of(collections: Sequence[Collection]) -> dict[int, list[Generation]]:
    """Return the first clips of each collection, for its picture; one query."""
    found: dict[int, list[Generation]] = {one.pk: [] for one in collections}
    rows = CollectionItem.objects.filter(collection__in=found, generation__deleted_at=None)
    place = Window(RowNumber(), partition_by="collection", order_by=["position", "pk"])
    rows = rows.exclude(generation__poster="").select_related("generation")
    rows = rows.only(
        "collection", "position", "generation__code", "generation__poster", "generation__sha256"
    )
    for item in rows.annotate(place=place).filter(place__lte=SHOWN_POSTERS).order_by("place"):
        found[item.collection_id].append(item.generation)
    return found


def items_of(collection: Collection) -> list[CollectionItem]:
    """Return what is in a collection, in order, without what is in the bin; one query."""
    rows = collection.items.filter(generation__deleted_at=None)
    return list(
        rows.select_related("generation", "generation__project", "generation__by")
        .defer("generation__raw_answer", "generation__sent_prompt")
        .order_by("position", "pk")
    )


def find_or_make(*, project: Project, by: User, code: str, title: str) -> Collection:
    """Return the collection of this code, or make one called `title`. Raises StudioError."""
    if code:
        try:
            rows = Collection.objects.filter(project=project, archived_at=None)
            return rows.get(code=UUID(code))
        except (ValueError, Collection.DoesNotExist):
            raise StudioError("Choose a collection of this project.", field="collection") from None
    return Collection.objects.create(project=project, created_by=by, title=clean_title(title))


def create(*, project: Project, by: User, title: str, note: str = "") -> Collection:
    return Collection.objects.create(
        project=project, created_by=by, title=clean_title(title), note=clean_note(note)
    )


def clean_note(raw: str) -> str:
    note = raw.strip()
    if len(note) > MAX_NOTE_CHARS:
        raise StudioError(
            f"The note has {len(note)} characters; at most {MAX_NOTE_CHARS} are allowed.",
            field="note",
        )
    return note


def describe(*, collection: Collection, title: str, note: str) -> None:
    """Give a collection another title and note."""
    Collection.objects.filter(pk=collection.pk).update(
        title=clean_title(title), note=clean_note(note)
    )


def move(*, collection: Collection, clip: Generation, to: int) -> int:
    """Put a clip at this place of the order (0 = first); return where it stands now."""
    with transaction.atomic():
        # Locks the project's row: two people who drag at once drag one after the other.
        lifecycle.touch_rows(collection.project_id, [])
        items = list(collection.items.order_by("position", "pk").only("pk", "generation_id"))
        shown = set(
            collection.items.filter(generation__deleted_at=None).values_list("pk", flat=True)
        )
        moved = next((item for item in items if item.generation_id == clip.pk), None)
        if moved is None:
            raise StudioError("That clip is not in this collection any more.")
        items.remove(moved)
        seen = [item for item in items if item.pk in shown]
        to = max(0, min(to, len(seen)))
        # Places are counted over what is shown: what lies in the bin keeps its neighbours.
        at = items.index(seen[to]) if to < len(seen) else len(items)
        items.insert(at, moved)
        update_rows(CollectionItem, [(item.pk, {"position": n}) for n, item in enumerate(items, 1)])
    return to


def remove(*, collection: Collection, clip: Generation) -> None:
    """Take a clip out of a collection; the clip stays in the gallery."""
    with transaction.atomic():
        lifecycle.touch(clip.pk)
        collection.items.filter(generation=clip).delete()


def put_back(*, collection: Collection, clip: Generation, position: int) -> None:
    """Undo `remove`: the clip stands where it stood, counted from 0."""
    with transaction.atomic():
        lifecycle.touch(clip.pk)
        last = collection.items.aggregate(last=Max("position"))["last"] or 0
        collection.items.get_or_create(generation=clip, defaults={"position": last + 1})
    move(collection=collection, clip=clip, to=position)


def archive(*, collection: Collection, archived: bool) -> None:
    """Delete a collection, or bring it back. Its clips are never touched."""
    Collection.objects.filter(pk=collection.pk).update(
        archived_at=timezone.now() if archived else None
    )
