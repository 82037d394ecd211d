"""Projects: making, changing and archiving them, and the cards of the projects page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from studio.amounts import money
from studio.incoming_text import tidy_line
from studio.models import Generation, Membership, Project, User
from studio.models.generation import MOVING_STATES, Charged, State
from studio.services import quotas
from studio.services.money.budgets import month_start
from studio.services.news import happenings
from studio.services.project_rights import check_may_make_projects, start_with_defaults

POSTERS_PER_CARD = 3
NEARLY_SPENT = 0.9  # of the budget; from here the card says what is left


@dataclass(frozen=True, slots=True)
class ProjectCard:
    """What the projects page shows of one project. Money in micro-USD."""

    project: Project
    posters: list[str]  # addresses, newest first, at most POSTERS_PER_CARD
    clips: int
    in_flight: int
    spent: int  # this month
    tells_money: bool = True  # not to reviewers

    @property
    def limit(self) -> int:
        """The month's budget; 0 without one."""
        return self.project.budget_microusd or 0

    @property
    def is_low(self) -> bool:
        return self.limit > 0 and self.spent > self.limit * NEARLY_SPENT

    @property
    def bar(self) -> int:
        """How much of `limit` the bar shows as used."""
        return min(self.spent, self.limit)

    @property
    def spend_text(self) -> str:
        if self.project.budget_microusd is None:
            return f"{money(self.spent)} this month"
        if self.spent > self.limit:
            return f"{money(self.spent - self.limit)} over {dollars(self.limit)}"
        if self.is_low:
            return f"{money(self.limit - self.spent)} left of {dollars(self.limit)}"
        return f"{money(self.spent)} of {dollars(self.limit)}"


def dollars(microusd: int) -> str:
    """A budget as people set it: whole dollars without cents."""
    whole, rest = divmod(microusd, 1_000_000)
    return money(microusd) if rest else f"${whole:,}"


@transaction.atomic
def create_project(*, name: str, by: User, description: str = "", **columns: str) -> Project:
    """Make a project with this person as its owner and the studio's defaults, and return it.

    The one way to a new project from a page: by hand, as the sample, by import. `columns` are further
    ones. Raises StudioError where this person may not make projects, or made too many today.
    """
    check_may_make_projects(by)
    quotas.take(quotas.PROJECTS, by)
    return _make(
        by,
        every_account=by.is_staff,
        name=name,
        description=description,
        **columns,
    )


@transaction.atomic
def create_project_as_operator(*, name: str, by: User, description: str = "") -> Project:
    """Make a project from the command line: whoever has the machine needs no right and no account."""
    return _make(by, every_account=True, name=name, description=description)


def _make(by: User, *, every_account: bool, **columns: str) -> Project:
    texts = {name: tidy_line(text) for name, text in columns.items()}
    project = Project.objects.create(created_by=by, **texts)
    start_with_defaults(project, every_account=every_account)
    Membership.objects.create(project=project, user=by, role=Membership.Role.OWNER)
    return project


@transaction.atomic
def archive_project(*, project: Project, by: User) -> bool:
    """Take a project out of the way; nothing is deleted. False when it was archived already."""
    rows = Project.objects.filter(pk=project.pk, archived_at=None)
    if not rows.update(archived_at=timezone.now()):
        return False
    happenings.project_archived(project, actor=by)
    return True


@transaction.atomic
def restore_project(*, project: Project, by: User) -> bool:
    """Bring an archived project back. False when it was not archived."""
    rows = Project.objects.filter(pk=project.pk, archived_at__isnull=False)
    if not rows.update(archived_at=None):
        return False
    happenings.project_archived(project, actor=by, back=True)
    return True


def project_cards(user: User, *, archived: bool = False) -> list[ProjectCard]:
    """Return a card per project of this person, newest first; three queries for any number."""
    newest = (
        Generation.objects.filter(project=OuterRef("pk"), archived_at=None, state=State.SUCCEEDED)
        .exclude(poster="")
        .order_by("-number")
        .values("pk")
    )
    picks = {f"poster_{n}": Subquery(newest[n : n + 1]) for n in range(POSTERS_PER_CARD)}
    projects = list(
        Project.objects.of(user)
        .filter(archived_at__isnull=not archived)
        .select_related("created_by")
        .annotate(**picks, role=F("memberships__role"))
    )
    wanted = {p.pk: [getattr(p, name) for name in picks] for p in projects}
    posters = {
        clip.pk: clip.poster_url
        for clip in Generation.objects.filter(
            pk__in=[pk for pks in wanted.values() for pk in pks if pk]
        ).only("code", "sha256", "poster")
    }
    counts = _counts(wanted)
    return [
        ProjectCard(
            project,
            [posters[pk] for pk in wanted[project.pk] if pk in posters],
            *counts.get(project.pk, (0, 0, 0)),
            tells_money=getattr(project, "role", "") != Membership.Role.REVIEWER,
        )
        for project in projects
    ]


def _counts(project_ids: Iterable[int]) -> dict[int, tuple[int, int, int]]:
    """Return (clips, in flight, micro-USD spent this month) by project; one query."""
    cost = Coalesce(F("actual_microusd"), F("estimated_microusd"))
    rows = (
        Generation.objects.filter(project__in=list(project_ids))
        .order_by()
        .values_list("project")
        .annotate(
            clips=Count("pk", filter=Q(archived_at=None)),
            in_flight=Count("pk", filter=Q(archived_at=None, state__in=sorted(MOVING_STATES))),
            spent=Sum(cost, filter=Q(created_at__gte=month_start()) & ~Q(charged=Charged.NO)),
        )
    )
    return {pk: (clips, in_flight, spent or 0) for pk, clips, in_flight, spent in rows}
