"""What a month has cost and what is left of it, by the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from studio.ledger import month_of
from studio.models import (
    Generation,
    LedgerEntry,
    Membership,
    Project,
    ProviderAccount,
    StudioSettings,
)
from studio.models.generation import Charged

WARNED_AT = 0.8  # of the limit
LOW_AT = 0.9


@dataclass(frozen=True, slots=True)
class Budget:
    """A month of a project, a person or an account, in micro-USD. `limit` None = no limit."""

    spent: int
    limit: int | None
    month: str  # "November"

    @property
    def left(self) -> int | None:
        return None if self.limit is None else max(self.limit - self.spent, 0)

    @property
    def is_warned(self) -> bool:
        """Whether at least 80 % is spent or held."""
        return bool(self.limit) and self.spent >= WARNED_AT * (self.limit or 0)

    @property
    def is_low(self) -> bool:
        """Whether less than a tenth is left."""
        return self.limit is not None and self.spent > LOW_AT * self.limit


def month_start(at: datetime | None = None) -> datetime:
    """Return the first moment of the month (UTC)."""
    return (at or timezone.now()).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_budget(project: Project) -> Budget:
    """Add up this month: what was charged, and what shots in flight hold."""
    rows = LedgerEntry.objects.filter(project=project)
    return Budget(_this_month(rows), project.budget_microusd, month_name())


def person_budget(membership: Membership) -> Budget:
    """Add up this month of one person in one project."""
    rows = LedgerEntry.objects.filter(project=membership.project_id, user=membership.user_id)
    return Budget(_this_month(rows), membership.budget_microusd, month_name())


def account_budget(account: ProviderAccount) -> Budget:
    """Add up what this account was asked for this month, by all projects, the line included."""
    rows = LedgerEntry.objects.filter(account=account)
    return Budget(_this_month(rows), account.monthly_limit_microusd, month_name())


def studio_budget() -> Budget:
    """Add up this month of the whole studio, by its one limit; no sum is asked without a limit."""
    limit = StudioSettings.current().monthly_limit_microusd
    return Budget(0 if limit is None else studio_spent(), limit, month_name())


def studio_spent() -> int:
    """Add up what all projects have spent and hold this month, in micro-USD."""
    return _this_month(LedgerEntry.objects.all())


def account_sent(account: ProviderAccount) -> Budget:
    """Add up what was sent to this account this month, the line left out.

    Exact while the account's row is locked: whoever sends locks it first.
    """
    sent = Generation.objects.filter(account=account, submitted_at__gte=month_start())
    cost = Sum(Coalesce(F("actual_microusd"), F("estimated_microusd")))
    spent = sent.exclude(charged=Charged.NO).aggregate(total=cost)["total"] or 0
    return Budget(spent, account.monthly_limit_microusd, month_name())


def _this_month(rows: QuerySet[LedgerEntry]) -> int:
    found = rows.filter(month=month_of(timezone.now())).aggregate(total=Sum("microusd"))
    return found["total"] or 0


def month_name() -> str:
    """Return this month in words (UTC)."""
    return f"{timezone.now():%B}"
