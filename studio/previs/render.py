"""A shot rendered to an H.264 file or to single frames."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from studio.media.encode import VideoWriter
from studio.previs.raster import Pixels
from studio.previs.shot import PrevisShot, frame_size
from studio.previs.stage import Stage


class RenderCancelled(Exception):
    """The caller asked to stop; no file was left behind."""


def render_shot(
    shot: PrevisShot,
    out: Path,
    *,
    on_progress: Callable[[int, int], bool] | None = None,
    size: tuple[int, int] | None = None,
    preset: str = "veryfast",
) -> None:
    """Render `shot` to the MP4 file `out`, which appears only when it is whole.

    `on_progress(done, total)` is called after every frame; False stops the render, removes what
    was written and raises RenderCancelled. `size` replaces the pixel size, even numbers.
    Raises OSError for a picture that cannot be read or a folder that cannot be written.
    """
    width, height = size or frame_size(shot.aspect_ratio, shot.resolution)
    total = frame_count(shot)
    stage = Stage(shot, (width, height))
    with _beside(out) as part:
        with VideoWriter(part, width=width, height=height, fps=shot.fps, preset=preset) as video:
            for index in range(total):
                video.write(stage.frame(moment(shot, index)))
                if on_progress and not on_progress(index + 1, total):
                    raise RenderCancelled(f"Stopped after {index + 1} of {total} frames")
        part.replace(out)


def render_frame(shot: PrevisShot, at: float, size: tuple[int, int]) -> Image.Image:
    """Return the frame at `at` (0 is the first, 1 the last) as an RGB image of `size`."""
    return Image.fromarray(Stage(shot, size).frame(min(1.0, max(0.0, at))))


def render_frames(shot: PrevisShot, count: int, size: tuple[int, int]) -> Iterator[Pixels]:
    """Yield `count` frames (RGB arrays) spread evenly over `shot`, set up only once.

    In a loop the first follows the last, so the two are never the same.
    """
    stage = Stage(shot, size)
    last = count if shot.loop else max(1, count - 1)
    for index in range(count):
        yield stage.frame(index / last)


def frame_count(shot: PrevisShot) -> int:
    """Return how many frames `shot` has."""
    return max(2, round(shot.duration_s * shot.fps))


def moment(shot: PrevisShot, index: int) -> float:
    """Return the time 0 to 1 of a frame; the frame after a loop's last is its first again."""
    total = frame_count(shot)
    return index / total if shot.loop else index / (total - 1)


@contextlib.contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Give a temporary path in `out`'s folder; whatever is left of it afterwards is removed."""
    part = out.with_name(f".{out.stem}-{secrets.token_hex(4)}.part{out.suffix or '.mp4'}")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
