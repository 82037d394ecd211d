"""What a video file is: measured once (studio.media.probing), kept with the clip as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, NamedTuple, Self


class Colours(NamedTuple):
    """What a picture's numbers mean; the codes of ITU-T H.273, range 1 limited, 2 full."""

    range: int
    matrix: int
    primaries: int
    transfer: int


BT709 = Colours(1, 1, 1, 1)
PQ, HLG = 16, 18  # transfers of high dynamic range
# What holds the streams, by the ending of its files, and what HTTP calls it.
CONTENT_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
}


@dataclass(frozen=True, slots=True)
class SoundFacts:
    """The stream that is heard."""

    codec: str  # FFmpeg's name, e.g. "aac"
    channels: int
    layout: str  # e.g. "stereo", "5.1"
    rate: int  # samples a second
    starts: Fraction  # seconds after the first frame; negative before it
    duration: Fraction  # seconds

    @property
    def ends(self) -> Fraction:
        """Seconds after the first frame's appearance."""
        return self.starts + self.duration


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What a video file really is, counted from its packets and not taken from its header.

    `width` and `height` are those of the picture as a player shows it, in square pixels: turned by
    the file's display matrix, stretched by its sample aspect ratio. What is stored may differ.
    """

    width: int  # pixels
    height: int
    coded_width: int  # pixels as stored
    coded_height: int
    sample_aspect: Fraction  # width of a stored pixel by its height
    turned: int  # degrees clockwise: 0, 90, 180 or 270
    mirrored: bool  # left and right change places before it is turned
    duration: Fraction  # seconds from the first frame's appearance to the last one's end
    starts: Fraction  # seconds on the file's own clock, as a browser counts; mostly 0
    frames: int  # that are shown
    rate: Fraction  # frames a second; where they are not evenly spaced, the nominal rate
    steady: bool  # whether frames come evenly, as far as the file's clock can say
    sound: SoundFacts | None
    timecode: str  # embedded, of the first frame: "01:00:00:00", ";" before frames for drop frame
    colours: Colours
    container: str  # a key of CONTENT_TYPES
    codec: str  # FFmpeg's name, e.g. "h264"
    tag: str  # the container's, e.g. "hvc1"; empty where it has none
    pix_fmt: str  # e.g. "yuv420p"
    bytes: int

    @property
    def duration_ms(self) -> int:
        return round(self.duration * 1000)

    @property
    def fps(self) -> float:
        """The rate as people read it."""
        return round(float(self.rate), 3)

    @property
    def has_audio(self) -> bool:
        return self.sound is not None

    @property
    def is_hdr(self) -> bool:
        return self.colours.transfer in (PQ, HLG)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; fractions as "24000/1001"."""
        return _plain(asdict(self))

    @classmethod
    def from_json(cls, values: dict[str, Any] | None) -> Self | None:
        """Return what `to_json` gave; None for nothing, or what another version measured."""
        if not values:
            return None
        try:
            sound = values["sound"]
            return cls(
                **values
                | {
                    name: Fraction(values[name])
                    for name in ("sample_aspect", "starts", "duration", "rate")
                }
                | {
                    "colours": Colours(*values["colours"]),
                    "sound": sound
                    and SoundFacts(
                        **sound | {name: Fraction(sound[name]) for name in ("starts", "duration")}
                    ),
                }
            )
        except (KeyError, TypeError, ValueError):
            return None


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Fraction):
            plain[name] = str(value)
        elif isinstance(value, dict):
            plain[name] = _plain(value)
        else:
            plain[name] = list(value) if isinstance(value, tuple) else value
    return plain
