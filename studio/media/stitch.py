"""Stitching: several clips become one film, copied where they agree and encoded anew where not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from av.video.reformatter import Colorspace

from studio.media.atomic import replacing
from studio.media.copying import CannotCopy, Piece, copy_pieces
from studio.media.encoding import Cut, encode_cuts
from studio.media.facts import BT709, MediaFacts
from studio.media.film import FILM_KINDS, FilmKind
from studio.media.fingerprint import FULL_RANGE, HD_LINES, UNTOLD, clip_facts, why_not_copied
from studio.media.joins import FrameTimes, frame_times, repeats_frame
from studio.media.normalising import Look

MOST_FADE_S = 2.0

__all__ = [
    "FILM_KINDS",
    "MOST_FADE_S",
    "Progress",
    "Source",
    "StitchCancelled",
    "StitchReport",
    "stitch_clips",
]


class StitchCancelled(Exception):
    """`on_progress` said stop. Nothing is left behind."""


@dataclass(frozen=True, slots=True)
class Source:
    """A clip to be stitched.

    `continues`: it was made from a frame of the one before it, or leads into it. `until_ms`: the
    next clip takes over from the frame on screen then; what comes after that frame is left out.
    `media`: what the file is, where it was measured before.
    """

    path: Path
    continues: bool = False
    until_ms: int | None = None
    media: MediaFacts | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the stitching is."""

    percent: int
    segment: int  # from 1
    segments: int


@dataclass(frozen=True, slots=True)
class StitchReport:
    """What was made, and how. `why` is a sentence for people."""

    copied: bool
    why: str
    dropped: int  # repeated frames left out
    width: int
    height: int
    fps: float
    duration_ms: int
    size_bytes: int


OnProgress = Callable[[Progress], bool]


def stitch_clips(
    sources: Sequence[Source],
    out: Path,
    *,
    drop_repeated: bool = True,
    crossfade_s: float = 0,
    size: tuple[int, int] | None = None,
    fps: Fraction | int | None = None,
    codec: str = "h264",
    on_progress: OnProgress = lambda progress: True,
) -> StitchReport:
    """Join clips into one film at `out`, which appears whole or not at all.

    Streams are copied, every frame bit for bit, when all fingerprints agree and nothing asks for
    more: then the film lasts as long as its clips together. Else everything is encoded anew at
    `size` and `fps` (by default what most clips have, the first ones winning a tie), scaled to
    fit with black around, silence where a clip has no sound while another has.
    `drop_repeated` leaves out one of two equal frames where a clip begins with the very picture
    the one before it ended on; only where `Source.continues`. A copied film can do so where the
    ended-on frame is the last one in its stream; elsewhere it is encoded anew.
    `codec` is a key of FILM_KINDS. `crossfade_s` is 0 to MOST_FADE_S. `on_progress` is asked a few
    times a second and more; when it returns False, StitchCancelled is raised.
    Raises ValueError for options and clips that do not go together, studio.media.video's
    VideoUnreadable for damaged files, OSError for a full disk. Memory does not grow with the
    number of clips.
    """
    kind = FILM_KINDS[codec]
    if not sources:
        raise ValueError("There is nothing to stitch.")
    if not 0 <= crossfade_s <= MOST_FADE_S:
        raise ValueError(f"The cross-fade is {crossfade_s:g} s; 0 to {MOST_FADE_S:g} s is allowed.")
    teller = _Teller(on_progress, len(sources))
    plan = _Plan(sources, kind, drop_repeated=drop_repeated, fade_s=crossfade_s, size=size, fps=fps)
    repeats = plan.find_repeats(teller)
    why = plan.why_encoded(repeats)
    with replacing(out) as temporary:
        if not why:
            try:
                return plan.copy(repeats, temporary, teller)
            except CannotCopy as error:
                why = f"Encoded anew: {error}."
        return plan.encode(repeats, temporary, why, teller)


class _Teller:
    """Turns work done into progress, and a "stop" into an exception."""

    def __init__(self, on_progress: OnProgress, segments: int) -> None:
        self._on_progress = on_progress
        self._segments = segments

    def tell(self, index: int, part: float) -> None:
        percent = min(int(part * 100), 100)
        if not self._on_progress(Progress(percent, index + 1, self._segments)):
            raise StitchCancelled


