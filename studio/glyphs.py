"""The camera glyphs: for each concept, the picture that camera would see (48 x 32 units).

Layers (far, mid, sub) move at different rates, so a truck has parallax and a pan has none; the
distances are in static/studio/css/glyphs.css. Shared parts are drawn once a page by PARTS.
"""

from __future__ import annotations

PARTS = """\
<path id="g-far" class="g-far" d="M-30 21-22 13l6 4 9-8 8 7 8-5 6 5L26 8l9 8 7-5 10 7 9-8 10 7 8-4v12h-79Z"/>
<g id="g-mid"><path class="g-mid" d="M-40 20H88v30H-40Z"/><path class="g-lines" d="M24 20-20 44M24 20 6 44M24 20v24M24 20l18 24M24 20l44 24M-40 24H88M-40 29.500H88"/></g>
<path id="g-sub" class="g-sub" d="M24 11.200a2.700 2.700 0 1 1 0 5.400 2.700 2.700 0 0 1 0-5.400Zm-3.900 16.300v-6.200a3.900 3.900 0 0 1 7.800 0v6.200Z"/>
<path id="c-tl" d="M42 28.500H7M11 25l-4 3.500L11 32"/><path id="c-tr" d="M6 28.500h35M37 25l4 3.500L37 32"/><path id="c-pu" d="M41.500 28V6M38 9.500 41.500 6 45 9.500M38 28h7"/><path id="c-pd" d="M41.500 6v21M38 23.500l3.500 3.500 3.500-3.500M38 5h7"/>
<path id="c-pl" d="M38 8.500C30 4 18 4 9.500 8.500M10.300 4.500 9.500 8.500l4 1"/><path id="c-pr" d="M10 8.500C18 4 30 4 38.500 8.500M37.700 4.500l.8 4-4 1"/><path id="c-tu" d="M39 27c5-6.500 5-14.500.5-21M39.500 10.500 39.300 6 43.600 7"/><path id="c-td" d="M39 5c5 6.500 5 14.500.5 21M39.500 21.500l-.2 4.500 4.300-1"/>
<path id="c-in" d="M4 4l5 5m0-4v4H5M44 4l-5 5m0-4v4h4M4 28l5-5m0 4v-4H5M44 28l-5-5m0 4v-4h4"/><path id="c-out" d="M9 9 4 4m0 4V4h4M39 9l5-5m0 4V4h-4M9 23l-5 5m0-4v4h4M39 23l5 5m0-4v4h-4"/>
<path id="c-go" d="M5 30 14.500 21.500M10.500 21.300l4 .2-.4 4M43 30l-9.500-8.500M37.500 21.300l-4 .2.4 4"/><path id="c-back" d="M15 21.500 5.500 29.500M6 25.500l-.5 4 4 .2M33 21.500l9.500 8M42 25.500l.5 4-4 .2"/><path id="c-dz" d="M5 30 14.500 21.500M10.500 21.300l4 .2-.4 4M43 30l-9.500-8.500M37.500 21.300l-4 .2.4 4M9 9 4 4m0 4V4h4M39 9l5-5m0 4V4h-4"/>
<path id="c-ccw" d="M35.500 25a14 14 0 1 0-22.500.5M9 23.500l3.700 2.500L15 22"/><path id="c-cw" d="M12.500 25a14 14 0 1 1 22.500.5M39 23.500l-3.700 2.500L33 22"/>
<path id="c-ol" d="M32 20c8 1.200 9 5 2 6.800-5.800 1.500-14 1.500-20 0-4.500-1.200-5-3.300-2-4.900M8.500 21.200l4 .4-.8 4"/><path id="c-or" d="M16 20c-8 1.200-9 5-2 6.800 5.800 1.500 14 1.500 20 0 4.500-1.200 5-3.300 2-4.900M39.500 21.200l-4 .4.8 4"/>
<path id="c-cu" d="M45 29 31.500 8.500M41 29.500h6M37 4.500c-5 0-8.500 3-9.500 7.500M33.500 2l3.800 2.500-2.500 3.700"/><path id="c-cd" d="M45 29 31.500 12M41 29.500h6M36 5c-5 1-8.500 5.500-8.500 12M24 14l3.500 3.500L31 14"/>
"""

