"""The health page: is anybody working, what waits, what fills the disk, which versions run."""

from __future__ import annotations

import platform
import shutil
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import Failure
from redis.exceptions import RedisError

from studio.admin.base import account_name
from studio.admin.clip_filters import NEEDS_A_PERSON
from studio.models import Export, Generation, Keyframe, Project, ProviderAccount
from studio.models.generation import ACTIVE_STATES, MOVING_STATES, State
from studio.services import disk, signs
from studio.templatetags.studio_tags import took

# The schedule revives the sweep each half minute or so; a longer silence means no worker at all.
SWEEP_LATE = timedelta(minutes=3)
QUEUE_LONG = 50  # tasks; a burst of sends is shorter
DISK_LOW_BYTES = 5 * 2**30
DISK_LOW_SHARE = 0.05
SHOWN_PROJECTS = 50
# In the order a shot goes through them.
COLUMNS = [state for state in State if state in ACTIVE_STATES]
LIBRARIES = ("Django", "django-q2", "av", "pillow", "numpy", "opencv-python-headless", "httpx")


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing to know at a glance. Tones: ok, run, wait, bad, or none."""

    name: str
    value: str
    tone: str = ""
    text: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """What one account has under way, a count for each of COLUMNS."""

    account: ProviderAccount
    counts: list[tuple[str, int]]  # state, how many

    @property
    def name(self) -> str:
        return account_name(self.account)


@dataclass(frozen=True, slots=True)
class Storage:
    """What one project keeps, in bytes."""

    project: Project
    clips: int
    stills: int
    exports: int

    @property
    def total(self) -> int:
        return self.clips + self.stills + self.exports


def may_see_health(request: HttpRequest) -> bool:
    """Whether this person may: it names projects and accounts, so not everybody of the staff."""
    return bool(request.user.has_perm("studio.view_provideraccount"))


def health_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    if not may_see_health(request):
        raise PermissionDenied("Seeing the health page takes the right to see provider accounts.")
    own = {
        "title": "Health",
        "signs": pulse(),
        "columns": [State(state).label for state in COLUMNS],
        "accounts": in_flight(),
        "storage": storage(),
        "shown_projects": SHOWN_PROJECTS,
        "versions": versions(),
    }
    return render(request, "admin/health.html", context | own)


def pulse() -> list[Sign]:
    """Return the signs of life, the most important first; a fixed number of queries."""
    return [_sweep(), *_trouble(), _queue(), *_shots(), _failures(), _disk()]


def _sweep() -> Sign:
    name = "Workers"
    row = ProviderAccount.objects.filter(provider="previs", label="")
    swept_at = row.values_list("swept_at", flat=True).first()
    if swept_at is None:
        return Sign(name, "never", "bad", "No worker has run yet. Start one: manage.py qcluster")
    age = timezone.now() - swept_at
    if age > SWEEP_LATE:
        text = "Nothing is sent, watched or rendered. Start a worker: manage.py qcluster"
        return Sign(name, f"{took(age.total_seconds())} ago", "bad", text)
    return Sign(
        name, f"{took(max(age.total_seconds(), 0))} ago", "ok", "The last look at what is in flight"
    )


def _trouble() -> list[Sign]:
    """Return what is wrong with the sweep, if anything is."""
    found = []
    failure = signs.sweep_failure()
    if failure is not None:
        ago, finished = failure
        last = f"{took(finished.total_seconds())} ago" if finished is not None else "never"
        text = f"The sweep stopped with an error; it last came to its end: {last}"
        href = "/admin/django_q/failure/"
        found.append(Sign("Sweep", f"{took(ago.total_seconds())} ago", "bad", text, href))
    count = signs.set_aside()
    if count:
        text = "Shots whose answers cannot be recorded; tried again alone, see the log"
        href = "/admin/studio/generation/?set_aside_at__isnull=0"
        found.append(Sign("Set aside", str(count), "bad", text, href))
    return found


def _queue() -> Sign:
    href = "/admin/django_q/ormq/" if not settings.REDIS_URL else ""
    try:
        broker = get_broker()
        waiting, taken = int(broker.queue_size() or 0), int(broker.lock_size() or 0)
    except (DatabaseError, RedisError):
        return Sign("Queue", "no answer", "bad", "The queue does not answer", href)
    tone = "ok" if waiting < QUEUE_LONG else "wait"
    return Sign("Queue", str(waiting), tone, f"tasks wait, {taken} with workers", href)


def _shots() -> list[Sign]:
    clips = "/admin/studio/generation/"
    counts = dict(
        Generation.objects.filter(state__in=sorted(ACTIVE_STATES), archived_at=None)
        .order_by()
        .values_list("state")
        .annotate(n=Count("pk"))
    )
    moving = sum(counts.get(state, 0) for state in MOVING_STATES)
    person = sum(counts.get(state, 0) for state in NEEDS_A_PERSON)
    text = "Shots that are unclear or stalled" if person else "No shot is unclear or stalled"
    return [
        Sign(
            "In flight",
            str(moving),
            "run" if moving else "ok",
            "Shots under way",
            f"{clips}?stands=moving",
        ),
        Sign(
            "For a person", str(person), "wait" if person else "ok", text, f"{clips}?stands=person"
        ),
    ]


def _failures() -> Sign:
    since = timezone.now() - timedelta(days=1)
    tasks = Failure.objects.filter(stopped__gte=since).count()
    text = "In the last 24 hours"
    return Sign(
        "Failed tasks", str(tasks), "bad" if tasks else "ok", text, "/admin/django_q/failure/"
    )


def _disk() -> Sign:
    usage = shutil.disk_usage(settings.DATA_DIR)
    if disk.is_short():
        text = f"Nothing new is begun: {disk.free_bytes() / 1e6:,.0f} MB are free. Make room."
        return Sign("Disk", "nearly full", "bad", text)
    low = usage.free < DISK_LOW_BYTES or usage.free < usage.total * DISK_LOW_SHARE
    free, total = usage.free / 1e9, usage.total / 1e9
    return Sign(
        "Disk", f"{free:,.0f} GB free", "wait" if low else "ok", f"of {total:,.0f} GB, data folder"
    )


def in_flight() -> list[AccountRow]:
    """Return what each account has under way, by state; two queries."""
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    rows = (
        Generation.objects.filter(state__in=sorted(ACTIVE_STATES))
        .order_by()
        .values_list("account_id", "state")
        .annotate(n=Count("pk"))
    )
    for account_id, state, count in rows:
        counts[account_id][state] = count
    return [
        AccountRow(account, [(state, counts[account.pk].get(state, 0)) for state in COLUMNS])
        for account in ProviderAccount.objects.all()
    ]


def storage() -> list[Storage]:
    """Return what the biggest projects keep, biggest first; four queries."""
    clips, stills = _bytes(Generation, "project"), _bytes(Keyframe, "project")
    exports = _bytes(Export, "chain__project")
    totals = {
        pk: clips.get(pk, 0) + stills.get(pk, 0) + exports.get(pk, 0)
        for pk in clips.keys() | stills.keys() | exports.keys()
    }
    biggest = sorted(totals, key=lambda pk: (-totals[pk], pk))[:SHOWN_PROJECTS]
    projects = Project.objects.in_bulk(biggest)
    return [
        Storage(projects[pk], clips.get(pk, 0), stills.get(pk, 0), exports.get(pk, 0))
        for pk in biggest
        if pk in projects and totals[pk]
    ]


def _bytes(model: type[Any], path: str) -> dict[int, int]:
    rows = model.objects.order_by().values_list(path).annotate(total=Sum("size_bytes"))
    return {pk: total or 0 for pk, total in rows}


def versions() -> Sequence[tuple[str, str]]:
    """Return what runs: name and version."""
    about = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    number = connection.get_database_version()
    return (
        ("Ray Studio", str(about["version"])),
        ("Python", platform.python_version()),
        (connection.display_name, ".".join(map(str, number))),
        *((name, version(name)) for name in LIBRARIES),
    )
