"""Files in the making that nobody finished, stills nobody used, and rows that only fill tables."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django_q.models import Task

from studio.models import BulkItem, Generation, Keyframe, RateLimit, SpendRequest, WebhookDelivery
from studio.services.errors import StudioError
from studio.services.files import scratch_dir
from studio.services.keyframes import delete_keyframe
from studio.services.retention.things import Thing
from studio.services.sketches import LIFE_S, sketch_dir

SCRATCH_LIFE_S = 24 * 3600
LOG_DAYS = 90


# ---- Files in the making ------------------------------------------------------------------------


def unfinished_files() -> Iterator[Thing]:
    """Yield what killed workers left, a day later, and sketches nobody looked at for an hour."""
    for path in (*scratch_dir().iterdir(), *sketch_dir().iterdir()):
        with suppress(OSError):
            if _is_left(path):
                yield Thing(str(path.relative_to(settings.DATA_DIR)), path.stat().st_size, key=path)


def remove_unfinished(thing: Thing) -> bool:
    assert isinstance(thing.key, Path)
    with suppress(OSError):
        if _is_left(thing.key):
            thing.key.unlink()
            return True
    return False


def _is_left(path: Path) -> bool:
    # A lock may be held by somebody, however old its file is.
    if path.suffix == ".lock" or not path.is_file():
        return False
    life_s = LIFE_S if path.parent == sketch_dir() else SCRATCH_LIFE_S
    return time.time() - path.stat().st_mtime > life_s


# ---- Stills ---------------------------------------------------------------------------------------


def unused_stills() -> Iterator[Thing]:
    """Yield stills that nothing was ever made with, STILL_DAYS after they came. 0 = never."""
    if not settings.STILL_DAYS:
        return
    for still in _unused().select_related("project").iterator():
        yield Thing(f"still “{still}” of {still.project}", still.size_bytes, key=still.pk)


def remove_still(thing: Thing) -> bool:
    assert isinstance(thing.key, int)
    still = _unused().filter(pk=thing.key).first()
    if still is None:
        return False
    try:
        delete_keyframe(keyframe=still)
    except StudioError:  # used since a moment ago
        return False
    return True


def _unused() -> QuerySet[Keyframe]:
    before = timezone.now() - timedelta(days=settings.STILL_DAYS)
    rows = Keyframe.objects.filter(created_at__lt=before)
    for model in (Generation, SpendRequest):
        for end in ("start_keyframe", "end_keyframe"):
            used = model._base_manager.exclude(**{end: None}).values(end)
            rows = rows.exclude(pk__in=used)
    # What others were cropped from is where somebody may want to crop again.
    return rows.filter(crops=None).order_by("pk")


# ---- Rows ---------------------------------------------------------------------------------------


def _old_rows() -> dict[str, QuerySet[Any]]:
    now = timezone.now()
    before = now - timedelta(days=LOG_DAYS)
    undone = now - timedelta(days=settings.BIN_DAYS)
    return {
        "expired sessions": Session.objects.filter(expire_date__lt=now),
        "browsers signed out": UserSession.objects.filter(
            ~Exists(Session.objects.filter(pk=OuterRef("session_key")))
        ),
        "sign-ins": AccessLog.objects.filter(attempt_time__lt=before),
        "failed sign-ins": AccessFailureLog.objects.filter(attempt_time__lt=before),
        "rate limits": RateLimit.objects.filter(full_at__lt=now),
        "counted attempts": AccessAttempt.objects.filter(attempt_time__lt=before),
        "webhook messages": WebhookDelivery.objects.filter(
            ~Q(state=WebhookDelivery.State.WAITING), finished_at__lt=before
        ),
        "ended tasks": Task.objects.filter(stopped__lt=before),
        # What clips were before actions that are too old to be undone.
        "rows to undo actions": BulkItem.objects.filter(
            run__created_at__lt=undone, outcome=BulkItem.Outcome.DONE
        ),
    }


def old_rows() -> Iterator[Thing]:
    """Yield the logs that have rows too old to be of use, with how many."""
    for name, rows in _old_rows().items():
        if count := rows.count():
            yield Thing(f"{count} {name}", count=count, key=name)


def remove_rows(thing: Thing) -> bool:
    return bool(_old_rows()[str(thing.key)].delete()[0])
