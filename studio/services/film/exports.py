"""Exports: films made from chains. Asking for one, and what people do with it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from studio import export_lifecycle
from studio.file_names import file_stem
from studio.media.frames import exact_rate, frame_number
from studio.media.stitch import FILM_KINDS, MOST_FADE_S
from studio.models import Chain, Export, Generation, User
from studio.queue import enqueue
from studio.services import quotas
from studio.services.apart import Apart
from studio.services.chains import path_of
from studio.services.disk import check_room
from studio.services.errors import StudioError
from studio.services.files import scratch_dir

State = Export.State

FORMATS = {
    "h264": "MP4",
    "h264-high": "High-bitrate MP4 for editors",
    "prores": "ProRes 422 HQ for editors",
    "gif": "GIF preview",
    "webp": "WebP preview",
}
# On screen -> pixels on the short side; "" keeps the clips' own size.
SIZES = {"": 0, "540p": 540, "720p": 720, "1080p": 1080, "4k": 2160}
FADES_S = (0.0, 0.25, 0.5, 1.0)
CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
MOST_ATTEMPTS = 3
UNDO_FOR = timedelta(days=1)
ASK_AGAIN = timedelta(seconds=30)
NO_OPTIONS = "This export does not say which film to make. Export the chain again."


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What kind of film. Kept with the export as it was asked for."""

    format: str = "h264"  # a key of FORMATS
    size: str = ""  # a key of SIZES
    drop_repeated: bool = True
    crossfade_s: float = 0.0

    def check(self) -> None:
        """Raise StudioError naming the first field that is not allowed."""
        if self.format not in FORMATS:
            raise StudioError(
                f"Format is “{self.format}”; it must be one of {', '.join(FORMATS)}.",
                field="format",
            )
        if self.size not in SIZES:
            sizes = ", ".join(filter(None, SIZES))
            raise StudioError(
                f"Size is “{self.size}”; it must be empty or one of {sizes}.", field="size"
            )
        if not 0 <= self.crossfade_s <= MOST_FADE_S:
            raise StudioError(
                f"Cross-fade is {self.crossfade_s:g} s; it must be from 0 to {MOST_FADE_S:g} s.",
                field="crossfade_s",
            )

    @classmethod
    def of(cls, export: Export) -> ExportOptions:
        """Raises StudioError for a row that was not made by create_export."""
        try:
            return cls(**{name: export.options[name] for name in cls.__dataclass_fields__})
        except KeyError as error:
            raise StudioError(NO_OPTIONS) from error


def format_of(export: Export) -> str:
    """Return the key of FORMATS it is in; the usual one where its row does not say."""
    wanted = export.options.get("format")
    return wanted if wanted in FORMATS else ExportOptions.format


def create_export(*, chain: Chain, by: User, options: ExportOptions | None = None) -> Export:
    """Ask for a film of everything that plays to this chain's end, and return its export.

    The clips are those of this moment: a chain changed later gives another film. Raises
    StudioError while a segment is not rendered, and once this person's films of a day are used up.
    """
    options = options or ExportOptions()
    options.check()
    check_room()
    clips = [segment.generation for segment in path_of(chain)]
    _check_clips(clips)
    quotas.take(quotas.EXPORTS, by)
    with transaction.atomic():
        # One version at a time, however many ask at once.
        Chain.objects.select_for_update().get(pk=chain.pk)
        export = Export.objects.create(
            chain=chain,
            created_by=by,
            options=asdict(options)
            | {
                "version": _last_version(chain) + 1,
                "name": file_stem(chain.title, otherwise="film"),
                "clips": [str(clip.code) for clip in clips],
            },
            duration_ms=sum(clip.duration_ms or 0 for clip in clips),
        )
        enqueue("stitch_export", export.pk)
    return export


def _check_clips(clips: list[Generation]) -> None:
    if not clips:
        raise StudioError("This chain has no segments to export.")
    for number, clip in enumerate(clips, 1):
        if not clip.is_clip:
            raise StudioError(
                f"Segment {number}, “{clip.title}”, is not rendered. Export when it is, or take "
                "it out of the chain."
            )


def _last_version(chain: Chain) -> int:
    return max((e.options.get("version", 0) for e in chain.exports.only("options")), default=0)


def file_name(export: Export) -> str:
    """Return the name its download gets, such as the-long-night-v2.mp4."""
    name, version = export.options.get("name", "film"), export.options.get("version", 1)
    return f"{name}-v{version}{FILM_KINDS[format_of(export)].suffix}"


def content_type(export: Export) -> str:
    return CONTENT_TYPES[FILM_KINDS[format_of(export)].suffix]


def clips_of(export: Export) -> list[Generation]:
    """Return the clips an export is made of, in order; some may be there more than once.

    Raises StudioError for a row that was not made by create_export.
    """
    codes = export.options.get("clips")
    if codes is None:
        raise StudioError(NO_OPTIONS)
    rows = Generation.objects.filter(code__in=codes).defer("raw_answer")
    by_code = {str(clip.code): clip for clip in rows.select_related("project", "start_keyframe")}
    return [by_code[code] for code in codes if code in by_code]


