"""The clock of the machine that answered, read from its `Date` header.

What a provider dates is compared by the provider's clock: this machine's may be minutes off, and so
may theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# A Date header has whole seconds and an answer takes time to arrive: less is no difference.
MIN_DIFFERENCE = timedelta(seconds=2)
# A machine may be minutes off. More is a cached answer or a clock that was never set.
MAX_DIFFERENCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Clock:
    """How far the provider's clock is ahead of this machine's."""

    ahead: timedelta = timedelta()

    @property
    def is_plausible(self) -> bool:
        """Whether moments dated by this clock can be compared with ours."""
        return abs(self.ahead) <= MAX_DIFFERENCE

    def here(self, moment: datetime | None) -> datetime | None:
        """Return a moment of the provider's as this machine's clock has it."""
        try:
            return None if moment is None else moment - self.ahead
        except OverflowError:
            return None

    def age_s(self, moment: datetime) -> float:
        """Return how many seconds ago, by the provider's own clock, something happened there."""
        return (datetime.now(UTC) - moment + self.ahead).total_seconds()


def read_clock(header: str) -> Clock:
    """Return the clock a `Date` header tells; without a readable one, this machine's."""
    moment = read_http_date(header)
    if moment is None:
        return Clock()
    ahead = moment - datetime.now(UTC)
    return Clock() if abs(ahead) <= MIN_DIFFERENCE else Clock(ahead)


def read_http_date(text: str) -> datetime | None:
    """Return the moment an HTTP date means, in UTC, or None."""
    try:
        moment = parsedate_to_datetime(text.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
