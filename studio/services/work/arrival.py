"""What is done with a clip whose file is here: measure it, make its pictures, keep all, go on."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from django.core.files.storage import default_storage
from django.db.models import Q

from studio.media.probing import probe_video
from studio.media.video import make_poster, make_preview, make_strip, sha256_of
from studio.models import Generation
from studio.models.generation import State, clip_path, poster_path, preview_path, strip_path
from studio.queue import call_for
from studio.services.clip_facts import measured_columns
from studio.services.files import keep, local_copy, scratch_file
from studio.services.money.prices import learn_price


def keep_media(generation: Generation, source: Path) -> dict[str, object]:
    """Measure a clip, make its pictures, and keep all; return the columns they fill.

    The source is moved away. Raises VideoUnreadable.
    """
    facts = probe_video(source)
    digest = sha256_of(source)
    with ExitStack() as stack:
        poster = stack.enter_context(scratch_file(".webp"))
        strip = stack.enter_context(scratch_file(".webp"))
        preview = stack.enter_context(scratch_file(".mp4"))
        make_poster(source, poster, facts=facts)
        make_strip(source, strip, facts=facts)
        make_preview(source, preview, facts=facts)
        names = {
            "poster": keep(poster, poster_path(generation, "")),
            "strip": keep(strip, strip_path(generation, "")),
            "preview": keep(preview, preview_path(generation, "")),
            "clip": keep(source, clip_path(generation, "")),
        }
    return names | measured_columns(facts) | {"sha256": digest}


def stored_clip(generation: Generation, stack: ExitStack) -> Path | None:
    """Return the clip where a worker moved it into the storage and died before it could say so."""
    name = clip_path(generation, "")
    if not default_storage.exists(name):
        return None
    generation.clip.name = name
    return stack.enter_context(local_copy(generation.clip))


def follow_up(generation: Generation) -> None:
    """Do what waited for a clip: learn its price, send the shots that continue it."""
    learn_price(generation)
    for account_id in _followers(generation.pk):
        call_for("submit_next", account_id)


def _followers(pk: int) -> list[int]:
    """Accounts of shots that waited for this clip to continue it."""
    rows = Generation.objects.filter(
        Q(start_generation=pk) | Q(end_generation=pk), state=State.QUEUED
    )
    return list(rows.values_list("account_id", flat=True))
