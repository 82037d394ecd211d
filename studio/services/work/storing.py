"""The download of finished clips: fetch, check, measure, make the pictures, keep them.

A clip that was paid for is fetched for as long as anybody knows it. What a media host or a provider
answers in the first minutes is never final: tries with growing pauses, each with a link fresh from
the provider. Then the shot fails as "could not be downloaded", with "Download again" for people, and
is tried quietly every hour until a day after it was rendered (late_downloads.py).
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.db import InterfaceError, OperationalError
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from studio import lifecycle
from studio.leases import claim_work, kept_lease, release_work
from studio.media.download import DownloadGone, DownloadTooLarge
from studio.media.video import VideoUnreadable
from studio.models import Generation
from studio.models.generation import Charged, State
from studio.operations.context import about
from studio.queue import call_for, enqueue
from studio.services import disk
from studio.services.files import scratch_dir
from studio.services.work.arrival import follow_up, keep_media, stored_clip
from studio.services.work.clip_download import (
    EXPECTED_ERRORS,
    LEASE_S,
    MOST_ATTEMPTS,
    NO_ROOM,
    ClipLost,
    StillRendering,
    download_clip,
    why_failed,
)
from studio.services.work.late_downloads import next_late_try, undownloaded_text
from studio.services.work.outcomes import FIRST_POLL, TOTAL_DEADLINE
from studio.services.work.patience import write_patiently
from studio.services.work.rooms import FETCHES, room

logger = logging.getLogger(__name__)

BACKOFF_S = (2, 10, 30, 120, 600)
MAX_PAUSE_S = BACKOFF_S[-1]  # a host may ask for a day; the link does not last that long


class _RenderAgain(Exception):
    """A local render's file is gone, with its machine perhaps; it can be made again for nothing."""


def due(now: datetime) -> QuerySet[Generation]:
    """Return the clips that wait to be fetched and that nobody fetches, the longest waiting first."""
    return Generation.objects.filter(
        Q(lease_until=None) | Q(lease_until__lt=now),
        Q(next_poll_at=None) | Q(next_poll_at__lte=now),
        state=State.STORING,
        work_attempts__lt=MOST_ATTEMPTS,
    ).order_by("next_poll_at", "pk")


def store_next() -> str:
    """Fetch and keep the clip that waits longest, and ask for the next one. Safe to call twice."""
    result = "skipped: nothing to store"
    for pk in due(timezone.now()).values_list("pk", flat=True)[:5]:
        result = store_clip(pk)
        if not result.startswith("skipped"):
            break
    if result != NO_ROOM:
        ask_for_next()
    return result


def ask_for_next() -> None:
    """Ask for the clip that waits longest, if one waits: there is a place on this machine now."""
    if due(timezone.now()).exists():
        call_for("store_next")


def store_clip(pk: int) -> str:
    """Fetch and keep the clip of one generation in "storing". Safe to call twice.

    A failure that may pass is tried again with growing pauses while the link may still work;
    the last one ends the generation as failed, with "Download again" left to people.
    """
    with room(FETCHES) as free:
        if not free:
            # Whoever holds a place asks for the next clip, and so does the sweep, seconds later.
            now = timezone.now()
            waiting = Generation.objects.filter(Q(lease_until=None) | Q(lease_until__lt=now))
            waiting.filter(pk=pk, state=State.STORING).update(next_poll_at=now)
            return NO_ROOM
        if disk.is_spent():
            return _wait_for_room(pk, disk.LOOK_AGAIN_S)
        return store_rendered(pk)


def store_rendered(pk: int) -> str:
    """Keep a clip without a place for it: of a render that ended here, no other machine has the file."""
    token = claim_work(pk, state=State.STORING, seconds=LEASE_S, most=MOST_ATTEMPTS)
    if token is None:
        return "skipped: not waiting to be stored"
    generation = Generation.objects.select_related("project", "account").get(pk=pk)
    lease = kept_lease(pk, token=token, state=State.STORING, seconds=LEASE_S)
    with about(clip=generation.code), lease:
        return _store(generation, token)


def _store(generation: Generation, token: str) -> str:
    local = generation.result_url.startswith("file:")
    try:
        with ExitStack() as stack:
            source = (
                _rendered(generation, stack) if local else download_clip(generation, token, stack)
            )
            media = keep_media(generation, source)
        done = partial(lifecycle.mark_succeeded, generation.pk, token=token, **media)
        if not write_patiently(done, f"clip {generation.code} is fetched"):
            return "stopped: taken by another worker"
    except _RenderAgain:
        return _render_again(generation, token)
    except (OperationalError, InterfaceError):
        raise  # the database is away: the claim runs out, and the clip is fetched again
    except Exception as error:  # noqa: BLE001 (one odd clip must not keep the others waiting)
        return _not_kept(generation, token, error, local=local)
    if local:
        _file_of(generation).unlink(missing_ok=True)
    follow_up(generation)
    logger.info("clip %s stored: %s bytes", generation.code, media["size_bytes"])
    return "stored"


