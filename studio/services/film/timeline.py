"""A chain as it is drawn: where each segment stands in seconds, and which lane a branch takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from studio.media.video import STRIP_FRAMES
from studio.models import Chain, Generation, Segment
from studio.models.generation import MOVING_STATES
from studio.services.cards import Card
from studio.services.chains import segment_rows
from studio.services.film.exports import handed_over_at

# Room a branch needs behind its last segment (its button to extend it), and at least, in seconds.
AFTER_S = 2.5
LEAST_S = 8.0


@dataclass(slots=True)
class Place:
    """One segment on the timeline. Seconds from the beginning; `label` is 3, 3b, 4a ..."""

    segment: Segment
    label: str
    start_s: float
    before: Generation | None = None  # what plays just before it, in any chain
    card: Card | None = None

    @property
    def generation(self) -> Generation:
        return self.segment.generation

    @property
    def length_s(self) -> float:
        """What it lasts, or will: measured once it plays, asked for until then."""
        return length_of(self.segment.generation)

    @property
    def length_ms(self) -> int:
        return round(self.length_s * 1000)

    @property
    def end_s(self) -> float:
        return self.start_s + self.length_s

    @property
    def rounded_s(self) -> int:
        """Whole seconds from 1 to 60: the width where nothing sets the exact one."""
        return max(1, min(60, round(self.length_s)))

    @property
    def frames(self) -> list[str]:
        """The six frames of the clip's strip, each as the viewBox that shows it alone."""
        return [f"{index * 100} 0 100 {self.frame_height}" for index in range(STRIP_FRAMES)]

    @property
    def frame_height(self) -> float:
        """A frame's height where its width is 100."""
        clip = self.generation
        return round(100 * clip.height / clip.width, 3) if clip.width and clip.height else 56.25

    @property
    def joins_ms(self) -> int | None:
        """When in the clip before it this one takes over, where that is not at its very end."""
        return None if self.before is None else handed_over_at(self.before, self.generation)

    @property
    def joined(self) -> bool:
        """Whether it was made to follow what plays before it, rather than cut to."""
        before = self.before
        return before is not None and (
            self.generation.start_generation_id == before.pk
            or before.end_generation_id == self.generation.pk
        )


@dataclass(slots=True)
class Branch:
    """One chain of a tree, with the branches that leave it. `row` is its lane, 0 the main one."""

    chain: Chain
    places: list[Place]
    start_s: float = 0.0
    row: int = 0
    below: int = 0  # lanes below the chain it leaves
    branches: list[Branch] = field(default_factory=list)

    @property
    def end_s(self) -> float:
        return self.places[-1].end_s if self.places else self.start_s

    @property
    def last(self) -> Place | None:
        return self.places[-1] if self.places else None

    @property
    def can_grow(self) -> bool:
        """Whether a shot can start from its end: that clip is rendered, or on its way."""
        clip = self.places[-1].generation if self.places else None
        return clip is not None and (clip.is_clip or not clip.is_terminal)

    def leaving(self, position: int) -> list[Branch]:
        """Branches that leave after the segment at this position."""
        return [b for b in self.branches if b.chain.branched_position == position]

    def with_branches(self) -> list[tuple[Place, list[Branch]]]:
        """Each segment with the branches that leave after it."""
        return [(place, self.leaving(place.segment.position)) for place in self.places]

    def walk(self) -> Iterator[Branch]:
        """Yield this chain and all its branches, parents first."""
        yield self
        for branch in self.branches:
            yield from branch.walk()

    def path_to(self, chain: Chain) -> list[Place] | None:
        """Return what plays from the beginning to that chain's end; None if it is not in the tree."""
        if chain.pk == self.chain.pk:
            return list(self.places)
        for branch in self.branches:
            rest = branch.path_to(chain)
            if rest is not None:
                upto = branch.chain.branched_position or 0
                return [p for p in self.places if p.segment.position <= upto] + rest
        return None


def length_of(generation: Generation) -> float:
    """Return what a clip lasts in seconds, or what was asked for until it plays."""
    ms = generation.duration_ms
    return ms / 1000 if ms else float(generation.duration_s)


def tree_of(chain: Chain) -> Branch:
    """Return the whole tree this chain belongs to, in seconds and lanes; two queries."""
    rows = Chain.objects.filter(project=chain.project_id, archived_at=None).order_by("pk")
    alive = {one.pk: one for one in rows} | {chain.pk: chain}
    root = chain
    while root.branched_from_id in alive:
        root = alive[root.branched_from_id]
    children: dict[int, list[Chain]] = {}
    for one in alive.values():
        children.setdefault(one.branched_from_id or 0, []).append(one)
    chains = [root]
    for one in chains:
        chains += children.get(one.pk, [])  # grows as it is walked: parents before their branches
    segments: dict[int, list[Segment]] = {one.pk: [] for one in chains}
    for segment in segment_rows().filter(chain__in=chains):
        segments[segment.chain_id].append(segment)
    tree = _in_seconds(root, segments, children)
    _in_lanes(tree, {})
    return tree


def _in_seconds(
    chain: Chain,
    segments: dict[int, list[Segment]],
    children: dict[int, list[Chain]],
    after: Place | None = None,
    number: int = 1,
    letter: str = "",
) -> Branch:
    at = after.end_s if after else 0.0
    branch = Branch(chain, [], at)
    for offset, segment in enumerate(segments[chain.pk]):
        place = Place(
            segment, f"{number + offset}{letter}", at, after.generation if after else None
        )
        branch.places.append(place)
        at, after = place.end_s, place
    at_position = {place.segment.position: index for index, place in enumerate(branch.places)}
    names = (chr(ord("a") + n % 26) * (1 + n // 26) for n in count())
    for child in children.get(chain.pk, []):
        index = at_position.get(child.branched_position or 0, len(branch.places) - 1)
        fork = branch.places[index] if branch.places else None
        branch.branches.append(
            _in_seconds(child, segments, children, fork, number + index + 1, letter + next(names))
        )
    return branch


def _in_lanes(branch: Branch, free_until: dict[int, float]) -> None:
    """Give each branch the first lane below its parent that is free from its start to its end.

    The last to leave comes first: a line down to a lower lane then never crosses another branch.
    """
    for child in sorted(branch.branches, key=lambda b: -b.start_s):
        ends = child.start_s + max(child.end_s - child.start_s + AFTER_S, LEAST_S)
        row = branch.row + 1
        while free_until.get(row, float("inf")) < ends:
            row += 1
        child.row, child.below = row, row - branch.row
        free_until[row] = child.start_s
        _in_lanes(child, free_until)


def rows_of(tree: Branch) -> int:
    """Return how many lanes lie below the main one."""
    return max(branch.row for branch in tree.walk())


def seconds_of(tree: Branch) -> float:
    """Return how long the timeline is: to the end of whatever ends last."""
    return max((branch.end_s for branch in tree.walk()), default=0.0)


def moving(tree: Branch) -> int:
    """Return how many segments are in flight."""
    return sum(
        place.generation.state in MOVING_STATES for branch in tree.walk() for place in branch.places
    )
