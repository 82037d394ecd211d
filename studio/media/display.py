"""A picture as a player shows it: turned by the display matrix, its pixels made square."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, Self

import av
import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from studio.media.encode import SCALING, matrix_of
from studio.media.tonemapping import ToneMapper, is_beyond_bt709

FULL_RANGE = 2
_CODES = {Colorspace.ITU709: 1, Colorspace.ITU601: 6}  # in ITU-T H.273
MAX_STRETCH = 4  # a sample aspect ratio beyond it, or its inverse, is damage


class Turn(NamedTuple):
    """One of the eight ways a stored picture can be meant to be shown."""

    turned: int  # degrees clockwise
    mirrored: bool  # before it is turned
    transpose: Image.Transpose | None  # Pillow's
    filters: str  # FFmpeg's, comma-separated


# By the signs of a display matrix's a, b, c and d (ISO/IEC 14496-12, 6.2.2): a point (x, y) is
# shown at (a·x + c·y, b·x + d·y), y downwards.
_TURNS = {
    (1, 0, 0, 1): Turn(0, False, None, ""),
    (0, 1, -1, 0): Turn(90, False, Image.Transpose.ROTATE_270, "transpose=clock"),
    (-1, 0, 0, -1): Turn(180, False, Image.Transpose.ROTATE_180, "hflip,vflip"),
    (0, -1, 1, 0): Turn(270, False, Image.Transpose.ROTATE_90, "transpose=cclock"),
    (-1, 0, 0, 1): Turn(0, True, Image.Transpose.FLIP_LEFT_RIGHT, "hflip"),
    (0, -1, -1, 0): Turn(90, True, Image.Transpose.TRANSVERSE, "transpose=clock_flip"),
    (1, 0, 0, -1): Turn(180, True, Image.Transpose.FLIP_TOP_BOTTOM, "vflip"),
    (0, 1, 1, 0): Turn(270, True, Image.Transpose.TRANSPOSE, "transpose=cclock_flip"),
}
UPRIGHT = _TURNS[1, 0, 0, 1]


@dataclass(frozen=True, slots=True)
class Display:
    """How a stream's pictures are to be shown."""

    turn: Turn
    sample_aspect: Fraction
    width: int  # pixels, as shown
    height: int

    @classmethod
    def of(cls, frame: av.VideoFrame, sample_aspect: Fraction | None) -> Self:
        """Return what a decoded frame and its stream's sample aspect ratio say."""
        turn, aspect = turn_of(frame), Fraction(sample_aspect or 1)
        if not Fraction(1, MAX_STRETCH) <= aspect <= MAX_STRETCH:
            aspect = Fraction(1)
        # As browsers do: one side is stretched, none is shrunk.
        width, height = frame.width, frame.height
        if aspect > 1:
            width = round(width * aspect)
        else:
            height = round(height / aspect)
        if turn.turned % 180:
            width, height = height, width
        return cls(turn, aspect, width, height)

    def before_turning(self, width: int, height: int) -> tuple[int, int]:
        """Return the size to scale to, so that the turned picture has this size."""
        return (height, width) if self.turn.turned % 180 else (width, height)


def turn_of(frame: av.VideoFrame) -> Turn:
    """Return how a frame is to be turned; an angle that is no quarter becomes the nearest one."""
    # PyAV's side data and its frame hold each other until the garbage collector comes: a small one.
    small = frame.reformat(width=16, height=16, format="gray")
    data: Any = small.side_data.get("DISPLAYMATRIX")
    if data is None:
        return UPRIGHT
    matrix = np.frombuffer(data, np.int32)
    a, b, c, d = (int(matrix[at]) for at in (0, 1, 3, 4))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        b = c = 0
    else:
        a = d = 0
    return _TURNS.get((_sign(a), _sign(b), _sign(c), _sign(d)), UPRIGHT)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


