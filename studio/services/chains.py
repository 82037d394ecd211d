"""Chains: clips that continue one another, their branches, and what people do with them.

A branch holds only its own segments; it shares its parent's up to and including
`branched_position`. A branch that leaves before the first segment shares nothing and has no
parent: it is a chain of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import transaction
from django.db.models import F, Max, Q, QuerySet
from django.utils import timezone

from studio.incoming_text import cut, tidy_line
from studio.models import Chain, Generation, Project, Segment, User
from studio.models.generation import State
from studio.services.errors import StudioError


def segment_rows() -> QuerySet[Segment]:
    """Return segments in order, with what the timeline shows of their clips."""
    return (
        Segment.objects.select_related(
            "generation",
            "generation__project",
            "generation__by",
            "generation__start_keyframe",
            "generation__end_keyframe",
        )
        .defer("generation__raw_answer")
        .order_by("chain", "position")
    )


def own_segments(chain: Chain) -> list[Segment]:
    """Return the chain's own segments in order, with their clips; one query."""
    return list(segment_rows().filter(chain=chain))


def path_of(chain: Chain) -> list[Segment]:
    """Return what plays from the beginning to this chain's end, shared beginnings included."""
    segments = own_segments(chain)
    while (parent := chain.branched_from) is not None:
        upto = chain.branched_position or 0
        segments = [s for s in own_segments(parent) if s.position <= upto] + segments
        chain = parent
    return segments


def root_of(chain: Chain) -> Chain:
    """Return the chain whose beginning all of its tree share."""
    while (parent := chain.branched_from) is not None:
        chain = parent
    return chain


# ---- Growing ------------------------------------------------------------------------------


def attach(
    *,
    generation: Generation,
    by: User,
    chain: Chain | None = None,
    branch: bool = False,
    after: Generation | None = None,
) -> Chain | None:
    """Put a new shot where its ends say it belongs. Call inside the transaction that made it.

    After a clip: appended, or a branch when that clip already goes on (or `branch` asks for one).
    Before a clip: put in front of the chain's first segment, else a chain of its own with the rest.
    Between two clips: both, joined. `after` places a shot that starts from a picture of its own.
    Returns the chain, or None when it continues nothing. Raises StudioError for another shape than
    its neighbour's.
    """
    start, end = generation.start_generation or after, generation.end_generation
    neighbour = start or end
    if neighbour is None:
        return None
    _check_shape(generation, neighbour.aspect_ratio)
    found, segment = _find(neighbour, chain, by)
    with _changing(found):
        if start is None:
            return _prepend(found, segment, generation, by)
        grown = _append(found, segment, generation, by, branch)
        if end is not None:
            _append_rest(grown, end)
    return grown


def _check_shape(clip: Generation, shape: str) -> None:
    if clip.aspect_ratio != shape:
        raise StudioError(
            f"“{clip.title}” is {clip.aspect_ratio}, but a chain has one shape and this one is "
            f"{shape}.",
            field="aspect_ratio",
        )


def _find(generation: Generation, chain: Chain | None, by: User) -> tuple[Chain, Segment]:
    if chain is not None:
        segment = next((s for s in path_of(chain) if s.generation_id == generation.pk), None)
        if segment is not None:
            return segment.chain, segment
    return _chain_with(generation, by=by)


def _chain_with(generation: Generation, *, by: User) -> tuple[Chain, Segment]:
    """Return a chain this clip is a segment of, making one that starts with it when there is none."""
    segment = (
        Segment.objects.filter(generation=generation, chain__archived_at=None)
        .select_related("chain")
        .order_by("pk")
        .first()
    )
    if segment is not None:
        return segment.chain, segment
    chain = Chain.objects.create(project=generation.project, title=generation.title, created_by=by)
    return chain, Segment.objects.create(chain=chain, position=1, generation=generation)


