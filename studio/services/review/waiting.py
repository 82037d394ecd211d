"""The review page's list: what waits for a verdict, this person's own business first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from studio.models import Generation, GivenVerdict, Project, User
from studio.models.generation import State, Verdict

SHOWN = 24
DONE_SHOWN = 6
DONE_FOR = timedelta(hours=2)
SHOWN_COLUMNS = (
    "code", "number", "title", "take", "shot", "state", "verdict", "poster", "sha256",
    "aspect_ratio", "duration_ms", "project",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one person has before them. `more`: there is more than is listed."""

    done: list[Generation]  # judged by this person just now, oldest first
    mine: list[Generation]
    others: list[Generation]
    more: bool

    @property
    def clips(self) -> list[Generation]:
        return [*self.done, *self.mine, *self.others]

    @property
    def count(self) -> int:
        return len(self.mine) + len(self.others)

    def after(self, pk: int) -> Generation | None:
        """Return the next that waits after this clip, from the top again at the end."""
        order = [*self.mine, *self.others]
        places = [clip.pk for clip in self.clips]
        if pk in places:
            rest = {clip.pk for clip in self.clips[places.index(pk) + 1 :]}
            order.sort(key=lambda clip: clip.pk not in rest)
        return next((clip for clip in order if clip.pk != pk), None)


def waiting_for(*, project: Project, user: User) -> Waiting:
    """Return what waits for a verdict in a project; three queries for any number of clips.

    Waiting is a clip nobody's verdict stands on, unless another take of its shot is approved.
    First come a person's own: takes that answer their comments, or of a shot they asked to change,
    and clips where an open comment mentions them; then the newest.
    """
    verdicts = GivenVerdict.objects.filter(by=user, current=True, generation__project=project)
    just_now = (
        verdicts.filter(at__gt=timezone.now() - DONE_FOR, generation__archived_at=None)
        .exclude(verdict="")
        .exclude(generation__verdict="")
        .select_related("generation")
        .only(*(f"generation__{name}" for name in SHOWN_COLUMNS))
        .order_by("-pk")[:DONE_SHOWN]
    )
    asked = verdicts.filter(verdict=Verdict.NEEDS_CHANGES).values("generation__shot")
    own = _waiting(project).filter(
        Q(answers_comment__author=user) | Q(shot__in=asked) | Q(pk__in=_mentioning(project, user))
    )
    mine = list(_shown(own)[: SHOWN + 1])
    rest = _waiting(project).exclude(pk__in=[clip.pk for clip in mine])
    others = list(_shown(rest)[: SHOWN + 1])
    more = len(mine) > SHOWN or len(mine) + len(others) > SHOWN
    mine = mine[:SHOWN]
    return Waiting(
        [given.generation for given in just_now][::-1],
        mine,
        others[: max(0, SHOWN - len(mine))],
        more,
    )


def _waiting(project: Project) -> QuerySet[Generation]:
    circled = Generation.objects.filter(
        shot=OuterRef("shot"), verdict=Verdict.APPROVED, archived_at=None
    )
    return Generation.objects.filter(
        ~Exists(circled), project=project, archived_at=None, state=State.SUCCEEDED, verdict=""
    )


def _mentioning(project: Project, user: User) -> QuerySet[Generation, int]:
    return Generation.objects.filter(
        project=project, comments__mentions=user, comments__resolved_at=None
    ).values_list("pk", flat=True)


def _shown(rows: QuerySet[Generation]) -> QuerySet[Generation]:
    return rows.only(*SHOWN_COLUMNS).order_by("-number")
