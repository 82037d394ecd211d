"""What the chain pages are sent: which clips, which chain, which place."""

from __future__ import annotations

from uuid import UUID

from django.http import QueryDict

from studio.models import Chain, Generation, Project, Segment
from studio.services.errors import StudioError

MOST_CLIPS = 200


NOBODY = UUID(int=0)


def read_code(raw: str | None) -> UUID:
    """Read a code as it came from outside; what is not one becomes the code of nothing."""
    try:
        return UUID(raw or "")
    except ValueError:
        return NOBODY


def read_clips(data: QueryDict, project: Project) -> list[Generation]:
    """Return the clips named by `clip`, in the order sent; one query.

    Raises StudioError when none is named, too many are, or one is not of this project.
    """
    codes = [read_code(raw) for raw in data.getlist("clip")]
    if not codes:
        raise StudioError("Choose at least one clip to make a chain of.", field="clip")
    if len(codes) > MOST_CLIPS:
        raise StudioError(
            f"{len(codes)} clips are chosen; a chain is made of at most {MOST_CLIPS}.", field="clip"
        )
    found = {g.code: g for g in Generation.objects.filter(project=project, code__in=set(codes))}
    if any(code not in found for code in codes):
        raise StudioError("One of the clips is not in this project.", field="clip")
    return [found[code] for code in codes]


def read_clip(data: QueryDict, project: Project) -> Generation:
    """Return the one clip named by `clip`. Raises StudioError when it is not of this project."""
    clip = Generation.objects.filter(project=project, code=read_code(data.get("clip"))).first()
    if clip is None:
        raise StudioError("That clip is not in this project.", field="clip")
    return clip


def read_other(data: QueryDict, project: Project) -> Chain:
    """Return the chain named by `other`. Raises StudioError when it is not there any more."""
    code = read_code(data.get("other"))
    other = Chain.objects.filter(project=project, code=code, archived_at=None).first()
    if other is None:
        raise StudioError("Choose a chain of this project to join.", field="other")
    return other


def read_step(data: QueryDict, segment: Segment) -> int:
    """Return the place among its chain's own segments that `to` ("earlier", "later") means."""
    first = (segment.chain.branched_position or 0) + 1
    at = segment.position - first
    to = data.get("to", "")
    if to not in ("earlier", "later"):
        raise StudioError(f"To is “{to[:20]}”; it must be earlier or later.", field="to")
    return max(0, at - 1) if to == "earlier" else at + 1
