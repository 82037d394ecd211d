"""A shot that joins a clip: how the compose page opens for it, and what it says about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import QueryDict

from studio.forms.gallery import whole_number
from studio.forms.joining import Joining, find_clip, find_still
from studio.forms.shot import End, ShotDraft, draft_for
from studio.models import Generation, Project, Segment, User
from studio.providers.catalog import ModelSpec, Wish, resolve_ends
from studio.services.errors import StudioError
from studio.services.film import drift
from studio.services.money.offers import Offer, offer_value

WAYS = ("after", "branch", "bridge", "before")
# What stands in the way of joining a clip, and cannot give way: the shape, and the ends.
FIRM = frozenset({"aspect_ratio", "start", "end"})


def draft_joining(data: QueryDict, project: Project) -> ShotDraft | None:
    """Return a draft for `after`, `branch`, `before` or `bridge` (with `to`); None without any.

    Raises StudioError when the clip is not there, or was not rendered.
    """
    way = next((name for name in WAYS if data.get(name)), None)
    if way is None:
        return None
    clip = find_clip(data.get(way), project)
    if clip is None:
        raise StudioError("That clip is not in this project any more.")
    if clip.is_terminal and not clip.is_clip:
        raise StudioError(f"Clip {clip.number} was not rendered, so nothing can join it.")
    draft = replace(
        draft_for(project),
        aspect_ratio=clip.aspect_ratio,
        resolution=clip.resolution,
        duration_s=clip.duration_s,
        offer=offer_value(clip.account, clip.model),
    )
    if way == "before":
        return draft.with_end("end", End(generation=clip))
    draft = replace(
        draft.with_end("start", End(generation=clip)),
        joining=Joining(follows=clip, branching=way == "branch"),
    )
    return draft.with_end("end", _bridge_end(data, project)) if way == "bridge" else draft


def _bridge_end(data: QueryDict, project: Project) -> End:
    clip = find_clip(data.get("to"), project)
    if clip is not None and (clip.is_clip or not clip.is_terminal):
        return End(generation=clip)
    return End(keyframe=find_still(data.get("to"), project))


def edited(draft: ShotDraft, do: str, by: User) -> ShotDraft:
    """Apply the drift guard's buttons: earlier-3, earlier-4, earlier-5 and fresh-start.

    Raises StudioError when the clip has no such frame.
    """
    verb, _, what = do.partition("-")
    clip = draft.start.generation
    if verb == "fresh":
        return draft.with_end("start", End())
    frames = whole_number(what, most=99)
    if verb != "earlier" or clip is None or frames is None:
        return draft
    still = drift.earlier_frame(clip=clip, frames=frames, by=by)
    # The very same picture may be known as a frame of another clip; then it is a still like any.
    own = still.grabbed_from_id == clip.pk
    return draft.with_end("start", End(still, clip if own else None))


def able_to_join(offers: list[Offer], draft: ShotDraft) -> list[Offer]:
    """Return the offers that can make a shot of this shape with these ends."""
    return [
        offer
        for offer in offers
        if not offer.unavailable
        and not any(p.field in FIRM and p.severity == "refuse" for p in offer.problems)
    ]


def joining_context(draft: ShotDraft, spec: ModelSpec | None, wish: Wish) -> dict[str, Any]:
    """Return what the page says of the join: its name, the locked shape, waiting, and drift."""
    neighbour = draft.neighbour
    if neighbour is None:
        return {"join_name": "", "shape_reason": "", "awaited": [], "drift": None}
    clips = [g for g in (draft.start.generation, draft.end.generation) if g is not None]
    return {
        "join_name": _name(draft),
        "shape_reason": f"{neighbour.aspect_ratio} like clip {neighbour.number}: "
        "a chain has one shape.",
        "awaited": [clip for clip in clips if not clip.is_clip],
        "drift": _drift(draft, spec, wish),
        "earlier_frames": drift.EARLIER_FRAMES,
    }


def _name(draft: ShotDraft) -> str:
    start, end = draft.start.generation, draft.end.generation
    before = start or draft.joining.follows
    if draft.joining.segment is not None:
        return f"Stands in for part {draft.joining.segment.position}"
    if before is not None and draft.end:
        to = f"clip {end.number}" if end else "a still"
        return f"Bridge from clip {before.number} to {to}"
    if before is not None and draft.joining.branching:
        return f"Branch from clip {before.number}"
    if start is not None:
        return f"Continues clip {start.number}"
    if before is not None:
        return f"After clip {before.number}"
    return f"Leads into clip {end.number}" if end else ""


def _drift(draft: ShotDraft, spec: ModelSpec | None, wish: Wish) -> drift.Drift | None:
    clip: Generation | None = draft.start.generation
    if clip is None or not clip.is_clip or draft.start.keyframe is not None or spec is None:
        return None
    if resolve_ends(spec, wish)[0] != "image":
        return None
    found = drift.drift_after(clip)
    return found if found.warns else None


def page_of(generation: Generation) -> str:
    """Return the address of a shot in its chain, or an empty string when it is in none."""
    segment = (
        Segment.objects.filter(generation=generation, chain__archived_at=None)
        .select_related("chain")
        .order_by("-pk")
        .first()
    )
    return f"/chains/{segment.chain.code}/?segment={segment.pk}" if segment else ""
