"""Blind tests: the same shot from two providers or models, judged without their names.

A pair is two finished takes of one shot that were made by different models, or by one model at
different providers. Which is left and which right is drawn when the test is made. A person sees
the result when they have judged every pair, or when the test is closed: nobody's eye is led.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from studio.amounts import Certainty, amount_text, least_certain
from studio.incoming_text import tidy_line
from studio.models import BlindPair, BlindTest, BlindVote, Generation, Project, User
from studio.models.generation import State
from studio.providers.catalog import UnknownModel, get_spec
from studio.services.errors import StudioError

MOST_PAIRS = 50
MOST_SHOTS_OFFERED = 200


@dataclass(frozen=True, slots=True)
class Contender:
    """A provider's model in a test, and how it did. Money in micro-USD; None = not known."""

    name: str  # "Ray 2 at Apiframe"
    wins: int
    losses: int
    ties: int
    clips: int
    microusd: int | None  # what its clips in this test cost together
    certainty: Certainty = Certainty.EXACT

    @property
    def share(self) -> int:
        """Percent of its decided votes that it won."""
        decided = self.wins + self.losses
        return round(100 * self.wins / decided) if decided else 0

    @property
    def each_microusd(self) -> int | None:
        return None if self.microusd is None or not self.clips else self.microusd // self.clips

    @property
    def each_text(self) -> str:
        """What one of its clips cost, in words: $0.71, about $0.71, at most $1.27, not known."""
        return amount_text(self.each_microusd, self.certainty)


def shots_to_test(project: Project) -> list[list[Generation]]:
    """Return, per shot, one finished take of each model that made it; newest shots first.

    Only shots with at least two models. Of one model's takes the best rated, then newest, stands.
    Two queries.
    """
    finished = Generation.objects.filter(
        project=project, state=State.SUCCEEDED, archived_at=None
    ).exclude(provider="previs")
    shots = (
        finished.order_by()
        .values("shot")
        .annotate(models=Count("model", distinct=True), providers=Count("provider", distinct=True))
        .filter(Q(models__gt=1) | Q(providers__gt=1))
        .values("shot")
    )
    rows = finished.filter(shot__in=shots).order_by("-rating", "-number")
    by_shot: dict[UUID, dict[tuple[str, str], Generation]] = defaultdict(dict)
    for row in rows.for_cards()[: MOST_SHOTS_OFFERED * 4]:
        by_shot[row.shot].setdefault((row.provider, row.model), row)
    found = [list(takes.values()) for takes in by_shot.values() if len(takes) > 1]
    found.sort(key=lambda takes: -max(take.number for take in takes))
    return found[:MOST_SHOTS_OFFERED]


def make_test(
    *, project: Project, by: User, title: str, pairs: list[tuple[UUID, UUID]]
) -> BlindTest:
    """Make a test of these pairs of clips, sides drawn by lot. Raises StudioError."""
    title = tidy_line(title)
    if not 1 <= len(title) <= 120:
        raise StudioError(
            f"The title has {len(title)} characters; 1 to 120 are allowed.", field="title"
        )
    if not 1 <= len(pairs) <= MOST_PAIRS:
        raise StudioError(
            f"{len(pairs)} pairs are chosen; a test has 1 to {MOST_PAIRS}.", field="pairs"
        )
    codes = {code for pair in pairs for code in pair}
    rows = Generation.objects.filter(project=project, code__in=codes, state=State.SUCCEEDED)
    clips = {clip.code: clip for clip in rows}
    drawn = []
    for one, other in pairs:
        if one not in clips or other not in clips:
            raise StudioError(
                "One of the chosen clips is no longer a clip of this project.", field="pairs"
            )
        left, right = clips[one], clips[other]
        if left.shot != right.shot or (left.provider, left.model) == (right.provider, right.model):
            raise StudioError(
                f"Clips {left.number} and {right.number} are not the same shot from two models.",
                field="pairs",
            )
        drawn.append((left, right) if random.random() < 0.5 else (right, left))  # noqa: S311  # sides, not secrets
    with transaction.atomic():
        test = BlindTest.objects.create(project=project, title=title, created_by=by)
        BlindPair.objects.bulk_create(
            [BlindPair(test=test, left=left, right=right) for left, right in drawn]
        )
    return test


def tests_of(project: Project, user: User) -> QuerySet[BlindTest]:
    """Return a project's tests with `pair_count`, `mine` (judged by this person) and `people`."""
    return BlindTest.objects.filter(project=project).annotate(
        pair_count=Count("pairs", distinct=True),
        mine=Count("pairs__votes", filter=Q(pairs__votes__by=user), distinct=True),
        people=Count("pairs__votes__by", distinct=True),
    )


def next_pair(test: BlindTest, user: User, *, after: int = 0) -> BlindPair | None:
    """Return the first pair this person has not judged, looking on from `after` (a pair's id)."""
    voted = BlindVote.objects.filter(pair=OuterRef("pk"), by=user)
    left = test.pairs.filter(~Exists(voted)).select_related("left", "right")
    return left.filter(pk__gt=after).first() or left.first()


def vote(*, pair: BlindPair, by: User, choice: str) -> BlindVote:
    """Say which of a pair is better: "left", "right" or "tie". Judged again replaces. StudioError."""
    if pair.test.closed_at:
        raise StudioError("This test is closed; its result stands.", field="choice")
    sides = {"left": pair.left, "right": pair.right, "tie": None}
    if choice not in sides:
        raise StudioError(
            f"The choice is “{choice[:20]}”; it must be left, right or tie.", field="choice"
        )
    made, _ = BlindVote.objects.update_or_create(
        pair=pair, by=by, defaults={"winner": sides[choice], "at": timezone.now()}
    )
    return made


def may_see_result(test: BlindTest, user: User) -> bool:
    """Whether this person has judged every pair, or the test is closed."""
    return test.closed_at is not None or next_pair(test, user) is None


def close_test(*, test: BlindTest, closed: bool) -> None:
    """End the judging, or open it again."""
    test.closed_at = timezone.now() if closed else None
    test.save(update_fields=["closed_at"])


def results_of(test: BlindTest) -> list[Contender]:
    """Return the models in the test, most wins first; two queries."""
    clips: dict[str, dict[int, Generation]] = defaultdict(dict)
    score: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    pairs = test.pairs.select_related("left", "right").prefetch_related("votes")
    for pair in pairs:
        names = {clip.pk: contender_name(clip) for clip in (pair.left, pair.right)}
        for clip in (pair.left, pair.right):
            clips[names[clip.pk]][clip.pk] = clip
        for one in pair.votes.all():
            for pk, name in names.items():
                score[name][2 if one.winner_id is None else 0 if one.winner_id == pk else 1] += 1
    found = [
        Contender(
            name=name,
            wins=score[name][0],
            losses=score[name][1],
            ties=score[name][2],
            clips=len(rows),
            microusd=_cost(list(rows.values())),
            certainty=least_certain(clip.cost_certainty for clip in rows.values()),
        )
        for name, rows in clips.items()
    ]
    return sorted(found, key=lambda one: (-one.wins, one.losses, one.name))


def contender_name(clip: Generation) -> str:
    """Return what made a clip, such as "Ray 2 at Apiframe"."""
    try:
        spec = get_spec(clip.provider, clip.model)
    except UnknownModel:
        return f"{clip.model} at {clip.provider}"
    return f"{spec.label} at {spec.provider_label}"


def _cost(clips: list[Generation]) -> int | None:
    costs = [clip.cost_microusd for clip in clips]
    return None if any(cost is None for cost in costs) else sum(cost or 0 for cost in costs)
