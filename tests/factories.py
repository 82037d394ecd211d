"""Rows and files for tests, each by one short call."""

from __future__ import annotations

import functools
import itertools
import tempfile
import uuid
from datetime import timedelta
from pathlib import Path

import numpy as np
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone
from PIL import Image

from studio.media.encode import VideoWriter
from studio.media.probing import probe_video
from studio.media.video import make_poster, make_preview, make_strip, sha256_of
from studio.models import Comment, Generation, Keyframe, Membership, Project, ProviderAccount, User
from studio.models.generation import TERMINAL_STATES, Charged, State
from studio.services.accounts import ensure_accounts

PASSWORD = "a-long-enough-password"
SIZES = {
    "16:9": (64, 36),
    "9:16": (36, 64),
    "1:1": (48, 48),
    "4:3": (64, 48),
    "3:4": (48, 64),
    "21:9": (84, 36),
    "9:21": (36, 84),
}
_numbers = itertools.count(1)


def make_user(name: str = "", **fields) -> User:
    number = next(_numbers)
    fields.setdefault("email", f"person{number}@example.com")
    fields.setdefault("may_make_projects", True)
    return User.objects.create_user(password=PASSWORD, name=name or f"Person {number}", **fields)


def make_project(owner: User | None = None, name: str = "Nordlys", **fields) -> Project:
    owner = owner or make_user()
    project = Project.objects.create(name=name, created_by=owner, **fields)
    make_member(project, owner, Membership.Role.OWNER)
    return project


def make_member(project: Project, user: User, role: str) -> Membership:
    return Membership.objects.create(project=project, user=user, role=role)


def make_previs() -> ProviderAccount:
    ensure_accounts()
    return ProviderAccount.objects.get(provider="previs", label="")


def make_generation(
    project: Project,
    *,
    by: User | None = None,
    state: str = State.SUCCEEDED,
    files: bool = False,
    seconds: int = 1,
    **fields,
) -> Generation:
    """Make one generation as it would be in `state`; with `files`, with real small media."""
    number = Project.objects.values_list("next_number", flat=True).get(pk=project.pk)
    Project.objects.filter(pk=project.pk).update(next_number=number + 1)
    account = fields.pop("account", None) or (
        ProviderAccount.objects.filter(provider="previs").first() or make_previs()
    )
    now = timezone.now()
    values = {
        "project": project,
        "by": by or project.created_by,
        "number": number,
        "title": f"Clip number {number}",
        "prompt": "Low cloud slides between the ridges.",
        "duration_s": 5,
        "aspect_ratio": "16:9",
        "resolution": "540p",
        "provider": account.provider,
        "model": "previs-1",
        "account": account,
        "state": state,
        "queue_rank": number,
        "estimated_microusd": 0,
        "charged": Charged.NO if state in TERMINAL_STATES else Charged.PENDING,
    }
    if state in TERMINAL_STATES:
        values["finished_at"] = now - timedelta(minutes=4)
    if state != State.QUEUED:
        values["submitted_at"] = now - timedelta(seconds=60)
        values["provider_job_id"] = uuid.uuid4().hex
    if state == State.SUCCEEDED:
        values |= _measured(fields.get("aspect_ratio", "16:9"), seconds)
    made = Generation(**(values | fields))
    if files:
        attach_files(made, seconds=seconds)
    with transaction.atomic():  # as bump() asks: a page that polls sees both or neither
        made.version = Project.bump(project.pk)
        made.save()
    return made


def _measured(aspect_ratio: str, seconds: int) -> dict[str, object]:
    width, height = SIZES[aspect_ratio]
    return {
        "clip": "made-up.mp4",
        "width": width,
        "height": height,
        "duration_ms": seconds * 1000,
        "fps": 24.0,
        "size_bytes": 1000,
        "sha256": uuid.uuid4().hex * 2,
        "progress": 100,
    }


def attach_files(generation: Generation, *, seconds: int = 1) -> None:
    """Give a generation real files in the storage. The caller saves."""
    clip, poster, strip, preview = drawn_clip(generation.aspect_ratio, seconds)
    for name, path in (("clip", clip), ("poster", poster), ("strip", strip), ("preview", preview)):
        getattr(generation, name).save(path.name, ContentFile(path.read_bytes()), save=False)
    generation.sha256 = sha256_of(clip)
    generation.size_bytes = clip.stat().st_size


@functools.cache
def drawn_clip(aspect_ratio: str, seconds: int) -> tuple[Path, Path, Path, Path]:
    """Return a small moving clip of this shape with its pictures, drawn once a test run."""
    folder = Path(tempfile.mkdtemp(prefix="drawn-clip-"))
    width, height = SIZES[aspect_ratio]
    out = folder / "clip.mp4"
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    with VideoWriter(out, width=width, height=height, crf=40, preset="ultrafast") as writer:
        for index in range(24 * seconds):
            shade = ((across * 3 + down * 2 + index * 2) % 256).astype(np.uint8)
            level = np.full_like(shade, index * 255 // (24 * seconds))
            writer.write(np.stack([shade, level, 255 - level], axis=-1))
    poster, strip, preview = (
        folder / name for name in ("poster.webp", "strip.webp", "preview.mp4")
    )
    make_poster(out, poster)
    make_strip(out, strip)
    make_preview(out, preview, facts=probe_video(out))
    return out, poster, strip, preview


def make_still(project: Project, *, shade: int = 90, size: tuple[int, int] = (64, 36)) -> Keyframe:
    """Make a keyframe with a real file and thumbnail."""
    folder = Path(tempfile.mkdtemp(prefix="still-"))
    path = folder / "still.webp"
    Image.new("RGB", size, (shade, shade // 2, 255 - shade)).save(path)
    still = Keyframe(
        project=project,
        name=f"Still {shade}",
        content_type="image/webp",
        sha256=uuid.uuid4().hex * 2,
        size_bytes=path.stat().st_size,
        width=size[0],
        height=size[1],
        uploaded_by=project.created_by,
    )
    still.file.save("still.webp", ContentFile(path.read_bytes()), save=False)
    still.thumbnail.save("still-thumb.webp", ContentFile(path.read_bytes()), save=False)
    still.save()
    return still


def make_comment(
    generation: Generation, author: User, text: str = "Lower the ridge", **fields
) -> Comment:
    return Comment.objects.create(generation=generation, author=author, text=text, **fields)
