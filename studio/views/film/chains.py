"""Chains: the list, the timeline, and what keeps it current."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from studio.forms.gallery import whole_number
from studio.http import StudioRequest, generation_for, project_for, signed_in, wants_partial
from studio.models import Chain, Generation, Keyframe, Project
from studio.models.generation import MOVING_STATES, State, Verdict
from studio.services.cards import make_cards
from studio.services.film import drift, timeline
from studio.services.film.reels import reels_of
from studio.services.film.timeline import Branch, Place
from studio.views.film.chain_access import chain_for
from studio.views.film.exports import export_context

TICK_S = 5
BRIDGE_CHOICES = 60
MAX_PK = 2**62


# ---- The list --------------------------------------------------------------------------


@require_safe
@vary_on_headers("HX-Request")
@signed_in
def chain_list(request: StudioRequest, code: UUID) -> HttpResponse:
    project = project_for(request, code)
    since = whole_number(request.GET.get("since"), most=MAX_PK)
    if since is not None and project.version <= since:
        return HttpResponse(status=204)
    before = whole_number(request.GET.get("before"), most=MAX_PK)
    reels, more = reels_of(project, before=before)
    ctx = {
        "here": "chains",
        "reels": reels,
        "more": f"?before={more}" if more else "",
        "can_create": request.membership.can_create,
        "version": project.version,
        "live": f"/p/{project.code}/chains/",
        "oob": since is not None,
    }
    if not wants_partial(request):
        return render(request, "chain_list.html", ctx)
    return render(request, "_chains.html" if since is not None else "_reels.html", ctx)


# ---- The timeline ----------------------------------------------------------------------


@require_safe
@vary_on_headers("HX-Request")
@signed_in
def chain_detail(request: StudioRequest, code: UUID) -> HttpResponse:
    chain = chain_for(request, code)
    ctx = chain_context(request, chain)
    if wants_partial(request):
        if request.GET.get("with") == "exports":
            ctx |= export_context(chain, ctx["tree"])
        return render(request, "_chain_changes.html", ctx | {"oob": True})
    # Its own piece, with its own poll: what is done to segments leaves it alone.
    return render(request, "chain_detail.html", ctx | export_context(chain, ctx["tree"]))


@require_safe
@signed_in
def chain_changes(request: StudioRequest, code: UUID) -> HttpResponse:
    """Answer 204 when nothing in the project changed since the cursor, else the page in pieces."""
    chain = chain_for(request, code)
    since = whole_number(request.GET.get("since"), most=MAX_PK) or 0
    if chain.project.version <= since:
        return HttpResponse(status=204)
    return render(request, "_chain_changes.html", chain_context(request, chain) | {"oob": True})


def chain_context(
    request: StudioRequest, chain: Chain, segment: int | None = None
) -> dict[str, Any]:
    """Return what the chain page and its pieces show. About nine queries, however long it is."""
    tree = timeline.tree_of(chain)
    _give_cards(tree)
    path = tree.path_to(chain) or []
    wanted = segment or whole_number(request.GET.get("segment"), most=MAX_PK)
    selected = _selected(tree, chain, wanted)
    return {
        "here": "chains",
        "project": chain.project,
        "chain": chain,
        "tree": tree,
        "path": {place.segment.pk for place in path},
        "first": _playable(path, selected),
        "endings": sum(1 for _ in tree.walk()) - 1,
        "rows": timeline.rows_of(tree),
        "ticks": range(0, int(timeline.seconds_of(tree)) + 1, TICK_S),
        "seconds": timeline.seconds_of(tree),
        "path_s": sum(place.length_s for place in path),
        "path_ms": sum(place.length_ms for place in path),
        "path_length": len(path),
        "shape": path[0].generation.aspect_ratio if path else chain.project.aspect_ratio,
        "tally": _tally(path),
        "selected": selected,
        "segment_pk": selected.place.segment.pk if selected else None,
        "can_create": request.membership.can_create,
        "version": chain.project.version,
        "live": f"/chains/{chain.code}/changes/",
    }


def _give_cards(tree: Branch) -> None:
    places = [place for branch in tree.walk() for place in branch.places]
    cards = {card.generation.pk: card for card in make_cards(p.generation for p in places)}
    for place in places:
        place.card = cards[place.generation.pk]


def _playable(path: list[Place], selected: Selected | None) -> Place | None:
    """Return what the player opens with: the selected clip, else the first that plays."""
    if selected is not None and selected.place.generation.is_clip:
        return selected.place
    return next((place for place in path if place.generation.is_clip), None)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many segments of a path are approved, in flight, and in need of somebody."""

    approved: int
    moving: int
    lost: int