def _append(chain: Chain, after: Segment, generation: Generation, by: User, branch: bool) -> Chain:
    last = _last_position(chain)
    if after.position == last and not branch:
        Segment.objects.create(chain=chain, position=last + 1, generation=generation)
        return chain
    grown = Chain.objects.create(
        project=chain.project,
        title=generation.title,
        created_by=by,
        branched_from=chain,
        branched_position=after.position,
    )
    Segment.objects.create(chain=grown, position=after.position + 1, generation=generation)
    return grown


def _append_rest(chain: Chain, end: Generation) -> None:
    """After a bridge comes the clip it leads to, with what follows that one in its chain."""
    segment = (
        Segment.objects.filter(generation=end, chain__archived_at=None)
        .select_related("chain")
        .order_by("pk")
        .first()
    )
    rest = [end]
    if segment is not None:
        rest = [s.generation for s in own_segments(segment.chain) if s.position >= segment.position]
    held = set(Segment.objects.filter(chain=chain).values_list("generation_id", flat=True))
    last = _last_position(chain)
    for clip in rest:
        if clip.pk not in held:
            last += 1
            Segment.objects.create(chain=chain, position=last, generation=clip)


def _prepend(chain: Chain, before: Segment, generation: Generation, by: User) -> Chain:
    first = chain.segments.order_by("position").first()
    if chain.branched_from is None and first is not None and first.pk == before.pk:
        _shift(chain, from_position=1, by=1)
        Segment.objects.create(chain=chain, position=1, generation=generation)
        return chain
    rest = [s.generation for s in own_segments(chain) if s.position >= before.position]
    return create(project=chain.project, by=by, title=generation.title, clips=[generation, *rest])


def take_place_of(*, old: Generation, new: Generation) -> None:
    """Put a retry where the failed shot stood, and let what was to join the one join the other.

    Shots that were released because `old` failed are kept failed; trying them again then works.
    """
    Segment.objects.filter(generation=old).update(generation=new)
    follows = Generation.objects.filter(
        Q(state=State.QUEUED) | Q(state=State.FAILED, failure_code="neighbour")
    )
    follows.filter(start_generation=old).update(start_generation=new)
    follows.filter(end_generation=old).update(end_generation=new)


# ---- Whole chains ---------------------------------------------------------------------------


def create(*, project: Project, by: User, title: str, clips: Sequence[Generation]) -> Chain:
    """Make a chain of chosen clips, in the order given."""
    if not clips:
        raise StudioError("A chain needs at least one clip.")
    if any(clip.project_id != project.pk for clip in clips):
        raise StudioError("All clips of a chain belong to one project.")
    for clip in clips:
        _check_shape(clip, clips[0].aspect_ratio)
    with transaction.atomic():
        chain = Chain.objects.create(
            project=project, title=cut(title.strip(), 120) or clips[0].title, created_by=by
        )
        with _changing(chain):
            Segment.objects.bulk_create(
                Segment(chain=chain, position=index, generation=clip)
                for index, clip in enumerate(clips, 1)
            )
    return chain


def rename(*, chain: Chain, title: str) -> None:
    """Give a chain another title; 1 to 120 characters."""
    title = tidy_line(title)
    if not 1 <= len(title) <= 120:
        raise StudioError(
            f"The title has {len(title)} characters; 1 to 120 are allowed.", field="title"
        )
    with _changing(chain):
        Chain.objects.filter(pk=chain.pk).update(title=title)


def duplicate(*, chain: Chain, by: User) -> Chain:
    """Return a chain of its own with everything that plays to this chain's end. Clips are shared."""
    clips = [segment.generation for segment in path_of(chain)]
    return create(project=chain.project, by=by, title=f"{chain.title[:114]}, copy", clips=clips)


