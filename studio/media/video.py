"""Video files: measuring, frames and what is derived from them. PyAV lives here and in encode.

Every reader opens local MP4, MOV, Matroska and WebM files only; playlists, pictures and network
addresses are refused. Times are whole milliseconds from the first frame.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from studio.media.atomic import replacing
from studio.media.encode import SCALING, VideoWriter, matrix_of

__all__ = [
    "VideoInfo",
    "VideoUnreadable",
    "VideoWriter",
    "first_frame",
    "frame_at",
    "last_frame",
    "make_poster",
    "make_preview",
    "make_strip",
    "opened_video",
    "probe_video",
    "sha256_of",
]

MAX_SIDE = 8192  # pixels; a larger frame is refused before it is decoded
POSTER_SIDE = 1280
PREVIEW_SIDE = 480
PREVIEW_MAX_FPS = 30
STRIP_FRAMES = 6
STRIP_FRAME_WIDTH = 320

MATROSKA_SLACK_S = 0.25  # its packets may not say how long the last frame lasts

_CUT_SHORT = "The video file is cut short: its end is missing."
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"


class VideoUnreadable(ValueError):
    """The file is not a whole, playable video; the message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video file really is, counted from its packets and not taken from its header."""

    width: int  # pixels
    height: int
    duration_ms: int
    fps: float  # average
    frames: int
    bytes: int
    codec: str  # FFmpeg's name, e.g. "h264"
    pix_fmt: str  # e.g. "yuv420p"
    has_audio: bool


def probe_video(path: Path) -> VideoInfo:
    """Measure a video file; reads it once, decodes one frame.

    Raises VideoUnreadable when it is empty, of another kind, cut short or without a picture.
    """
    size = path.stat().st_size
    if not size:
        raise VideoUnreadable("The video file is empty.")
    with opened_video(path) as (container, stream):
        _check_boxes(path, size)
        count, end_s, span = _measure_packets(container, stream)
        declared_s = (container.duration or 0) / 1_000_000
        # MP4 tells by its boxes; there, edit lists make the declared length a poor witness.
        if "matroska" in container.format.name and end_s < declared_s - MATROSKA_SLACK_S:
            raise VideoUnreadable(_CUT_SHORT)
        if not count or span <= 0:
            raise VideoUnreadable("The video has no frames.")
        _shown_at(container, stream, 0)
        context = stream.codec_context
        return VideoInfo(
            width=context.width,
            height=context.height,
            duration_ms=round(span * 1000),
            fps=round(float(stream.average_rate or count / span), 3),
            frames=count,
            bytes=size,
            codec=context.name,
            pix_fmt=context.pix_fmt or "",
            has_audio=bool(container.streams.audio),
        )


def frame_at(path: Path, ms: int) -> Image.Image:
    """Return the frame on screen at `ms`, as RGB; past the end the last one.

    A frame's time rounded up or down to a whole millisecond means that frame.
    """
    with opened_video(path) as (container, stream):
        return _picture_of(_shown_at(container, stream, ms))


def first_frame(path: Path) -> Image.Image:
    """Return the first frame as RGB."""
    return frame_at(path, 0)


def last_frame(path: Path) -> Image.Image:
    """Return the very last frame as RGB, the same pixels that decoding the whole file gives."""
    with opened_video(path) as (container, stream):
        for beginning in (_end_of(container, stream), None):
            ending = deque(_decoded_from(container, stream, beginning), maxlen=1)
            if ending:
                return _picture_of(ending[0])
        raise VideoUnreadable("The video has no frames.")


def make_poster(path: Path, out: Path, *, at_ms: int | None = None) -> None:
    """Write a WebP of one frame, at most POSTER_SIDE on the long side; a third in by default."""
    with opened_video(path) as (container, stream):
        ms = _duration_ms(container, stream) // 3 if at_ms is None else at_ms
        frame = _shown_at(container, stream, ms)
        picture = _picture_of(frame, *_fit(frame.width, frame.height, POSTER_SIDE))
    with replacing(out) as temporary:
        picture.save(temporary, "WEBP", quality=80, method=4)


def make_strip(path: Path, out: Path) -> None:
    """Write STRIP_FRAMES frames side by side as one WebP, each STRIP_FRAME_WIDTH wide.

    The frames sit in the middle of equal parts of the clip, the first part on the left.
    """
    with opened_video(path) as (container, stream):
        duration_ms = _duration_ms(container, stream)
        pictures = []
        for index in range(STRIP_FRAMES):
            ms = duration_ms * (2 * index + 1) // (2 * STRIP_FRAMES)
            frame = _shown_at(container, stream, ms)
            height = max(1, round(STRIP_FRAME_WIDTH * frame.height / frame.width))
            pictures.append(_picture_of(frame, STRIP_FRAME_WIDTH, height))
    strip = Image.new("RGB", (STRIP_FRAME_WIDTH * STRIP_FRAMES, pictures[0].height))
    for index, picture in enumerate(pictures):
        strip.paste(picture, (index * STRIP_FRAME_WIDTH, 0))
    with replacing(out) as temporary:
        strip.save(temporary, "WEBP", quality=75, method=4)


def make_preview(path: Path, out: Path) -> None:
    """Write a small silent MP4 for playing under the pointer, PREVIEW_SIDE on the long side."""
    with opened_video(path) as (container, stream):
        context = stream.codec_context
        width, height = _fit(context.width, context.height, PREVIEW_SIDE, even=True)
        rate = min(stream.average_rate or Fraction(24), Fraction(PREVIEW_MAX_FPS))
        with (
            replacing(out) as temporary,
            VideoWriter(temporary, width=width, height=height, fps=rate, crf=28, gop=12) as writer,
        ):
            for frame in _at_steady_rate(_decoded_from(container, stream, None), stream, rate):
                writer.write(frame)


def sha256_of(path: Path) -> str:
    """Return the hexadecimal digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def _check_boxes(path: Path, size: int) -> None:
    """Refuse an MP4 or MOV whose media or index runs past the end of the file.

    Source: ISO/IEC 14496-12, 4.2 (box: 32-bit size and type; 1 means a 64-bit size follows, 0 to
    the end). Other files pass.
    """
    with path.open("rb") as file:
        offset = 0
        while len(head := file.read(16)) >= 8:
            length, kind = int.from_bytes(head[:4]), head[4:8]
            if length == 1:
                length = int.from_bytes(head[8:16])
            if length < 8:
                return
            offset += length
            if kind in {b"moov", b"mdat", b"moof"} and offset > size:
                raise VideoUnreadable(_CUT_SHORT)
            file.seek(offset)


