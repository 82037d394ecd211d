"""The late tries of clips that could not be downloaded: each hour, until a day after the render.

The tries in a row (storing.py) are over by then. These cost nothing, and the card of a shot changes
only when one succeeds or when its words do.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial

from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.utils import timezone

from studio import lifecycle
from studio.leases import claim_work, kept_lease, release_work
from studio.models import Generation
from studio.models.generation import Charged, State
from studio.operations.context import about
from studio.queue import enqueue
from studio.services import disk
from studio.services.work.arrival import follow_up, keep_media
from studio.services.work.clip_download import (
    EXPECTED_ERRORS,
    LEASE_S,
    MOST_ATTEMPTS,
    NO_ROOM,
    ClipLost,
    download_clip,
    why_failed,
)
from studio.services.work.patience import write_patiently
from studio.services.work.rooms import FETCHES, room

logger = logging.getLogger(__name__)

LATE_EVERY = timedelta(hours=1)
LATE_FOR = timedelta(hours=24)  # links are gone everywhere by then
MAX_LATE_TRIES = 30
MAX_LATE_AT_ONCE = 50
BY_ITSELF = "The studio also tries by itself, every hour for a day."


def fetch_late() -> int:
    """Ask for the hourly try of every clip that could not be downloaded. Returns how many."""
    due = Generation.objects.filter(
        state=State.FAILED,
        failure_code="media",
        next_poll_at__lte=timezone.now(),
        deleted_at=None,
    )
    pks = list(due.order_by("next_poll_at").values_list("pk", flat=True)[:MAX_LATE_AT_ONCE])
    for pk in pks:
        enqueue("store_late", pk)
    return len(pks)


def store_late(pk: int) -> str:
    """Try once more to fetch the clip of a failed shot. Its card changes only when that succeeds.

    Safe to call twice. The tries in a row are over; this one costs nothing and says nothing.
    """
    with room(FETCHES) as free:
        if not free:
            return NO_ROOM
        if disk.is_spent():
            return f"waits: {disk.WAITS_HOME}"
        waiting = Generation.objects.filter(
            pk=pk, state=State.FAILED, failure_code="media", next_poll_at__lte=timezone.now()
        )
        # Should this try end its worker, the next one is an hour away already.
        if not waiting.update(next_poll_at=timezone.now() + LATE_EVERY):
            return "skipped: not waiting for a late try"
        most = MOST_ATTEMPTS + MAX_LATE_TRIES
        token = claim_work(pk, state=State.FAILED, seconds=LEASE_S, most=most)
        if token is None:
            return "skipped: taken, or tried often enough"
        generation = Generation.objects.select_related("project", "account").get(pk=pk)
        lease = kept_lease(pk, token=token, state=State.FAILED, seconds=LEASE_S)
        with about(clip=generation.code), lease:
            return _store_late(generation, token)


def _store_late(generation: Generation, token: str) -> str:
    try:
        with ExitStack() as stack:
            media = keep_media(generation, download_clip(generation, token, stack))
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001 (as in storing.py)
        return _late_try_failed(generation, token, error)
    if not lifecycle.move(
        generation.pk,
        State.STORING,
        old=State.FAILED,
        where=Q(lease_token=token),
        reason="downloaded after all",
        lease_token=token,
        lease_until=timezone.now() + timedelta(seconds=LEASE_S),
        next_poll_at=timezone.now(),
        work_attempts=0,
        failure_code="",
        failure_text="",
    ):
        return "stopped: somebody else fetches it"
    done = partial(lifecycle.mark_succeeded, generation.pk, token=token, **media)
    if not write_patiently(done, f"clip {generation.code} is fetched"):
        return "stopped: taken by another worker"
    follow_up(generation)
    logger.info("clip %s stored at last: %s bytes", generation.code, media["size_bytes"])
    return "stored"


def _late_try_failed(generation: Generation, token: str, error: Exception) -> str:
    """Plan the next late try, or end them. The card is written only where its words change."""
    next_try, code, charged = next_late_try(generation), "media", generation.charged
    if isinstance(error, ClipLost):
        next_try, code, charged = None, error.code, error.charged or charged
        text = str(error)
    else:
        if not isinstance(error, EXPECTED_ERRORS):
            logger.error("storing clip %s failed", generation.code, exc_info=error)
        text = undownloaded_text(charged, why_failed(error), by_itself=next_try is not None)
    if text != generation.failure_text:
        # Somebody may have asked for the clip meanwhile: then this answer is an old one.
        lifecycle.touch_leased(
            generation.pk,
            state=State.FAILED,
            token=token,
            failure_code=code,
            failure_text=text[:500],
            charged=charged,
            next_poll_at=next_try,
        )
    release_work(generation.pk, token=token)
    return f"not yet: {error}" if next_try else f"ended: {error}"


def next_late_try(generation: Generation) -> datetime | None:
    """Return when a clip is tried again by itself, or None once it was rendered a day ago."""
    rendered = generation.events.filter(new=State.STORING).values_list("at", flat=True)
    first = rendered.order_by("pk").first() or generation.submitted_at or generation.created_at
    at = timezone.now() + LATE_EVERY
    return at if at <= first + LATE_FOR else None


def undownloaded_text(charged: str, why: str, *, by_itself: bool = False) -> str:
    """Return the sentences about a clip that was rendered and could not be downloaded."""
    paid = " and charged" if charged == Charged.YES else ""
    text = f"The clip was rendered{paid}, but could not be downloaded. {why}"
    text = f"{text[:300]} Download it again; there is no need to buy it again."
    return f"{text} {BY_ITSELF}" if by_itself else text
