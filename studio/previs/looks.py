"""What some concepts put in front of the lens or do to the whole world: doors, a shoulder, a ball."""

from __future__ import annotations

import math

import cv2
import numpy as np

from studio.previs.raster import (
    CUBIC,
    LINEAR,
    Field,
    Pixels,
    blended,
    blurred,
    moved,
    scaled,
    slopes,
    strips,
)

_STRIP = 0.84  # of the picture's width makes the ball; the rest overlaps, to be blended


def _bent(at: Field, planet: float, half: tuple[float, float]) -> tuple[Field, Field, float, float]:
    """Return each place's angle and distance about the ball's middle, its bend and its ground."""
    tight = 2 * math.pi * planet / (2 * half[0] * _STRIP)
    ground = 0.20 * half[1]
    low = ground + 1.0 / tight
    wide = np.asarray(at * (1.0 + 0.55 * planet), dtype=np.float32)
    x = wide[..., 0]
    y: Field = np.float32(low - 0.98 * planet**2 * low) - wide[..., 1]
    return np.arctan2(x, y), np.hypot(x, y), tight, ground


def curl(at: Field, planet: float, spin: float, half: tuple[float, float], cut: int = 0) -> Field:
    """Return where on the flat picture each place (x, y in half sides) of a curled world lies.

    The picture is a strip bent about a centre below it, until at `planet` 1 its ends meet: the
    bend is conformal, so nothing is skewed, and at 0 it is the flat picture. Angles jump at the
    ball's foot; with `cut` 1 or -1 they run on past it from the right or from the left instead.
    """
    if planet < 1e-4:
        return at
    angle, far, tight, ground = _bent(at, planet, half)
    if cut:
        whole = np.float32(2 * math.pi)
        angle = np.mod(angle, whole) - (whole if cut < 0 else np.float32(0.0))
    height = np.log(np.maximum(far * tight, 1e-3))
    return np.dstack([(angle + spin) / tight, ground - height / tight]).astype(np.float32)


def seam(at: Field, planet: float, half: tuple[float, float]) -> tuple[Field, Field, Field]:
    """Return three shares (0 to 1) for each place of a curled world: how much the strip's ends are
    blended there, how much of that is the right end, and how far inside the ball it is, where
    detail is too fine to draw."""
    angle, far, tight, _ = _bent(at, planet, half)
    near_cut = np.clip((np.abs(angle) / math.pi - _STRIP) / (1.0 - _STRIP), 0.0, 1.0)
    right = 0.5 + 0.5 * np.sign(angle) * (1.0 - near_cut)
    inner = 1.0 - np.clip((far * tight - 0.10) / 0.30, 0.0, 1.0)
    return (
        np.clip(near_cut * 12.0, 0.0, 1.0).astype(np.float32),
        right.astype(np.float32),
        (inner * planet).astype(np.float32),
    )


class Doors:
    """A pair of brushed steel elevator doors drawn once for a frame size."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        width, height = size
        fit = min(1.0, 1400 / max(size))  # steel is soft: no need to draw 4K of it in floats
        drawn = _steel(max(2, round(width // 2 * fit)), max(2, round(height * fit)))
        self._half = scaled(drawn, (width // 2, height), LINEAR)

    def over(self, frame: Pixels, shut: float) -> Pixels:
        """Return `frame` seen through doors `shut` 0 (gone) to 1 (closed)."""
        width = self.size[0]
        gap = (1.0 - shut) * (width / 2 + width * 0.03)
        place = np.arange(width, dtype=np.float32) + 0.5 - width / 2
        inside = gap - np.abs(place)
        shade = 0.45 + 0.55 * np.clip(inside / (width * 0.06), 0.0, 1.0)
        cover = np.clip(0.5 - inside, 0.0, 1.0)[None, :]
        out = np.empty_like(frame)
        for first, last in strips(self.size):
            panel = self._half[first:last]
            doors = self._hung(panel, -gap, 0.0) + self._hung(panel[:, ::-1], gap, width / 2)
            lit = np.asarray(frame[first:last] * shade[None, :, None] + 0.5, dtype=np.uint8)
            out[first:last] = blended(lit, doors, np.repeat(cover, last - first, axis=0))
        return out

    def _hung(self, panel: Pixels, shift: float, rest: float) -> Pixels:
        """Return one door on a black strip of the frame's width, `shift` pixels from its rest."""
        matrix = np.array([[1, 0, rest + shift], [0, 1, 0]], np.float32)
        return moved(np.ascontiguousarray(panel), matrix, (self.size[0], len(panel)))