def _measure_packets(container: InputContainer, stream: VideoStream) -> tuple[int, float, float]:
    """Return frames of `stream`, the end of all streams in s and the span of `stream` in s."""
    count, end_s = 0, 0.0
    first: Fraction | None = None
    last = Fraction(0)
    streams = [stream, *container.streams.audio]
    for packet in container.demux(streams):
        if packet.is_corrupt:
            raise VideoUnreadable(_CUT_SHORT)
        if not packet.size or packet.pts is None:
            continue
        start = packet.pts * packet.time_base
        end = start + (packet.duration or 0) * packet.time_base
        end_s = max(end_s, float(end))
        if packet.stream is stream:
            count += 1
            if not packet.is_discard:
                first = start if first is None else min(first, start)
                last = max(last, end)
    return count, end_s, float(last - (first or 0))


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


def _shown_at(container: InputContainer, stream: VideoStream, ms: int) -> av.VideoFrame:
    assert stream.time_base is not None
    beginning = stream.start_time or 0
    target = beginning + int(Fraction(max(0, ms) + 1, 1000) / stream.time_base)
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


def _at_steady_rate(
    frames: Iterator[av.VideoFrame], stream: VideoStream, rate: Fraction
) -> Iterator[av.VideoFrame]:
    """Repeat or drop frames so that they come `rate` times a second."""
    assert stream.time_base is not None
    written = 0
    first: int | None = None
    for frame in frames:
        pts = frame.pts or 0
        first = pts if first is None else first
        due = math.ceil((pts - first) * stream.time_base * rate - Fraction(1, 2)) + 1
        for _ in range(written, due):
            yield frame
        written = max(written, due)


def _end_of(container: InputContainer, stream: VideoStream) -> int | None:
    if stream.duration is not None:
        return (stream.start_time or 0) + stream.duration
    if container.duration is None or stream.time_base is None:
        return None
    return int(Fraction(container.duration, 1_000_000) / stream.time_base)


def _duration_ms(container: InputContainer, stream: VideoStream) -> int:
    if stream.duration is not None and stream.time_base is not None:
        return int(stream.duration * stream.time_base * 1000)
    return (container.duration or 0) // 1000


def _fit(width: int, height: int, side: int, *, even: bool = False) -> tuple[int, int]:
    scale = min(1.0, side / max(width, height))
    if even:
        return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _picture_of(
    frame: av.VideoFrame, width: int | None = None, height: int | None = None
) -> Image.Image:
    picture = frame.to_image(  # type: ignore[no-untyped-call]  # untyped in PyAV's stubs
        width=width, height=height, src_colorspace=matrix_of(frame), interpolation=SCALING
    )
    assert isinstance(picture, Image.Image)
    return picture
