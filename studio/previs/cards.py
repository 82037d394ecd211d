"""Title cards for shots that have words and no picture."""

from __future__ import annotations

import hashlib
import math
from functools import cached_property

import cv2
import numpy as np

from studio.previs.depth import Scene, scene_of
from studio.previs.lettering import Setting, draw, line_height, set_text
from studio.previs.plate import Plate
from studio.previs.raster import Pixels, blurred
from studio.previs.scenery import PLACES, Palette, Scenery, rgb

# Each palette with the words that ask for it; the first whose word is in the prompt wins.
_PALETTES: tuple[tuple[Palette, str], ...] = (
    (
        Palette("#0b0b1d", "#5a1a6e", "#38e8ff", "#3a1f5c", "#0a0818"),
        "neon cyber cyberpunk hologram synthwave arcade",
    ),
    (
        Palette("#1a0a0c", "#c2401c", "#ffd27a", "#7a2c1c", "#120708"),
        "fire lava volcano war burning ember explosion dragon hell rage blood",
    ),
    (
        Palette("#3e4c58", "#a9b4b5", "#eef2ec", "#76868c", "#1c262b"),
        "storm rain fog mist cloudy grey gray overcast smoke thunder lonely",
    ),
    (
        Palette("#5d86a8", "#e4eef2", "#ffffff", "#a9c0cf", "#2b4257"),
        "snow ice winter arctic frozen glacier polar christmas frost",
    ),
    (
        Palette("#070d20", "#2c4674", "#f1ead2", "#22365c", "#050913"),
        "night midnight moon moonlit stars star galaxy space dark nocturne dream cosmos",
    ),
    (
        Palette("#27365f", "#f09a62", "#ffe3ad", "#8c5a67", "#1b1826"),
        "dusk sunset golden evening twilight autumn amber lighthouse western",
    ),
    (
        Palette("#7796c4", "#f7cdbb", "#fff4dc", "#b497a8", "#3c3550"),
        "dawn sunrise morning spring blossom pink love wedding soft child",
    ),
    (
        Palette("#0a3b4a", "#4fb0a8", "#dffbe8", "#2a7a80", "#06222b"),
        "underwater ocean deep reef whale fish submarine dive mermaid lagoon",
    ),
    (
        Palette("#4f7f7c", "#dfe5b8", "#fffbe0", "#7f9f7c", "#16281f"),
        "forest jungle garden green tree trees moss meadow leaf woods rainforest",
    ),
    (
        Palette("#4b7fb5", "#f5d9a8", "#fff6d8", "#d9a86c", "#6b3d24"),
        "desert dune dunes sand sahara canyon camel egypt mars",
    ),
    (
        Palette("#3f78b4", "#cfe4ee", "#fffdf0", "#7fa3ba", "#1e3a4a"),
        "day noon summer sea beach sky blue wave waves sail island coast",
    ),
)
_PLACES: tuple[tuple[str, str], ...] = (
    ("sea", "sea ocean beach wave waves sail ship boat island coast lighthouse harbor harbour whale "
     "underwater lake river water storm"),
    ("city", "city street neon skyline rooftop tower towers downtown metropolis cyberpunk taxi train "
     "subway building buildings cafe market office tokyo paris london york"),
    ("forest", "forest tree trees jungle woods wolf deer moss cabin fairy garden rainforest"),
    ("desert", "desert dune dunes sand sahara camel mars canyon western"),
    ("space", "space galaxy planet astronaut rocket orbit stars cosmos nebula spaceship alien"),
)  # fmt: skip
_LEGIBLE = 0.5  # share of letters that may be missing before no text is better than holes


class Card:
    """A drawn place for a prompt and the prompt set over it; the same words, the same card."""

    def __init__(self, prompt: str, size: tuple[int, int]) -> None:
        self.size = size
        self._prompt = prompt
        seed = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:8], "big")
        words = [word.strip(".,;:!?()\u201c\u201d\"'") for word in prompt.lower().split()]
        self._palette = _palette(words, seed)
        drawn = Scenery(_place(words, seed), self._palette, size, seed)
        self.plate: Plate = drawn.plate()
        self.scene: Scene = scene_of(drawn.near, self.plate, 0.42)

    @cached_property
    def _block(self) -> tuple[Setting, tuple[float, float], float]:
        width, height = self.size
        side = 0.075 * min(self.size) + 0.02 * width
        room = (width - 2 * side) * (0.74 if width > height else 1.0)
        unit = math.sqrt(width * height)
        setting = set_text(
            self._prompt, (room, 0.46 * height), round(unit * 0.088), max(8, round(unit * 0.026))
        )
        tall = line_height(setting.size_px) * len(setting.lines)
        return setting, (side, height - side * 1.35 - tall), room

    @cached_property
    def _ink(self) -> tuple[Pixels, Pixels] | None:
        """Return what the text adds and the share of the picture it lets through, as frames."""
        setting, corner, room = self._block
        if not setting.lines or setting.missing > _LEGIBLE:
            return None
        height = self.size[1]
        mask = draw(setting, self.size, corner, room)
        start = corner[0] if setting.rightward else corner[0] + room
        bar = 0.9 * setting.size_px * (1 if setting.rightward else -1)
        y = corner[1] - 0.34 * setting.size_px
        thick = max(1, round(setting.size_px / 18))
        left, right = sorted((round(start), round(start + bar)))
        rule = np.zeros_like(mask)
        rule[max(0, round(y)) : round(y) + thick, max(0, left) : right] = 1.0
        rows = (np.arange(height, dtype=np.float32) - (corner[1] - 0.25 * height)) / (0.5 * height)
        scrim = 0.62 * np.clip(rows, 0.0, 1.0) ** 1.2
        halo = blurred(mask, setting.size_px / 9)
        keep = (1.0 - scrim[:, None]) * (1.0 - 0.35 * np.clip(halo * 1.6, 0.0, 1.0))
        keep = keep * (1.0 - mask) * (1.0 - rule)
        paper = rgb("#fbf7ef")
        light = rgb(self._palette.light) * 0.85 + paper * 0.15
        ink = mask[..., None] * paper + (rule * (1.0 - mask))[..., None] * light
        return np.rint(ink).astype(np.uint8), np.rint(keep * 255).astype(np.uint8)

    def over(self, frame: Pixels) -> Pixels:
        """Return `frame` with the title on it. The title keeps still: it is read, not filmed."""
        if self._ink is None:
            return frame
        ink, keep = self._ink
        shown = cv2.multiply(frame, cv2.merge([keep] * 3), scale=1 / 255)
        return np.asarray(cv2.add(shown, ink), dtype=np.uint8)


def _palette(words: list[str], seed: int) -> Palette:
    for palette, asked in _PALETTES:
        if set(words) & set(asked.split()):
            return palette
    return _PALETTES[seed % len(_PALETTES)][0]


def _place(words: list[str], seed: int) -> str:
    for place, asked in _PLACES:
        if set(words) & set(asked.split()):
            return place
    return PLACES[(seed >> 8) % len(PLACES)]