def _steel(width: int, height: int) -> Pixels:
    rng = np.random.default_rng(4)
    brushed = rng.normal(size=(max(4, height // 70), width)).astype(np.float32)
    fine = scaled(brushed, (width, height), CUBIC)
    x = np.linspace(0.0, 1.0, width, dtype=np.float32)[None, :]
    y = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None]
    sheen = (
        0.46 + 0.16 * np.exp(-(((x - 0.35) / 0.22) ** 2)) + 0.08 * np.exp(-(((x - 0.8) / 0.1) ** 2))
    )
    light = sheen * (1.12 - 0.42 * y) + 0.012 * fine
    inset = np.minimum(np.minimum(x, 1 - x) * width / height, np.minimum(y, 1 - y))
    groove = np.exp(-(((inset - 0.075) / 0.004) ** 2))
    light = light - 0.14 * groove + 0.10 * np.exp(-(((inset - 0.083) / 0.004) ** 2))
    light = light * (0.55 + 0.45 * np.clip((1 - x) / 0.012, 0.0, 1.0))
    tint = np.array([0.96, 0.99, 1.04], np.float32)
    return np.asarray(np.clip(light[..., None] * tint * 255, 0, 255), dtype=np.uint8)


class Shoulder:
    """Somebody's head and shoulder from behind, dark and out of focus, at the right."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        scale = 240 / max(size)  # it is a blur: drawn small and enlarged
        self._small = (max(8, round(size[0] * scale)), max(8, round(size[1] * scale)))
        width, height = self._small
        mask = np.zeros((height, width * 2), np.float32)
        unit = 1.22 * min(width * 0.75, height)
        head = (round(width * 0.97), round(height - unit * 0.56))
        cv2.ellipse(mask, head, (round(unit * 0.17), round(unit * 0.225)), 4, 0, 360, 1.0, -1)
        neck = (round(width * 0.98), round(height - unit * 0.30))
        cv2.ellipse(mask, neck, (round(unit * 0.10), round(unit * 0.20)), 0, 0, 360, 1.0, -1)
        body = (round(width * 1.04), round(height + unit * 0.14))
        cv2.ellipse(mask, body, (round(unit * 0.47), round(unit * 0.38)), 0, 0, 360, 1.0, -1)
        self._mask = blurred(mask, unit / 48)
        left = np.clip(slopes(self._mask)[0], 0.0, None)
        self._rim = blurred(left / max(float(left.max()), 1e-6), unit / 60)

    def over(self, frame: Pixels, share: float, sway: float) -> Pixels:
        """Return `frame` behind the shoulder, which is `share` (0 to 1) of its way in.

        `sway` moves it sideways, in frame widths, for it is nearer than everything else.
        """
        width, height = self._small
        shift = (1.0 - share) * 0.55 * width + sway * width
        fx, fy = self.size[0] / width, self.size[1] / height
        tone = np.asarray(cv2.mean(frame)[:3], dtype=np.float32)
        out = np.empty_like(frame)
        for first, last in strips(self.size):
            matrix = np.array([[fx, 0, shift * fx], [0, fy, -first]], dtype=np.float32)
            mask, rim = (
                moved(part, matrix, (self.size[0], last - first))
                for part in (self._mask, self._rim)
            )
            dark = np.clip(tone * 0.17 + 5.0 + rim[..., None] * tone * 1.1, 0.0, 255.0)
            seen = frame[first:last]
            out[first:last] = blended(seen, np.asarray(dark, dtype=np.uint8), mask * 0.97)
        return out
