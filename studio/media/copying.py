"""Joining clips without touching a frame: their packets, moved in time, into one MP4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from studio.media.fingerprint import UNDECODED, ClipFacts
from studio.media.video import opened_video, sound_of

# What the index costs at most per frame and per packet of sound, in bytes. With the room for it
# kept at the front of the file, nothing has to be moved at the end.
_INDEX_PER_FRAME = 44
_INDEX_PER_SOUND = 32
_INDEX_BASE = 64 * 1024
_TELL_EVERY = 64  # packets


class CannotCopy(Exception):
    """The packets do not fit together after all; the message is the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One clip to be copied. With `ends_at` (ticks), the frame shown from there on is left out."""

    facts: ClipFacts
    ends_at: int | None = None


def copy_pieces(
    pieces: Sequence[Piece], out: Path, *, on_packet: Callable[[int, int], None]
) -> Fraction:
    """Write the packets of these clips one after the other to an MP4 at `out`.

    The pieces must have equal fingerprints. `on_packet` gets the piece's index and the packets
    done so far now and then; what it raises ends the work. Returns how many seconds the film lasts.
    Raises CannotCopy.
    """
    options = {"movflags": "+faststart"}
    if room := _room_for_index(pieces):
        options = {"moov_size": str(room)}
    with av.open(str(out), "w", format="mp4", options=options) as output:
        copier = _Copier(output, on_packet)
        for index, piece in enumerate(pieces):
            with opened_video(piece.facts.path, options=UNDECODED) as (container, stream):
                copier.copy(index, container, stream, piece)
    return copier.lasts


class _Copier:
    """Where the film has got to, in ticks of each stream."""

    def __init__(self, output: OutputContainer, on_packet: Callable[[int, int], None]) -> None:
        self._output = output
        self._tell = on_packet
        self._done = 0
        self._video: VideoStream | None = None
        self._audio: AudioStream | None = None
        self._at = 0  # where the next clip's picture begins, in video ticks
        self.lasts = Fraction(0)  # seconds
        self._last_dts: int | None = None
        self._heard_until: int | None = None  # audio ticks

    def copy(
        self, index: int, container: InputContainer, stream: VideoStream, piece: Piece
    ) -> None:
        sound = sound_of(container)
        if self._video is None:
            self._video = self._output.add_stream_from_template(stream)
            if stream.codec_context.name == "hevc":
                self._video.codec_context.codec_tag = "hvc1"  # Apple's players know no other
            self._audio = self._output.add_stream_from_template(sound) if sound else None
        assert stream.time_base is not None
        start = stream.start_time or 0
        length = piece.ends_at
        if length is None:
            length = round(piece.facts.media.duration / stream.time_base)
        spoken = _SoundWindow(stream, sound, start, self._at, length)
        for packet in container.demux([stream, *([sound] if sound else [])]):
            if not packet.size or packet.pts is None:
                continue
            if packet.dts is None:  # Matroska says only when a packet is presented
                packet.dts = packet.pts
            if packet.stream is stream:
                begins = packet.pts - start
                if piece.ends_at is not None and begins >= length:
                    continue
                # Of a frame that is stored before others it may be any time: to the next one stored.
                packet.duration = min(packet.duration or 0, max(length - begins, 0))
                self._put_picture(packet, self._at - start)
            else:
                self._put_sound(packet, spoken)
            self._done += 1
            if self._done % _TELL_EVERY == 0:
                self._tell(index, self._done)
        self._at += length
        self.lasts = self._at * stream.time_base

    def _put_picture(self, packet: Packet[Any], shift: int) -> None:
        assert packet.pts is not None and packet.dts is not None
        if packet.is_discard:
            raise CannotCopy("a clip hides some of its frames")
        packet.pts += shift
        packet.dts += shift
        if self._last_dts is not None and packet.dts <= self._last_dts:
            raise CannotCopy("the clips order their frames differently")
        self._last_dts = packet.dts
        packet.stream = self._video
        self._put(packet)

    def _put_sound(self, packet: Packet[Any], spoken: _SoundWindow) -> None:
        assert packet.pts is not None and packet.dts is not None
        begins = packet.pts + spoken.shift
        # An encoder's lead-in and padding reach over the clip's ends, where another clip is heard.
        if begins >= spoken.until or (self._heard_until or begins) > begins:
            return
        if self._heard_until is not None and begins < spoken.since:
            return
        self._heard_until = begins + (packet.duration or 0)
        packet.pts = packet.dts = begins
        packet.stream = self._audio
        self._put(packet)

    def _put(self, packet: Packet[Any]) -> None:
        try:
            self._output.mux_one(packet)
        except av.ArgumentError as error:
            raise CannotCopy("a clip's packets do not fit into an MP4 as they are") from error


class _SoundWindow:
    """Between which times one clip is heard, in audio ticks of the film."""

    def __init__(
        self, stream: VideoStream, sound: AudioStream | None, start: int, at: int, length: int
    ) -> None:
        self.shift = self.since = self.until = 0
        if sound is None:
            return
        assert stream.time_base is not None and sound.time_base is not None
        ratio = Fraction(stream.time_base / sound.time_base)
        self.since = round(at * ratio)
        self.until = round((at + length) * ratio)
        self.shift = round((at - start) * ratio)


def _room_for_index(pieces: Sequence[Piece]) -> int:
    """Return how many bytes the index needs at most; 0 where a clip does not count its frames."""
    if not all(piece.facts.frames for piece in pieces):
        return 0
    return _INDEX_BASE + sum(
        piece.facts.frames * _INDEX_PER_FRAME + piece.facts.sound_packets * _INDEX_PER_SOUND
        for piece in pieces
    )
