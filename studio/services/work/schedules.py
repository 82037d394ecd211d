"""What runs by itself, as django-q2 schedules. Its scheduler looks about every 30 s."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django_q.models import Schedule

# name -> (function, minutes)
SCHEDULES = {
    # Revives the sweep after a crash; a sweep that is already running makes this a no-op. Two of
    # them, half a minute apart, so that every look of the scheduler finds one due: what a machine
    # that died was watching is watched again in under a minute.
    "sweep": ("studio.tasks.sweep", 1),
    "sweep between": ("studio.tasks.sweep", 1),
    # Clips that could not be downloaded: each of them once an hour, for a day.
    "late downloads": ("studio.tasks.fetch_late", 15),
    # Once a day: jobs the providers know and the studio does not.
    "orphans": ("studio.tasks.sweep_orphans", 24 * 60),
    # What is left at each provider, also while nothing is sent. Free calls.
    "balances": ("studio.tasks.refresh_balances", 30),
    # Messages that were not taken, and those whose task was lost.
    "webhooks": ("studio.tasks.send_webhooks", 1),
    "digests": ("studio.tasks.send_digests", 10),
    # Clips that an earlier version stored without measuring all that is asked of a file now.
    "measuring": ("studio.tasks.measure_clips", 10),
    # Actions on many clips whose worker was killed.
    "bulk": ("studio.tasks.resume_bulk", 1),
    # Once a day: what has been in the bin long enough, and what else is due.
    "retention": ("studio.tasks.clear_up", 24 * 60),
}
APART = timedelta(seconds=30)


def ensure_schedules() -> None:
    """Make the schedules, or bring them up to date. Safe to run at every start."""
    for name, (function, minutes) in SCHEDULES.items():
        Schedule.objects.update_or_create(
            name=name,
            defaults={
                "func": function,
                "schedule_type": Schedule.MINUTES,
                "minutes": minutes,
                "repeats": -1,
            },
        )
    first = Schedule.objects.get(name="sweep")
    Schedule.objects.filter(name="sweep between").update(
        next_run=(first.next_run or timezone.now()) + APART
    )
    Schedule.objects.filter(func__startswith="studio.tasks.").exclude(name__in=SCHEDULES).delete()
