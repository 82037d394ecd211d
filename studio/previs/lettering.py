"""Text set in the studio's type, with faces for other scripts behind it; no system font is used.

Covered: Latin, Greek, Cyrillic, Vietnamese, Arabic, Hebrew, Devanagari, Thai, Han, kana, Hangul
and emoji in outline. What no face can draw is left out, and `set_text` says how much that was.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from studio.previs.raster import Field

_STATIC = Path(__file__).parents[2] / "static/studio/fonts"
_OWN = Path(__file__).parent / "fonts"
MONO = _STATIC / "geist-mono-latin-wght-normal.woff2"
_FACES = (
    _STATIC / "instrument-sans-latin-standard-normal.woff2",
    _OWN / "noto-sans.woff2",
    _OWN / "noto-sans-arabic.woff2",
    _OWN / "noto-sans-hebrew.woff2",
    _OWN / "noto-sans-devanagari.woff2",
    _OWN / "noto-sans-thai.woff2",
    _OWN / "droid-sans-fallback.woff2",
    _OWN / "noto-emoji.woff2",
)
_EMOJI = len(_FACES) - 1
_RIGHT_TO_LEFT = (2, 3)
_NEUTRAL = " .,;:!?-\u2026\u2013\u2014"
_JOINER = "\u200d"
_NARROW, _HEAVY = 90, 620  # the width and weight of the studio's headings


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring characters that one face can draw."""

    face: int
    text: str


@dataclass(frozen=True, slots=True)
class Setting:
    """Lines of text ready to draw at one size."""

    lines: tuple[tuple[Run, ...], ...]
    size_px: int
    rightward: bool  # False for scripts that run from right to left
    missing: float  # share of the letters that no face covers


@lru_cache(maxsize=64)
def face(index: int, size_px: int) -> ImageFont.FreeTypeFont:
    """Return one of the faces at a pixel size."""
    font = ImageFont.truetype(str(_FACES[index]), size_px)
    if index == 0:
        font.set_variation_by_axes([_NARROW, _HEAVY])
    return font


@lru_cache(maxsize=16)
def mono(size_px: int) -> ImageFont.FreeTypeFont:
    """Return the face of timecode at a pixel size."""
    font = ImageFont.truetype(str(MONO), size_px)
    font.set_variation_by_axes([500])
    return font


@lru_cache(maxsize=8192)
def _has(index: int, char: str) -> bool:
    """Return whether a face has a glyph of its own for `char`."""
    font = face(index, 24)
    glyph, blank = font.getmask(char), font.getmask("\U0010fffe")
    return (glyph.size, bytes(glyph)) != (blank.size, bytes(blank))


def _drawn_by(char: str) -> int:
    """Return the first face with a glyph for `char`, or -1."""
    return next((index for index in range(len(_FACES)) if _has(index, char)), -1)


