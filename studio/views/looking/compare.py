"""Two to four clips side by side under one playhead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from studio.http import StudioRequest, project_for, signed_in
from studio.models import Generation, Project
from studio.models.generation import State
from studio.services.gallery.judging import own_verdicts

FEWEST, MOST = 2, 4
LETTERS = "ABCD"
VIEWS = ("side", "flip", "difference")


@dataclass(frozen=True, slots=True)
class Pane:
    """One of the clips compared. `without` is the address without it, empty at the fewest."""

    letter: str
    generation: Generation
    mine: str  # this person's own verdict
    without: str


@dataclass(frozen=True, slots=True)
class OtherTake:
    """A take that could be compared too. `add` is the address with it."""

    generation: Generation
    add: str


def compare_url(project: Project, codes: list[UUID], view: str = "side") -> str:
    pairs = [("clip", str(code)) for code in codes]
    if view != "side":
        pairs.append(("view", view))
    return f"{project.get_absolute_url()}compare/?{urlencode(pairs)}"


def compare_takes(generation: Generation, takes: Iterable[Generation]) -> str:
    """Return the address that compares a clip with the first of its other takes; empty if none plays."""
    others = [take.code for take in takes if take.is_clip and take.pk != generation.pk]
    if not others or not generation.is_clip:
        return ""
    return compare_url(generation.project, [generation.code, *others[: MOST - 1]])


def takes_to_compare(generation: Generation) -> str:
    """As `compare_takes`, with the newest of the takes; one query."""
    takes = (
        Generation.objects.filter(shot=generation.shot, project=generation.project_id)
        .filter(state=State.SUCCEEDED, archived_at=None)
        .exclude(pk=generation.pk)
        .only("code", "state")
        .order_by("-take")
    )
    return compare_takes(generation, takes[: MOST - 1])


@require_safe
@signed_in
def compare_clips(request: StudioRequest, code: UUID) -> HttpResponse:
    project = project_for(request, code)
    asked = list(dict.fromkeys(request.GET.getlist("clip")))
    found = _clips(project, asked)
    view = request.GET.get("view", "")
    view = view if view in VIEWS else "side"
    ctx: dict[str, Any] = {"here": "clips", "back": request.get_full_path()}
    problem = _problem(asked, found)
    if problem:
        return render(request, "compare.html", ctx | {"problem": problem}, status=400)
    codes = [g.code for g in found]
    mine = own_verdicts(found, request.user)
    panes = [
        Pane(
            letter,
            g,
            mine.get(g.pk, ""),
            compare_url(project, [c for c in codes if c != g.code], view)
            if len(codes) > FEWEST
            else "",
        )
        for letter, g in zip(LETTERS, found, strict=False)
    ]
    ctx |= {
        "panes": panes,
        "view": view,
        "views": [("side", "Side by side"), ("flip", "Flip"), ("difference", "Difference")],
        "one_shot": len({g.shot for g in found}) == 1,
        "shapes_differ": len({(g.width or 0) * 100 // (g.height or 1) for g in found}) > 1,
        "tallest": min(found, key=lambda g: (g.width or 16) / (g.height or 9)).aspect_ratio,
        "longest_ms": max(g.duration_ms or g.duration_s * 1000 for g in found),
        "fps": max(g.fps or 0 for g in found),
        "others": _other_takes(project, found, view),
        "version": project.version,
        "live": f"{project.get_absolute_url()}changes/",
    }
    return render(request, "compare.html", ctx)


def _clips(project: Project, asked: list[str]) -> list[Generation]:
    """Return the project's playable clips among these codes, in their order; one query."""
    codes = []
    for raw in asked[: 2 * MOST]:
        try:
            codes.append(UUID(raw))
        except ValueError:
            continue
    rows = Generation.objects.filter(
        project=project, code__in=codes, state=State.SUCCEEDED, deleted_at=None
    )
    found = {
        g.code: g for g in rows.select_related("project", "by", "verdict_by").defer("raw_answer")
    }
    return [found[code] for code in dict.fromkeys(codes) if code in found]


def _problem(asked: list[str], found: list[Generation]) -> str:
    if len(asked) > MOST:
        return f"{len(asked)} clips are too many to compare at once; choose two to four."
    if len(asked) < FEWEST:
        chosen = "One clip is" if asked else "No clip is"
        return f"{chosen} chosen. Comparing takes two to four; choose them in the gallery."
    if len(found) < len(asked):
        missing = len(asked) - len(found)
        which = "One of these clips is" if missing == 1 else f"{missing} of these clips are"
        return f"{which} not in this project, or cannot be played. Choose two to four others."
    return ""


def _other_takes(project: Project, found: list[Generation], view: str) -> list[OtherTake]:
    """Return the playable takes of the same shots that are not compared yet; one query."""
    if len(found) >= MOST:
        return []
    codes = [g.code for g in found]
    rows = (
        Generation.objects.filter(project=project, shot__in={g.shot for g in found})
        .filter(Q(state=State.SUCCEEDED, archived_at=None))
        .exclude(code__in=codes)
        .defer("raw_answer")
        .order_by("-take")[:12]
    )
    return [OtherTake(g, compare_url(project, [*codes, g.code], view)) for g in rows]
