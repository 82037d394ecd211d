"""A project, or chosen clips of it, as one ZIP with a manifest of how everything was made."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import PurePath
from typing import IO, Any

from django.db.models import prefetch_related_objects
from django.db.models.fields.files import FieldFile
from django.utils import timezone
from django.utils.text import slugify

from studio.file_names import file_stem
from studio.media.zipping import Entry
from studio.models import Chain, Generation, Keyframe, Project, User
from studio.models.generation import State
from studio.services.errors import StudioError
from studio.services.exchange.archive_order import collection_records, saved_view_records
from studio.services.exchange.archive_people import author_of, makers
from studio.services.exchange.archive_review import ReviewRecords
from studio.services.exchange.manifests import FORMAT, MANIFEST
from studio.services.files import local_copy

# Names what is missing and why, for whoever unpacks the archive; there only where something is.
LEFT_OUT = "left-out.txt"
GONE = "its file is not in the studio any more."
# What is not in an archive, with the reason; shown before one is made and where one is imported.
NOT_INCLUDED = (
    "Members, invites and links for guests: they belong to this studio.",
    "Budgets, spend requests and the ledger: an imported clip costs nothing where it is imported.",
    "Shots that are not finished, that failed or that are in the trash: they have no clip.",
    "Exported films: render them again from their chains.",
    "Activity, notifications, webhooks, presets, kept prompts and blind tests: they belong to people "
    "and to this studio.",
    "Saved views that other people keep for themselves.",
)


def project_entries(
    project: Project, clips: Sequence[Generation] | None = None, *, by: User | None = None
) -> tuple[str, list[Entry]]:
    """Return the archive's name and files; `clips` are chosen ones, None is everything.

    Of the saved views, those that `by` sees; all without a person.

    All of the project's finished clips (archived ones too, not what is in the bin), its stills and its chains; of a
    selection, the stills its clips were made from and the chains that lie within it. Every file is
    as it is stored. Raises StudioError when there is nothing to archive.
    """
    everything = clips is None
    chosen = list(_finished(project)) if clips is None else [c for c in clips if c.is_clip]
    stills = list(project.keyframes.order_by("pk")) if everything else _stills_of(chosen)
    if not chosen and not stills:
        raise StudioError("There is nothing to archive: no finished clip, no still.")
    files: dict[Generation | Keyframe, Entry | None] = {
        clip: _entry_if_stored(clip_name(clip), clip.clip, clip.finished_at) for clip in chosen
    }
    files |= {
        still: _entry_if_stored(still_name(still), still.file, still.created_at) for still in stills
    }
    stored = [entry for entry in files.values() if entry is not None]
    if not stored:
        raise StudioError("There is nothing to archive: no file of it is in the studio any more.")
    gone = [clip_name(clip) for clip in chosen if files[clip] is None]
    gone += [still_name(still) for still in stills if files[still] is None]
    chosen = [clip for clip in chosen if files[clip]]
    stills = [still for still in stills if files[still]]
    chains = _chains_within(project, {clip.pk for clip in chosen})
    manifest = write_manifest(project, chosen, stills, chains)
    if everything:
        manifest["saved_views"] = saved_view_records(project, by)
    left_out = [f"{name}: {GONE}" for name in gone]
    manifest["not_included"] += left_out
    entries = [text_entry(MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1)), *stored]
    if left_out:
        entries.append(text_entry(LEFT_OUT, "".join(f"{line}\n" for line in left_out)))
    name = file_stem(project.name, otherwise="project")
    suffix = "" if everything else f"-{len(chosen)}-clips"
    return f"{name}{suffix}-{timezone.now():%Y-%m-%d}.zip", entries


def _finished(project: Project) -> Iterable[Generation]:
    return (
        project.generations.filter(state=State.SUCCEEDED, deleted_at=None)
        .select_related(
            "by",
            "start_keyframe",
            "end_keyframe",
            "start_generation",
            "end_generation",
            "verdict_by",
        )
        .defer("raw_answer")
        .order_by("number")
    )


def _stills_of(clips: Sequence[Generation]) -> list[Keyframe]:
    pks = {pk for c in clips for pk in (c.start_keyframe_id, c.end_keyframe_id) if pk}
    return list(Keyframe.objects.filter(pk__in=pks).order_by("pk"))


def _chains_within(project: Project, clips: set[int]) -> list[Chain]:
    """Return the chains whose segments are all among these clips, parents before branches."""
    found: list[Chain] = []
    rows = project.chains.filter(archived_at=None).prefetch_related("segments__generation")
    kept: set[int] = set()
    for chain in rows.order_by("pk"):
        segments = list(chain.segments.all())
        rooted = chain.branched_from_id is None or chain.branched_from_id in kept
        if segments and rooted and all(s.generation_id in clips for s in segments):
            kept.add(chain.pk)
            found.append(chain)
    return found


# ---- The manifest ----------------------------------------------------------------------------


def write_manifest(
    project: Project,
    clips: Sequence[Generation],
    stills: Sequence[Keyframe],
    chains: Sequence[Chain],
) -> dict[str, Any]:
    """Return what the archive says of itself: plain JSON, times in ISO 8601, money in micro-USD."""
    prefetch_related_objects(list(clips), "by", "verdict_by", "answers_comment")
    review, made_by = ReviewRecords(clips), makers(clips)
    # Nothing points at what is not in the archive: an import says what it does not find.
    inside = {clip.pk for clip in clips}
    return {
        "format": FORMAT,
        "made_at": _iso(timezone.now()),
        "project": {
            "code": str(project.code),
            "name": project.name,
            "description": project.description,
            "aspect_ratio": project.aspect_ratio,
            "duration_s": project.duration_s,
            "resolution": project.resolution,
            "style_notes": project.style_notes,
        },
        "not_included": list(NOT_INCLUDED),
        "clips": [_clip(clip, made_by.get(clip.pk), inside) | review.of(clip) for clip in clips],
        "stills": [_still(still, inside) for still in stills],
        "chains": [_chain(chain) for chain in chains],
        "collections": collection_records(project, clips),
    }


def _clip(clip: Generation, maker: str | None, inside: set[int]) -> dict[str, Any]:
    """`maker`: of an imported clip, who made it as its archive says."""
    start = clip.start_generation if clip.start_generation_id in inside else None
    end = clip.end_generation if clip.end_generation_id in inside else None
    return {
        "code": str(clip.code),
        "file": clip_name(clip),
        "sha256": clip.sha256,
        "size_bytes": clip.size_bytes,
        "number": clip.number,
        "title": clip.title,
        **({"by": maker, "guest": True} if maker else author_of(clip.by)),
        "created_at": _iso(clip.created_at),
        "finished_at": _iso(clip.finished_at),
        "prompt": clip.prompt,
        "sent_prompt": clip.sent_prompt,
        "concepts": clip.concepts,
        "duration_s": clip.duration_s,
        "aspect_ratio": clip.aspect_ratio,
        "resolution": clip.resolution,
        "loop": clip.loop,
        "provider": clip.provider,
        "model": clip.model,
        "job": clip.provider_job_id,
        "shot": str(clip.shot),
        "take": clip.take,
        "start_still": _code(clip.start_keyframe),
        "start_clip": _code(start),
        "end_still": _code(clip.end_keyframe),
        "end_clip": _code(end),
        "cost": {
            "charged": clip.charged,
            "microusd": clip.cost_microusd,
            "certainty": clip.cost_certainty.value,
            "credits": clip.actual_credits,
            "unit": clip.credit_unit,
        },
        "measured": {
            "width": clip.width,
            "height": clip.height,
            "duration_ms": clip.duration_ms,
            "fps": clip.fps,
        },
        "style_notes": clip.style_notes,
        "rating": clip.rating,
        "archived": clip.archived_at is not None,
    }


def _still(still: Keyframe, inside: set[int]) -> dict[str, Any]:
    grabbed_from = still.grabbed_from if still.grabbed_from_id in inside else None
    return {
        "code": str(still.code),
        "file": still_name(still),
        "sha256": still.sha256,
        "size_bytes": still.size_bytes,
        "name": still.name,
        "width": still.width,
        "height": still.height,
        "grabbed_from": _code(grabbed_from),
        "grabbed_at_ms": still.grabbed_at_ms,
    }


def _chain(chain: Chain) -> dict[str, Any]:
    return {
        "code": str(chain.code),
        "title": chain.title,
        "branched_from": _code(chain.branched_from),
        "branched_position": chain.branched_position,
        "segments": [
            {"position": s.position, "clip": str(s.generation.code)} for s in chain.segments.all()
        ],
    }


def _code(row: Generation | Keyframe | Chain | None) -> str | None:
    return None if row is None else str(row.code)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


# ---- Files -----------------------------------------------------------------------------------------


def clip_name(clip: Generation) -> str:
    """Return a clip's place in the archive; its number keeps it apart from all others.

    In ASCII: programs that pack an archive again still write other letters in codes of their own.
    """
    title = slugify(clip.title)[:50] or "clip"
    return f"clips/{clip.number:04d}-{title}-take-{clip.take}.{clip.container}"


def still_name(still: Keyframe) -> str:
    suffix = PurePath(still.file.name or "").suffix
    return f"stills/{slugify(still.name)[:50] or 'still'}-{str(still.code)[:8]}{suffix}"


def text_entry(name: str, text: str) -> Entry:
    """Return a file of an archive with this text."""
    data = text.encode()
    return Entry(name, len(data), lambda: closing(io.BytesIO(data)))


def _entry_if_stored(name: str, file: FieldFile, changed_at: datetime | None) -> Entry | None:
    try:
        return file_entry(name, file, changed_at)
    except StudioError:
        return None


def file_entry(name: str, file: FieldFile, changed_at: datetime | None) -> Entry:
    """Return a stored file as it is, to the bit. Raises StudioError when it is gone."""
    try:
        size = file.size
    except FileNotFoundError:
        raise StudioError(f"The file of “{name}” is not in the studio any more.") from None
    return Entry(name, size, lambda: _opened(file), changed_at)


@contextmanager
def _opened(file: FieldFile) -> Iterator[IO[bytes]]:
    with local_copy(file) as path, path.open("rb") as source:
        yield source
