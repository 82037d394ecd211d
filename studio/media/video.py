"""Video files: their frames, and what is derived from them.

Every reader opens local MP4, MOV, Matroska and WebM files only; playlists, pictures and network
addresses are refused. Times are whole milliseconds from the first frame.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from PIL import Image

from studio.media.atomic import replacing
from studio.media.display import Projection
from studio.media.encode import VideoWriter
from studio.media.facts import MediaFacts
from studio.media.frames import last_tick_at

__all__ = [
    "VideoUnreadable",
    "VideoWriter",
    "first_frame",
    "frame_at",
    "last_frame",
    "make_poster",
    "make_preview",
    "make_strip",
    "opened_video",
    "sha256_of",
]

MAX_SIDE = 8192  # pixels; a larger frame is refused before it is decoded
POSTER_SIDE = 1280
PREVIEW_SIDE = 480
PREVIEW_MAX_FPS = 30
STRIP_FRAMES = 6
STRIP_FRAME_WIDTH = 320
STRIP_MAX_HEIGHT = 1280  # of very tall clips, which are narrower then

CUT_SHORT = "The video file is cut short: its end is missing."
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"


class VideoUnreadable(ValueError):
    """The file is not a whole, playable video; the message is a sentence for people."""


def frame_at(path: Path, ms: int) -> Image.Image:
    """Return the frame on screen at `ms`, as RGB; past the end the last one.

    A frame's time rounded up or down to a whole millisecond means that frame.
    """
    with opened_video(path) as (container, stream):
        return Projection(stream).picture(shown_at(container, stream, ms))


def first_frame(path: Path) -> Image.Image:
    """Return the first frame as RGB."""
    return frame_at(path, 0)


def last_frame(path: Path) -> Image.Image:
    """Return the very last frame as RGB, the same pixels that decoding the whole file gives."""
    with opened_video(path) as (container, stream):
        for beginning in (_end_of(container, stream), None):
            ending = deque(_decoded_from(container, stream, beginning), maxlen=1)
            if ending:
                return Projection(stream).picture(ending[0])
        raise VideoUnreadable("The video has no frames.")


def make_poster(
    path: Path, out: Path, *, at_ms: int | None = None, facts: MediaFacts | None = None
) -> None:
    """Write a WebP of one frame, at most POSTER_SIDE on the long side; a third in by default."""
    with opened_video(path) as (container, stream):
        ms = _duration_ms(container, stream, facts) // 3 if at_ms is None else at_ms
        frame, projection = shown_at(container, stream, ms), Projection(stream)
        shown = projection.display(frame)
        picture = projection.picture(frame, _fit(shown.width, shown.height, POSTER_SIDE))
    with replacing(out) as temporary:
        picture.save(temporary, "WEBP", quality=80, method=4)


def make_strip(path: Path, out: Path, *, facts: MediaFacts | None = None) -> None:
    """Write STRIP_FRAMES frames side by side as one WebP, each at most STRIP_FRAME_WIDTH wide.

    The frames sit in the middle of equal parts of the clip, the first part on the left.
    """
    with opened_video(path) as (container, stream):
        duration_ms = _duration_ms(container, stream, facts)
        projection, pictures = Projection(stream), []
        for index in range(STRIP_FRAMES):
            ms = duration_ms * (2 * index + 1) // (2 * STRIP_FRAMES)
            frame = shown_at(container, stream, ms)
            shown = projection.display(frame)
            scale = min(STRIP_FRAME_WIDTH / shown.width, STRIP_MAX_HEIGHT / shown.height)
            size = max(1, round(shown.width * scale)), max(1, round(shown.height * scale))
            pictures.append(projection.picture(frame, size))
    width, height = pictures[0].size
    strip = Image.new("RGB", (width * STRIP_FRAMES, height))
    for index, picture in enumerate(pictures):
        strip.paste(picture, (index * width, 0))
    with replacing(out) as temporary:
        strip.save(temporary, "WEBP", quality=75, method=4)


def make_preview(path: Path, out: Path, *, facts: MediaFacts) -> None:
    """Write a small silent MP4 for playing under the pointer, PREVIEW_SIDE on the long side."""
    with opened_video(path) as (container, stream):
        projection = Projection(stream)
        shown = projection.display(shown_at(container, stream, 0))
        size = _fit(shown.width, shown.height, PREVIEW_SIDE, even=True)
        rate = min(facts.rate, Fraction(PREVIEW_MAX_FPS))
        with (
            replacing(out) as temporary,
            VideoWriter(
                temporary, width=size[0], height=size[1], fps=rate, crf=28, gop=12
            ) as writer,
        ):
            count = max(1, round(facts.duration * rate))
            frames = _decoded_from(container, stream, None)
            for frame in at_steady_rate(frames, rate, count):
                writer.write(projection.frame(frame, size, Colorspace.ITU709))


def sha256_of(path: Path) -> str:
    """Return the hexadecimal digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sound_of(container: InputContainer) -> AudioStream | None:
    """Return the stream that is heard, or None for a silent clip."""
    stream = container.streams.best("audio")
    return stream if isinstance(stream, AudioStream) else None


