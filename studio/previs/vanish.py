"""Where a picture's receding lines meet, if they meet at all."""

from __future__ import annotations

import cv2
import numpy as np

from studio.previs.raster import Field, Pixels, blurred

_GRID = 25  # candidate points along the long side, refined once


def find_vanishing_point(grey: Pixels) -> tuple[tuple[float, float], float]:
    """Return the point (x, y as shares of the picture) and how sure it is, 0 to 1.

    Only slanted lines count: level and upright ones agree with every point or with none.
    """
    tall, broad = grey.shape
    lines = _slanted(grey)
    if len(lines) < 8:
        return (0.5, 0.5), 0.0
    length = np.hypot(lines[:, 2] - lines[:, 0], lines[:, 3] - lines[:, 1])
    wide = broad / _GRID
    point, score = _best(
        lines, length, (0.15 * broad, 0.85 * broad), (0.2 * tall, 0.8 * tall), wide
    )
    (x, y), score = _best(
        lines, length, (point[0] - wide, point[0] + wide), (point[1] - wide, point[1] + wide), 2.0
    )
    share = score / float(length.sum())
    side = np.sign((lines[:, 0] + lines[:, 2]) / 2 - x)
    hits = _passes(lines, x, y, 3.0)
    left, right = (float(length[hits & (side == s)].sum()) for s in (-1, 1))
    both = min(left, right) / max(left, right, 1e-6)  # one bundle of parallels is no vista
    enough = min(1.0, score / (2.2 * broad))
    sure = np.clip((share - 0.30) / 0.25, 0, 1) * np.clip(both / 0.25, 0, 1) * enough
    return (x / broad, y / tall), float(min(1.0, sure * 1.8))


def _slanted(grey: Pixels) -> Field:
    """Return segments (x1, y1, x2, y2 in pixels) that are neither level nor upright."""
    edges = cv2.Canny(blurred(grey, 1.0), 40, 100)
    least = max(grey.shape) // 11
    found = cv2.HoughLinesP(edges, 1, np.pi / 180, 22, minLineLength=least, maxLineGap=3)
    if found is None:
        return np.zeros((0, 4), np.float32)
    lines = np.asarray(found, dtype=np.float32).reshape(-1, 4)
    angle = np.degrees(np.arctan2(lines[:, 3] - lines[:, 1], lines[:, 2] - lines[:, 0])) % 180
    level = np.minimum(angle, 180 - angle)
    return np.asarray(lines[(level > 7) & (level < 78)], dtype=np.float32)


def _passes(
    lines: Field, x: float, y: float, within: float
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which lines, made endless, pass the point within so many pixels."""
    dx, dy = lines[:, 2] - lines[:, 0], lines[:, 3] - lines[:, 1]
    off = np.abs(dx * (lines[:, 1] - y) - dy * (lines[:, 0] - x)) / np.hypot(dx, dy)
    return np.asarray(off < within)


def _best(
    lines: Field,
    length: Field,
    span_x: tuple[float, float],
    span_y: tuple[float, float],
    step: float,
) -> tuple[tuple[float, float], float]:
    best, where = -1.0, (0.0, 0.0)
    for x in np.arange(span_x[0], span_x[1], step):
        for y in np.arange(span_y[0], span_y[1], step):
            score = float(length[_passes(lines, x, y, max(3.0, step / 2))].sum())
            if score > best:
                best, where = score, (float(x), float(y))
    return where, best
