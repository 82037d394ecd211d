"""What a month has cost and what is left of it, by the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

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


def month_budget(project: Project, month: date | None = None) -> Budget:
    """Add up a month, by default this one: what was charged, and what shots in flight hold."""
    rows = LedgerEntry.objects.filter(project=project)
    return _budget(rows, project.budget_microusd, month)


def person_budget(membership: Membership, month: date | None = None) -> Budget:
    """Add up a month of one person in one project."""
    rows = LedgerEntry.objects.filter(project=membership.project_id, user=membership.user_id)
    return _budget(rows, membership.budget_microusd, month)


def account_budget(account: ProviderAccount, month: date | None = None) -> Budget:
    """Add up what this account was asked for in a month, by all projects, the line included."""
    rows = LedgerEntry.objects.filter(account=account)
    return _budget(rows, account.monthly_limit_microusd, month)


def studio_budget(month: date | None = None) -> Budget:
    """Add up a month of the whole studio, by its one limit; no sum is asked without a limit."""
    limit = StudioSettings.current().monthly_limit_microusd
    rows = LedgerEntry.objects.all() if limit is not None else LedgerEntry.objects.none()
    return _budget(rows, limit, month)


def studio_spent() -> int:
    """Add up what all projects have spent and hold this month, in micro-USD."""
    return _budget(LedgerEntry.objects.all(), None, None).spent


def account_sent(account: ProviderAccount) -> Budget:
    """Add up what was sent to this account this month, the line left out.

    Exact while the account's row is locked: whoever sends locks it first.
    """
    sent = Generation.objects.filter(account=account, submitted_at__gte=month_start())
    cost = Sum(Coalesce(F("actual_microusd"), F("estimated_microusd")))
    spent = sent.exclude(charged=Charged.NO).aggregate(total=cost)["total"] or 0
    return Budget(spent, account.monthly_limit_microusd, month_name())


def _budget(rows: QuerySet[LedgerEntry], limit: int | None, month: date | None) -> Budget:
    month = month or month_of(timezone.now())
    total = rows.filter(month=month).aggregate(total=Sum("microusd"))["total"]
    return Budget(total or 0, limit, f"{month:%B}")


def month_name() -> str:
    """Return this month in words (UTC)."""
    return f"{timezone.now():%B}"
