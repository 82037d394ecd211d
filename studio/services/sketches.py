"""Previs in place: a shot seen small and at once, before anything is asked for.

Nothing here makes a generation. Files are scratch: kept for an hour, so that the same look is
instant, and named by what they show, so that nobody can ask for another project's by its name.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import numpy as np
from django.conf import settings
from PIL import Image

from studio.media.video import first_frame, last_frame
from studio.models import Generation, Keyframe
from studio.previs import PrevisShot, render_frame
from studio.previs.render import render_frames
from studio.previs.shot import SHAPES
from studio.previs.sketch import order
from studio.services.disk import check_room
from studio.services.errors import StudioError
from studio.services.files import local_copy

LIFE_S = 3600
CLIP_AREA_PX = 320 * 180
CELL_AREA_PX = 240 * 135
TILE_PX = (120, 80)  # the shape of a camera glyph
STRIP_FRAMES = 24
PICTURE_SIDE_PX = 640
BUSY = "Previs is busy. Try again in a moment."
WAIT_S = 6.0  # for a place, before somebody is told to try again
LONGEST_RENDER_S = 25
_BEAT_S = 0.05
# Strips are short work: one at a time in each web process keeps a core free for pages.
_strips = threading.BoundedSemaphore(1)
# Of the 16 threads of a web process (studio.launcher.web), so many draw or wait for a place: pages
# are left the others. Whoever is one too many is told so at once, and the page asks again by itself.
MAX_THREADS = 6
_threads = threading.BoundedSemaphore(MAX_THREADS)


class Busy(StudioError):
    """Everything that renders sketches is taken; try again in a second."""


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """What somebody wants to see. Ends as on a Generation: a still, or a finished clip."""

    prompt: str = ""
    concepts: tuple[str, ...] = ()
    duration_s: int = 5
    aspect_ratio: str = "16:9"
    loop: bool = False
    start: Keyframe | Generation | None = None
    end: Keyframe | Generation | None = None


def sketch_dir() -> Path:
    """Return the folder of sketches; made on first use."""
    folder: Path = settings.DATA_DIR / "sketches"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def tidy_sketches() -> None:
    """Remove what is older than an hour, but for the locks, which somebody may hold."""
    for path in sketch_dir().iterdir():
        with suppress(OSError):
            if path.suffix != ".lock" and time.time() - path.stat().st_mtime > LIFE_S:
                path.unlink()


def sketch_clip(sketch: Sketch, *, person: int) -> Path:
    """Render the whole shot small, or find it from before; return the MP4.

    A process of its own does the work: one at a time for each person, and half the processors in
    all. Raises Busy when there is no place within seconds, and StudioError when it cannot be drawn.
    """
    size = small_size(sketch.aspect_ratio, CLIP_AREA_PX)
    shot = _shot(sketch)
    out = sketch_dir() / f"{_digest(shot, size)}.mp4"
    if _kept(out):
        return out
    tidy_sketches()
    check_room()
    with _thread(), _place([f"person-{person}"]), _place(_slots()):
        command = [sys.executable, "-m", "studio.previs.sketch"]
        try:
            done = subprocess.run(  # noqa: S603 (our own module; what it is told goes by its input)
                command,
                input=order(shot, out, size),
                text=True,
                capture_output=True,
                cwd=settings.BASE_DIR,
                timeout=LONGEST_RENDER_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Busy("The previs took too long: this machine is busy. Try again.") from error
    if done.returncode or not out.exists():
        raise StudioError("Previs could not draw this shot.")
    return out


def sketch_frame(sketch: Sketch) -> bytes:
    """Return the shot's first frame as WebP. Raises Busy and StudioError as `sketch_clip` does."""
    size = small_size(sketch.aspect_ratio, CLIP_AREA_PX)
    shot = _shot(sketch)
    with _thread(), _turn():
        return _webp(render_frame(shot, 0.0, size))