def handed_over_at(clip: Generation, after: Generation | None) -> int | None:
    """Return when in `clip` the next one takes over, where that is not at its very end."""
    still = after.start_keyframe if after else None
    if still is None or still.grabbed_from_id != clip.pk or not still.grabbed_at_ms:
        return None
    rate = exact_rate(clip.fps)
    last = frame_number(clip.duration_ms or 0, rate) - 1
    return still.grabbed_at_ms if frame_number(still.grabbed_at_ms, rate) < last else None


def listed_exports(chains: Iterable[Chain]) -> QuerySet[Export]:
    """Return the exports of these chains that people see, newest first."""
    return (
        Export.objects.filter(chain__in=[chain.pk for chain in chains], deleted_at=None)
        .select_related("chain", "chain__project", "created_by")
        .order_by("-created_at", "-pk")
    )


# ---- What people do with one ---------------------------------------------------------------


def cancel(*, export: Export) -> bool:
    """Stop an export. False when it was over already."""
    return export_lifecycle.cancel(export.pk)


def try_again(*, export: Export) -> bool:
    """Start a failed or cancelled export anew, with the same clips. False when it is neither.

    Raises NoRoom while the disk is nearly full.
    """
    check_room()
    with transaction.atomic():
        queued = export_lifecycle.queue(
            export.pk, where=Q(state__in=[State.FAILED, State.CANCELLED]), attempts=0
        )
        if queued:
            enqueue("stitch_export", export.pk)
    return queued


def delete(*, export: Export) -> None:
    """Take an export off the list, stopping it first; `restore` brings it back for a day."""
    export_lifecycle.cancel(export.pk)
    Export.objects.filter(pk=export.pk).update(deleted_at=timezone.now())


def restore(*, export: Export) -> bool:
    """Undo `delete`. False when it is too late."""
    return bool(
        Export.objects.filter(pk=export.pk, deleted_at__isnull=False).update(deleted_at=None)
    )


# ---- Recovery and tidying --------------------------------------------------------------------


def revive_exports() -> int:
    """Look after exports nobody works on; safe to call at any time. Returns how many moved."""
    now = timezone.now()
    moved, apart = 0, Apart()
    for export in Export.objects.filter(state=State.RUNNING, lease_until__lt=now):
        with apart.one(f"export {export.pk}"):
            held = Q(lease_token=export.lease_token, lease_until__lt=now)
            if export.attempts >= MOST_ATTEMPTS:
                text = f"Stitching stopped its worker {export.attempts} times. Try a smaller size."
                moved += export_lifecycle.fail(export.pk, text=text, where=held)
            else:
                moved += export_lifecycle.queue(export.pk, where=held)
    waiting = Q(lease_until=None, created_at__lt=now - ASK_AGAIN) | Q(lease_until__lt=now)
    for pk in Export.objects.filter(waiting, state=State.QUEUED).values_list("pk", flat=True):
        # The queue may have lost the task; it is asked for at most every half minute.
        with apart.one(f"export {pk}"):
            if Export.objects.filter(waiting, pk=pk, state=State.QUEUED).update(
                lease_until=now + ASK_AGAIN
            ):
                enqueue("stitch_export", pk)
                moved += 1
    _purge_deleted()
    _tidy_scratch()
    return moved


def _purge_deleted() -> None:
    apart = Apart()
    over = Export.objects.filter(deleted_at__lt=timezone.now() - UNDO_FOR)
    for export in over.filter(state__in=sorted(Export.TERMINAL)).select_related("chain__project"):
        with apart.one(f"removing export {export.pk}"):
            export.delete()
            remove_files(export, but="")


def _tidy_scratch() -> None:
    """Remove what stitching left in the making: of exports that are over, or in other hands."""
    parts = {part: part.name.split("export-", 1)[1] for part in scratch_dir().glob("*export-*")}
    if not parts:
        return
    running = Export.objects.filter(state=State.RUNNING).values_list("code", "lease_token")
    alive = {f"{code}-{token[:8]}" for code, token in running}
    for part, name in parts.items():
        if not any(name.startswith(held) for held in alive):
            part.unlink(missing_ok=True)


def remove_files(export: Export, *, but: str | None = None) -> None:
    """Remove stored files of this export except `but` (by default its own): killed tries' ones."""
    folder = f"projects/{export.chain.project.code}/exports"
    kept = export.file.name if but is None else but
    with suppress(FileNotFoundError):
        for name in default_storage.listdir(folder)[1]:
            if name.startswith(str(export.code)) and f"{folder}/{name}" != kept:
                with suppress(OSError):
                    default_storage.delete(f"{folder}/{name}")


def options_from(form: dict[str, Any]) -> ExportOptions:
    """Read what a form or a command says. Raises StudioError as `ExportOptions.check` does."""
    raw = str(form.get("crossfade_s") or 0)
    try:
        fade = float(raw)
    except ValueError:
        raise StudioError(
            f"Cross-fade is “{raw[:20]}”; it must be a number of seconds.", field="crossfade_s"
        ) from None
    options = ExportOptions(
        format=str(form.get("format") or "h264"),
        size=str(form.get("size") or ""),
        drop_repeated=bool(form.get("drop_repeated")),
        crossfade_s=fade,
    )
    options.check()
    return options