def _not_kept(generation: Generation, token: str, error: Exception, *, local: bool) -> str:
    """Plan the next try of a clip, or end it where no further try can help."""
    if disk.ran_out(error):
        return _wait_for_room(generation.pk, disk.LOOK_AGAIN_LATER_S, token)
    if isinstance(error, ClipLost):
        return _lose(generation, token, error)
    if isinstance(error, StillRendering):
        return _watch_again(generation, token, error)
    if local and isinstance(error, DownloadGone | VideoUnreadable):
        text = f"The clip was rendered but could not be kept. {error}"
        return _give_up(generation, token, "render", text, None)
    if isinstance(error, DownloadTooLarge):
        return _stop_trying(generation, token, error)  # each try may fetch a gigabyte for nothing
    if not isinstance(error, EXPECTED_ERRORS):
        logger.error("storing clip %s failed", generation.code, exc_info=error)
    return _try_later(generation, token, error)


def _file_of(generation: Generation) -> Path:
    """Return where a local render was left. Raises DownloadGone for any place but the scratch folder."""
    path = Path(unquote(urlsplit(generation.result_url).path))
    if path.parent != scratch_dir():
        raise DownloadGone("The rendered file is no longer there.")
    return path


def _rendered(generation: Generation, stack: ExitStack) -> Path:
    path = _file_of(generation)
    if path.is_file():
        return path
    stored = stored_clip(generation, stack)
    if stored is None:
        raise _RenderAgain
    return stored


def _render_again(generation: Generation, token: str) -> str:
    if lifecycle.move(
        generation.pk,
        State.RUNNING,
        old=State.STORING,
        where=Q(lease_token=token, work_attempts__lt=MOST_ATTEMPTS),
        reason="the rendered file is gone; rendering it again",
        result_url="",
        progress=0,
        next_poll_at=timezone.now(),
    ):
        enqueue("render_previs", generation.pk)
        return "rendering it again: the file is gone"
    text = "The clip was rendered but could not be kept. The rendered file is no longer there."
    return _give_up(generation, token, "render", text, None)


def _watch_again(generation: Generation, token: str, error: StillRendering) -> str:
    """Give a shot back to the sweep: it was given up, or called done, before its clip was there."""
    now = timezone.now()
    lifecycle.move(
        generation.pk,
        State.RUNNING,
        old=State.STORING,
        where=Q(lease_token=token),
        reason=str(error),
        deadline_at=now + TOTAL_DEADLINE,
        next_poll_at=now + FIRST_POLL,
        progress=0,
        work_attempts=0,
    )
    return f"watched again: {error}"


def _wait_for_room(pk: int, seconds: float, token: str = "") -> str:
    """Leave a clip where it is until there is room: it is paid for. No try is counted.

    With `token`, its file did not fit, and the try that was counted is given back.
    """
    until = timezone.now() + timedelta(seconds=seconds)
    rows = Generation.objects.filter(pk=pk, state=State.STORING)
    if token:
        rows = rows.filter(lease_token=token)
        rows.update(work_attempts=F("work_attempts") - 1, next_poll_at=until)
    else:
        rows = rows.filter(Q(lease_until=None) | Q(lease_until__lt=timezone.now()))
        rows.update(next_poll_at=until)
    if rows.exclude(waiting_text=disk.WAITS_HOME).exists():
        lifecycle.touch(pk, waiting_text=disk.WAITS_HOME)
    if token:
        release_work(pk, token=token)
    logger.warning("clip %s waits: the disk is full", pk)
    return f"waits: {disk.WAITS_HOME}"


def _try_later(generation: Generation, token: str, error: Exception) -> str:
    if generation.work_attempts >= MOST_ATTEMPTS:
        return _stop_trying(generation, token, error)
    pause = BACKOFF_S[min(generation.work_attempts - 1, len(BACKOFF_S) - 1)]
    pause = max(pause, min(int(getattr(error, "retry_after_s", None) or 0), MAX_PAUSE_S))
    until = timezone.now() + timedelta(seconds=pause)
    text = f"The clip is rendered. Downloading it failed and is tried again by itself: {why_failed(error)}"
    lifecycle.touch_leased(
        generation.pk,
        state=State.STORING,
        token=token,
        waiting_text=text[:300],
        next_poll_at=until,
    )
    release_work(generation.pk, token=token, until=until)
    return f"trying again in {pause} s: {error}"


def _stop_trying(generation: Generation, token: str, error: Exception) -> str:
    """End the tries in a row; the clip is tried each hour from now on, for a day."""
    next_try = next_late_try(generation)
    text = undownloaded_text(generation.charged, why_failed(error), by_itself=next_try is not None)
    return _give_up(generation, token, "media", text, next_try)


def _lose(generation: Generation, token: str, lost: ClipLost) -> str:
    """End a shot whose job failed: it was given up, or done without a clip, before that was told."""
    generation.charged = lost.charged or generation.charged
    return _give_up(generation, token, lost.code, str(lost), None)


def _give_up(
    generation: Generation, token: str, code: str, text: str, next_try: datetime | None
) -> str:
    local = generation.result_url.startswith("file:")
    lifecycle.mark_failed(
        generation.pk,
        code=code,
        text=text,
        charged=generation.charged or (Charged.NO if local else Charged.UNKNOWN),
        token=token,
        next_poll_at=next_try,
    )
    return f"failed: {text}"
