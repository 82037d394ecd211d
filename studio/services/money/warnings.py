"""The warning at 80 % of a budget: once a budget and month, whatever goes back and forth.

What was said stands in the feed, and that is where it is looked up: the project's row is held by
whoever queues a shot, so of two at once the second sees what the first has said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from django.core.cache import cache
from django.db import transaction

from studio.ledger import month_of
from studio.models import Activity, Generation, Membership, User
from studio.services.money.budgets import Budget, month_budget, month_start, person_budget

PROJECT = "project"
REMEMBERED_S = 3600


@dataclass(frozen=True, slots=True)
class Warning:
    """One budget of one project that is as good as used. `person`: whose own it is, or None."""

    project_id: int
    budget: Budget
    key: str
    month: str  # 2026-11
    person: User | None = None

    @property
    def percent(self) -> int:
        return 100 * self.budget.spent // (self.budget.limit or 1)


def due(generations: Sequence[Generation]) -> list[Warning]:
    """Return the warnings nobody has given yet, now that these shots of one person are queued.

    Call in the transaction that queued them. Nothing is asked for shots that are free.
    """
    if not any(shot.estimated_microusd for shot in generations):
        return []
    return [warning for warning in _reached(generations[0]) if not _was_given(warning)]


def _reached(shot: Generation) -> Iterator[Warning]:
    month = f"{month_of(shot.created_at):%Y-%m}"
    budgets: list[tuple[str, Budget, User | None]] = []
    if shot.project.budget_microusd:
        budgets.append((PROJECT, month_budget(shot.project), None))
    own = Membership.objects.filter(project=shot.project_id, user=shot.by_id)
    membership = own.exclude(budget_microusd=None).select_related("user").first()
    if membership is not None:
        whose = f"person-{membership.user_id}"
        budgets.append((whose, person_budget(membership), membership.user))
    for key, budget, person in budgets:
        if budget.is_warned:
            yield Warning(shot.project_id, budget, key, month, person)


def _was_given(warning: Warning) -> bool:
    name = f"budget-warned:{warning.project_id}:{warning.key}:{warning.month}"
    if cache.get(name):
        return True
    given = Activity.objects.filter(
        project=warning.project_id,
        kind=Activity.Kind.SPEND,
        at__gte=month_start(),
        data__warned=warning.key,
        data__month=warning.month,
    ).exists()
    # Only once it is certain: what is rolled back was not said.
    transaction.on_commit(partial(cache.set, name, True, REMEMBERED_S))
    return given
