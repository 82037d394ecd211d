"""Bringing in collections and saved views; those that are here already are left as they are."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from studio.folding import folded_name
from studio.models import Collection, CollectionItem, Generation, Project, SavedView, User
from studio.plain_text import one_line
from studio.services.errors import StudioError
from studio.services.exchange.records import Damaged, Record
from studio.services.gallery.collections import MAX_NOTE_CHARS, MAX_TITLE_CHARS
from studio.services.gallery.views import MAX_NAME_CHARS, MAX_QUERY_CHARS, save_view

MAX_CLIPS = 20_000


def bring_collection(
    record: Record,
    *,
    project: Project,
    by: User,
    codes: list[uuid.UUID],
    clips: Mapping[uuid.UUID, Generation],
) -> list[str]:
    """Make a collection of those of its clips that are here; return a sentence if some are not.

    Raises Damaged when none is.
    """
    if Collection.objects.filter(code__in=codes, project=project).exists():
        return []
    title = one_line(record.text("title", MAX_TITLE_CHARS)) or "Collection"
    named = record.codes("clips", MAX_CLIPS)
    inside = [clips[code] for code in named if code in clips]
    if not inside:
        raise Damaged(f"The collection “{title}” was left out: none of its clips is here.")
    created_at = record.moment("created_at")
    with transaction.atomic():
        taken = set(Collection.objects.filter(code__in=codes).values_list("code", flat=True))
        collection = Collection.objects.create(
            code=next((code for code in codes if code not in taken), uuid.uuid4()),
            project=project,
            title=title,
            note=record.text("note", MAX_NOTE_CHARS),
            created_by=by,
            created_at=created_at,
            archived_at=timezone.now() if record.flag("archived") else None,
        )
        CollectionItem.objects.bulk_create(
            CollectionItem(collection=collection, generation=clip, position=position)
            for position, clip in enumerate(dict.fromkeys(inside))
        )
    absent = len(named) - len(inside)
    return [f"The collection “{title}” came in without {absent:,} of its clips."] if absent else []


def bring_saved_view(record: Record, *, project: Project, by: User) -> None:
    """Keep a saved view for whoever imports it, shared if it was; one of theirs by its name stays.

    Raises Damaged.
    """
    name, shared = one_line(record.text("name", MAX_NAME_CHARS)), record.flag("shared")
    query = record.text("query", MAX_QUERY_CHARS)
    if SavedView.objects.filter(project=project, owner=by, folded=folded_name(name)).exists():
        return
    try:
        save_view(project=project, owner=by, name=name, query=query, shared=shared)
    except StudioError as error:
        raise Damaged(f"The saved view “{name}” was left out: {error.message}") from error
