"""The list of chains: each one's main cut as a filmstrip, with what hangs on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from studio.models import Chain, Generation, Project, Segment
from studio.models.generation import MOVING_STATES
from studio.services.film.timeline import length_of

PAGE_SIZE = 40


@dataclass(slots=True)
class Reel:
    """One chain as a card of the list."""

    chain: Chain
    clips: list[Generation] = field(default_factory=list)  # the main cut, in order
    branches: int = 0
    in_flight: int = 0  # branches included
    lost: int = 0  # ended without a clip, or waiting for somebody

    @property
    def seconds(self) -> float:
        return sum(length_of(clip) for clip in self.clips)

    @property
    def shape(self) -> str:
        return self.clips[0].aspect_ratio if self.clips else ""


def reels_of(project: Project, *, before: int | None = None) -> tuple[list[Reel], int | None]:
    """Return a page of a project's chains, newest first, and the key of the next; two queries.

    `before` is the key the page before this one ended with.
    """
    chains = list(Chain.objects.filter(project=project, archived_at=None).order_by("-pk"))
    roots = [c for c in chains if c.branched_from_id is None and (not before or c.pk < before)]
    page, more = roots[:PAGE_SIZE], len(roots) > PAGE_SIZE
    reels = {chain.pk: Reel(chain) for chain in page}
    owner = {chain.pk: reels[chain.pk] for chain in page}
    # A branch is made after what it leaves, but two chains can have changed places since.
    waiting = [chain for chain in chains if chain.branched_from_id is not None]
    while waiting:
        known = [chain for chain in waiting if chain.branched_from_id in owner]
        if not known:
            break
        for chain in known:
            owner[chain.pk] = owner[chain.branched_from_id or 0]
            owner[chain.pk].branches += 1
        waiting = [chain for chain in waiting if chain.pk not in owner]
    rows = Segment.objects.filter(chain__in=owner).select_related("generation")
    for segment in rows.defer("generation__raw_answer").order_by("chain", "position"):
        reel = owner[segment.chain_id]
        if segment.chain_id in reels:
            reel.clips.append(segment.generation)
        if segment.generation.state in MOVING_STATES:
            reel.in_flight += 1
        elif not segment.generation.is_clip:
            reel.lost += 1
    return list(reels.values()), page[-1].pk if more else None