def join(*, chain: Chain, other: Chain) -> None:
    """Put another chain's path after this one's own segments. The other chain stays as it is."""
    if other.project_id != chain.project_id:
        raise StudioError("Only chains of one project can be joined.")
    if other.pk == chain.pk:
        raise StudioError("A chain cannot be joined to itself; duplicate it first.")
    clips = [segment.generation for segment in path_of(other)]
    with _changing(chain):
        shape = _shape(chain)
        for clip in clips:
            _check_shape(clip, shape)
        last = _last_position(chain)
        Segment.objects.bulk_create(
            Segment(chain=chain, position=last + index, generation=clip)
            for index, clip in enumerate(clips, 1)
        )


def append_clips(*, chain: Chain, clips: Sequence[Generation]) -> list[Segment]:
    """Put clips of the chain's project after its last segment, in the order given."""
    with _changing(chain):
        shape = _shape(chain) if chain.segments.exists() else clips[0].aspect_ratio
        for clip in clips:
            _check_shape(clip, shape)
        last = _last_position(chain)
        return Segment.objects.bulk_create(
            Segment(chain=chain, position=last + index, generation=clip)
            for index, clip in enumerate(clips, 1)
        )


def make_main(*, chain: Chain) -> Chain:
    """Swap a branch's own segments with what follows its fork in the chain it left; return that."""
    parent = chain.branched_from
    if parent is None or chain.branched_position is None:
        raise StudioError("This is the main cut already.")
    fork = chain.branched_position
    with _changing(parent):
        tail = list(parent.segments.filter(position__gt=fork).select_related("generation"))
        mine = list(chain.segments.values_list("pk", flat=True))
        # Branches that leave from the tails go with them.
        tail_children = list(
            parent.branches.exclude(pk=chain.pk)
            .filter(branched_position__gt=fork)
            .values_list("pk", flat=True)
        )
        my_children = list(chain.branches.values_list("pk", flat=True))
        tail_rows = Segment.objects.filter(pk__in=[s.pk for s in tail])
        tail_rows.update(chain=chain, position=F("position") + ASIDE)
        Segment.objects.filter(pk__in=mine).update(chain=parent)
        tail_rows.update(position=F("position") - ASIDE)
        Chain.objects.filter(pk__in=tail_children).update(branched_from=chain)
        Chain.objects.filter(pk__in=my_children).update(branched_from=parent)
        if tail:
            # A branch is named after where it goes, and it goes where the main cut went before.
            Chain.objects.filter(pk=chain.pk).update(title=tail[0].generation.title)
        else:
            # Nothing was left of the main cut after the fork, so there is no branch any more.
            Chain.objects.filter(pk=chain.pk).update(archived_at=timezone.now())
    return parent


def archive(*, chain: Chain) -> None:
    """Delete a chain with its branches; `restore` brings them back. Clips are never touched."""
    with _changing(chain):
        family = [one.pk for one in _whole_family(chain)]
        Chain.objects.filter(pk__in=family, archived_at=None).update(archived_at=timezone.now())


def restore(*, chain: Chain) -> None:
    """Bring a deleted chain back, with the branches that went with it and the chain it left."""
    with _changing(chain):
        family = [one.pk for one in _whole_family(chain)]
        Chain.objects.filter(pk__in=family, archived_at=chain.archived_at).update(archived_at=None)
        while (parent := chain.branched_from) is not None:
            Chain.objects.filter(pk=parent.pk).update(archived_at=None)
            chain = parent


# ---- Segments -------------------------------------------------------------------------------


def move_segment(*, segment: Segment, to: int) -> None:
    """Move a segment to another place among its chain's own segments (0 = first of them)."""
    with _changing(segment.chain):
        rows = list(Segment.objects.filter(chain=segment.chain_id).order_by("position"))
        target = rows[max(0, min(to, len(rows) - 1))].position
        between = sorted([segment.position, target])
        leaving = segment.chain.branches.filter(
            archived_at=None, branched_position__range=between
        ).first()
        if leaving is not None and target != segment.position:
            raise StudioError(
                f"The branch “{leaving.title}” leaves from here, so this order is fixed. "
                "Duplicate the chain to reorder it."
            )
        rest = [row for row in rows if row.pk != segment.pk]
        rest.insert(target - rows[0].position, segment)
        _renumber(rest, rows[0].position)


