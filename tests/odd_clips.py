"""Small clips of unusual kinds, written by PyAV: what cameras, phones and other services send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 96, 64
TICKS = 24_000  # of the clock of `write_odd`, a second
Draw = Callable[[int], np.ndarray]


def corners(index: int = 0, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Return RGB: red above left, green above right, blue below left, white below right."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2, 0] = 220
    picture[: height // 2, width // 2 :, 1] = 220
    picture[height // 2 :, : width // 2, 2] = 220
    picture[height // 2 :, width // 2 :] = 220
    return picture


def grey(level: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def write_odd(
    path: Path,
    *,
    draw: Draw = corners,
    count: int = 12,
    rate: int = 24,
    times: Sequence[Fraction] | None = None,
    ends: Fraction | None = None,
    matrix: Sequence[int] | None = None,
    aspect: Fraction | None = None,
    codec: str = "libx264",
    kind: str = "mp4",
    pix_fmt: str = "yuv420p",
    colours: tuple[int, int, int, int] = (1, 1, 1, 1),
    sound: str = "",
    sound_s: float = 0.5,
    layout: str = "stereo",
    bframes: int = 0,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a clip. `times` are when frames appear, `ends` when the last one ends, in seconds.

    `matrix` is a display matrix of nine numbers, `aspect` the sample aspect ratio, `sound` the codec
    of a tone. Drawn frames are RGB, or uint16 luma of the pixel format's own range.
    """
    times = times or [Fraction(index, rate) for index in range(count)]
    ends = ends or times[-1] + Fraction(1, rate)
    coding = {
        "libx264": {"crf": "10", "preset": "ultrafast"},
        "libx265": {"x265-params": "log-level=none"},
    }
    with av.open(str(path), "w", format=kind, options=options or {}) as out:
        out.metadata.update(metadata or {})
        first = draw(0)
        coded = coding.get(codec, {}) | ({"preset": "veryfast"} if bframes else {})
        stream = out.add_stream(codec, rate=rate, options=coded)
        stream.width, stream.height, stream.pix_fmt = first.shape[1], first.shape[0], pix_fmt
        context = stream.codec_context
        context.time_base = Fraction(1, TICKS)
        context.color_range, context.colorspace = colours[:2]
        context.color_primaries, context.color_trc = colours[2:]
        context.max_b_frames = bframes
        if aspect:
            context.sample_aspect_ratio = aspect
        if codec == "libx265":
            context.codec_tag = "hvc1"
        if matrix:
            stream.set_display_matrix(matrix)
        coded = {"strict": "experimental"} if sound == "vorbis" else {}
        heard = None
        if sound:
            heard = out.add_stream(sound, rate=48_000, layout=layout, options=coded)
        for index, at in enumerate(times):
            frame = _frame(draw(index), pix_fmt)
            frame.pts, frame.time_base = round(at * TICKS), Fraction(1, TICKS)
            until = times[index + 1] if index + 1 < len(times) else ends
            frame.duration = round((until - at) * TICKS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if heard:
            for at in range(0, round(sound_s * 48_000), 1024):
                block = av.AudioFrame(format="fltp", layout=layout, samples=1024)
                tone = np.sin(np.arange(at, at + 1024) * 0.05).astype(np.float32)
                for plane in block.planes:
                    plane.update(tone.tobytes())
                block.sample_rate, block.pts = 48_000, at
                block.time_base = Fraction(1, 48_000)
                out.mux(heard.encode(block))
            out.mux(heard.encode(None))
    return path


def _frame(picture: np.ndarray, pix_fmt: str) -> av.VideoFrame:
    if picture.dtype == np.uint8:
        return av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format=pix_fmt, dst_colorspace="itu709"
        )
    frame = av.VideoFrame(picture.shape[1], picture.shape[0], pix_fmt)
    for number, plane in enumerate(frame.planes):
        lines = np.full((plane.height, plane.line_size // 2), 512, np.uint16)
        if number == 0:
            lines[:, : plane.width] = picture
        plane.update(lines.tobytes())
    return frame


def with_apples_channels(clip: Path) -> Path:
    """Give a MOV of 5.1 sound the order of Apple's programs: centre, left, right, surround, bass."""
    data = bytearray(clip.read_bytes())
    tag = data.index(b"chan") + 8
    data[tag : tag + 4] = (124 << 16 | 6).to_bytes(4)
    clip.write_bytes(data)
    return clip