def move_strip(slug: str, picture: Keyframe | Generation, *, shape: str = "") -> Path:
    """Return a WebP of STRIP_FRAMES frames side by side: one camera word on one picture.

    As wide as a tile of the camera list, or, with `shape`, a cell of the contact sheet. A clip
    shows its last frame. Raises Busy and StudioError as `sketch_clip` does.
    """
    size = small_size(shape, CELL_AREA_PX) if shape else TILE_PX
    shot = _shot(Sketch(concepts=(slug,), start=picture))
    out = sketch_dir() / f"{_digest(shot, size)}.webp"
    if _kept(out):
        return out
    tidy_sketches()
    check_room()
    with _thread(), _turn():
        frames = np.concatenate(list(render_frames(shot, STRIP_FRAMES, size)), axis=1)
        _write(out, _webp(Image.fromarray(frames)))
    return out


def small_size(shape: str, area_px: int) -> tuple[int, int]:
    """Return (width, height) of this shape in even pixels, about `area_px` in all."""
    wide, high = SHAPES[shape]
    unit = math.sqrt(area_px / (wide * high))
    return round(wide * unit / 2) * 2, round(high * unit / 2) * 2


def _shot(sketch: Sketch) -> PrevisShot:
    shot = PrevisShot(
        prompt=sketch.prompt.strip(),
        concepts=sketch.concepts,
        duration_s=sketch.duration_s,
        aspect_ratio=sketch.aspect_ratio,
        resolution="540p",
        loop=sketch.loop,
        start=_picture(sketch.start, "start"),
        end=_picture(sketch.end, "end"),
        # Longer shots are looked at for their pace, and wait as long.
        fps=24 if sketch.duration_s <= 5 else 16,
    )
    if shot.start or shot.end:
        return replace(shot, prompt="")
    if not shot.prompt:
        raise StudioError("Write what happens in the shot, or add a frame, to see it.")
    return shot


def _picture(end: Keyframe | Generation | None, side: str) -> Path | None:
    """Return a small local picture of this end, kept with the sketches."""
    if end is None:
        return None
    if isinstance(end, Keyframe):
        path = sketch_dir() / f"still-{end.sha256}.webp"
        if not _kept(path):
            with end.thumbnail.open("rb") as file:
                _write(path, file.read())
        return path
    if not end.is_clip:
        raise StudioError(f"Clip {end.number} is not rendered yet, so its frames are not known.")
    path = sketch_dir() / f"{side}-{end.sha256 or end.code.hex}.webp"
    if not _kept(path):
        with local_copy(end.clip) as source:
            frame = last_frame(source) if side == "start" else first_frame(source)
        frame.thumbnail((PICTURE_SIDE_PX, PICTURE_SIDE_PX))
        _write(path, _webp(frame, quality=90))
    return path


def _kept(path: Path) -> bool:
    """Whether it is there; then its hour starts again, so that it stays while it is used."""
    with suppress(FileNotFoundError):
        os.utime(path)
        return True
    return False


def _digest(shot: PrevisShot, size: tuple[int, int]) -> str:
    # Pictures are named by what is in them, so the shot says everything that is seen.
    return hashlib.sha256(f"{shot!r} {size}".encode()).hexdigest()


def _webp(image: Image.Image, *, quality: int = 72) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=quality, method=2)
    return out.getvalue()


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    part.write_bytes(data)
    part.replace(path)


@contextmanager
def _thread() -> Iterator[None]:
    if not _threads.acquire(blocking=False):
        raise Busy(BUSY)
    try:
        yield
    finally:
        _threads.release()


@contextmanager
def _turn() -> Iterator[None]:
    if not _strips.acquire(timeout=WAIT_S):
        raise Busy(BUSY)
    try:
        yield
    finally:
        _strips.release()


def _slots() -> list[str]:
    return [f"slot-{index}" for index in range(max(1, (os.cpu_count() or 1) // 2))]


@contextmanager
def _place(names: list[str]) -> Iterator[None]:
    """Hold one of these locks of the machine; the kernel lets go of it if this process dies."""
    until = time.monotonic() + WAIT_S
    while True:
        for name in names:
            file = (sketch_dir() / f"{name}.lock").open("a")
            if _locked(file):
                with file:
                    yield
                return
            file.close()
        if time.monotonic() > until:
            raise Busy(BUSY)
        time.sleep(_BEAT_S)


def _locked(file: TextIO) -> bool:
    # Not on Windows, where the commands must still be able to say that they cannot run.
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
