"""Handing a chain over to an editing program: OpenTimelineIO, FCPXML and EDL beside the media."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

import opentimelineio as otio
from django.utils.text import slugify
from opentimelineio.opentime import RationalTime, TimeRange

from studio import concepts
from studio.media.zipping import Entry
from studio.models import Chain, Comment, Generation
from studio.services.chains import path_of
from studio.services.errors import StudioError
from studio.services.exchange.archives import file_entry, text_entry
from studio.services.exchange.provenance import provider_label
from studio.services.film.exports import handed_over_at
from studio.services.review.mentions import with_mentions, words_of
from studio.templatetags.studio_tags import timecode

# What timecode can count; an EDL in another rate cannot be written.
TIMECODE_RATES = tuple(
    Fraction(n, d)
    for n, d in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001), (60, 1))
)  # fmt: skip
METADATA = "ray_studio"


@dataclass(frozen=True, slots=True)
class Shot:
    """One segment as an editor gets it. Lengths in frames of the clip's own rate."""

    number: int
    clip: Generation
    comments: list[Comment]
    rate: Fraction
    whole: int
    used: int  # less where the next clip takes over before the end

    @property
    def media(self) -> str:
        """The clip's place in the archive, relative to the timeline files."""
        name = slugify(self.clip.title)[:50] or "clip"
        return f"media/{self.number:03d}-{name}.mp4"

    @property
    def reel(self) -> str:
        """At most eight characters, as CMX 3600 has it."""
        return f"R{self.number:03d}{self.clip.number % 10_000:04d}"

    @property
    def seconds(self) -> Fraction:
        return self.used / self.rate


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
    said: dict[int, list[Comment]] = {clip.pk: [] for clip in clips}
    spoken = Comment.objects.filter(generation__in=said).select_related("author")
    for comment in with_mentions(spoken):
        said[comment.generation_id].append(comment)
    return [
        _shot(number, clip, clips[number] if number < len(clips) else None, said[clip.pk])
        for number, clip in enumerate(clips, 1)
    ]


def _shot(number: int, clip: Generation, after: Generation | None, comments: list[Comment]) -> Shot:
    rate = _exact(clip.fps or 24)
    whole = max(1, round((clip.duration_ms or 0) * rate / 1000))
    until = handed_over_at(clip, after)
    used = whole if until is None else int(Fraction(until + 1, 1000) * rate) + 1
    return Shot(number, clip, comments, rate, whole, min(used, whole))


def _exact(fps: float) -> Fraction:
    """Return a measured rate as what it stands for: 23.976 is 24000/1001."""
    nearest = min(TIMECODE_RATES, key=lambda rate: abs(rate - Fraction(fps)))
    return nearest if abs(float(nearest) - fps) < 0.002 else Fraction(fps).limit_denominator(1001)


def _timecode_rate(shots: list[Shot]) -> Fraction:
    return min(TIMECODE_RATES, key=lambda rate: abs(rate - shots[0].rate))


# ---- OpenTimelineIO ----------------------------------------------------------------------------