def _cleaned(text: str) -> str:
    kept = []
    for char in unicodedata.normalize("NFC", text):
        code = ord(char)
        if code in (0xFE0E, 0xFE0F) or 0x1F3FB <= code <= 0x1F3FF:
            continue  # colour and skin have no outline of their own
        kept.append(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp", "Zs") else char)
    return " ".join("".join(kept).split())


def runs(text: str) -> tuple[Run, ...]:
    """Return `text` cut into runs; what no face covers is left out."""
    found: list[Run] = []
    for char in text:
        last = found[-1] if found else None
        clings = unicodedata.category(char) in ("Mn", "Mc", "Cf")
        plain = unicodedata.category(char)[0] in "PZ" and last and last.face != _EMOJI
        if last and (
            (plain and _has(last.face, char))
            or (clings and (char != _JOINER or last.face == _EMOJI))
        ):
            which = last.face
        else:
            which = _drawn_by(char)
        if which < 0 or (char == _JOINER and which != _EMOJI):
            continue
        if last and last.face == which:
            found[-1] = Run(which, last.text + char)
        else:
            found.append(Run(which, char))
    return tuple(found)


def width(line: tuple[Run, ...], size_px: int) -> float:
    """Return how wide a line of runs is, in pixels."""
    return sum(face(run.face, size_px).getlength(run.text) for run in line)


def set_text(text: str, room: tuple[float, float], largest_px: int, smallest_px: int) -> Setting:
    """Return `text` in the largest size whose lines fit `room` (width, height in pixels).

    At the smallest size what does not fit is cut with an ellipsis.
    """
    clean = _cleaned(text)
    letters = [c for c in clean if c != " "]
    missing = sum(_drawn_by(c) < 0 for c in letters) / max(1, len(letters))
    strong = next((unicodedata.bidirectional(c) for c in clean if c.isalpha()), "L")
    size_px = largest_px
    while True:
        lines = _wrapped(clean, room[0], size_px)
        fits = max(1, int(room[1] / line_height(size_px)))
        if len(lines) <= fits or size_px <= smallest_px:
            break
        size_px = max(smallest_px, int(size_px * 0.92))
    if len(lines) > fits:
        lines = [*lines[: fits - 1], lines[fits - 1].rstrip(" ,.;:") + "\u2026"]
    kept = tuple(line for line in (runs(line) for line in lines) if line)
    return Setting(kept, size_px, strong not in ("R", "AL"), missing)


def line_height(size_px: int) -> float:
    """Return the distance between baselines, in pixels."""
    return 1.16 * size_px


def _pieces(text: str) -> list[str]:
    """Return what may stand on a line of its own: words, and single Han, kana and Thai signs."""
    pieces = [""]
    for char in text:
        wide = unicodedata.east_asian_width(char) in ("W", "F")
        hangul = "\uac00" <= char <= "\ud7a3"  # Korean puts spaces between its words
        alone = (wide and not hangul) or "\u0e00" <= char <= "\u0e7f"
        closes = unicodedata.category(char) in ("Pe", "Pf", "Po", "Mn", "Mc")
        if char == " ":
            pieces.append(" ")
        elif (alone and not closes) or pieces[-1] == " ":
            pieces.append(char)
        else:
            pieces[-1] += char
    return [piece for piece in pieces if piece]


def _wrapped(text: str, room: float, size_px: int) -> list[str]:
    lines = [""]
    for piece in _pieces(text):
        if width(runs(lines[-1] + piece), size_px) <= room or not lines[-1]:
            lines[-1] += piece
        else:
            lines.append("" if piece == " " else piece)
    broken: list[str] = []
    for line in (part.strip() for part in lines):
        while width(runs(line), size_px) > room and len(line) > 1:
            fit = max(1, int(len(line) * room / width(runs(line), size_px)))
            broken.append(line[:fit])
            line = line[fit:]
        broken.append(line)
    return [line for line in broken if line]


def _leftward(line: tuple[Run, ...]) -> tuple[Run, ...]:
    """Return the runs of a right-to-left line as they stand from left to right.

    Marks and spaces at the ends of a word in another script belong to the line, not to the word.
    """
    parts: list[Run] = []
    for run in line:
        inner = run.text.strip(_NEUTRAL)
        if run.face in _RIGHT_TO_LEFT or not inner:
            parts.append(run)
            continue
        start = run.text.index(inner)
        for text in (run.text[:start][::-1], inner, run.text[start + len(inner) :][::-1]):
            parts += [Run(run.face, text)] if text else []
    return tuple(parts[::-1])


def draw(
    setting: Setting, size: tuple[int, int], corner: tuple[float, float], room: float
) -> Field:
    """Return a mask (0 to 1) of `size` with the lines below `corner`, flush with their start."""
    mask = Image.new("L", size, 0)
    pen = ImageDraw.Draw(mask)
    baseline = corner[1] + 0.86 * setting.size_px
    for line in setting.lines:
        ordered = line if setting.rightward else _leftward(line)
        x = corner[0] if setting.rightward else corner[0] + room - width(line, setting.size_px)
        for run in ordered:
            font = face(run.face, setting.size_px)
            pen.text((x, baseline), run.text, font=font, fill=255, anchor="ls")
            x += font.getlength(run.text)
        baseline += line_height(setting.size_px)
    return np.asarray(mask, dtype=np.float32) / 255.0
