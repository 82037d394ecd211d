"""How near each part of a picture is, guessed from the picture alone.

A ground plane that comes nearer towards the bottom edge, a backdrop above the horizon, and
a subject that stands out in colour and sharpness: enough for true parallax without a model.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from studio.previs.plate import Plate
from studio.previs.raster import (
    AREA,
    LINEAR,
    REPEAT,
    Field,
    blurred,
    gathered,
    lab_of,
    scaled,
    slopes,
)
from studio.previs.subject import find_subject
from studio.previs.vanish import find_vanishing_point

_FAR, _NEAR = 0.13, 0.92  # inverse depth of the horizon and of the ground at the lower edge
_FOLD = 0.75  # of the way to where neighbours would change places
_WORK_SIDE = 288  # pixels on the long side: depth is smooth, so little is lost


@dataclass(frozen=True, slots=True)
class Scene:
    """Inverse depth over a whole plate (float32, 0 to 1, 1 is nearest) and its subject's."""

    nearness: Field
    pivot: float
    slope: float  # how steep the sheet is: change of inverse depth over one half side

    def relief(self, slide: Field) -> float:
        """Return how much of the relief, 0 to 1, a move may use before the sheet would fold.

        `slide` is how far a thing of inverse depth 1 moves, in half sides, at each place.
        """
        pull = self.slope * float(np.quantile(np.linalg.norm(slide, axis=2), 0.8))
        # A smooth minimum: a hard one would show as a kink in the motion.
        return float((1.0 + (pull / _FOLD) ** 3) ** (-1.0 / 3.0))


def estimate(plate: Plate) -> Scene:
    """Return the scene in `plate`, as smooth as a rubber sheet so that it never tears."""
    width, height = plate.size
    scale = _WORK_SIDE / max(width, height)
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    small = np.asarray(scaled(plate.frame, size, AREA), dtype=np.uint8)
    lab = lab_of(small)
    foot = _contact(lab)
    base = _popup(lab, small.astype(np.float32), foot)
    point, sure = find_vanishing_point(np.asarray(lab[..., 0], dtype=np.uint8))
    base = np.asarray(base + sure * (_room(size, point) - base), dtype=np.float32)
    base = _upright(lab[..., 0], base, point[0] if sure else -1.0)
    subject, mask = find_subject(lab, base, foot)
    mask = mask * (1.0 - sure)
    near = np.maximum(base, base + (subject - base) * mask)
    near = _guided(lab[..., 0] / 255.0, near, 5, 2e-3)
    near = blurred(np.clip(near, _FAR * 0.8, 1.0), 2.8)
    weight = mask + 0.02
    pivot = float((near * weight).sum() / weight.sum())
    return scene_of(_pad(near, plate, size), plate, float(np.clip(pivot, 0.38, 0.9)))


def scene_of(near: Field, plate: Plate, pivot: float) -> Scene:
    """Return the scene for a depth map that covers the whole of `plate`."""
    tall, broad = plate.levels[0][1].shape[:2]
    half_side = float(np.sqrt(plate.size[0] * plate.size[1]) / 2)
    cells = half_side * float(np.sqrt(near.size / (tall * broad)))
    rise = np.hypot(*slopes(near)) / 8.0
    return Scene(near, pivot, float(np.quantile(rise, 0.97)) * cells)


def _pad(near: Field, plate: Plate, size: tuple[int, int]) -> Field:
    """Return `near` grown to the plate's border by repeating its edge."""
    (width, height), (left, top) = plate.size, plate.offset
    right = plate.levels[0][1].shape[1] - width - left
    bottom = plate.levels[0][1].shape[0] - height - top
    fx, fy = size[0] / width, size[1] / height
    edges = (round(top * fy), round(bottom * fy), round(left * fx), round(right * fx))
    return np.asarray(cv2.copyMakeBorder(near, *edges, cv2.BORDER_REPLICATE), dtype=np.float32)