@contextlib.contextmanager
def opened_video(
    path: Path, *, options: dict[str, str] | None = None
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open for reading: whatever FFmpeg objects to inside the block becomes VideoUnreadable.

    Only a local MP4, MOV, Matroska or WebM file with a picture of at most MAX_SIDE is opened.
    """
    path.stat()
    options = (options or {}) | {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    try:
        with av.open(f"file:{path.absolute()}", options=options) as container:
            stream = container.streams.best("video")
            if not isinstance(stream, VideoStream) or not stream.codec_context.width:
                raise VideoUnreadable("The file has no moving picture in it.")
            if max(stream.codec_context.width, stream.codec_context.height) > MAX_SIDE:
                raise VideoUnreadable(f"The video is larger than {MAX_SIDE} pixels on a side.")
            stream.thread_type = "AUTO"
            yield container, stream
    except av.FFmpegError as error:
        raise VideoUnreadable(
            "The file is not an MP4, MOV or WebM video, or it is damaged."
        ) from error


def _decoded_from(
    container: InputContainer, stream: VideoStream, pts: int | None
) -> Iterator[av.VideoFrame]:
    """Decode from the last key frame at or before `pts`, or from the start for None."""
    beginning = stream.start_time or 0
    try:
        container.seek(beginning if pts is None else pts, stream=stream)
    except av.FFmpegError:
        container.seek(beginning, stream=stream)
    yield from container.decode(stream)


def shown_at(container: InputContainer, stream: VideoStream, ms: int) -> av.VideoFrame:
    """Return the decoded frame on screen at `ms`; past the end the last one."""
    assert stream.time_base is not None
    beginning = stream.start_time or 0
    target = beginning + last_tick_at(ms, stream.time_base)
    for seek_to in (target, None):
        shown = None
        for frame in _decoded_from(container, stream, seek_to):
            if frame.pts is not None and frame.pts > target and shown is not None:
                break
            shown = frame
        # An index without the right key frame lands too late: then decode from the start.
        if shown is not None and (shown.pts is None or shown.pts <= target or seek_to is None):
            return shown
    raise VideoUnreadable("The video has no frames.")


def at_steady_rate(
    frames: Iterator[av.VideoFrame], rate: Fraction, count: int
) -> Iterator[av.VideoFrame]:
    """Repeat or drop frames so that exactly `count` come, `rate` times a second.

    Each stays until the next one appears.
    """
    written = 0
    first: Fraction | None = None
    shown: av.VideoFrame | None = None
    for frame in frames:
        if written >= count:
            return
        at = Fraction(frame.pts or 0) * Fraction(frame.time_base or 1)
        first = at if first is None else first
        due = min(int((at - first) * rate + Fraction(1, 2)), count)
        while shown is not None and written < due:
            yield shown
            written += 1
        shown = frame
    if shown is not None:
        yield from itertools.repeat(shown, count - written)


def _end_of(container: InputContainer, stream: VideoStream) -> int | None:
    if stream.duration is not None:
        return (stream.start_time or 0) + stream.duration
    if container.duration is None or stream.time_base is None:
        return None
    return int(Fraction(container.duration, 1_000_000) / stream.time_base)


def _duration_ms(container: InputContainer, stream: VideoStream, facts: MediaFacts | None) -> int:
    """Return how long the picture lasts: as measured, or where it is not, as the file's header says."""
    if facts is not None:
        return facts.duration_ms
    if stream.duration is not None and stream.time_base is not None:
        return int(stream.duration * stream.time_base * 1000)
    return (container.duration or 0) // 1000


def _fit(width: int, height: int, side: int, *, even: bool = False) -> tuple[int, int]:
    scale = min(1.0, side / max(width, height))
    if even:
        return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
    return max(1, round(width * scale)), max(1, round(height * scale))
