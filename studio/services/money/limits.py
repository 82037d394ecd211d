"""What stands between a shot and its cost: budgets, and amounts that must be asked for."""

from __future__ import annotations

from dataclasses import dataclass

from studio.models import Membership, Project, ProviderAccount, User
from studio.providers.catalog import ModelSpec, listed
from studio.services.money.budgets import Budget, account_budget, month_budget, person_budget
from studio.templatetags.studio_tags import money


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
    microusd: int | None,
) -> Limit | None:
    """Return the first limit that a shot of this cost (all takes; None = not known) meets.

    Exact inside the transaction that queues it, while the project's row is locked: every shot of
    the project waits for that lock, so two tabs cannot both spend what is left.
    """
    if spec.free:
        return None
    membership = Membership.objects.filter(project=project, user=by).first()
    found = _over(account_budget(account), "the limit of this account", spec, microusd)
    if found:
        return Limit(f"{found} Ask an admin to raise the limit.", ask=False)
    found = _over(month_budget(project), "budget", spec, microusd)
    if found:
        return Limit(f"{found} {_who_may_raise(project, by)}", ask=not _owns(membership))
    if membership is None:
        return None
    found = _over(person_budget(membership), "your own budget in this project", spec, microusd)
    if found:
        return Limit(f"{found} {_who_may_raise(project, by)}", ask=not _owns(membership))
    most = project.ask_above_microusd
    if most is not None and not _owns(membership) and (microusd is None or microusd > most):
        cost = (
            "Nobody knows what this costs." if microusd is None else f"It costs {money(microusd)}."
        )
        return Limit(
            f"In this project a shot over {money(most)} is asked for first. {cost}", ask=True
        )
    return None


def _over(budget: Budget, what: str, spec: ModelSpec, microusd: int | None) -> str:
    if budget.left is None:
        return ""
    if microusd is None:
        return (
            f"Nobody knows what this costs at {spec.provider_label}, and spending has a limit here. "
            "An admin can enter its price, or choose another provider."
        )
    if microusd <= budget.left:
        return ""
    return (
        f"This would go over {what}. It costs {money(microusd)} and {money(budget.left)} is left "
        f"in {budget.month}."
    )


def _owns(membership: Membership | None) -> bool:
    return membership is not None and membership.can_manage


def _who_may_raise(project: Project, by: User) -> str:
    owners = list(
        Membership.objects.filter(project=project, role=Membership.Role.OWNER).select_related(
            "user"
        )[:3]
    )
    if any(owner.user_id == by.pk for owner in owners):
        return "You can raise the limit in the project’s settings."
    names = listed([owner.user.get_short_name() for owner in owners])
    return f"Ask {names} to raise the limit." if names else "Nobody owns this project to raise it."
