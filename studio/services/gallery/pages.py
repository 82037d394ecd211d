"""Reading a page's clips with what their cards show, and no more."""

from __future__ import annotations

from typing import Any

from django.db.models import F

from studio.models import Generation, Keyframe, Project, User
from studio.models.generation import GenerationQuerySet

# What no card shows: long texts, and columns that take time to be made into values.
UNSHOWN = (
    "raw_answer",
    "sent_prompt",
    "uploads",
    "master",
    "request_token",
    "lease_token",
    "raw_status",
)


def load(rows: GenerationQuerySet, project: Project) -> list[Generation]:
    """Return the rows with project, maker and the stills of those without a clip; two queries.

    Project and people are made once and shared: making sixty of each took as long as the clips. Of
    the people only their names are read.
    """
    named = rows.select_related(None).defer(*UNSHOWN)
    named = named.annotate(by_name=F("by__name"), by_email=F("by__email"))
    generations: list[Any] = list(named)
    people: dict[int, User] = {}
    for g in generations:
        if g.by_id not in people:
            people[g.by_id] = User(pk=g.by_id, name=g.by_name, email=g.by_email)
    waiting = [g for g in generations if not g.is_clip]
    ends = {pk for g in waiting for pk in (g.start_keyframe_id, g.end_keyframe_id) if pk}
    stills = Keyframe.objects.in_bulk(ends) if ends else {}
    for g in generations:
        g.project = project
        g.by = people[g.by_id]
    for g in waiting:
        # A still without a row would be a broken database: its constraint forbids it.
        if g.start_keyframe_id:
            g.start_keyframe = stills[g.start_keyframe_id]
        if g.end_keyframe_id:
            g.end_keyframe = stills[g.end_keyframe_id]
    return generations
