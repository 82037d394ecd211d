"""What stands between a shot and its cost: budgets, and amounts that must be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from studio.amounts import Certainty, amount_text, money
from studio.models import Membership, Project, ProviderAccount, StudioSettings, User
from studio.providers.catalog import ModelSpec, listed
from studio.services.money.budgets import (
    Budget,
    account_budget,
    month_budget,
    person_budget,
    studio_budget,
)
from studio.services.project_rights import ask_an_admin, highest_budget


@dataclass(frozen=True, slots=True)
class Limit:
    """Why a shot cannot be queued just so. `ask`: an owner of the project may let it through."""

    sentence: str
    ask: bool


def limit_on(
    *,
    project: Project,
    by: User,
    account: ProviderAccount,
    spec: ModelSpec,
    microusd: int,
    held: int = 0,
    certainty: Certainty = Certainty.EXACT,
    month: date | None = None,
) -> Limit | None:
    """Return the first limit that a shot of this cost (all takes, micro-USD) meets.

    `held` is what the sums hold for this very shot already, in the `month` it counts in (by default
    this one). Exact inside the transaction that
    queues it, while the project's row is locked and, with `lock_studio`, the studio's: every shot
    waits for that lock, so two tabs cannot both spend what is left.
    """
    if spec.free:
        return None
    cost = _Cost(microusd, held, certainty)
    membership = Membership.objects.filter(project=project, user=by).first()
    found = _over(studio_budget(month), "the limit of this studio", cost, tells_rest=by.is_staff)
    if found:
        return Limit(f"{found} Ask an admin to raise the limit.", ask=False)
    found = _over(
        account_budget(account, month), "the limit of this account", cost, tells_rest=by.is_staff
    )
    if found:
        return Limit(f"{found} Ask an admin to raise the limit.", ask=False)
    found = _over(month_budget(project, month), "budget", cost)
    if found:
        return Limit(f"{found} {_who_may_raise(project, by)}", ask=not _owns(membership))
    if membership is None:
        return None
    found = _over(person_budget(membership, month), "your own budget in this project", cost)
    if found:
        return Limit(f"{found} {_who_may_raise(project, by)}", ask=not _owns(membership))
    most = project.ask_above_microusd
    if most is not None and not _owns(membership) and microusd > max(most, held):
        return Limit(
            f"In this project a shot over {money(most)} is asked for first. "
            f"It costs {cost.in_words}.",
            ask=True,
        )
    return None


def lock_studio() -> None:
    """Wait for whoever else spends from the studio's limit. Call in the transaction that buys.

    After the project's row, never before it. Without a limit nobody waits.
    """
    limited = StudioSettings.objects.filter(monthly_limit_microusd__isnull=False)
    if limited.exists():
        StudioSettings.objects.select_for_update().get(pk=StudioSettings.ONLY)


@dataclass(frozen=True, slots=True)
class _Cost:
    microusd: int
    held: int
    certainty: Certainty

    @property
    def in_words(self) -> str:
        return amount_text(self.microusd, self.certainty)


def _over(budget: Budget, what: str, cost: _Cost, *, tells_rest: bool = True) -> str:
    """Return why this cost does not fit, or "". What is left beyond the project is told to staff only."""
    if budget.limit is None or budget.spent - cost.held + cost.microusd <= budget.limit:
        return ""
    if not tells_rest:
        return f"This would go over {what} for {budget.month}. It costs {cost.in_words}."
    left = max(budget.limit - budget.spent + cost.held, 0)
    return (
        f"This would go over {what}. It costs {cost.in_words} and {money(left)} is left "
        f"in {budget.month}."
    )


def _owns(membership: Membership | None) -> bool:
    return membership is not None and membership.can_manage


def _is_highest(project: Project, by: User) -> bool:
    highest = highest_budget(project, by)
    return highest is not None and (project.budget_microusd or 0) >= highest


def _who_may_raise(project: Project, by: User) -> str:
    owners = list(
        Membership.objects.filter(project=project, role=Membership.Role.OWNER).select_related(
            "user"
        )[:3]
    )
    if any(owner.user_id == by.pk for owner in owners):
        if _is_highest(project, by):
            return f"You cannot raise the project’s budget further. {ask_an_admin()}"
        return "You can raise the limit in the project’s settings."
    names = listed([owner.user.get_short_name() for owner in owners])
    return f"Ask {names} to raise the limit." if names else "Nobody owns this project to raise it."
