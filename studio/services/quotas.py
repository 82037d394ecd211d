"""Daily quotas of a person: what one account may make in a day, however fast it asks."""

from __future__ import annotations

from dataclasses import dataclass

from studio.models import User
from studio.services import rate_limits
from studio.services.errors import StudioError
from studio.services.rate_limits import Limit

DAY_S = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Quota:
    """So many things of one kind a day, then one more whenever a share of the day has passed."""

    key: str
    things: str
    a_day: int

    @property
    def limit(self) -> Limit:
        return Limit(self.a_day, DAY_S // self.a_day)


PROJECTS = Quota("projects", "projects made", 50)
SAMPLES = Quota("samples", "sample projects made", 10)
IMPORTS = Quota("imports", "archives imported", 50)
UPLOADS = Quota("uploads", "pictures uploaded", 1000)
CUT_STILLS = Quota("cut stills", "stills cut from clips and pictures", 1000)
EXPORTS = Quota("exports", "films exported", 200)
PREVIS = Quota("previs", "Previs shots made", 1000)
ALL = (PROJECTS, SAMPLES, IMPORTS, UPLOADS, CUT_STILLS, EXPORTS, PREVIS)


class QuotaSpent(StudioError):
    """More of one kind than a person may make in a day."""


def take(quota: Quota, user: User) -> None:
    """Count one more thing of this person's. Raises QuotaSpent, and then nothing was counted."""
    grant = rate_limits.authorize((f"{quota.key}:{user.pk}", quota.limit))
    if not grant.allowed:
        raise QuotaSpent(
            f"{quota.a_day:,} {quota.things} are the most for one person in a day. "
            f"Try again in {_wait(grant.wait_s)}."
        )


def _wait(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"
