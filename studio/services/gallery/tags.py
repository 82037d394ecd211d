"""Tags: words a team puts on its clips."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from studio import lifecycle
from studio.folding import fold, folded_name
from studio.incoming_text import tidy_line
from studio.models import Generation, Project, Tag
from studio.services.errors import StudioError

MAX_NAME_CHARS = 40
MOST_TAGS = 500
MOST_SUGGESTED = 20


def clean_name(raw: str) -> str:
    """Read a tag as it was typed; a # in front is not part of it. Raises StudioError."""
    name = tidy_line(raw).lstrip("#＃").strip()
    if not 1 <= len(name) <= MAX_NAME_CHARS:
        raise StudioError(
            f"The tag has {len(name)} characters; 1 to {MAX_NAME_CHARS} are allowed.", field="tag"
        )
    if "," in fold(name):
        raise StudioError("A tag has no comma in it; put them on one at a time.", field="tag")
    return name


def counted(project: Project) -> QuerySet[Tag]:
    """Return the project's tags by name, with `clip_count` of its visible clips; one query."""
    visible = Count("generations", filter=Q(generations__archived_at=None))
    return Tag.objects.filter(project=project).annotate(clip_count=visible).order_by("folded")


def suggested(project: Project, typed: str) -> list[str]:
    """Return names of tags that go on from what was typed, those that begin so first."""
    word = fold(typed).lstrip("#")
    rows = Tag.objects.filter(project=project, folded__contains=word)
    found = sorted(
        rows.values_list("folded", "name"), key=lambda tag: (not tag[0].startswith(word), tag)
    )
    return [name for _, name in found[:MOST_SUGGESTED]]


def find(*, project: Project, name: str) -> Tag:
    """Return the tag of this name, however it is written. Raises StudioError when there is none."""
    name = clean_name(name)
    tag = _named(project.pk, name).first()
    if tag is None:
        raise StudioError(f"No clip here is tagged “{name}”.", field="tag")
    return tag


def get_or_make(*, project: Project, name: str) -> Tag:
    """Return the tag of this name, however it is written, making it when there is none."""
    name = clean_name(name)
    with transaction.atomic():
        # The project's row is the lock: two people who type a new tag at once make one.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        tag = _named(project.pk, name).first()
        if tag is not None:
            return tag
        if Tag.objects.filter(project=project).count() >= MOST_TAGS:
            raise StudioError(
                f"This project has {MOST_TAGS} tags, and no more are allowed. Merge or delete some "
                "in its settings.",
                field="tag",
            )
        return Tag.objects.create(project=project, name=name)


def put(*, generation: Generation, name: str) -> Tag:
    """Put a tag on one clip."""
    with transaction.atomic():
        tag = get_or_make(project=generation.project, name=name)
        tag.generations.add(generation)
        lifecycle.touch(generation.pk)
    return tag


def take(*, generation: Generation, name: str) -> None:
    """Take a tag off one clip."""
    tag = find(project=generation.project, name=name)
    with transaction.atomic():
        lifecycle.touch(generation.pk)
        tag.generations.remove(generation)


def rename(*, tag: Tag, name: str) -> None:
    """Give a tag another name. One that is taken is refused: merging is asked for by its own name."""
    name = clean_name(name)
    with transaction.atomic():
        _touch_clips(tag)
        other = _named(tag.project_id, name).exclude(pk=tag.pk).first()
        if other is not None:
            raise StudioError(
                f"There is a tag “{other.name}” already. Merge the two instead.", field="name"
            )
        tag.name = name
        tag.save(update_fields=["name", "folded"])


def merge(*, tag: Tag, into: Tag) -> None:
    """Put `into` on everything `tag` is on, and let go of `tag`."""
    if tag.project_id != into.project_id or tag.pk == into.pk:
        raise StudioError("Choose another tag of this project to merge into.", field="into")
    through = Tag.generations.through._default_manager
    with transaction.atomic():
        _touch_clips(tag)
        there = through.filter(tag=into).values("generation_id")
        through.filter(tag=tag).exclude(generation_id__in=there).update(tag=into)
        tag.delete()


def delete(*, tag: Tag) -> None:
    """Take a tag off everything and let go of it."""
    with transaction.atomic():
        _touch_clips(tag)
        tag.delete()


def _named(project_id: int, name: str) -> QuerySet[Tag]:
    return Tag.objects.filter(project=project_id, folded=folded_name(name))


def _touch_clips(tag: Tag) -> None:
    pks = tag.generations.order_by("pk").values_list("pk", flat=True)
    Project.objects.select_for_update(no_key=True).get(pk=tag.project_id)
    lifecycle.touch_rows(tag.project_id, [(pk, {}) for pk in pks])
