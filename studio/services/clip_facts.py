"""What the file of a clip is: kept with the clip, and measured where it is not kept yet."""

from __future__ import annotations

import logging
from contextlib import ExitStack

from django.db import transaction
from django.db.models import QuerySet

from studio.media.facts import MediaFacts
from studio.media.probing import probe_video
from studio.media.video import VideoUnreadable, make_poster, make_preview, make_strip
from studio.models import Generation, Project
from studio.models.generation import State, poster_path, preview_path, strip_path
from studio.services import disk
from studio.services.apart import DATABASE_AWAY
from studio.services.files import keep, local_copy, scratch_file

logger = logging.getLogger(__name__)

BATCH = 20  # clips of one task


def facts_of(clip: Generation) -> MediaFacts:
    """Return what a finished clip's file is; measured and kept where that was not done yet.

    Raises VideoUnreadable and OSError where the file has to be read and cannot be.
    """
    kept = MediaFacts.from_json(clip.media_facts)
    if kept is not None:
        return kept
    with local_copy(clip.clip) as path:
        facts = probe_video(path)
    Generation.objects.filter(pk=clip.pk).update(media_facts=facts.to_json())
    clip.media_facts = facts.to_json()
    return facts


def measured_columns(facts: MediaFacts) -> dict[str, object]:
    """Return the columns of a clip that its facts fill."""
    return {
        "media_facts": facts.to_json(),
        "width": facts.width,
        "height": facts.height,
        "duration_ms": facts.duration_ms,
        "fps": facts.fps,
        "size_bytes": facts.bytes,
    }


def measure_earlier_clips(most: int = BATCH) -> int:
    """Measure clips that an earlier version stored, newest first; return how many were looked at.

    Their size and length are put right, and pictures that are shown otherwise now are made anew.
    A file that cannot be read is noted and not tried again. Safe to run twice at once.
    """
    if disk.is_short():
        return 0
    rows = Generation.objects.filter(
        state=State.SUCCEEDED, media_facts__isnull=True, purged_at=None
    )
    clips = list(rows.exclude(clip="").select_related("project").order_by("-pk")[:most])
    for clip in clips:
        try:
            _measure_again(clip)
        except DATABASE_AWAY:
            raise
        except Exception as error:  # whatever a file may bring about: the others are measured
            known = isinstance(error, VideoUnreadable | OSError)
            logger.warning("clip %s could not be measured", clip.code, exc_info=not known)
            _unmeasured(clip).update(media_facts={"unreadable": str(error)})
    return len(clips)


def _unmeasured(clip: Generation) -> QuerySet[Generation]:
    rows = Generation.objects.filter(pk=clip.pk, state=State.SUCCEEDED, media_facts__isnull=True)
    return rows.exclude(clip="")


def _measure_again(clip: Generation) -> None:
    with local_copy(clip.clip) as source, ExitStack() as stack:
        facts = probe_video(source)
        columns = measured_columns(facts)
        if facts.turned or facts.mirrored or facts.sample_aspect != 1 or facts.is_hdr:
            for name, make, suffix, place in (
                ("poster", make_poster, ".webp", poster_path),
                ("strip", make_strip, ".webp", strip_path),
                ("preview", make_preview, ".mp4", preview_path),
            ):
                path = stack.enter_context(scratch_file(suffix))
                make(source, path, facts=facts)
                columns[name] = keep(path, place(clip, ""))
    with transaction.atomic():
        if any(getattr(clip, name) != columns[name] for name in ("width", "height", "duration_ms")):
            columns["version"] = Project.bump(clip.project_id)
        _unmeasured(clip).update(**columns)
