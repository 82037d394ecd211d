"""A chain as an edit decision list, CMX 3600.

Written here and not by the format's library, which knows one kind of channel and no FCM line.
"""

from __future__ import annotations

from studio.media.frames import as_timecode
from studio.models import Chain
from studio.plain_text import one_line
from studio.services.exchange.provenance import provider_label
from studio.services.film.edit_shots import Shot, drops_frames, list_rate, marker_text


def write_edl(chain: Chain, shots: list[Shot]) -> str:
    """Return the list, in the nearest rate that timecode can count; lines end as CMX has it."""
    rate, drop = list_rate(shots), drops_frames(shots)
    lines = [
        f"TITLE: {one_line(chain.title)}",
        f"FCM: {'DROP FRAME' if drop else 'NON-DROP FRAME'}",
        "",
    ]
    at = 0
    for shot in shots:
        start, length = shot.start_at(rate), shot.frames_at(rate)
        drops = shot.drops_frames_at(rate, drop=drop)
        source = [as_timecode(frame, rate, drop=drops) for frame in (start, start + length)]
        record = [as_timecode(frame, rate, drop=drop) for frame in (at, at + length)]
        times = " ".join(source + record)
        lines.append(f"{shot.number:03d}  {shot.reel:8} {_channels(shot):5} C        {times}")
        lines.append(f"* FROM CLIP NAME:  {shot.name}")
        lines.append(f"* FROM CLIP: {shot.media}")
        for comment in shot.comments:
            place = as_timecode(at + shot.frame_of(comment, rate), rate, drop=drop)
            lines.append(f"* LOC: {place} RED     {one_line(marker_text(comment))}")
        lines.append(f"* PROMPT: {one_line(shot.clip.prompt)}")
        lines.append(f"* MADE WITH: {provider_label(shot.clip.provider)}, {shot.clip.model}")
        at += length
    return "\n".join(lines) + "\n"


def _channels(shot: Shot) -> str:
    if not shot.sound:
        return "V"
    return "B" if shot.sound.channels == 1 else "AA/V"
