"""Measuring a video file: read once from end to end, one frame of it decoded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from studio.media import bare_matroska
from studio.media.display import Display
from studio.media.facts import Colours, MediaFacts, SoundFacts
from studio.media.frames import TIMECODE_RATES, USUAL_RATE
from studio.media.sound_layout import layout_of
from studio.media.video import CUT_SHORT, VideoUnreadable, opened_video, shown_at, sound_of

MATROSKA_SLACK_S = 0.25  # its packets may not say how long the last frame lasts
MAX_RATE = 240  # frames a second; what is above it is a clock, not a rate
LEAST_RATE = 12  # of frames that are held: what is below it says how long, not how often
_UNSAID = ((0,), (2,), (0, 2), (0, 2))  # codes of ITU-T H.273 that say nothing
_NO_FRAMES = "The video has no frames."
_TIMECODE = re.compile(r"\d{2,}:[0-5]\d:[0-5]\d[:;.]\d{2,}")


def probe_video(path: Path) -> MediaFacts:
    """Measure a video file.

    Raises VideoUnreadable when it is empty, of another kind, cut short or without a picture.
    """
    size = path.stat().st_size
    if not size:
        raise VideoUnreadable("The video file is empty.")
    with opened_video(path) as (container, stream):
        _check_boxes(path, size)
        heard = sound_of(container)
        picture, sound = _read_times(container, stream, heard)
        declared_s = (container.duration or 0) / 1_000_000
        ends_s = max(float(one.end) for one in (picture, sound) if one.begun or one is picture)
        # MP4 tells by its boxes; there, edit lists make the declared length a poor witness.
        if "matroska" in container.format.name and ends_s < declared_s - MATROSKA_SLACK_S:
            raise VideoUnreadable(CUT_SHORT)
        if not picture.starts or picture.end <= picture.begin:
            raise VideoUnreadable(_NO_FRAMES)
        frame = shown_at(container, stream, 0)
        shown = Display.of(frame, stream.sample_aspect_ratio)
        context = stream.codec_context
        rate, steady = _rate_of(stream, picture)
        return MediaFacts(
            width=shown.width,
            height=shown.height,
            coded_width=frame.width,
            coded_height=frame.height,
            sample_aspect=shown.sample_aspect,
            turned=shown.turn.turned,
            mirrored=shown.turn.mirrored,
            # A clock of milliseconds rounds; frames that come evenly do not.
            duration=len(picture.starts) / rate if steady else picture.end - picture.begin,
            starts=max(picture.begin, Fraction(0)),
            frames=len(picture.starts),
            rate=rate,
            steady=steady,
            sound=_sound_facts(heard, sound, picture.begin) if heard and sound.begun else None,
            timecode=_timecode_of(container),
            colours=colours_of(frame, stream),
            container=_container_of(path),
            codec=context.codec.canonical_name,
            tag=context.codec_tag.strip("\0 "),
            pix_fmt=frame.format.name,
            bytes=size,
        )


def colours_of(frame: av.VideoFrame, stream: VideoStream) -> Colours:
    """Return what a decoded frame says of its numbers, and where it does not, what its file says."""
    context = stream.codec_context
    said = (
        (int(frame.color_range), context.color_range),
        (int(frame.colorspace), context.colorspace),
        (int(frame.color_primaries), context.color_primaries),
        (int(frame.color_trc), context.color_trc),
    )
    return Colours(*(file if own in _UNSAID[at] else own for at, (own, file) in enumerate(said)))


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
                raise VideoUnreadable(CUT_SHORT)
            file.seek(offset)


def _container_of(path: Path) -> str:
    """Return what its first bytes say; QuickTime did not always say anything."""
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(bare_matroska.MAGIC):
        return "webm" if b"webm" in head else "mkv"
    if head[4:8] in (b"moov", b"mdat", b"wide") or head[4:12] == b"ftypqt  ":
        return "mov"
    return "mp4"


# ---- Times ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Times:
    """When the packets of one stream are presented, in seconds on the file's own clock."""

    starts: list[Fraction] = field(default_factory=list)
    begin: Fraction = Fraction(0)
    end: Fraction = Fraction(0)
    last: Fraction = Fraction(0)  # when the last packet begins
    reordered: bool = False  # not stored in the order in which they are presented

    @property
    def begun(self) -> bool:
        return bool(self.starts)

    def add(self, packet: Packet[Any], start: Fraction) -> None:
        if not self.starts or start < self.begin:
            self.begin = start
        if not self.starts or start > self.last:
            self.last = start
            self.end = start + (packet.duration or 0) * packet.time_base
        else:
            self.reordered = True
        self.starts.append(start)


