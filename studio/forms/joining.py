"""Where in a chain a new shot is to stand, as the compose form holds it."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import QueryDict

from studio.forms.chain import read_code
from studio.forms.gallery import whole_number
from studio.models import Chain, Generation, Keyframe, Project, Segment

FIELDS = ("chain", "branching", "segment", "follows")
MAX_PK = 2**62


@dataclass(frozen=True, slots=True)
class Joining:
    """`follows` stays the clip before it, even when the shot starts from another picture."""

    chain: Chain | None = None  # the chain its neighbours are looked for in
    branching: bool = False  # another continuation, although the chain goes on already
    segment: Segment | None = None  # another take, to stand in this segment's place
    follows: Generation | None = None


def read_joining(data: QueryDict, project: Project, base: Joining) -> Joining:
    """Read the four fields over `base`; what is not of this project is left out.

    At most one query for each field that is there.
    """
    if not any(data.get(name) for name in FIELDS):
        return base
    return Joining(
        chain=_chain(data.get("chain"), project) or base.chain,
        branching=data.get("branching") == "1" or base.branching,
        segment=_segment(data.get("segment"), project) or base.segment,
        follows=find_clip(data.get("follows"), project) or base.follows,
    )


def find_clip(raw: str | None, project: Project) -> Generation | None:
    """Return the clip of this project with that code."""
    if not raw:
        return None
    rows = Generation.objects.select_related("account", "start_keyframe", "end_keyframe")
    return rows.filter(project=project, code=read_code(raw)).first()


def find_still(raw: str | None, project: Project) -> Keyframe | None:
    """Return the still of this project with that code."""
    return Keyframe.objects.filter(project=project, code=read_code(raw)).first() if raw else None


def _chain(raw: str | None, project: Project) -> Chain | None:
    if not raw:
        return None
    return Chain.objects.filter(project=project, code=read_code(raw), archived_at=None).first()


def _segment(raw: str | None, project: Project) -> Segment | None:
    pk = whole_number(raw, most=MAX_PK)
    if pk is None:
        return None
    rows = Segment.objects.select_related("chain", "generation")
    return rows.filter(chain__project=project, chain__archived_at=None, pk=pk).first()