class Projection:
    """Shows the frames of one stream: upright, in square pixels, in colours of an ordinary screen."""

    def __init__(self, stream: VideoStream) -> None:
        self._sample_aspect = stream.sample_aspect_ratio
        self._reformatter = VideoReformatter()
        self._tones = ToneMapper()
        self._turning: Graph | None = None
        self._turned_size = (0, 0)
        self._display: Display | None = None
        self._displayed: tuple[int, ...] = ()

    def display(self, frame: av.VideoFrame) -> Display:
        kind = (frame.width, frame.height, frame.rotation)
        if self._display is None or self._displayed != kind:
            self._display = Display.of(frame, self._sample_aspect)
            self._displayed = kind
        return self._display

    def picture(self, frame: av.VideoFrame, size: tuple[int, int] | None = None) -> Image.Image:
        """Return a frame as RGB, of this size in pixels as shown; of its own by default."""
        shown = self.display(frame)
        width, height = shown.before_turning(*(size or (shown.width, shown.height)))
        if is_beyond_bt709(frame):
            frame = self._tones.mapped(frame, width, height)
        picture = frame.to_image(  # type: ignore[no-untyped-call]  # untyped in PyAV's stubs
            width=width, height=height, src_colorspace=matrix_of(frame), interpolation=SCALING
        )
        assert isinstance(picture, Image.Image)
        transpose = shown.turn.transpose
        return picture if transpose is None else picture.transpose(transpose)

    def luma(self, frame: av.VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return a frame's brightness as stored, rows x columns, of this size as shown."""
        shown = self.display(frame)
        width, height = shown.before_turning(*size)
        grey = frame.reformat(width=width, height=height, format="gray").to_ndarray()
        if shown.turn.transpose is not None:
            grey = np.asarray(Image.fromarray(grey).transpose(shown.turn.transpose))
        return np.asarray(grey, dtype=np.uint8)

    def frame(
        self, frame: av.VideoFrame, size: tuple[int, int], matrix: Colorspace | None
    ) -> av.VideoFrame:
        """Return a frame as yuv420p of this size (even pixels) as shown; untouched if it is so.

        `matrix` is what its colours are turned into; None leaves them as they are.
        """
        shown = self.display(frame)
        before = shown.before_turning(*size)
        if matrix is not None and is_beyond_bt709(frame):
            frame = self._tones.mapped(frame, *before)
        if (frame.width, frame.height) != before or not _is_yuv420p(frame, matrix):
            frame = self._reformatter.reformat(
                frame,
                *before,
                format="yuv420p",
                **_recolouring(frame, matrix),
                interpolation=SCALING,
                threads=2,
            )
        return self._turned(frame, shown.turn) if shown.turn.filters else frame

    def _turned(self, frame: av.VideoFrame, turn: Turn) -> av.VideoFrame:
        size = (frame.width, frame.height)
        if self._turning is None or self._turned_size != size:
            self._turning, self._turned_size = Graph(), size
            source = self._turning.add_buffer(
                width=size[0],
                height=size[1],
                format=VideoFormat("yuv420p"),
                time_base=Fraction(1, 1000),
            )
            filters = [self._turning.add(*name.split("=")) for name in turn.filters.split(",")]
            sink = self._turning.add("buffersink")
            self._turning.link_nodes(source, *filters, sink).configure()
        self._turning.push(frame)
        turned = self._turning.pull()
        assert isinstance(turned, av.VideoFrame)
        return turned


def _is_yuv420p(frame: av.VideoFrame, matrix: Colorspace | None) -> bool:
    if frame.format.name != "yuv420p":
        return False
    if matrix is None:
        return True
    meant = matrix_of(frame)
    right = frame.colorspace == _CODES[matrix] if meant is None else meant == matrix
    return right and frame.color_range != FULL_RANGE


def _recolouring(frame: av.VideoFrame, matrix: Colorspace | None) -> dict[str, Any]:
    if matrix is None:
        return {}
    return {
        "src_colorspace": matrix_of(frame),
        "dst_colorspace": matrix,
        "dst_color_range": ColorRange.MPEG,
    }
