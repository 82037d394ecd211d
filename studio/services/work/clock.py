"""A clock that was set back: what was planned by the wrong time would wait until it comes again."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone
from django_q.models import Schedule

from studio.bulk import update_in_order
from studio.models import Export, Generation, ImportRun, ProviderAccount
from studio.models.generation import ACTIVE_STATES

logger = logging.getLogger(__name__)

SLACK = timedelta(minutes=1)  # machines that share a database may differ by so much


def follow_clock() -> timedelta:
    """Bring what lies ahead back by as much as the clock was set back. Returns how much that was.

    The sweep writes down every few seconds when it looked: a look that has not come yet tells. A
    clock set forward needs nothing: all that waits is due, and leases are renewed or taken over.
    """
    now = timezone.now()
    last = ProviderAccount.objects.aggregate(last=Max("swept_at"))["last"]
    if last is None or last - now < SLACK:
        return timedelta()
    back: timedelta = last - now
    active = Generation.objects.filter(state__in=ACTIVE_STATES)
    plans = (
        (active, ("next_poll_at", "lease_until", "submitted_at")),
        (Export.objects.all(), ("lease_until",)),
        (ImportRun.objects.filter(state__in=ImportRun.GOING), ("lease_until",)),
        (ProviderAccount.objects.all(), ("paused_until", "sweep_until", "next_probe_at")),
        (Schedule.objects.all(), ("next_run",)),
    )
    with transaction.atomic():
        # Of several who notice, one does it.
        wrong = ProviderAccount.objects.filter(swept_at__gt=now + SLACK / 2)
        if not update_in_order(wrong, swept_at=now):
            return timedelta()
        for rows, columns in plans:
            for column in columns:
                # What comes within the minute may have been written by the right time.
                ahead = rows.filter(**{f"{column}__gt": now + SLACK})
                update_in_order(ahead, **{column: F(column) - back})
    logger.warning("the clock was set back by %s; what was planned follows it", back)
    return back