def _tally(path: list[Place]) -> Tally:
    clips = [place.generation for place in path]
    moving = sum(clip.state in MOVING_STATES for clip in clips)
    return Tally(
        sum(clip.verdict == Verdict.APPROVED for clip in clips),
        moving,
        sum(not clip.is_clip for clip in clips) - moving,
    )


# ---- The selected segment ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Selected:
    """One segment with what can be done about it."""

    place: Place
    branch: Branch
    takes: list[Generation]  # other finished takes of the same shot
    joint: str  # how it follows what plays before it

    @property
    def is_first(self) -> bool:
        return self.place is self.branch.places[0]

    @property
    def is_last(self) -> bool:
        return self.place is self.branch.places[-1]

    @property
    def is_only(self) -> bool:
        return len(self.branch.places) == 1

    @property
    def can_be_joined(self) -> bool:
        """Whether a shot can still start from it: rendered, or on its way."""
        return self.place.generation.is_clip or not self.place.generation.is_terminal


def _selected(tree: Branch, chain: Chain, wanted: int | None) -> Selected | None:
    found: tuple[Branch, Place] | None = None
    for branch in tree.walk():
        for place in branch.places:
            if place.segment.pk == wanted:
                return _with_takes(branch, place)
            if found is None and branch.chain.pk == chain.pk:
                found = branch, place
    return _with_takes(*found) if found else None


def _with_takes(branch: Branch, place: Place) -> Selected:
    clip = place.generation
    takes = (
        Generation.objects.filter(shot=clip.shot, project=clip.project_id, archived_at=None)
        .filter(state=State.SUCCEEDED, aspect_ratio=clip.aspect_ratio)
        .exclude(pk=clip.pk)
        .defer("raw_answer")
        .order_by("take")
    )
    return Selected(place, branch, list(takes), _joint(place))


def _joint(place: Place) -> str:
    """Say how a segment follows the one before it."""
    before, clip = place.before, place.generation
    if before is None:
        return ""
    name = f"clip {before.number}"
    if not place.joined:
        return f"A plain cut: it was not made to follow {name}."
    if clip.start_generation_id != before.pk:
        return f"Made to be led into by {name}."
    if not drift.by_frame(clip):
        return f"Continues {name} by its id."
    if place.joins_ms is not None:
        return f"Continues {name} from a frame just before its end."
    return f"Continues {name} from its last frame."


# ---- Bridging ----------------------------------------------------------------------------


@require_safe
@signed_in
def choose_bridge(request: StudioRequest, code: UUID) -> HttpResponse:
    """What a bridge from this clip may lead to: the project's clips of its shape, and its stills."""
    clip = generation_for(request, code, may="create")
    clips = (
        Generation.objects.filter(project=clip.project_id, archived_at=None)
        .filter(state=State.SUCCEEDED, aspect_ratio=clip.aspect_ratio)
        .exclude(pk=clip.pk)
        .defer("raw_answer")
    )
    ctx = {
        "g": clip,
        "project": clip.project,
        "here": "clips",
        "clips": clips.order_by("-number")[:BRIDGE_CHOICES],
        "stills": Keyframe.objects.filter(project=clip.project_id).order_by("-pk")[:BRIDGE_CHOICES],
        "chain": request.GET.get("chain", ""),
    }
    template = "_bridge_dialog.html" if wants_partial(request) else "bridge.html"
    return render(request, template, ctx)


def chains_to_join(project: Project, chain: Chain) -> list[Chain]:
    """Return the other chains of a project that may be joined to this one; one query."""
    rows = Chain.objects.filter(project=project, archived_at=None).exclude(pk=chain.pk)
    return list(rows.order_by("-pk")[:BRIDGE_CHOICES])
