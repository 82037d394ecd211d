"""Collections and saved views of a project, as an archive holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studio.models import Generation, Project, SavedView, User
from studio.services.exchange.archive_people import author_of
from studio.services.gallery.views import visible_views


def collection_records(project: Project, clips: Sequence[Generation]) -> list[dict[str, Any]]:
    """Return the project's collections with those of these clips that are in them."""
    codes = {clip.pk: str(clip.code) for clip in clips}
    rows = project.collections.select_related("created_by").prefetch_related("items").order_by("pk")
    records = []
    for row in rows:
        inside = [
            codes[item.generation_id] for item in row.items.all() if item.generation_id in codes
        ]
        if inside:
            records.append(
                {
                    "code": str(row.code),
                    "title": row.title,
                    "note": row.note,
                    **author_of(row.created_by),
                    "created_at": row.created_at.isoformat(),
                    "archived": row.archived_at is not None,
                    "clips": inside,
                }
            )
    return records


def saved_view_records(project: Project, by: User | None) -> list[dict[str, Any]]:
    """Return the saved views that this person sees: the project's and their own. None: every view."""
    rows = SavedView.objects.filter(project=project) if by is None else visible_views(project, by)
    return [
        {
            "code": str(row.code),
            "name": row.name,
            "query": row.query,
            "shared": row.shared,
            **author_of(row.owner),
        }
        for row in rows.select_related("owner").order_by("pk")
    ]
