"""What a clip's streams are, to the bit: may they be joined without touching them, and if not, why."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from studio.media.video import opened_video

COPIED_CODECS = frozenset({"h264", "hevc"})  # what an MP4 holds and players expect there
# Opens a file without decoding a frame of it, 20 times as fast. Its pixel format stays unknown.
UNDECODED = {"skip_frame": "all", "probesize": "32"}
SOUND_GAP_S = Fraction(1, 10)  # longer silence inside a copied track puts players out of step


class Colours(NamedTuple):
    """What a picture's numbers mean; the codes of ITU-T H.273, range 1 limited, 2 full."""

    range: int
    matrix: int
    primaries: int
    transfer: int


BT709 = Colours(1, 1, 1, 1)
FULL_RANGE = 2
UNTOLD = 2  # a matrix nobody named
HD_LINES = 720  # from here up an unnamed matrix is meant to be BT.709, below BT.601


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """One clip as its header tells it. What must be equal to be copied is in `shape` to `sound`."""

    path: Path
    width: int  # pixels
    height: int
    fps: Fraction
    frames: int  # 0 where the container does not count them
    sound_packets: int
    duration_s: Fraction  # of the picture
    sound_s: Fraction | None  # None: no sound
    shape: tuple[object, ...]  # codec, size; the pixel format is in `headers`
    colours: Colours
    clock: tuple[object, ...]  # time base and frame rate
    headers: bytes  # the codec's extradata
    sound: tuple[object, ...] | None

    @property
    def codec(self) -> str:
        return str(self.shape[0])


def clip_facts(path: Path) -> ClipFacts:
    """Read what a clip's header says. Raises VideoUnreadable for what is not a video."""
    for options in (UNDECODED, None):
        with opened_video(path, options=options) as (container, stream):
            known = stream.guessed_rate and stream.frames and stream.codec_context.extradata
            if known or options is None:
                return _facts_of(path, container, stream)
    raise AssertionError("the second try returns")


def _facts_of(path: Path, container: InputContainer, stream: VideoStream) -> ClipFacts:
    context = stream.codec_context
    sound = sound_of(container)
    fps = Fraction(stream.guessed_rate or stream.average_rate or 24)
    return ClipFacts(
        path=path,
        width=context.width,
        height=context.height,
        fps=fps,
        frames=stream.frames,
        sound_packets=sound.frames if sound else 0,
        duration_s=_length(container, stream),
        sound_s=_length(container, sound) if sound else None,
        shape=(
            context.name,
            context.width,
            context.height,
            context.profile,
            stream.sample_aspect_ratio or 1,
        ),
        colours=Colours(
            context.color_range,
            context.colorspace,
            context.color_primaries,
            context.color_trc,
        ),
        clock=(stream.time_base, fps),
        headers=context.extradata or b"",
        sound=_sound_shape(sound),
    )


def sound_of(container: InputContainer) -> AudioStream | None:
    """Return the stream that is heard, or None for a silent clip."""
    stream = container.streams.best("audio")
    return stream if isinstance(stream, AudioStream) else None


def why_not_copied(clips: Sequence[ClipFacts]) -> str:
    """Return why these cannot be joined as they are, as the end of a sentence; "" when they can."""
    first = clips[0]
    if first.codec not in COPIED_CODECS:
        return f"the clips are {first.codec.upper()}, not H.264"
    for number, clip in enumerate(clips[1:], 2):
        if reason := _difference(first, clip):
            return f"segment {number} {reason}"
    for number, clip in enumerate(clips, 1):
        if clip.sound_s is not None and clip.duration_s - clip.sound_s > SOUND_GAP_S:
            return f"the sound of segment {number} ends before its picture"
    return ""


def _difference(first: ClipFacts, clip: ClipFacts) -> str:
    if (clip.width, clip.height) != (first.width, first.height):
        return (
            f"is {clip.width} × {clip.height} pixels, segment 1 is {first.width} × {first.height}"
        )
    if clip.fps != first.fps:
        return f"has {float(clip.fps):g} frames a second, segment 1 has {float(first.fps):g}"
    if (clip.sound is None) != (first.sound is None):
        return "has no sound, segment 1 has" if clip.sound is None else "has sound, segment 1 not"
    if clip.codec != first.codec:
        return f"is {clip.codec.upper()}, segment 1 is {first.codec.upper()}"
    if clip.sound != first.sound:
        return "has another kind of sound than segment 1"
    frozen = operator.attrgetter("shape", "colours", "clock", "headers")
    return "" if frozen(clip) == frozen(first) else "was encoded with other settings than segment 1"


def _sound_shape(stream: AudioStream | None) -> tuple[object, ...] | None:
    if stream is None:
        return None
    context = stream.codec_context
    return (
        context.name,
        context.sample_rate,
        context.layout.name,
        stream.time_base,
        context.extradata or b"",
    )


def _length(container: InputContainer, stream: VideoStream | AudioStream) -> Fraction:
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    return Fraction(container.duration or 0, 1_000_000)