def _read_times(
    container: InputContainer, stream: VideoStream, heard: AudioStream | None
) -> tuple[_Times, _Times]:
    """Return the times of the picture and of the sound. Raises VideoUnreadable for a damaged file."""
    picture, sound = _Times(), _Times()
    for packet in _shown_packets(container, stream, heard):
        assert packet.pts is not None
        into = picture if packet.stream is stream else sound
        into.add(packet, packet.pts * packet.time_base)
    if picture.reordered and stream.duration and stream.time_base:
        # The packet's own length is the time to the next one stored, not to the next one shown.
        declared = picture.begin + stream.duration * stream.time_base
        frame = 1 / Fraction(stream.guessed_rate or 24)
        if declared > picture.last and abs(declared - picture.end) > frame / 2:
            picture.end = declared
    if picture.begun and picture.end <= picture.last:
        # Nothing says how long the last frame lasts: as long as the one before it, or as is usual.
        steps = sorted(picture.starts)
        step = steps[-1] - steps[-2] if len(steps) > 1 else 1 / Fraction(stream.guessed_rate or 24)
        picture.end = picture.last + step
    return picture, sound


def _shown_packets(
    container: InputContainer, stream: VideoStream, heard: AudioStream | None
) -> Iterator[Packet[Any]]:
    for packet in container.demux([stream, *([heard] if heard else [])]):
        if packet.is_corrupt:
            raise VideoUnreadable(CUT_SHORT)
        if packet.size and packet.pts is not None and not packet.is_discard:
            yield packet


def _rate_of(stream: VideoStream, picture: _Times) -> tuple[Fraction, bool]:
    """Return the nominal rate, and whether every frame appears when it should at that rate."""
    count = len(picture.starts)
    average = count / (picture.end - picture.begin)
    guessed = Fraction(stream.guessed_rate or stream.average_rate or average)
    rate = _usual(guessed if 0 < guessed <= MAX_RATE else min(average, Fraction(MAX_RATE)))
    # A clock of whole milliseconds rounds each time up or down.
    slack = max(1 / rate / 50, 2 * Fraction(stream.time_base or 0), Fraction(1, 1000))
    ordered = sorted(picture.starts)
    gaps = [after - before for before, after in zip(ordered, ordered[1:], strict=False)]
    gaps.append(picture.end - picture.last)
    even = all(abs(gap - 1 / rate) <= slack for gap in gaps)
    # Small errors in one direction would add up over a long clip.
    drift = abs((picture.end - picture.begin) - count / rate)
    if even and drift <= slack:
        return rate, True
    return (_usual(rate, Fraction(1, 50)) if rate >= LEAST_RATE else USUAL_RATE), False


def _usual(rate: Fraction, off: Fraction = Fraction(1, 5000)) -> Fraction:
    """Return the rate of cameras and programs that this is, up to what a file's clock may be off."""
    nearest = min(TIMECODE_RATES, key=lambda usual: abs(usual - rate))
    return nearest if abs(nearest - rate) <= nearest * off else rate.limit_denominator(100_000)


# ---- Sound and timecode ----------------------------------------------------------------------------


def _sound_facts(heard: AudioStream, times: _Times, picture_begins: Fraction) -> SoundFacts:
    context = heard.codec_context
    layout = layout_of(context)
    return SoundFacts(
        codec=context.codec.canonical_name,
        channels=layout.nb_channels,
        layout=layout.name,
        rate=context.sample_rate,
        starts=times.begin - picture_begins,
        duration=times.end - times.begin,
    )


def _timecode_of(container: InputContainer) -> str:
    """Return the timecode of a QuickTime timecode track or a tag, where it is one; else ""."""
    for one in (*container.streams, container):
        for name, value in one.metadata.items():
            if name.lower() == "timecode" and _TIMECODE.fullmatch(value.strip()):
                return str(value).strip()
    return ""
