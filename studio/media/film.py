"""Writing a film of pictures and sound in the kinds people ask for."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np
from av.audio.stream import AudioStream
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.stream import VideoStream

from studio.media.facts import Colours
from studio.media.normalising import SOUND_LAYOUT, SOUND_RATE, Samples
from studio.media.writing import WholeOrGone


@dataclass(frozen=True, slots=True)
class FilmKind:
    """How a film is encoded, and what its file is called."""

    container: str  # FFmpeg's name of the format
    codec: str
    pix_fmt: str
    suffix: str
    options: dict[str, str] = field(default_factory=dict)
    sound: str | None = "aac"
    sound_bps: int | None = 192_000
    max_side: int | None = None  # pixels; larger films are scaled down
    max_fps: int | None = None

    @property
    def tagged(self) -> bool:
        """Whether its colours can be said to be something; GIF is RGB, WebP always BT.601."""
        return self.max_side is None


FILM_KINDS = {
    "h264": FilmKind("mp4", "libx264", "yuv420p", ".mp4", {"crf": "18", "preset": "veryfast"}),
    "h264-high": FilmKind(
        "mp4", "libx264", "yuv420p", ".mp4", {"crf": "8", "preset": "veryfast"}, sound_bps=320_000
    ),
    "prores": FilmKind(
        "mov",
        "prores_ks",
        "yuv422p10le",
        ".mov",
        {"profile": "hq", "vendor": "apl0"},
        sound="pcm_s24le",
        sound_bps=None,
    ),
    "gif": FilmKind("gif", "gif", "pal8", ".gif", sound=None, max_side=480, max_fps=12),
    "webp": FilmKind(
        "webp",
        "libwebp_anim",
        "yuv420p",
        ".webp",
        {"quality": "70", "compression_level": "2"},
        sound=None,
        max_side=480,
        max_fps=15,
    ),
}

# A MOV goes to an editor from a disk; moving gigabytes to put its index first gains nothing.
_CONTAINER_OPTIONS = {"mp4": {"movflags": "+faststart"}, "webp": {"loop": "0"}}


class FilmWriter(WholeOrGone):
    """Write yuv420p pictures and stereo samples to a file of one kind: a context manager.

    `path` is written as given; pass a temporary name and rename it. When the block raises, the
    file is deleted.
    """

    def __init__(
        self,
        path: Path,
        kind: FilmKind,
        *,
        size: tuple[int, int],
        fps: Fraction,
        sound: bool,
        colours: Colours,
    ) -> None:
        self.path = path
        self._kind = kind
        self._size = size
        self._fps = fps
        self._colours = colours
        self._with_sound = sound and kind.sound is not None
        self._frames = 0
        self._heard = 0  # samples
        self._palette: Graph | None = None
        self._video: VideoStream
        self._audio: AudioStream | None = None

    def __enter__(self) -> Self:
        kind = self._kind
        options = _CONTAINER_OPTIONS.get(kind.container, {})
        self._container = av.open(str(self.path), "w", format=kind.container, options=options)
        video = self._container.add_stream(kind.codec, rate=self._fps, options=kind.options)
        assert isinstance(video, VideoStream)
        video.width, video.height = self._size
        video.pix_fmt = kind.pix_fmt
        context = video.codec_context
        context.time_base = 1 / self._fps
        context.thread_count = 0
        if kind.codec == "libx264":
            context.gop_size = max(1, round(self._fps))
        if kind.tagged:
            context.color_range, context.colorspace = self._colours[:2]
            context.color_primaries, context.color_trc = self._colours[2:]
        self._video = video
        if self._with_sound:
            assert kind.sound is not None
            audio = self._container.add_stream(kind.sound, rate=SOUND_RATE, layout=SOUND_LAYOUT)
            assert isinstance(audio, AudioStream)
            if kind.sound_bps:
                audio.bit_rate = kind.sound_bps
            self._audio = audio
        return self

    def write(self, picture: av.VideoFrame, samples: Samples | None = None) -> None:
        """Append one frame, and the samples heard while it is seen."""
        picture.pts, picture.time_base = self._frames, 1 / self._fps
        self._frames += 1
        if self._kind.codec == "gif":
            self._paint(picture)
            return
        self._container.mux(self._video.encode(picture))
        if samples is not None and self._audio is not None and samples.shape[1]:
            block = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples), format="fltp", layout=SOUND_LAYOUT
            )
            block.sample_rate, block.pts = SOUND_RATE, self._heard
            block.time_base = Fraction(1, SOUND_RATE)
            self._heard += samples.shape[1]
            self._container.mux(self._audio.encode(block))

    def _paint(self, picture: av.VideoFrame | None) -> None:
        """GIF has 256 colours: each frame gets the ones it needs."""
        if self._palette is None:
            self._palette = _palette_graph(self._size, 1 / self._fps)
        self._palette.push(picture)
        with contextlib.suppress(BlockingIOError, av.error.EOFError):
            while True:
                self._container.mux(self._video.encode(self._palette.vpull()))

    def _finish(self) -> None:
        if self._palette is not None:
            self._paint(None)
        self._container.mux(self._video.encode(None))
        if self._audio is not None:
            self._container.mux(self._audio.encode(None))
        super()._finish()


def _palette_graph(size: tuple[int, int], time_base: Fraction) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=size[0], height=size[1], format=VideoFormat("yuv420p"), time_base=time_base
    )
    both, colours = graph.add("split"), graph.add("palettegen", "stats_mode=single")
    painted = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=3")
    source.link_to(both)
    both.link_to(painted, 0, 0)
    both.link_to(colours, 1, 0)
    colours.link_to(painted, 0, 1)
    painted.link_to(graph.add("buffersink"))
    graph.configure()
    return graph
