"""The stills of a project: kept once, shown where they are used, deleted only when unused."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from math import log
from pathlib import PurePath
from typing import Any, BinaryIO

from django.core.files.base import File
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, Q
from django.db.models.fields.files import FieldFile

from studio.incoming_text import cut, tidy_line
from studio.media.images import (
    CropBox,
    ImageRefused,
    StillImage,
    cover_crop_to,
    crop_image,
    normalise_image,
    thumbnail_webp,
)
from studio.models import Generation, Keyframe, Project, User
from studio.models.keyframe import keyframe_path, thumbnail_path
from studio.models.project import ASPECT_RATIOS
from studio.plain_text import one_line
from studio.services import disk
from studio.services.errors import StudioError
from studio.services.files import keep_bytes

NAME_LENGTH = 120
ENDINGS = frozenset(
    f".{kind}"
    for kind in [
        "png",
        "jpg",
        "jpeg",
        "jpe",
        "webp",
        "gif",
        "tif",
        "tiff",
        "bmp",
        "avif",
        "heic",
        "heif",
        "svg",
    ]
)
WHOLE = 0.999  # a crop of at least this part of both sides is the picture itself


def store_keyframe(
    *,
    project: Project,
    by: User,
    source: bytes | BinaryIO | File[bytes],
    name: str,
    grabbed_from: Generation | None = None,
    grabbed_at_ms: int | None = None,
    cropped_from: Keyframe | None = None,
) -> tuple[Keyframe, bool]:
    """Normalise a picture and keep it in the project; return it and whether it is new.

    The same picture twice is stored once: the second time returns the first one. Call outside a
    transaction: files are written before the row, and removed again when another request's row
    with the same picture was faster.
    Raises studio.media.images.ImageRefused, a sentence for people, for what cannot be used.
    """
    _check_room()
    data: Any = source if isinstance(source, bytes) else getattr(source, "file", source)
    still = normalise_image(data)
    return _keep(
        project=project,
        by=by,
        still=still,
        name=name_from_file(name),
        grabbed_from=grabbed_from,
        grabbed_at_ms=grabbed_at_ms,
        cropped_from=cropped_from,
    )


def crop_keyframe(
    *, keyframe: Keyframe, by: User, box: CropBox | None = None, shape: str = ""
) -> tuple[Keyframe, bool]:
    """Keep a part of a still as a still of its own: `box`, or the middle in `shape` ("16:9").

    A box that is the whole picture returns the still itself. Raises ImageRefused as `crop_image`
    does, and ValueError for a shape that is not like 16:9.
    """
    box = box or cover_crop_to(shape, width=keyframe.width, height=keyframe.height)
    if min(box.width, box.height) >= WHOLE and max(box.x, box.y) <= 1 - WHOLE:
        return keyframe, False
    _check_room()
    with keyframe.file.open("rb") as file:
        data = file.read()
    still = crop_image(data, **box._asdict())
    words = f", {shape}" if shape else ", cropped"
    return _keep(
        project=keyframe.project,
        by=by,
        still=still,
        name=keyframe.name[: NAME_LENGTH - len(words)] + words,
        cropped_from=keyframe,
    )


def rename_keyframe(*, keyframe: Keyframe, name: str) -> None:
    """Give a still another name; 1 to 120 characters."""
    name = tidy_line(name)
    if not 1 <= len(name) <= NAME_LENGTH:
        raise StudioError(
            f"The name has {len(name)} characters; 1 to {NAME_LENGTH} are allowed.", field="name"
        )
    keyframe.name = name
    keyframe.save(update_fields=["name"])


def delete_keyframe(*, keyframe: Keyframe) -> None:
    """Delete a still and its files. Raises StudioError naming the clips while any uses it."""
    files = [keyframe.file, keyframe.thumbnail]
    try:
        keyframe.delete()
    except (ProtectedError, IntegrityError):
        raise StudioError(_used_sentence(keyframe)) from None
    transaction.on_commit(partial(_drop, *files))


def usage(keyframes: Iterable[Keyframe]) -> dict[int, list[Generation]]:
    """Return, for each still, the generations that start or end with it, oldest first; one query.

    Archived ones are included: they can be brought back.
    """
    pks = [keyframe.pk for keyframe in keyframes]
    rows = (
        Generation.objects.filter(Q(start_keyframe__in=pks) | Q(end_keyframe__in=pks))
        .only("code", "number", "title", "start_keyframe_id", "end_keyframe_id")
        .order_by("number")
    )
    found: dict[int, list[Generation]] = {pk: [] for pk in pks}
    for generation in rows:
        for pk in {generation.start_keyframe_id, generation.end_keyframe_id} & found.keys():
            assert pk is not None
            found[pk].append(generation)
    return found


def nearest_shape(width: int, height: int) -> str:
    """Return the shape Ray offers that is closest to a picture of this size in pixels."""
    return min(ASPECT_RATIOS, key=lambda shape: abs(log(width / height / ratio_of(shape))))


def ratio_of(shape: str) -> float:
    """Return width by height of a shape such as "16:9"."""
    across, _, down = shape.partition(":")
    return int(across) / int(down)


def name_from_file(name: str) -> str:
    """Return a still's name from an uploaded file's: without folder and ending, at most 120 long."""
    plain = PurePath(name.replace("\\", "/"))
    stem = plain.stem if plain.suffix.lower() in ENDINGS else plain.name
    stem = stem.replace("_", " ")
    return cut(one_line(stem), NAME_LENGTH).strip() or "Still"


def _check_room() -> None:
    if said := disk.shortage():
        raise ImageRefused(said)


def _keep(
    *, project: Project, by: User, still: StillImage, name: str, **origin: Any
) -> tuple[Keyframe, bool]:
    known = _known(project, still, origin.get("grabbed_from"))
    if known:
        return known, False
    keyframe = Keyframe(
        project=project,
        uploaded_by=by,
        name=name,
        content_type=still.content_type,
        sha256=still.sha256,
        size_bytes=len(still.data),
        width=still.width,
        height=still.height,
        **origin,
    )
    thumbnail = thumbnail_webp(still.data)
    try:
        keyframe.file = keep_bytes(still.data, keyframe_path(keyframe, f".{still.extension}"))
        keyframe.thumbnail = keep_bytes(thumbnail, thumbnail_path(keyframe, ""))
        with transaction.atomic():
            keyframe.save(force_insert=True)
    except BaseException as error:
        _drop(keyframe.file, keyframe.thumbnail)
        if not isinstance(error, IntegrityError):
            raise
        known = _known(project, still, origin.get("grabbed_from"))
        if known is None:
            raise
        return known, False
    return keyframe, True


def _known(project: Project, still: StillImage, grabbed_from: Generation | None) -> Keyframe | None:
    known = Keyframe.objects.filter(project=project, sha256=still.sha256).first()
    if known and grabbed_from and known.grabbed_from_id is None:
        # A clip may end on a still the project already has; it may then continue from it.
        known.grabbed_from = grabbed_from
        known.save(update_fields=["grabbed_from"])
    return known


def _drop(*files: FieldFile) -> None:
    for file in files:
        # An orphaned file costs a little room; failing here would cost the answer.
        with suppress(OSError):
            if file.name:
                file.storage.delete(file.name)


def _used_sentence(keyframe: Keyframe) -> str:
    numbers = [str(g.number) for g in usage([keyframe])[keyframe.pk]]
    clips = f"clip {numbers[0]}" if len(numbers) == 1 else f"clips {', '.join(numbers[:-1])} and "
    clips += numbers[-1] if len(numbers) > 1 else ""
    return f"“{keyframe}” is used by {clips}. Only a still that no clip uses can be deleted."
