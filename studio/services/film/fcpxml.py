"""A chain as FCPXML 1.9 with notes, markers and metadata, which adapters leave out.

Source: Apple's FCPXML reference and document type, version 1.9. Final Cut Pro refuses a file that
its document type does not allow, and places in a spine that are no frames of the sequence.
"""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from studio.media.facts import MediaFacts
from studio.models import Chain
from studio.plain_text import one_line
from studio.services.film.edit_shots import (
    Shot,
    clip_facts,
    drops_frames,
    list_rate,
    marker_text,
)
from studio.templatetags.studio_tags import timecode

# Colours by primaries, transfer and matrix (ITU-T H.273), as the format names them.
_COLOUR_SPACES = {
    (1, 1, 1): "1-1-1 (Rec. 709)",
    (9, 1, 9): "9-1-9 (Rec. 2020)",
    (9, 16, 9): "9-16-9 (Rec. 2020 PQ)",
    (9, 18, 9): "9-18-9 (Rec. 2020 HLG)",
}
# What the format calls a source's rate where it is not the sequence's.
_SOURCE_RATES = {
    Fraction(24000, 1001): "23.98", Fraction(24): "24", Fraction(25): "25",
    Fraction(30000, 1001): "29.97", Fraction(30): "30", Fraction(50): "50",
    Fraction(60000, 1001): "59.94", Fraction(60): "60",
}  # fmt: skip
Format = tuple[Fraction, int, int, str]


def write_fcpxml(chain: Chain, shots: list[Shot]) -> str:
    """Return the chain as a document. Every place is a whole frame of the sequence."""
    rate = list_rate(shots)
    of_sequence = (rate, *shots[0].size, _colour_space(shots[0].facts))
    formats: dict[Format, str] = {of_sequence: "f1"}
    for shot in shots:
        formats.setdefault(_format(shot), f"f{len(formats) + 1}")
    root = Element("fcpxml", version="1.9")
    resources = SubElement(root, "resources")
    for kind, name in formats.items():
        _add_format(resources, kind, name)
    event = SubElement(root, "event", name=one_line(chain.project.name))
    project = SubElement(event, "project", name=one_line(chain.title))
    tc_format = "DF" if drops_frames(shots) else "NDF"
    sequence = SubElement(
        project, "sequence", format="f1", tcStart="0s", tcFormat=tc_format,
        duration=_time(sum(shot.frames_at(rate) for shot in shots), rate),
    )  # fmt: skip
    if any(shot.sound for shot in shots):
        sequence.set("audioLayout", "stereo")
        sequence.set("audioRate", "48k")
    spine = SubElement(sequence, "spine")
    at = 0
    for shot in shots:
        _add_asset(resources, shot, formats[_format(shot)])
        _add_clip(spine, shot, formats[_format(shot)], at, rate)
        at += shot.frames_at(rate)
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{body}\n'


def _format(shot: Shot) -> Format:
    return (shot.rate, *shot.size, _colour_space(shot.facts))


def _colour_space(facts: MediaFacts | None) -> str:
    if facts is None:
        return ""
    colours = facts.colours
    return _COLOUR_SPACES.get((colours.primaries, colours.transfer, colours.matrix), "")


def _add_format(resources: Element, kind: Format, name: str) -> None:
    rate, width, height, colour_space = kind
    made = SubElement(
        resources, "format", id=name, frameDuration=_time(1, rate), width=str(width),
        height=str(height),
    )  # fmt: skip
    if colour_space:
        made.set("colorSpace", colour_space)


def _add_asset(resources: Element, shot: Shot, format_id: str) -> None:
    asset = SubElement(
        resources, "asset", id=f"a{shot.number}", name=shot.name, hasVideo="1", videoSources="1",
        start=_time(shot.start, shot.rate), duration=_time(shot.whole, shot.rate), format=format_id,
    )  # fmt: skip
    if shot.sound:
        asset.set("hasAudio", "1")
        asset.set("audioSources", "1")
        asset.set("audioChannels", str(shot.sound.channels))
        asset.set("audioRate", str(shot.sound.rate))
    SubElement(asset, "media-rep", kind="original-media", src=f"./{shot.media_url}")


def _add_clip(spine: Element, shot: Shot, format_id: str, at: int, rate: Fraction) -> None:
    start = shot.start / shot.rate
    clip = SubElement(
        spine, "asset-clip", name=shot.name, ref=f"a{shot.number}", format=format_id,
        offset=_time(at, rate), start=_time(shot.start, shot.rate),
        duration=_time(shot.frames_at(rate), rate),
        tcFormat="DF" if ";" in shot.timecode else "NDF",
    )  # fmt: skip
    if shot.sound:
        clip.set("audioRole", "dialogue")
    SubElement(clip, "note").text = _text(shot.clip.prompt)
    if shot.rate != rate:
        conform = SubElement(clip, "conform-rate", scaleEnabled="0")  # it keeps its speed
        if shot.rate in _SOURCE_RATES:
            conform.set("srcFrameRate", _SOURCE_RATES[shot.rate])
    for comment in shot.comments:
        place = start + shot.frame_of(comment, rate) / rate
        SubElement(
            clip, "marker", start=_seconds(place), duration=_time(1, rate),
            value=_text(marker_text(comment)), note=timecode(comment.at_ms),
        )  # fmt: skip
    metadata = SubElement(clip, "metadata")
    for name, value in clip_facts(shot.clip).items():
        if value not in {"", None}:
            SubElement(metadata, "md", key=f"studio.ray.{name}", value=_text(str(value)))


def _time(frames: int, rate: Fraction) -> str:
    return _seconds(frames / rate)


def _seconds(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}s" if value.denominator > 1 else f"{value}s"


def _text(text: str) -> str:
    """Return a text as XML 1.0 may hold it: its other characters cannot even be escaped."""
    return "".join(c for c in text if _allowed(ord(c)))


def _allowed(code: int) -> bool:
    return (
        code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
    )
