"""What a clip's streams are, to the bit: may they be joined without touching them, and if not, why."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from studio.media.facts import MediaFacts
from studio.media.probing import probe_video
from studio.media.sound_layout import layout_of
from studio.media.video import opened_video, sound_of

# What an MP4 holds and players expect there.
COPIED_CODECS = frozenset({"h264", "hevc"})
COPIED_SOUND = frozenset({"aac", "mp3"})
# Opens a file without decoding a frame of it, 20 times as fast. Its pixel format stays unknown.
UNDECODED = {"skip_frame": "all", "probesize": "32"}
SOUND_GAP_S = Fraction(1, 10)  # longer silence inside a copied track puts players out of step


FULL_RANGE = 2
UNTOLD = 2  # a matrix nobody named
HD_LINES = 720  # from here up an unnamed matrix is meant to be BT.709, below BT.601


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """One clip, with what must be equal to be copied in `shape` to `sound`."""

    path: Path
    media: MediaFacts
    frames: int  # 0 where the container does not count them
    sound_packets: int
    shape: tuple[object, ...]  # of the pictures as stored; the pixel format is in `headers`
    clock: tuple[object, ...]  # time base and frame rate
    headers: bytes  # the codec's extradata
    sound: tuple[object, ...] | None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as shown."""
        return self.media.width, self.media.height


def clip_facts(path: Path, media: MediaFacts | None = None) -> ClipFacts:
    """Return what a clip is, measuring it where that is not known yet. Raises VideoUnreadable."""
    media = media or probe_video(path)
    for options in (UNDECODED, None):
        with opened_video(path, options=options) as (container, stream):
            known = stream.guessed_rate and stream.frames and stream.codec_context.extradata
            if known or options is None:
                return _facts_of(path, media, container, stream)
    raise AssertionError("the second try returns")


def _facts_of(
    path: Path, media: MediaFacts, container: InputContainer, stream: VideoStream
) -> ClipFacts:
    context = stream.codec_context
    sound = sound_of(container)
    return ClipFacts(
        path=path,
        media=media,
        frames=stream.frames,
        sound_packets=sound.frames if sound else 0,
        shape=(
            media.codec,
            media.coded_width,
            media.coded_height,
            media.turned,
            media.mirrored,
            media.sample_aspect,
            context.profile,
        ),
        clock=(stream.time_base, media.rate),
        headers=context.extradata or b"",
        sound=_sound_shape(sound),
    )


def why_not_copied(clips: Sequence[ClipFacts]) -> str:
    """Return why these cannot be joined as they are, as the end of a sentence; "" when they can."""
    first = clips[0]
    if first.media.codec not in COPIED_CODECS:
        return f"the clips are {first.media.codec.upper()}, not H.264"
    if first.media.sound and first.media.sound.codec not in COPIED_SOUND:
        return f"the sound of the clips is {first.media.sound.codec.upper()}, not AAC"
    for number, clip in enumerate(clips[1:], 2):
        if reason := _difference(first, clip):
            return f"segment {number} {reason}"
    for number, clip in enumerate(clips, 1):
        sound = clip.media.sound
        if sound is not None and clip.media.duration - sound.ends > SOUND_GAP_S:
            return f"the sound of segment {number} ends before its picture"
    return ""


def _difference(first: ClipFacts, clip: ClipFacts) -> str:
    one, other = first.media, clip.media
    if clip.size != first.size:
        return f"is {other.width} × {other.height} pixels, segment 1 is {one.width} × {one.height}"
    if other.rate != one.rate:
        return f"has {float(other.rate):g} frames a second, segment 1 has {float(one.rate):g}"
    if other.has_audio != one.has_audio:
        return "has sound, segment 1 not" if other.has_audio else "has no sound, segment 1 has"
    if other.codec != one.codec:
        return f"is {other.codec.upper()}, segment 1 is {one.codec.upper()}"
    if other.is_hdr != one.is_hdr:
        return "is HDR, segment 1 is not" if other.is_hdr else "is not HDR, segment 1 is"
    if (other.turned, other.mirrored) != (one.turned, one.mirrored):
        return "is stored turned otherwise than segment 1"
    if clip.sound != first.sound:
        return "has another kind of sound than segment 1"
    if other.colours != one.colours:
        return "has other colours than segment 1"
    frozen = operator.attrgetter("shape", "clock", "headers")
    return "" if frozen(clip) == frozen(first) else "was encoded with other settings than segment 1"


def _sound_shape(stream: AudioStream | None) -> tuple[object, ...] | None:
    if stream is None:
        return None
    context = stream.codec_context
    return (
        context.name,
        context.sample_rate,
        layout_of(context).name,
        stream.time_base,
        context.extradata or b"",
    )
