"""A chain as OpenTimelineIO: the picture, its sound, and comments as markers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from studio.models import Chain
from studio.plain_text import one_line
from studio.services.film.edit_shots import Shot, clip_facts, list_rate, marker_text

METADATA = "ray_studio"


def make_timeline(chain: Chain, shots: list[Shot]) -> Any:
    """Return the chain as an otio Timeline; each clip counted in its own rate."""
    timeline = otio.schema.Timeline(one_line(chain.title))
    timeline.global_start_time = RationalTime(0, float(list_rate(shots)))
    timeline.metadata[METADATA] = {
        "chain": str(chain.code),
        "project": one_line(chain.project.name),
        "segments": len(shots),
    }
    picture = otio.schema.Track("Picture", kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(picture)
    picture.extend([_picture(shot) for shot in shots])
    if any(shot.sound for shot in shots):
        sound = otio.schema.Track("Sound", kind=otio.schema.TrackKind.Audio)
        timeline.tracks.append(sound)
        sound.extend([_sound(shot) for shot in shots])
    return timeline


def write_otio(chain: Chain, shots: list[Shot]) -> str:
    return str(otio.adapters.write_to_string(make_timeline(chain, shots), "otio_json"))


def _picture(shot: Shot) -> Any:
    clip = _clip(shot)
    clip.metadata[METADATA] = clip_facts(shot.clip)
    for comment in shot.comments:
        clip.markers.append(
            otio.schema.Marker(
                one_line(marker_text(comment)),
                marked_range=_range(shot.start + shot.frame_of(comment), 1, shot.rate),
            )
        )
    return clip


def _sound(shot: Shot) -> Any:
    if not shot.sound:
        return otio.schema.Gap(source_range=_range(0, shot.used, shot.rate))
    clip = _clip(shot)
    clip.metadata[METADATA] = {
        "channels": shot.sound.channels,
        "layout": shot.sound.layout,
        "sample_rate": shot.sound.rate,
    }
    return clip


def _clip(shot: Shot) -> Any:
    media = otio.schema.ExternalReference(
        target_url=shot.media_url, available_range=_range(shot.start, shot.whole, shot.rate)
    )
    media.name = shot.media.removeprefix("media/")
    return otio.schema.Clip(
        shot.name,
        media_reference=media,
        source_range=_range(shot.start, shot.used, shot.rate),
        metadata={"cmx_3600": {"reel": shot.reel}},
    )


def _range(start: int, count: int, rate: Fraction) -> TimeRange:
    return TimeRange(RationalTime(start, float(rate)), RationalTime(count, float(rate)))
