"""Reading a page's clips with what their cards show, and no more."""

from __future__ import annotations

from typing import Any

from django.db.models import F

from studio.models import Generation, Keyframe, Project, User
from studio.models.generation import GenerationQuerySet

# What a card shows or a sort goes by. Of the other forty columns reading takes as long again.
SHOWN = (
    "code",
    "project",
    "number",
    "by",
    "title",
    "prompt",
    "concepts",
    "duration_s",
    "aspect_ratio",
    "resolution",
    "loop",
    "provider",
    "model",
    "account",
    "take",
    "start_generation",
    "end_generation",
    "start_keyframe",
    "end_keyframe",
    "state",
    "version",
    "held",
    "idempotency_key",
    "submitted_at",
    "finished_at",
    "progress",
    "provider_job_id",
    "result_url",
    "waiting_text",
    "trouble",
    "failure_code",
    "failure_text",
    "charged",
    "estimated_microusd",
    "estimate_kind",
    "actual_microusd",
    "actual_credits",
    "credit_unit",
    "poster",
    "strip",
    "preview",
    "width",
    "height",
    "duration_ms",
    "sha256",
    "rating",
    "verdict",
    "archived_at",
)
# A still shows its thumbnail, which has the still's shape.
STILLS = {
    f"{end}_{column}": F(f"{end}_keyframe__{column}")
    for end in ("start", "end")
    for column in ("code", "width", "height")
}


def load(rows: GenerationQuerySet, project: Project) -> list[Generation]:
    """Return the rows with project, maker and the stills of those without a clip; one query.

    Project and people are made once and shared: making sixty of each took as long as the clips. Of
    the people only their names are read, of the stills what their thumbnails need.
    """
    named = rows.select_related(None).only(*SHOWN)
    named = named.annotate(
        by_name=F("by__name"),
        by_email=F("by__email"),
        own_rate=F("account__credit_nanousd"),  # for what trying again costs
        **STILLS,
    )
    generations: list[Any] = list(named)
    people: dict[int, User] = {}
    for g in generations:
        if g.by_id not in people:
            people[g.by_id] = User(pk=g.by_id, name=g.by_name, email=g.by_email)
        g.project = project
        g.by = people[g.by_id]
        if not g.is_clip:
            for end in ("start", "end"):
                if getattr(g, f"{end}_keyframe_id"):
                    setattr(g, f"{end}_keyframe", _still(g, end))
    return generations


def _still(g: Any, end: str) -> Keyframe:
    values = {column: getattr(g, f"{end}_{column}") for column in ("code", "width", "height")}
    return Keyframe(pk=getattr(g, f"{end}_keyframe_id"), **values)
