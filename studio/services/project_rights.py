"""Who may make projects, what new ones start with, and the paid accounts a project may use."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from studio.models import Membership, Project, ProviderAccount, StudioSettings, User
from studio.providers.catalog import PREVIS, listed
from studio.services.errors import StudioError

MAX_NAMES = 3  # of admins to ask
NOT_OFFERED = "This project may not use that paid account."
BUYERS = (Membership.Role.OWNER, Membership.Role.EDITOR)
Makers, Offered = StudioSettings.Makers, StudioSettings.Offered


def may_make_projects(user: User) -> bool:
    """Whether this person may make a project: by hand, as the sample, or by import."""
    makers = StudioSettings.current().project_makers
    if user.is_staff or makers == Makers.EVERYBODY:
        return True
    return makers == Makers.CHOSEN and user.may_make_projects


def check_may_make_projects(user: User) -> None:
    """Raise StudioError, with whom to ask, where this person may not make projects."""
    if not may_make_projects(user):
        raise StudioError(f"You may not make projects in this studio. {ask_an_admin()}")


def may_import(user: User) -> bool:
    """Whether any archive of this person's may come in: as a new project, or into one they add to."""
    return may_make_projects(user) or (
        Membership.objects.filter(user=user, role__in=BUYERS, project__archived_at=None).exists()
    )


def check_may_import(user: User) -> None:
    """Raise StudioError, with whom to ask, where this person may bring no archive in."""
    if not may_import(user):
        raise StudioError(f"You may not make projects in this studio. {ask_an_admin()}")


def ask_an_admin() -> str:
    """Return the sentence that names the admins to ask."""
    rows = User.objects.filter(is_superuser=True, is_staff=True, is_active=True).order_by("name")
    names = [user.name for user in rows.only("name")[:MAX_NAMES]]
    return f"Ask {listed(names, 'or')}." if names else "Ask an admin of this studio."


def start_with_defaults(project: Project, *, every_account: bool) -> None:
    """Give a new project the studio's budget, approval amount and paid accounts.

    `every_account`: it was made by staff, who choose accounts themselves.
    """
    defaults = StudioSettings.current()
    project.budget_microusd = defaults.new_budget_microusd
    project.ask_above_microusd = defaults.new_ask_above_microusd
    project.all_accounts = every_account or defaults.new_offered == Offered.ALL
    project.save(update_fields=["budget_microusd", "ask_above_microusd", "all_accounts"])
    if not project.all_accounts and defaults.new_offered == Offered.CHOSEN:
        project.accounts.set(defaults.new_accounts.all())


def highest_budget(project: Project, by: User) -> int | None:
    """Return the budget up to which this person may raise the project's, in micro-USD; None = any.

    Staff may set any. An owner who is not staff goes up to the studio's default for new projects,
    or to what the project has.
    """
    default = StudioSettings.current().new_budget_microusd
    if by.is_staff or default is None or project.budget_microusd is None:
        return None
    return max(default, project.budget_microusd)


# ---- Paid accounts of a project -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OfferedAccounts:
    """The accounts a project may use. Previs is always among them."""

    all: bool
    pks: frozenset[int] = frozenset()

    def __contains__(self, account: ProviderAccount) -> bool:
        return self.all or account.provider == PREVIS.provider or account.pk in self.pks


EVERY_ACCOUNT = OfferedAccounts(all=True)


def offered_accounts(project: Project) -> OfferedAccounts:
    """Return the accounts this project may use; no query where it may use all."""
    if project.all_accounts:
        return EVERY_ACCOUNT
    return OfferedAccounts(all=False, pks=frozenset(project.accounts.values_list("pk", flat=True)))


def check_offered(project: Project, account: ProviderAccount) -> None:
    """Raise StudioError where the project may not use this account."""
    if account not in offered_accounts(project):
        raise StudioError(f"{NOT_OFFERED} Nothing was sent. {ask_an_admin()}", field="offer")


def check_buyer(project: Project, by: User) -> None:
    """Raise StudioError where this person may not make shots in the project (any more).

    Asked of every purchase: an approval and a take-over by another provider happen later, when
    whoever wanted the shot may have left. Staff retry shots in the control room without being members.
    """
    may = Q(is_staff=True) | Q(memberships__project=project, memberships__role__in=BUYERS)
    if not User.objects.filter(may, pk=by.pk, is_active=True).exists():
        raise StudioError(f"{by.name} may not make shots in this project. Nothing was sent.")
