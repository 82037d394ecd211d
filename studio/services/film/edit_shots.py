"""A chain as an editing program gets it: its shots in frames, with the media they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from urllib.parse import quote

from studio import concepts
from studio.file_names import file_stem
from studio.media.facts import MediaFacts, SoundFacts
from studio.media.frames import (
    can_drop,
    exact_rate,
    frame_number,
    timecode_at,
    timecode_frames,
    timecode_rate,
    whole_frames,
)
from studio.media.video import VideoUnreadable
from studio.models import Chain, Comment, Generation
from studio.plain_text import one_line
from studio.services.chains import path_of
from studio.services.clip_facts import facts_of
from studio.services.errors import StudioError
from studio.services.exchange.provenance import provider_label
from studio.services.film.exports import handed_over_at
from studio.services.review.mentions import with_mentions, words_of


@dataclass(frozen=True, slots=True)
class Shot:
    """One segment as an editor gets it. Lengths in frames of the clip's own rate."""

    number: int
    clip: Generation
    comments: list[Comment]
    rate: Fraction
    whole: int
    used: int  # less where the next clip takes over before the end
    facts: MediaFacts | None = None  # None where its file cannot be measured

    @property
    def media(self) -> str:
        """The clip's place in the archive, relative to the timeline files."""
        title = file_stem(self.clip.title, otherwise="clip")
        return f"media/{self.number:03d}-{title}.{self.clip.container}"

    @property
    def media_url(self) -> str:
        """The same as a relative address, as RFC 3986 has it."""
        return quote(self.media)

    @property
    def name(self) -> str:
        return one_line(self.clip.title)

    @property
    def reel(self) -> str:
        """Eight characters, as CMX 3600 has it; no other shot of the chain has the same."""
        return f"R{self.number:03d}{self.clip.number % 10_000:04d}"

    @property
    def sound(self) -> SoundFacts | None:
        return self.facts.sound if self.facts else None

    @property
    def timecode(self) -> str:
        """What the file counts from, such as "01:00:00:00"; "" for zero."""
        return self.facts.timecode if self.facts else ""

    @property
    def start(self) -> int:
        """The frame its file's own timecode begins at."""
        return timecode_frames(self.timecode, self.rate)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as shown."""
        return self.clip.width or 0, self.clip.height or 0

    def frames_at(self, rate: Fraction) -> int:
        """Return its length in whole frames of another rate, none of which passes its end."""
        return whole_frames(self.used / self.rate, rate)

    def start_at(self, rate: Fraction) -> int:
        """Return the frame of another rate that its file's timecode begins at."""
        if rate == self.rate:
            return self.start
        return timecode_frames(timecode_at(self.timecode, self.rate, rate), rate)

    def drops_frames_at(self, rate: Fraction, *, drop: bool) -> bool:
        """Whether its own timecode is counted as drop-frame at a rate; `drop` where it has none."""
        return drop if not self.timecode else ";" in self.timecode and can_drop(rate)

    def frame_of(self, comment: Comment, rate: Fraction | None = None) -> int:
        """Return the frame of a rate (None: its own) a comment stands at, from the shot's first."""
        frame = min(frame_number(comment.at_ms or 0, self.rate), self.used - 1)
        if rate is None or rate == self.rate:
            return frame
        return min(int(frame / self.rate * rate), self.frames_at(rate) - 1)


def shots_of(chain: Chain) -> list[Shot]:
    """Return what plays to this chain's end. Raises StudioError while a segment is not rendered."""
    clips = [segment.generation for segment in path_of(chain)]
    missing = [number for number, clip in enumerate(clips, 1) if not clip.is_clip]
    if missing or not clips:
        words = ", ".join(map(str, missing))
        raise StudioError(
            f"Not rendered yet: segment {words}. Hand the chain over when all its clips play."
            if missing
            else "This chain has no segments."
        )
    by_clip: dict[int, list[Comment]] = {clip.pk: [] for clip in clips}
    rows = Comment.objects.filter(generation__in=by_clip).select_related("author")
    for comment in with_mentions(rows):
        by_clip[comment.generation_id].append(comment)
    return [
        _shot(number, clip, clips[number] if number < len(clips) else None, by_clip[clip.pk])
        for number, clip in enumerate(clips, 1)
    ]


def _shot(number: int, clip: Generation, after: Generation | None, comments: list[Comment]) -> Shot:
    facts = _facts(clip)
    rate = exact_rate(facts.rate if facts else clip.fps)
    if facts and facts.steady:
        whole = facts.frames
    else:
        whole = frame_number(facts.duration_ms if facts else clip.duration_ms or 0, rate)
    until = handed_over_at(clip, after)
    used = whole if until is None else frame_number(until, rate) + 1
    whole = max(1, whole)
    return Shot(number, clip, comments, rate, whole, max(1, min(used, whole)), facts)


def _facts(clip: Generation) -> MediaFacts | None:
    try:
        return facts_of(clip)
    except (VideoUnreadable, OSError):
        return None


def list_rate(shots: list[Shot]) -> Fraction:
    """Return the rate of the whole: of the first shot, as near as timecode can count."""
    return timecode_rate(shots[0].rate)


def drops_frames(shots: list[Shot]) -> bool:
    """Whether timecode is counted as drop-frame: where the rate can be, and a file's own is."""
    return can_drop(list_rate(shots)) and any(";" in shot.timecode for shot in shots)


def clip_facts(clip: Generation) -> dict[str, Any]:
    """Return what an editor's metadata says of a clip; plain text and numbers."""
    return {
        "code": str(clip.code),
        "number": clip.number,
        "take": clip.take,
        "prompt": clip.prompt,
        "provider": provider_label(clip.provider),
        "model": clip.model,
        "concepts": ", ".join(concepts.label(slug) for slug in clip.concepts),
        "verdict": clip.get_verdict_display() if clip.verdict else "",
        "rating": clip.rating,
        "sha256": clip.sha256,
    }


def marker_text(comment: Comment) -> str:
    """Return whose comment it is and what it says."""
    return f"{comment.author.name if comment.author else comment.guest_name}: {words_of(comment)}"