def remove_segment(*, segment: Segment) -> None:
    """Take a segment out of its chain; `insert_segment` puts it back. The clip stays."""
    chain = segment.chain
    with _changing(chain):
        leaving = chain.branches.filter(
            archived_at=None, branched_position=segment.position
        ).first()
        if leaving is not None:
            raise StudioError(
                f"The branch “{leaving.title}” leaves after this segment. Delete the branch or "
                "make it the main cut first."
            )
        if chain.segments.count() == 1:
            raise StudioError("This is the only segment here. Delete the whole chain instead.")
        segment.delete()
        _shift(chain, from_position=segment.position, by=-1)


def insert_segment(*, chain: Chain, generation: Generation, position: int) -> Segment:
    """Put a clip at this position of a chain; what stands there and after it moves up by one."""
    with _changing(chain):
        first = (chain.branched_position or 0) + 1
        position = max(first, min(position, _last_position(chain) + 1))
        if chain.segments.exists():
            _check_shape(generation, _shape(chain))
        _shift(chain, from_position=position, by=1)
        return Segment.objects.create(chain=chain, position=position, generation=generation)


def replace_segment(*, segment: Segment, generation: Generation) -> None:
    """Put another take (or any clip of the project) in a segment's place."""
    if generation.project_id != segment.chain.project_id:
        raise StudioError("That clip belongs to another project.")
    with _changing(segment.chain):
        _check_shape(generation, segment.generation.aspect_ratio)
        Segment.objects.filter(pk=segment.pk).update(generation=generation)


# ---- Positions ------------------------------------------------------------------------------

# Added to positions on the way from one order to another: no two segments ever share one.
ASIDE = 1_000_000


def _shift(chain: Chain, *, from_position: int, by: int) -> None:
    """Move what stands from here on, and the branches that leave there, by so many places."""
    rows = chain.segments.filter(position__gte=from_position)
    rows.update(position=F("position") + ASIDE)
    chain.segments.filter(position__gte=ASIDE).update(position=F("position") - ASIDE + by)
    for child in chain.branches.filter(branched_position__gte=from_position):
        Chain.objects.filter(pk=child.pk).update(branched_position=F("branched_position") + by)
        _shift(child, from_position=0, by=by)


def _renumber(rows: Sequence[Segment], first: int) -> None:
    Segment.objects.filter(pk__in=[row.pk for row in rows]).update(position=F("position") + ASIDE)
    for position, row in enumerate(rows, first):
        Segment.objects.filter(pk=row.pk).update(position=position)


def _last_position(chain: Chain) -> int:
    last: int | None = chain.segments.aggregate(last=Max("position"))["last"]
    return last or chain.branched_position or 0


def _shape(chain: Chain) -> str:
    return path_of(chain)[0].generation.aspect_ratio


def _whole_family(chain: Chain) -> Iterator[Chain]:
    edge = [chain]
    while edge:
        yield from edge
        edge = list(Chain.objects.filter(branched_from__in=edge))


@contextmanager
def _changing(chain: Chain) -> Iterator[None]:
    """Hold the project's row, and raise the version of every clip in the tree: their cards change."""
    with transaction.atomic():
        version = Project.bump(chain.project_id)
        family = [one.pk for one in _whole_family(root_of(chain))]
        clips = Generation.objects.filter(segments__chain__in=family)
        before = list(clips.values_list("pk", flat=True))
        yield
        after = [one.pk for one in _whole_family(root_of(chain))]
        now = Generation.objects.filter(segments__chain__in=after).values_list("pk", flat=True)
        Generation.objects.filter(pk__in={*before, *now}).update(version=version)