def make_timeline(chain: Chain, shots: list[Shot], *, rate: Fraction | None = None) -> Any:
    """Return the chain as an otio Timeline; with `rate`, every time counted in it."""
    timeline = otio.schema.Timeline(chain.title)
    timeline.metadata[METADATA] = {
        "chain": str(chain.code),
        "project": chain.project.name,
        "segments": len(shots),
    }
    track = otio.schema.Track("Picture", kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(track)
    for shot in shots:
        track.append(_otio_clip(shot, rate or shot.rate))
    return timeline


def _otio_clip(shot: Shot, rate: Fraction) -> Any:
    media = otio.schema.ExternalReference(
        target_url=shot.media, available_range=_range(0, shot.whole, shot.rate)
    )
    media.name = shot.media.removeprefix("media/")
    clip = otio.schema.Clip(
        shot.clip.title,
        media_reference=media,
        source_range=_range(0, round(shot.seconds * rate), rate),
        metadata={
            METADATA: clip_facts(shot.clip),
            "cmx_3600": {"reel": shot.reel, "comments": _edl_comments(shot.clip)},
        },
    )
    for comment in shot.comments:
        at = round(Fraction(comment.at_ms or 0, 1000) * rate)
        clip.markers.append(
            otio.schema.Marker(
                f"{_voice(comment)}: {' '.join(words_of(comment).split())}",
                marked_range=_range(min(at, round(shot.seconds * rate) - 1), 1, rate),
            )
        )
    return clip


def _range(start: int, count: int, rate: Fraction) -> TimeRange:
    return TimeRange(RationalTime(start, float(rate)), RationalTime(count, float(rate)))


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


def _edl_comments(clip: Generation) -> list[str]:
    return [
        f"PROMPT: {' '.join(clip.prompt.split())}",
        f"MADE WITH: {provider_label(clip.provider)}, {clip.model}",
    ]


def _voice(comment: Comment) -> str:
    return comment.author.name if comment.author else comment.guest_name


def write_edl(chain: Chain, shots: list[Shot]) -> str:
    """Return a CMX 3600 edit list, in the nearest rate that timecode can count."""
    rate = _timecode_rate(shots)
    return str(
        otio.adapters.write_to_string(
            make_timeline(chain, shots, rate=rate), "cmx_3600", rate=float(rate)
        )
    )


# ---- FCPXML --------------------------------------------------------------------------------------


def write_fcpxml(chain: Chain, shots: list[Shot]) -> str:
    """Return the chain as FCPXML 1.9 with notes, markers and metadata, which adapters leave out.

    Source: Apple's FCPXML reference and DTD, version 1.9.
    """
    root = ElementTree.Element("fcpxml", version="1.9")
    resources = ElementTree.SubElement(root, "resources")
    formats: dict[tuple[object, ...], str] = {}
    for shot in shots:
        kind = (shot.rate, shot.clip.width, shot.clip.height)
        formats.setdefault(kind, f"f{len(formats) + 1}")
    for (rate, width, height), name in formats.items():
        assert isinstance(rate, Fraction)
        ElementTree.SubElement(
            resources, "format", id=name, name=f"Rate{float(rate):g}",
            frameDuration=_seconds(1 / rate), width=str(width), height=str(height),
        )  # fmt: skip
    event = ElementTree.SubElement(root, "event", name=chain.project.name)
    project = ElementTree.SubElement(event, "project", name=chain.title)
    sequence = ElementTree.SubElement(
        project, "sequence", format="f1", tcStart="0s", tcFormat="NDF",
        duration=_seconds(sum((s.seconds for s in shots), Fraction(0))),
    )  # fmt: skip
    spine = ElementTree.SubElement(sequence, "spine")
    at = Fraction(0)
    for shot in shots:
        name = formats[(shot.rate, shot.clip.width, shot.clip.height)]
        _add_shot(resources, spine, shot, name, at)
        at += shot.seconds
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{body}\n'


def _add_shot(
    resources: ElementTree.Element,
    spine: ElementTree.Element,
    shot: Shot,
    format_id: str,
    at: Fraction,
) -> None:
    asset = f"a{shot.number}"
    ElementTree.SubElement(
        resources, "asset", id=asset, name=shot.clip.title, src=f"./{shot.media}", start="0s",
        duration=_seconds(shot.whole / shot.rate), hasVideo="1", format=format_id,
    )  # fmt: skip
    clip = ElementTree.SubElement(
        spine, "asset-clip", name=shot.clip.title, ref=asset, format=format_id,
        offset=_seconds(at), start="0s", duration=_seconds(shot.seconds),
    )  # fmt: skip
    ElementTree.SubElement(clip, "note").text = _clean(shot.clip.prompt)
    for comment in shot.comments:
        frame = min(int(Fraction(comment.at_ms or 0, 1000) * shot.rate), shot.used - 1)
        ElementTree.SubElement(
            clip, "marker", start=_seconds(frame / shot.rate), duration=_seconds(1 / shot.rate),
            value=_clean(f"{_voice(comment)}: {words_of(comment)}"), note=timecode(comment.at_ms),
        )  # fmt: skip
    metadata = ElementTree.SubElement(clip, "metadata")
    for name, value in clip_facts(shot.clip).items():
        if value not in {"", None}:
            ElementTree.SubElement(
                metadata, "md", key=f"studio.ray.{name}", value=_clean(str(value))
            )


def _seconds(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}s" if value.denominator > 1 else f"{value}s"


def _clean(text: str) -> str:
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


# ---- The archive -----------------------------------------------------------------------------------


def handover_entries(chain: Chain) -> tuple[str, list[Entry]]:
    """Return the archive's name and files: three timelines and the media they point to."""
    shots = shots_of(chain)
    name = slugify(chain.title)[:80].strip("-") or "film"
    texts = {
        f"{name}.otio": otio.adapters.write_to_string(make_timeline(chain, shots), "otio_json"),
        f"{name}.fcpxml": write_fcpxml(chain, shots),
        f"{name}.edl": write_edl(chain, shots),
    }
    entries = [text_entry(f"{name}/{file}", text) for file, text in texts.items()]
    entries += [
        file_entry(f"{name}/{shot.media}", shot.clip.clip, shot.clip.finished_at) for shot in shots
    ]
    return f"{name}.zip", entries
