"""Writing H.264 video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Self

import av
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from studio.media.writing import WholeOrGone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT

_LARGE_PX = 4_000_000  # pixels in a frame from which memory counts for more than bytes
_BT709 = 1  # the code of matrix, primaries and transfer in ITU-T H.273
_UNSPECIFIED_MATRIX = 2
_LIMITED_RANGE = 1


def matrix_of(frame: av.VideoFrame) -> Colorspace | None:
    """Say how untagged colours are meant: as browsers do, BT.709 from 720 lines up."""
    if frame.format.is_rgb or frame.colorspace != _UNSPECIFIED_MATRIX:
        return None
    return Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601


class VideoWriter(WholeOrGone):
    """Write frames to an H.264 MP4 that plays everywhere: a context manager.

    yuv420p in BT.709 (limited range, tagged), one key frame a second unless `gop` says otherwise,
    index at the front, constant frame rate. `path` is written as given, whatever its suffix: pass
    a temporary name and rename it. When the block raises, or writes no frame, the file is deleted.
    `metadata` takes the keys MP4 knows, such as title, comment, artist and date.
    Raises ValueError for odd or empty sizes and for frames of another size.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        fps: int | Fraction = 24,
        crf: int = 18,
        preset: str = "veryfast",
        threads: int = 2,
        gop: int | None = None,
        metadata: dict[str, str] | None = None,
    ) -> None:
        if width < 2 or height < 2 or width % 2 or height % 2:
            raise ValueError(f"a size of {width} x {height} is not even, as yuv420p needs")
        self.path = path
        self.frames = 0  # written so far
        self._size = (width, height)
        self._rate = Fraction(fps)
        self._threads = threads
        self._gop = gop or max(1, round(self._rate))
        self._options = {"crf": str(crf), "preset": preset}
        if width * height > _LARGE_PX:
            # Every frame x264 looks ahead or refers to costs about 17 MB at 4K.
            self._options["x264-params"] = "rc-lookahead=1:bframes=0:ref=1"
        self._metadata = metadata or {}
        self._reformatter = VideoReformatter()
        self._stream: VideoStream

    def __enter__(self) -> Self:
        self._container = av.open(
            str(self.path), "w", format="mp4", options={"movflags": "+faststart"}
        )
        self._container.metadata.update(self._metadata)
        stream = self._container.add_stream("libx264", rate=self._rate, options=self._options)
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = 1 / self._rate
        context.gop_size = self._gop
        context.thread_count = self._threads
        context.color_range = _LIMITED_RANGE
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        self._stream = stream
        return self

    def write(self, frame: Image.Image | NDArray[np.uint8] | av.VideoFrame) -> None:
        """Append one frame: a PIL RGB image, a uint8 RGB array of height x width x 3 (both of the
        video's size), or a decoded frame of any size and format, which is scaled.
        """
        if isinstance(frame, av.VideoFrame):
            source = frame
        elif isinstance(frame, Image.Image):
            self._check_size(frame.size)
            source = av.VideoFrame.from_image(frame.convert("RGB"))  # type: ignore[no-untyped-call]  # untyped in PyAV's stubs
        else:
            self._check_size((frame.shape[1], frame.shape[0]))
            source = av.VideoFrame.from_ndarray(frame, format="rgb24")
        ready = self._reformatter.reformat(
            source,
            *self._size,
            format="yuv420p",
            src_colorspace=matrix_of(source),
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=SCALING,
            threads=self._threads,
        )
        ready.pts, ready.time_base = self.frames, 1 / self._rate
        ready.pict_type = 0
        self._container.mux(self._stream.encode(ready))
        self.frames += 1

    def _finish(self) -> None:
        if not self.frames:
            raise ValueError("a video needs at least one frame")
        self._container.mux(self._stream.encode(None))
        super()._finish()

    def _check_size(self, size: tuple[int, int]) -> None:
        if size != self._size:
            raise ValueError(f"a frame of {size} does not fit a video of {self._size}")
