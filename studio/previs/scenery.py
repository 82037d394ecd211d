"""A simple drawn place in layers, each with its true distance, for shots without a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from studio.previs.plate import MARGIN, Plate
from studio.previs.raster import AREA, LINEAR, Field, Pixels, blurred, scaled

PLACES = ("mountains", "sea", "city", "forest", "desert", "space")
_DEPTH_SIDE = 460  # pixels across the whole depth map


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours as #rrggbb: the sky's top and foot, its light, the farthest and nearest layer."""

    top: str
    low: str
    light: str
    far: str
    near: str


def rgb(colour: str) -> Field:
    """Return a #rrggbb colour as three floats, 0 to 255."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32)


class Scenery:
    """A place being drawn: the same shapes go onto the picture and onto its depth map.

    Places are shares of the frame: (0, 0) its top left, (1, 1) its bottom right; the drawing
    runs on past it by the plate's margin.
    """

    def __init__(self, place: str, palette: Palette, size: tuple[int, int], seed: int) -> None:
        self.frame = size
        self.margin = (math.ceil(size[0] * MARGIN), math.ceil(size[1] * MARGIN))
        self.size = (size[0] + 2 * self.margin[0], size[1] + 2 * self.margin[1])
        self.palette = palette
        self.rng = np.random.default_rng(seed)
        scale = _DEPTH_SIDE / max(self.size)
        self.near: Field = np.full(
            (round(self.size[1] * scale), round(self.size[0] * scale)), 0.13, np.float32
        )
        self.picture = self._sky()
        getattr(self, f"_{place}")()
        self.near = blurred(self.near, 2.2)

    def plate(self) -> Plate:
        """Return the drawing as a plate: all of it is true picture."""
        return Plate(self.frame, self.margin, self.margin, ((1.0, self.picture),))

    def _sky(self) -> Pixels:
        tall = max(2, self.size[1] // 8)
        v = np.linspace(-MARGIN, 1 + MARGIN, tall, dtype=np.float32)[:, None, None]
        share = np.clip(v / 0.66, 0.0, 1.0) ** 1.15
        column = rgb(self.palette.top) * (1 - share) + rgb(self.palette.low) * share
        band = scaled(column, (1, self.size[1]), LINEAR)
        sky = np.empty((self.size[1], self.size[0], 3), np.uint8)
        noise = self.rng.uniform(-0.9, 0.9, (64, self.size[0], 1)).astype(np.float32)
        for row in range(0, self.size[1], 64):
            # Dithered strip by strip: smooth skies band in eight bits, and 4K is large.
            part = band[row : row + 64].reshape(-1, 1, 3) + noise[: min(64, self.size[1] - row)]
            sky[row : row + 64] = np.clip(np.rint(part), 0, 255).astype(np.uint8)
        return sky

    def _tone(self, depth: float) -> tuple[float, ...]:
        """Return the colour of things `depth` 0 (far) to 1 (near): air takes its share."""
        colour = rgb(self.palette.far) * (1 - depth) + rgb(self.palette.near) * depth
        return tuple(float(c) for c in colour)

    def _fill(
        self, points: npt.NDArray[np.floating[Any]], colour: tuple[float, ...], near: float
    ) -> None:
        """Fill a polygon (shares of the frame) in colour, and in the depth map at `near`."""
        at = points * np.array(self.frame) + np.array(self.margin)
        cv2.fillPoly(self.picture, [np.rint(at * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)
        small = at * (np.array(self.near.shape[::-1]) / np.array(self.size))
        cv2.fillPoly(self.near, [np.rint(small).astype(np.int32)], near)

    def _disc(self, x: float, y: float, radius: float, near: float = 0.13) -> None:
        """Draw the light of the sky with its glow."""
        centre = np.array([x, y]) * self.frame + np.array(self.margin)
        reach = radius * min(self.frame)
        colour = rgb(self.palette.light)
        small = scaled(self.picture, (self.size[0] // 8, self.size[1] // 8), AREA)
        rows, columns = np.mgrid[0 : small.shape[0], 0 : small.shape[1]].astype(np.float32) * 8 + 4
        far = np.hypot(columns - centre[0], rows - centre[1]) / reach
        glow = 0.55 * np.exp(-((far / 2.6) ** 2)) + 0.25 * np.exp(-((far / 6.0) ** 2))
        weight = scaled(glow.astype(np.float32), self.size, LINEAR)
        for row in range(0, self.size[1], 256):
            part = slice(row, row + 256)
            share = weight[part, :, None]
            mixed = self.picture[part] * (1 - share) + colour * share
            self.picture[part] = np.rint(mixed).astype(np.uint8)
        whole = tuple(int(c) for c in np.rint(centre * 16))
        tint = tuple(float(c) for c in colour)
        cv2.circle(self.picture, whole, round(reach * 16), tint, -1, cv2.LINE_AA, 4)

    def _ridge(self, crest: float, rough: float, depth: float, near: float, waves: int = 5) -> None:
        """Draw one layer of hills from its crest down past the foot of the drawing."""
        x = np.linspace(-MARGIN - 0.02, 1 + MARGIN + 0.02, 400)
        y = np.full_like(x, crest)
        for octave in range(waves):
            phase = self.rng.uniform(0, 2 * math.pi)
            y += rough * 0.55**octave * np.sin(x * 4.1 * 1.9**octave + phase)
        outline = np.stack([x, y], axis=1)
        foot = np.array(
            [[1 + MARGIN + 0.02, 1 + MARGIN + 0.02], [-MARGIN - 0.02, 1 + MARGIN + 0.02]]
        )
        self._fill(np.concatenate([outline, foot]), self._tone(depth), near)

    def _ground(self, top: float, depth: float) -> None:
        """Lay a plain from `top` to the foot, darker and nearer towards the viewer."""
        bands = 28
        for band in range(bands):
            share = band / (bands - 1)
            y = top + (1 + MARGIN - top) * share**1.4
            square = [[-0.4, y], [1.4, y], [1.4, 1.4], [-0.4, 1.4]]
            near = 0.34 + 0.58 * min(1.0, (y - top) / max(1 - top, 0.05))
            self._fill(np.array(square), self._tone(depth + (1 - depth) * share), near)

    def _stars(self, count: int, below: float) -> None:
        for _ in range(count):
            x, y = self.rng.uniform(-0.34, 1.34), self.rng.uniform(-0.34, below)
            at = np.array([x, y]) * self.frame + np.array(self.margin)
            size = self.rng.uniform(0.0005, 0.0016) * max(self.frame)
            bright = self.rng.uniform(0.35, 1.0)
            tint = rgb(self.palette.light) * bright + rgb(self.palette.top) * (1 - bright)
            whole = tuple(int(c) for c in np.rint(at * 16))
            cv2.circle(
                self.picture, whole, max(6, round(size * 16)), tuple(map(float, tint)), -1,
                cv2.LINE_AA, 4,
            )  # fmt: skip

    def _mountains(self) -> None:
        self._disc(0.70, 0.30, 0.085)
        self._ridge(0.50, 0.060, 0.10, 0.17, 7)
        self._ridge(0.57, 0.055, 0.32, 0.23, 7)
        self._ridge(0.66, 0.045, 0.56, 0.33, 6)
        self._ground(0.76, 0.72)

    def _sea(self) -> None:
        self._disc(0.68, 0.42, 0.10)
        self._ground(0.56, 0.25)
        for _ in range(70):
            depth = float(self.rng.uniform(0, 1)) ** 1.6
            y = 0.565 + 0.45 * depth
            x = 0.68 + float(self.rng.normal()) * (0.035 + 0.16 * depth)
            long, thick = 0.012 + 0.05 * depth, 0.0009 + 0.0035 * depth
            share = 0.75 - 0.5 * depth
            tone = rgb(self.palette.light) * share + np.array(self._tone(0.5)) * (1 - share)
            glint = [[x - long, y], [x, y - thick], [x + long, y], [x, y + thick]]
            self._fill(np.array(glint), tuple(map(float, tone)), 0.34 + 0.5 * depth)
        self._ridge_at_side()

    def _ridge_at_side(self) -> None:
        cliff = np.array(
            [[-0.4, 0.40], [0.02, 0.42], [0.11, 0.455], [0.17, 0.53], [0.24, 0.565], [-0.4, 0.60]]
        )
        self._fill(cliff, self._tone(0.75), 0.36)

    def _city(self) -> None:
        self._disc(0.66, 0.34, 0.08)
        for layer, (low, depth, near) in enumerate(
            ((0.62, 0.25, 0.2), (0.70, 0.55, 0.32), (0.80, 0.85, 0.46))
        ):
            x = -0.36
            while x < 1.36:
                wide = float(self.rng.uniform(0.035, 0.075)) * (1 + 0.35 * layer)
                top = low - float(self.rng.uniform(0.06, 0.30)) + 0.03 * layer
                tone = self._tone(depth + float(self.rng.uniform(-0.06, 0.06)))
                block = [[x, top], [x + wide, top], [x + wide, 1.4], [x, 1.4]]
                self._fill(np.array(block), tone, near)
                self._windows(x, top, wide, layer)
                x += wide + float(self.rng.uniform(-0.006, 0.018))
        self._ground(0.84, 0.9)

    def _windows(self, x: float, top: float, wide: float, layer: int) -> None:
        cell = 0.011 + 0.003 * layer
        ratio = self.frame[0] / self.frame[1]
        tone = tuple(float(c) for c in rgb(self.palette.light))
        for column in range(1, int(wide / cell) - 1):
            for row in range(1, int((0.86 - top) / (cell * ratio))):
                if self.rng.random() > 0.22:
                    continue
                left, high = x + column * cell, top + row * cell * ratio
                a = np.array([left, high]) * self.frame + np.array(self.margin)
                b = a + np.array([0.45 * cell, 0.5 * cell * ratio]) * self.frame
                cv2.rectangle(self.picture, a.astype(int), b.astype(int), tone, -1)

    def _forest(self) -> None:
        self._disc(0.64, 0.32, 0.09)
        self._ridge(0.52, 0.040, 0.10, 0.17)
        rows = ((0.66, 0.13, 0.35, 0.24), (0.76, 0.20, 0.60, 0.36), (0.90, 0.30, 0.9, 0.55))
        for foot, tall, depth, near in rows:
            self._ridge(foot, 0.012, depth, near, 4)
            x = -0.36
            while x < 1.36:
                high = tall * float(self.rng.uniform(0.6, 1.15))
                self._fir(x, foot + 0.02, high, depth, near)
                x += high * float(self.rng.uniform(0.16, 0.34))
        self._ground(0.94, 0.95)

    def _fir(self, x: float, foot: float, high: float, depth: float, near: float) -> None:
        half = high * 0.19 * self.frame[1] / self.frame[0]
        left, right = [], []
        for tier in range(6):
            y, spread = foot - high * (1 - tier / 6), half * (tier + 0.6) / 6
            left += [[x - spread * 0.55, y], [x - spread * 1.3, y + high / 7]]
            right += [[x + spread * 0.55, y], [x + spread * 1.3, y + high / 7]]
        outline = [[x, foot - high * 1.06], *right, [x, foot], *left[::-1]]
        self._fill(np.array(outline), self._tone(depth), near)

    def _desert(self) -> None:
        self._disc(0.70, 0.36, 0.10)
        self._ridge(0.58, 0.022, 0.12, 0.18, 2)
        self._ridge(0.65, 0.034, 0.34, 0.26, 2)
        self._ridge(0.75, 0.045, 0.60, 0.42, 2)
        self._ridge(0.90, 0.050, 0.85, 0.66, 2)

    def _space(self) -> None:
        self._stars(420, 1.34)
        self._disc(0.74, 0.30, 0.045)
        centre, radius = np.array([0.5, 1.86]), 1.2
        for shell in range(14):
            angle = np.linspace(0, 2 * math.pi, 240)
            reach = radius * (1 - 0.012 * shell)
            ratio = self.frame[1] / self.frame[0]
            ball = centre + reach * np.stack(
                [np.cos(angle) * max(ratio, 0.75), np.sin(angle)], axis=1
            )
            self._fill(ball, self._tone(0.05 + shell / 14 * 0.95), 0.40 + 0.03 * shell)
