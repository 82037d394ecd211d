"""Bringing a finished clip home: fetch, check, measure, make its pictures, keep it."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from studio import lifecycle
from studio.leases import claim_work, kept_lease, release_work
from studio.media.download import DownloadFailed, DownloadGone, DownloadRefused, download_video
from studio.media.video import (
    VideoUnreadable,
    make_poster,
    make_preview,
    make_strip,
    probe_video,
    sha256_of,
)
from studio.models import Generation
from studio.models.generation import (
    Charged,
    State,
    clip_path,
    poster_path,
    preview_path,
    strip_path,
)
from studio.operations.context import about
from studio.providers.base import NotFound, ProviderError
from studio.providers.catalog import PROVIDER_LABELS, UnknownModel, get_spec
from studio.queue import call_for, enqueue
from studio.services import disk
from studio.services.doors import open_door
from studio.services.files import keep, local_copy, scratch_dir, scratch_file
from studio.services.money.prices import learn_price
from studio.services.work.patience import write_patiently
from studio.services.work.rooms import FETCHES, room

logger = logging.getLogger(__name__)

LEASE_S = 30
MOST_ATTEMPTS = 6
BACKOFF_S = (2, 10, 30, 120, 600)
NO_ROOM = "waits: as many clips are fetched on this machine as may be"


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
    said = "skipped: nothing to store"
    for pk in due(timezone.now()).values_list("pk", flat=True)[:5]:
        said = store_clip(pk)
        if not said.startswith("skipped"):
            break
    if said != NO_ROOM:
        ask_for_next()
    return said


def ask_for_next() -> None:
    """Ask for the clip that waits longest, if one waits: there is a place on this machine now."""
    if due(timezone.now()).exists():
        call_for("store_next")


def store_clip(pk: int) -> str:
    """Fetch and keep the clip of one generation in "storing". Safe to call twice.

    A failure that may pass is tried again with growing pauses while the link may still work;
    the last one ends the generation as failed, with "Fetch again" left to people.
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
    with ExitStack() as stack:
        try:
            source = _rendered(generation, stack) if local else _fetched(generation, token, stack)
            media = keep_media(generation, source)
        except _RenderAgain:
            return _render_again(generation, token)
        except (DownloadRefused, DownloadGone, VideoUnreadable) as error:
            if disk.ran_out(error):
                return _wait_for_room(generation.pk, disk.LOOK_AGAIN_LATER_S, token)
            _give_up(generation, token, str(error))
            return f"failed: {error}"
        except (DownloadFailed, ProviderError, OSError) as error:
            if disk.ran_out(error):
                return _wait_for_room(generation.pk, disk.LOOK_AGAIN_LATER_S, token)
            return _try_later(generation, token, error)
    done = partial(lifecycle.mark_succeeded, generation.pk, token=token, **media)
    if not write_patiently(done, f"clip {generation.code} is fetched"):
        return "stopped: taken by another worker"
    if local:
        _file_of(generation).unlink(missing_ok=True)
    learn_price(generation)
    for account_id in _followers(generation.pk):
        call_for("submit_next", account_id)
    logger.info("clip %s stored: %s bytes", generation.code, media["size_bytes"])
    return "stored"


def _followers(pk: int) -> list[int]:
    """Accounts of shots that waited for this clip to continue it."""
    rows = Generation.objects.filter(
        Q(start_generation=pk) | Q(end_generation=pk), state=State.QUEUED
    )
    return list(rows.values_list("account_id", flat=True))


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
    kept = _kept_already(generation, stack)
    if kept is None:
        raise _RenderAgain
    return kept


def _kept_already(generation: Generation, stack: ExitStack) -> Path | None:
    """Return the clip where a worker moved it into the storage and died before it could say so."""
    name = clip_path(generation, "")
    if not default_storage.exists(name):
        return None
    generation.clip.name = name
    return stack.enter_context(local_copy(generation.clip))


def _fetched(generation: Generation, token: str, stack: ExitStack) -> Path:
    kept = _kept_already(generation, stack)
    if kept is not None:
        return kept  # the link may be dead by now
    path = stack.enter_context(scratch_file(".mp4"))
    if not generation.result_url:
        _renew_link(generation, token)
    try:
        download_video(generation.result_url, path, allow_hosts=settings.MEDIA_HOSTS)
    except DownloadGone:
        # Links are signed for hours only; the provider may hand out a fresh one. Asking is free.
        old = generation.result_url
        _renew_link(generation, token)
        if generation.result_url == old:
            raise
        download_video(generation.result_url, path, allow_hosts=settings.MEDIA_HOSTS)
    return path


def _renew_link(generation: Generation, token: str) -> None:
    """Ask the provider for the link again, and note it. Raises DownloadGone when it has none."""
    label = PROVIDER_LABELS.get(generation.provider, generation.provider)
    try:
        dialect = get_spec(generation.provider, generation.model).dialect
        with open_door(generation.account, dialect) as provider:
            job = provider.fetch(generation.provider_job_id)
    except (NotFound, UnknownModel) as error:
        raise DownloadGone(f"{label} does not know this job any more.") from error
    if job.expired:
        raise DownloadGone(f"{label} has removed the clip before it was fetched.")
    if not job.result_url:
        raise DownloadGone(f"{label} has no clip for this job.")
    generation.result_url = job.result_url
    Generation.objects.filter(pk=generation.pk, lease_token=token).update(result_url=job.result_url)


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
    _give_up(generation, token, "The rendered file is no longer there.")
    return "failed: the rendered file is gone"


def keep_media(generation: Generation, source: Path) -> dict[str, object]:
    """Measure a clip, make its pictures, and keep all; return the columns they fill.

    The source is moved away. Raises VideoUnreadable.
    """
    info = probe_video(source)
    digest = sha256_of(source)
    with ExitStack() as stack:
        poster = stack.enter_context(scratch_file(".webp"))
        strip = stack.enter_context(scratch_file(".webp"))
        preview = stack.enter_context(scratch_file(".mp4"))
        make_poster(source, poster)
        make_strip(source, strip)
        make_preview(source, preview)
        names = {
            "poster": keep(poster, poster_path(generation, "")),
            "strip": keep(strip, strip_path(generation, "")),
            "preview": keep(preview, preview_path(generation, "")),
            "clip": keep(source, clip_path(generation, "")),
        }
    return names | {
        "width": info.width,
        "height": info.height,
        "duration_ms": info.duration_ms,
        "fps": info.fps,
        "size_bytes": info.bytes,
        "sha256": digest,
    }


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
        _give_up(generation, token, str(error))
        return f"failed: {error}"
    pause = BACKOFF_S[min(generation.work_attempts - 1, len(BACKOFF_S) - 1)]
    pause = max(pause, int(getattr(error, "retry_after_s", None) or 0))
    until = timezone.now() + timedelta(seconds=pause)
    lifecycle.touch(
        generation.pk,
        waiting_text=f"The clip is rendered; fetching it failed: {error}"[:300],
        next_poll_at=until,
    )
    release_work(generation.pk, token=token, until=until)
    return f"trying again in {pause} s: {error}"


def _give_up(generation: Generation, token: str, why: str) -> None:
    local = generation.result_url.startswith("file:")
    lifecycle.mark_failed(
        generation.pk,
        code="render" if local else "media",
        text=f"The clip was rendered but could not be kept. {why}",
        charged=generation.charged or (Charged.NO if local else Charged.YES),
        token=token,
    )