_FAR = '<g class="far"><use href="#g-far"/></g>'
_MID = '<g class="mid"><use href="#g-mid"/></g>'
_SUBJECT = '<g class="sub"><use href="#g-sub"/></g>'
_STANDARD = _FAR + _MID + _SUBJECT

# Concepts whose picture is its own.
SCENES: dict[str, str] = {
    "eye_level": _STANDARD
    + '<path class="cue" d="M2 14h14M32 14h14" stroke-dasharray="2.500 2.500"/>',
    "low_angle": '<path class="g-far" d="M0 32 9 2h6l4 30ZM48 32 39 2h-6l-4 30Z"/><g class="sub"><path class="g-sub" d="M22.200 3.600h3.600L27 8h4l3.500 24h-21L17 8h4Z"/></g><path class="cue" d="M4 29 9 24m0 4v-4H5"/>',
    "high_angle": '<path class="g-mid" d="M0 0h48v32H0Z"/><path class="g-lines" d="M24-14-10 32M24-14 8 32M24-14l16 46M24-14l34 46M0 6h48M0 14h48M0 25h48"/><g class="sub"><path class="g-dk" d="M25 20.500 40 24.500l-2 3.500-14-4Z"/><path class="g-sub" d="M24 9.500a3.600 3.600 0 1 1 0 7.200 3.600 3.600 0 0 1 0-7.200Zm-3.200 11c0-4.500 6.400-4.500 6.400 0l-1 4h-4.400Z"/></g><path class="cue" d="M5 4l5 5m0-4v4H6"/>',
    "ground_level": '<g class="far" transform="translate(0 6)"><use href="#g-far"/></g><g class="mid"><path class="g-mid" d="M-20 26h90v10h-90Z"/></g><g class="sub"><path class="g-sub" d="M21.500-2h3l.5 22 3.500 5.500h-7ZM29-2h3l1 22 4 5.500h-7Z"/></g><g class="a"><path class="g-dk" d="M-8 32l3-11 2 11 3-7 3 7 2-13 4 13 4-6 3 6 26 0 2-10 3 10 3-14 3 14 4-7 3 7Z"/></g><path class="cue" d="M3 28h42" stroke-dasharray="2.500 2.500"/>',
    "overhead": '<path class="g-mid" d="M0 0h48v32H0Z"/><path class="g-lines" d="M0 8h48M0 16h48M0 24h48M12 0v32M24 0v32M36 0v32"/><g class="a"><ellipse class="g-lo" cx="24" cy="16" rx="8" ry="4"/><circle class="g-sub" cx="24" cy="16" r="3.200"/></g><path class="cue" d="M24 2v4M24 26v4M6 16h4M38 16h4"/>',
    "aerial": '<path class="g-mid" d="M0 0h48v32H0Z"/><g class="a"><path class="g-far" d="M-8 10C6 2 14 12 24 7s20-8 34-1v34H-8Z"/><path class="g-ln" d="M-6 26c10-7 15 3 24-3s10-12 18-12 12 4 20-2" stroke-width="2.200"/><path class="g-lines" d="M-6 15c14-8 20 2 30-2s18-8 30-4M-6 21c14-8 20 2 30-2s18-8 30-4"/></g><path class="cue" d="M36 24l8 4.500-8-1.500-3.500 2Z" fill="currentColor"/>',
    "over_the_shoulder": _FAR
    + _MID
    + '<g class="sub"><path class="g-sub" transform="translate(-9 .5)" d="M24 11.200a2.700 2.700 0 1 1 0 5.400 2.700 2.700 0 0 1 0-5.400Zm-3.900 16.300v-6.200a3.900 3.900 0 0 1 7.800 0v6.200Z"/></g><g class="a"><path class="g-dk" d="M36 1.500c5 0 7 4 6.500 8.500-.3 2.500-1 4.500-1 6C45 17 50 19 52 24v12H22c0-10 3-16 10-18-.3-2-2.500-4-2.500-8.500S32 1.500 36 1.500Z"/></g><path class="cue" d="M29 8 22 11m3 1.500L22 11l1.300-2.800"/>',
    "pov": _FAR
    + _MID
    + '<g class="a"><path class="g-sub" d="M4 34l5-9c1.500-2.500 4.500-1.500 4 1l-.5 2 3-1.500c2-.6 3 1.500 1.500 2.800L13 34ZM44 34l-5-9c-1.500-2.500-4.500-1.500-4 1l.5 2-3-1.500c-2-.6-3 1.500-1.500 2.800L35 34Z"/></g><path class="cue" d="M24 8.500v3m0 5v3M18.500 14h3m5 0h3"/>',
    "static": _STANDARD + '<path class="cue" d="M3 8V3h5M40 3h5v5M45 24v5h-5M8 29H3v-5"/>',
    "handheld": _STANDARD
    + '<path class="cue" d="M3 9c2-3 3 3 5 0s3 3 5 0M35 26c2-3 3 3 5 0s3 3 5 0"/>',
    "selfie": _FAR
    + '<g class="a"><path class="g-sub" d="M27 5c4.200 0 6.500 3.200 6.500 7.200S31 20 27 20s-6.500-3.800-6.500-7.800S22.800 5 27 5Z"/><path class="g-lo" d="M13 36c0-9 5-13.500 14-13.500S41 27 41 36Z"/><path class="g-sub" d="M18 27 4 36H-6L15 23Z"/></g><path class="cue" d="M5 10 10 5m0 4V5H6"/>',
    "aerial_drone": '<g class="far" transform="translate(0 -9)"><use href="#g-far"/></g><path class="g-mid" d="M-40 12H88v40H-40Z"/><g class="a"><path class="g-lines" d="M24 12-60 60M24 12-10 60M24 12v40M24 12 58 60M24 12l84 48M-40 15H88M-40 20H88M-40 29H88"/></g><path class="cue" d="M18 24h12M15.500 22h5M27.500 22h5M21 24l1.500 3h3l1.500-3"/>',
    "bolt_cam": _STANDARD + '<path class="cue" d="M3 8h9M3 12.500h6M3 17h10"/>',
    "elevator_doors": _STANDARD
    + '<g class="l"><path class="g-lo" d="M-20 0h38v32h-38Z"/></g><g class="r"><path class="g-lo" d="M30 0h38v32H30Z"/></g><path class="cue" d="m10 12.500-3.500 3.500 3.500 3.500M38 12.500l3.500 3.500-3.500 3.500"/>',
    "tiny_planet": '<g class="a"><circle class="g-mid" cx="24" cy="20" r="8.500"/><path class="g-far" d="m15.500 20-3-1.500 3.500-1-1.500-3.500 3.500.5.500-4 3 2.500 2.500-4 2.500 4 3-2.500.5 4 3.500-.500-1.500 3.500 3.500 1-3 1.500a8.500 8.500 0 0 0-17 0Z"/><circle class="g-lo" cx="24" cy="20" r="6.500"/><path class="g-sub" d="M22.800 5h2.400l.6 8.500h-3.600Z"/></g><path class="cue" d="M8 9.500A19 19 0 0 1 13 5M8 5.800l-.1 3.800 3.700.200"/>',
}

# The arrow over the standard picture for the others.
CUES: dict[str, str] = {
    "truck_left": "tl",
    "truck_right": "tr",
    "pan_left": "pl",
    "pan_right": "pr",
    "pedestal_up": "pu",
    "pedestal_down": "pd",
    "tilt_up": "tu",
    "tilt_down": "td",
    "roll_left": "ccw",
    "roll_right": "cw",
    "zoom_in": "in",
    "zoom_out": "out",
    "push_in": "go",
    "pull_out": "back",
    "dolly_zoom": "dz",
    "orbit_left": "ol",
    "orbit_right": "or",
    "crane_up": "cu",
    "crane_down": "cd",
}


def glyph_body(slug: str) -> str:
    """Return the SVG content of one concept's glyph. KeyError for an unknown slug."""
    return SCENES.get(slug) or f'{_STANDARD}<use class="cue" href="#c-{CUES[slug]}"/>'
