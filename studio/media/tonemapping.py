"""High dynamic range and wide gamuts, brought to what an ordinary screen shows: sRGB, BT.709 primaries.

Light of 203 nits, the white of paper in HDR (ITU-R BT.2408), becomes nearly white; what is brighter
is rolled off above it instead of being cut. The conversion is a table of colours that FFmpeg's
`lut3d` looks up.
"""

from __future__ import annotations

import functools
import io
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.reformatter import ColorRange, VideoReformatter
from numpy.typing import NDArray

from studio.media.encode import SCALING, matrix_of
from studio.media.facts import HLG, PQ

Light = NDArray[np.float64]

PAPER_WHITE_NITS = 203.0
HLG_PEAK_NITS = 1000.0
KNEE = 0.7  # of paper white; brighter light is rolled off
TABLE_SIDE = 33  # colours along each side of the table
FORMAT = "gbrp10le"  # what the table is looked up with

BT2020, P3_THEATRE, P3 = 9, 11, 12  # primaries, codes of ITU-T H.273
# Linear light in these primaries to BT.709's, for white D65; P3 of cinemas is taken for D65 too.
_FROM_BT2020 = np.array(
    [
        [1.660491, -0.587641, -0.072850],
        [-0.124550, 1.132900, -0.008349],
        [-0.018151, -0.100579, 1.118730],
    ]
)
_FROM_P3 = np.array(
    [
        [1.224940, -0.224940, 0.0],
        [-0.042057, 1.042057, 0.0],
        [-0.019638, -0.078636, 1.098274],
    ]
)


def is_beyond_bt709(frame: av.VideoFrame) -> bool:
    """Whether a frame's colours need this module."""
    return frame.color_trc in (PQ, HLG) or frame.color_primaries in (BT2020, P3_THEATRE, P3)


class ToneMapper:
    """Maps the frames of one stream."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._graph: Graph | None = None
        self._made_for: tuple[int, ...] = ()

    def mapped(self, frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
        """Return the frame as RGB in FORMAT, full range, scaled to this size in pixels."""
        rgb = self._reformatter.reformat(
            frame,
            width,
            height,
            format=FORMAT,
            src_colorspace=matrix_of(frame),
            dst_color_range=ColorRange.JPEG,
            interpolation=SCALING,
            threads=2,
        )
        kind = (int(frame.color_trc), int(frame.color_primaries), width, height)
        if self._graph is None or self._made_for != kind:
            self._graph, self._made_for = _table_graph(*kind), kind
        self._graph.push(rgb)
        mapped = self._graph.pull()
        assert isinstance(mapped, av.VideoFrame)
        mapped.color_trc, mapped.color_primaries = 1, 1
        return mapped


def _table_graph(transfer: int, primaries: int, width: int, height: int) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=width, height=height, format=VideoFormat(FORMAT), time_base=Fraction(1, 1000)
    )
    with tempfile.TemporaryDirectory(prefix="colours") as folder:
        table = Path(folder) / "table.cube"
        table.write_bytes(_table(transfer, primaries))
        escaped = str(table).replace("\\", "\\\\").replace(":", "\\:").replace("'", "\\'")
        graph.link_nodes(source, graph.add("lut3d", file=escaped), graph.add("buffersink"))
        graph.configure()  # reads the table
    return graph


@functools.lru_cache(maxsize=8)
def _table(transfer: int, primaries: int) -> bytes:
    """Return a table of colours as a .cube file."""
    steps = np.linspace(0, 1, TABLE_SIDE)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")  # red changes fastest
    signal = np.stack([red, green, blue], axis=-1).reshape(-1, 3)
    text = io.BytesIO()
    text.write(f"LUT_3D_SIZE {TABLE_SIDE}\n".encode())
    np.savetxt(text, to_srgb(signal, transfer, primaries), fmt="%.6f")
    return text.getvalue()


def to_srgb(signal: Light, transfer: int, primaries: int) -> Light:
    """Return sRGB values (0 to 1, last axis R, G, B) for these of another transfer and primaries.

    `transfer` and `primaries` are codes of ITU-T H.273. PQ and HLG without primaries are BT.2020.
    """
    if transfer == PQ:
        light = _pq_light(signal)
    elif transfer == HLG:
        light = _hlg_light(signal)
    else:
        light = _srgb_light(signal)
    if primaries in (P3_THEATRE, P3):
        light = light @ _FROM_P3.T
    elif primaries == BT2020 or transfer in (PQ, HLG):
        light = light @ _FROM_BT2020.T
    light = np.maximum(light, 0)
    return _srgb_signal(_rolled_off(light) if transfer in (PQ, HLG) else np.minimum(light, 1))


def _pq_light(signal: Light) -> Light:
    """SMPTE ST 2084; 1 is paper white."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = signal ** (1 / m2)
    linear: Light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return linear * 10_000 / PAPER_WHITE_NITS


def _hlg_light(signal: Light) -> Light:
    """ITU-R BT.2100 for a screen of 1000 nits; 1 is paper white."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
    screen: Light = scene * np.maximum(luminance, 1e-9)[..., None] ** 0.2
    return screen * HLG_PEAK_NITS / PAPER_WHITE_NITS


def _rolled_off(light: Light) -> Light:
    """Bring all light under 1, in the same hue; up to KNEE nothing changes."""
    brightest = np.max(light, axis=-1, keepdims=True)
    room = 1 - KNEE
    rolled = KNEE + room * (1 - np.exp(-(brightest - KNEE) / room))
    scale = np.where(brightest > KNEE, rolled / np.maximum(brightest, 1e-9), 1)
    rolled_off: Light = light * scale
    return rolled_off


def _srgb_light(signal: Light) -> Light:
    light: Light = np.where(
        signal <= 0.04045, signal / 12.92, ((np.maximum(signal, 0) + 0.055) / 1.055) ** 2.4
    )
    return light


def _srgb_signal(light: Light) -> Light:
    signal: Light = np.where(
        light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055
    )
    return signal