class _Plan:
    """What is to be made of which clips."""

    def __init__(
        self,
        sources: Sequence[Source],
        kind: FilmKind,
        *,
        drop_repeated: bool,
        fade_s: float,
        size: tuple[int, int] | None,
        fps: Fraction | int | None,
    ) -> None:
        self._sources = sources
        self._kind = kind
        self._drop = drop_repeated and not fade_s
        self._fade_s = fade_s
        self._facts = [clip_facts(source.path, source.media) for source in sources]
        self._media = [facts.media for facts in self._facts]
        self._size = _even(size or _most(f.size for f in self._facts), kind.max_side)
        rate = Fraction(fps or _most(m.rate for m in self._media))
        self._fps = min(rate, Fraction(kind.max_fps)) if kind.max_fps else rate
        self._times: dict[int, FrameTimes] = {}

    def find_repeats(self, teller: _Teller) -> set[int]:
        """Return the indexes of clips that begin with the last frame of the one before."""
        found: set[int] = set()
        for index, source in enumerate(self._sources):
            if index and self._drop and source.continues:
                teller.tell(index, 0)
                before = self._sources[index - 1]
                if repeats_frame(before.path, source.path, until_ms=before.until_ms):
                    found.add(index)
        return found

    def why_encoded(self, repeats: set[int]) -> str:
        """Return why the streams cannot be copied, as a sentence; "" when they can."""
        first = self._facts[0]
        if self._kind is FILM_KINDS["prores"]:
            return "Encoded as ProRes 422 HQ."
        if self._kind is not FILM_KINDS["h264"]:
            return "Encoded as asked."
        if self._fade_s:
            return f"Encoded anew: the clips fade into one another for {self._fade_s:g} s."
        if reason := why_not_copied(self._facts):
            return f"Encoded anew: {reason}."
        if self._size != _even(first.size, None):
            return f"Encoded anew at {self._size[0]} × {self._size[1]} pixels."
        if self._fps != first.media.rate:
            return f"Encoded anew at {float(self._fps):g} frames a second."
        for index in range(len(self._sources)):
            end = self._end_ticks(index, repeats)
            if end is not None and self._times_of(index).needs_what_follows(end):
                return (
                    f"Encoded anew: segment {index + 2} takes over from a frame of segment "
                    f"{index + 1} that others were encoded from."
                )
        return ""

    def _times_of(self, index: int) -> FrameTimes:
        if index not in self._times:
            self._times[index] = frame_times(self._sources[index].path)
        return self._times[index]

    def _end_ticks(self, index: int, repeats: set[int]) -> int | None:
        """Return when the first frame that is left out of a copied clip appears; None for none."""
        until_ms, repeated = self._sources[index].until_ms, index + 1 in repeats
        if until_ms is None and not repeated:
            return None
        times = self._times_of(index)
        shown = times.shown_until(until_ms) - repeated
        return times.end_after(max(shown, 1))

    def copy(self, repeats: set[int], out: Path, teller: _Teller) -> StitchReport:
        pieces = [
            Piece(facts, self._end_ticks(index, repeats)) for index, facts in enumerate(self._facts)
        ]
        packets = sum(f.frames + f.sound_packets for f in self._facts)
        lasts = copy_pieces(
            pieces, out, on_packet=lambda i, done: teller.tell(i, done / max(packets, done))
        )
        why = "Copied without encoding: all segments agree."
        return self._report(out, why, repeats, self._facts[0].size, lasts, copied=True)

    def encode(self, repeats: set[int], out: Path, why: str, teller: _Teller) -> StitchReport:
        cuts = []
        for index, source in enumerate(self._sources):
            teller.tell(index, 0)
            count = self._count(index, source)
            skip = 1 if index in repeats and count > 1 else 0
            cuts.append(Cut(source.path, count, skip))
        look = Look(*self._size, self._matrix())
        fade = round(self._fade_s * self._fps)
        self._check_fade(cuts, fade)
        frames = sum(cut.count - cut.skip for cut in cuts) - fade * (len(cuts) - 1)
        encode_cuts(
            cuts,
            out,
            self._kind,
            look=look,
            colours=self._media[0].colours if look.matrix is None else BT709,
            fps=self._fps,
            fade=fade,
            sound=any(media.sound for media in self._media),
            on_frame=lambda i, done: teller.tell(i, done / frames),
        )
        return self._report(out, why, repeats, self._size, frames / self._fps, copied=False)

    def _matrix(self) -> Colorspace | None:
        """Return what colours become; None where the film's may be those all clips have."""
        if not self._kind.tagged:
            return Colorspace.ITU601
        first, *others = self._media
        if first.colours.range == FULL_RANGE or any(m.colours != first.colours for m in others):
            return Colorspace.ITU709
        if first.is_hdr:  # eight bits show bands
            return Colorspace.ITU709
        # Untagged colours mean another thing in a film of another height.
        meant = {m.coded_height >= HD_LINES for m in self._media} | {self._size[1] >= HD_LINES}
        return Colorspace.ITU709 if first.colours.matrix == UNTOLD and len(meant) > 1 else None

    def _count(self, index: int, source: Source) -> int:
        """Return how many frames a clip's part lasts, at the film's rate."""
        lasts = self._media[index].duration
        if source.until_ms is not None:
            times = self._times_of(index)
            end = times.end_after(times.shown_until(source.until_ms))
            lasts = lasts if end is None else end * times.time_base
        return max(1, round(lasts * self._fps))

    def _check_fade(self, cuts: Sequence[Cut], fade: int) -> None:
        for number, cut in enumerate(cuts, 1):
            if fade and cut.count < 2 * fade + 1:
                raise ValueError(
                    f"Segment {number} lasts {float(cut.count / self._fps):.1f} s, too short for "
                    f"cross-fades of {self._fade_s:g} s at its ends."
                )

    def _report(
        self,
        out: Path,
        why: str,
        repeats: set[int],
        size: tuple[int, int],
        lasts: Fraction,
        *,
        copied: bool,
    ) -> StitchReport:
        return StitchReport(
            copied=copied,
            why=why,
            dropped=len(repeats),
            width=size[0],
            height=size[1],
            fps=round(float(self._fps), 3),
            duration_ms=round(lasts * 1000),
            size_bytes=out.stat().st_size,
        )


T = TypeVar("T")


def _most(values: Iterable[T]) -> T:
    """Return the most frequent value, the first of those that tie."""
    return Counter(values).most_common(1)[0][0]


def _even(size: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    scale = min(1.0, max_side / max(size)) if max_side else 1.0
    width, height = (max(2, round(side * scale / 2) * 2) for side in size)
    return width, height
