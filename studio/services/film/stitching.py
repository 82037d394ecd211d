"""The work of an export: claimed, stitched, kept; it may run twice, and be killed at any moment."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.core.files.storage import default_storage
from django.db.models import Q

from studio import export_lifecycle
from studio.leases import renewed
from studio.media.facts import MediaFacts
from studio.media.film import FILM_KINDS
from studio.media.stitch import Progress, Source, StitchCancelled, StitchReport, stitch_clips
from studio.media.video import VideoUnreadable
from studio.models import Export, Generation
from studio.services import disk
from studio.services.clip_facts import facts_of
from studio.services.errors import StudioError
from studio.services.files import keep, local_copy, scratch_dir
from studio.services.film.exports import (
    MOST_ATTEMPTS,
    SIZES,
    ExportOptions,
    clips_of,
    format_of,
    handed_over_at,
    remove_files,
)
from studio.signals import film_made
from studio.templatetags.studio_tags import took

logger = logging.getLogger(__name__)

LEASE_S = 20
FULL = "The studio’s disk was full before the film was written. Make room, then try again."
WAITS = "waits: the disk of this machine is nearly full"
BEAT_S = 0.5  # how often progress is written and a cancel is noticed


def stitch_export(pk: int) -> str:
    """Stitch one export and keep its film. Safe to call twice: the second call finds it taken."""
    if disk.is_short():
        # Asked for again each half minute, as what the queue has lost is.
        Export.objects.filter(pk=pk, state=Export.State.QUEUED).update(note=disk.WAITS)
        return WAITS
    token = export_lifecycle.claim(pk, seconds=LEASE_S, most=MOST_ATTEMPTS)
    if token is None:
        return "skipped: not waiting to be stitched"
    export = Export.objects.select_related("chain__project").get(pk=pk)
    remove_files(export)
    # Pages come before films when both want the processor.
    if hasattr(os, "nice") and os.nice(0) < 5:
        os.nice(5)
    suffix = FILM_KINDS[format_of(export)].suffix
    out = scratch_dir() / f"export-{export.code}-{token[:8]}{suffix}"
    try:
        with _kept_lease(export, token) as beat:
            report = _stitch(export, out, beat)
            return _keep(export, token, out, report)
    except StitchCancelled:
        return "stopped: cancelled, or taken by another worker"
    except (StudioError, VideoUnreadable, ValueError, OSError) as error:
        text = FULL if disk.ran_out(error) else str(error)
        export_lifecycle.fail(pk, text=text, where=Q(lease_token=token))
        logger.warning("export %s failed: %s", export.code, error)
        return f"failed: {error}"
    finally:
        out.unlink(missing_ok=True)


def _stitch(export: Export, out: Path, beat: _Beat) -> StitchReport:
    options = ExportOptions.of(export)
    clips = clips_of(export)
    if len(clips) != len(export.options["clips"]):
        raise StudioError("A clip of this film was deleted. Export the chain again.")
    with ExitStack() as stack:
        sources = []
        for number, clip in enumerate(clips, 1):
            try:
                path = stack.enter_context(local_copy(clip.clip))
                path.stat()
            except FileNotFoundError:
                raise StudioError(
                    f"The file of segment {number}, “{clip.title}”, is not in the studio any more."
                ) from None
            before = clips[number - 2] if number > 1 else None
            after = clips[number] if number < len(clips) else None
            sources.append(
                Source(
                    path,
                    continues=before is not None and _continues(before, clip),
                    until_ms=handed_over_at(clip, after),
                    media=facts_of(clip),
                )
            )
        return stitch_clips(
            sources,
            out,
            drop_repeated=options.drop_repeated,
            crossfade_s=options.crossfade_s,
            size=_size(facts_of(clips[0]), options.size),
            codec=options.format,
            on_progress=beat,
        )


def _continues(before: Generation, clip: Generation) -> bool:
    """Whether one of two neighbours was made from a frame of the other."""
    return clip.start_generation_id == before.pk or before.end_generation_id == clip.pk


def _size(first: MediaFacts, size: str) -> tuple[int, int] | None:
    """Return pixels of this size in the first clip's shape; None keeps the clips' own."""
    short = SIZES[size]
    if not short:
        return None
    scale = short / min(first.width, first.height)
    width, height = (max(2, round(side * scale / 2) * 2) for side in (first.width, first.height))
    return width, height


def _keep(export: Export, token: str, out: Path, report: StitchReport) -> str:
    # A name of this try's own: a worker that lost its lease can then harm no other's file.
    name = f"projects/{export.chain.project.code}/exports/{export.code}-{token[:8]}{out.suffix}"
    stored = keep(out, name)
    if export_lifecycle.finish(
        export.pk,
        token=token,
        file=stored,
        size_bytes=report.size_bytes,
        duration_ms=report.duration_ms,
        note=report.why[:200],
    ):
        film_made.send_robust(Export, export=export)
        logger.info("export %s stitched: %s bytes", export.code, report.size_bytes)
        return f"stitched: {report.why}"
    default_storage.delete(stored)
    return "stopped: cancelled as it finished"


class _Beat:
    """Shows progress, and says whether to go on."""

    def __init__(self, export: Export, token: str) -> None:
        self._pk = export.pk
        self._token = token
        self._began = time.monotonic()
        self._last = 0.0
        self.lost = False

    def __call__(self, progress: Progress) -> bool:
        now = time.monotonic()
        if not self.lost and now - self._last >= BEAT_S:
            self._last = now
            self.renew(
                progress=min(progress.percent, 99),
                note=f"Stitching segment {progress.segment} of {progress.segments}"
                + self._left(now, progress.percent),
            )
        return not self.lost

    def _left(self, now: float, percent: int) -> str:
        """Return "; about 12 s left" once the pace is known."""
        passed = now - self._began
        if percent < 5 or passed < 2:
            return ""
        return f"; about {took(passed * (100 - percent) / percent)} left"

    def renew(self, **shown: object) -> None:
        """Keep the lease; notices its loss."""
        if not export_lifecycle.renew(self._pk, token=self._token, seconds=LEASE_S, **shown):
            self.lost = True


@contextmanager
def _kept_lease(export: Export, token: str) -> Iterator[_Beat]:
    """Renew the lease beside the work in this block: writing gigabytes reports nothing."""
    beat = _Beat(export, token)

    def renew() -> bool:
        beat.renew()
        return not beat.lost

    with renewed(renew, seconds=LEASE_S, what=f"export {export.code}"):
        yield beat