def _horizon(lab: Field) -> float:
    """Return the row, as a share of the height, where a calm upper part meets the rest."""
    tall = lab.shape[0]
    rows = lab.mean(axis=1)
    best, where = -1.0, 0.5
    for row in range(int(tall * 0.22), int(tall * 0.78)):
        span = max(4, tall // 8)
        above, below = rows[max(0, row - span) : row].mean(0), rows[row : row + span].mean(0)
        prior = np.exp(-(((row / tall - 0.48) / 0.2) ** 2))
        score = float(np.linalg.norm(above - below) * prior)
        if score > best:
            best, where = score, row / tall
    trust = min(1.0, best / 30.0)
    return trust * where + (1 - trust) * 0.46


def _popup(lab: Field, rgb: Field, foot: Field) -> Field:
    """Return a ground plane with everything that is not ground standing up on its edge.

    What stands keeps the depth of its foot, so trees and walls stay straight when they move.
    """
    tall = lab.shape[0]
    horizon = min(_horizon(lab), float(np.median(foot)) - 0.03)
    y = ((np.arange(tall, dtype=np.float32) + 0.5) / tall)[:, None]
    plane = _FAR + (_NEAR - _FAR) * np.clip((y - horizon) / (1.0 - horizon), 0.0, 1.0)
    wall = _FAR + (_NEAR - _FAR) * np.clip((foot - horizon) / (1.0 - horizon), 0.0, 1.0)
    standing = wall[None, :] * _haze(lab, rgb) * (1.0 - 0.18 * np.clip(foot[None, :] - y, 0.0, 1.0))
    soft = np.clip((y - foot[None, :]) / 0.05 + 0.5, 0.0, 1.0)
    return np.asarray(standing + (np.maximum(plane, standing) - standing) * soft, dtype=np.float32)


def _upright(light: Field, base: Field, middle: float) -> Field:
    """Return `base` with pillars, trunks and the like as near as the ground at their foot.

    Otherwise their lower end would move with the floor in front of them, and they would bend.
    At `middle` (a share of the width) an upright line may be a seam of the floor: it is left out.
    """
    tall, broad = base.shape
    smooth = blurred(light, 0.9)
    across, along = (np.abs(slope) for slope in slopes(smooth))
    lines = ((across > 26.0) & (across > 2.2 * along)).astype(np.uint8)
    lines[:, np.abs((np.arange(broad) + 0.5) / broad - middle) < 0.05] = 0
    lines = gathered(lines, cv2.MORPH_CLOSE, 5, 1)
    thick = gathered(lines, cv2.MORPH_DILATE, 1, 3)
    long = gathered(thick, cv2.MORPH_OPEN, max(9, tall // 6), 1) > 0
    goal = np.zeros_like(base)
    for row in range(tall - 1, -1, -1):
        below = goal[min(row + 1, tall - 1)]
        carried = np.maximum(below, np.maximum(np.roll(below, 1), np.roll(below, -1)))
        goal[row] = np.where(long[row], np.where(carried > 0, carried, base[row]), 0.0)
    spread = (broad / 100, tall / 26)
    sums, weights = (blurred(m, *spread) for m in (goal, long.astype(np.float32)))
    share = np.clip(weights / 0.3, 0.0, 1.0)
    footed = sums / np.maximum(weights, 1e-4)
    return np.asarray(base + (footed - base) * share, dtype=np.float32)


def _room(size: tuple[int, int], point: tuple[float, float]) -> Field:
    """Return a hall or a street: all four sides run away to the vanishing point (0 to 1)."""
    x = (np.arange(size[0], dtype=np.float32) + 0.5) / size[0] - point[0]
    y = (np.arange(size[1], dtype=np.float32) + 0.5) / size[1] - point[1]
    sides = np.abs(x) / np.where(x > 0, 1.0 - point[0], point[0])
    flats = np.abs(y) / np.where(y > 0, 1.0 - point[1], point[1])
    # A soft maximum rounds the corners, where a crease would show as a kink in straight lines.
    ring = (sides[None, :] ** 6 + flats[:, None] ** 6) ** (1.0 / 6.0)
    return np.asarray(_FAR + (_NEAR - _FAR) * np.clip(ring, 0.0, 1.0), dtype=np.float32)


def _contact(lab: Field) -> Field:
    """Return, for each column, how far down (0 to 1) the ground meets what stands on it."""
    broad = lab.shape[1]
    size = (96, 72)
    small = scaled(blurred(lab, 1.5), size, AREA)
    centres = _clusters(small[-6:].reshape(-1, 3), 3)
    away = np.min([np.linalg.norm(small - c, axis=2) for c in centres], axis=0)
    like = cv2.blur(np.exp(-((away / 26.0) ** 2)).astype(np.float32), (5, 5))
    rising = np.cumprod(like[::-1] > 0.42, axis=0).sum(axis=0)
    foot = 1.0 - rising.astype(np.float32) / size[1]
    found = (foot > 0.36) & (foot < 0.95)
    usual = float(np.median(foot[found])) if found.sum() > 12 else 0.72
    foot = np.where(found, foot, usual).astype(np.float32)
    padded = np.pad(foot, 12, mode="edge")
    calm = np.array([np.median(padded[i : i + 25]) for i in range(size[0])], np.float32)
    smooth = blurred(calm[None, :], 7.0, border=REPEAT)
    return np.asarray(scaled(smooth, (broad, 1), LINEAR)[0], dtype=np.float32)


def _haze(lab: Field, rgb: Field) -> Field:
    """Return 1 where things are crisp and deep, down to 0.68 where air has washed them out.

    Haze lifts even a place's darkest channel (the dark channel prior, He, Sun and Tang 2009).
    """
    light = lab[..., 0]
    wide = max(4.0, light.shape[0] / 14)
    mean = blurred(light, wide)
    spread = blurred(light * light, wide) - mean * mean
    crisp = np.sqrt(_unit(np.sqrt(np.maximum(spread, 0.0))))
    veil = _unit(
        blurred(cv2.erode(rgb.min(axis=2), np.ones((5, 5), np.uint8)).astype(np.float32), 2.0)
    )
    return np.asarray(0.68 + 0.32 * crisp * (1.0 - 0.8 * veil), dtype=np.float32)


def _clusters(samples: Field, count: int) -> Field:
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 1.0)
    cv2.setRNGSeed(7)
    picked = np.ascontiguousarray(samples[:: max(1, len(samples) // 2000)], dtype=np.float32)
    none = np.zeros((0, 1), np.int32)
    _, _, centres = cv2.kmeans(picked, count, none, criteria, 2, cv2.KMEANS_PP_CENTERS)
    return np.asarray(centres, dtype=np.float32)


def _unit(values: Field) -> Field:
    top = float(np.quantile(values, 0.97)) or 1.0
    return np.asarray(np.clip(values / max(top, 1e-3), 0.0, 1.0), dtype=np.float32)


def _guided(guide: Field, values: Field, radius: int, eps: float) -> Field:
    """Return `values` smoothed but true to the edges of `guide` (He, Sun and Tang 2010)."""

    def mean(of: Field) -> Field:
        return np.asarray(cv2.blur(of, (2 * radius + 1, 2 * radius + 1)), dtype=np.float32)

    mean_g, mean_v = mean(guide), mean(values)
    slope = (mean(guide * values) - mean_g * mean_v) / (mean(guide * guide) - mean_g**2 + eps)
    base = mean_v - slope * mean_g
    return mean(slope) * guide + mean(base)
