"""Names that are alike once they are folded: tags become one, saved views are numbered.

Needed where names are folded for the first time: in the migration, and once a day after it for what
a studio of the version before wrote while it was being replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from studio.folding import folded_name
from studio.incoming_text import cut

BATCH = 500
MAX_NAME_CHARS = 60  # of a saved view


def merge_like_tags(apps: Any, schema_editor: Any = None) -> None:
    """Put the oldest of the tags that are one name now on all that the others are on."""
    Tag = apps.get_model("studio", "Tag")
    worn = Tag.generations.through.objects
    first: dict[tuple[int, str], int] = {}
    for tags in _batches(Tag.objects.order_by("project_id", "pk")):
        kept = []
        for tag in tags:
            tag.folded = folded_name(tag.name)
            into = first.setdefault((tag.project_id, tag.folded), tag.pk)
            if into == tag.pk:
                kept.append(tag)
                continue
            there = list(worn.filter(tag_id=into).values_list("generation_id", flat=True))
            for row in worn.filter(tag_id=tag.pk):
                if row.generation_id not in there:
                    worn.filter(pk=row.pk).update(tag_id=into)
            worn.filter(tag_id=tag.pk).delete()
            tag.delete()
        Tag.objects.bulk_update(kept, ["folded"])


def number_like_views(apps: Any, schema_editor: Any = None) -> None:
    """Give a view whose name is one of its owner's others now the next free number."""
    SavedView = apps.get_model("studio", "SavedView")
    taken: set[tuple[int, int, str]] = set()
    for views in _batches(SavedView.objects.order_by("project_id", "owner_id", "pk")):
        for view in views:
            name, number = view.name, 2
            while (view.project_id, view.owner_id, folded_name(view.name)) in taken:
                end = f" ({number})"
                view.name, number = f"{cut(name, MAX_NAME_CHARS - len(end))}{end}", number + 1
            view.folded = folded_name(view.name)
            taken.add((view.project_id, view.owner_id, view.folded))
        SavedView.objects.bulk_update(views, ["name", "folded"])


def _batches(rows: Any) -> Iterator[list[Any]]:
    pks = list(rows.values_list("pk", flat=True))
    for start in range(0, len(pks), BATCH):
        found = rows.model.objects.in_bulk(pks[start : start + BATCH])
        yield [found[pk] for pk in pks[start : start + BATCH]]


def fold_new_names(apps: Any) -> None:
    """Fold what is not folded yet, if there is any; two queries where there is none."""
    if apps.get_model("studio", "Tag").objects.filter(folded=None).exists():
        merge_like_tags(apps)
    if apps.get_model("studio", "SavedView").objects.filter(folded=None).exists():
        number_like_views(apps)
