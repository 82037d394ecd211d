"""What a picture is of: the one thing that stands out from everything along its edges."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from studio.previs.raster import AREA, CUBIC, Field, Pixels, blurred, gathered, scaled


def find_subject(lab: Field, ground: Field, foot: Field) -> tuple[float, Field]:
    """Return the subject's inverse depth and a soft mask (0 to 1) of where it is.

    `lab` is the picture in Lab, `ground` its inverse depth without the subject, `foot` how far
    down (0 to 1) in each column the ground meets what stands on it.

    A subject is one compact thing unlike everything along the picture's upper and side edges.
    Without one the mask is empty.
    """
    tall, broad = lab.shape[:2]
    away = _enclosed(lab)
    split, _ = cv2.threshold(
        np.clip(away, 0, 255).astype(np.uint8), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU
    )
    rim = gathered(lab[..., 0], cv2.MORPH_GRADIENT, 3, 3)
    rows = (np.arange(tall, dtype=np.float32)[:, None] + 0.5) / tall
    upright = (rows < foot[None, :] + 0.02).astype(np.float32)
    levels = [max(20.0, split * factor) for factor in (0.9, 1.3, 1.8)]
    hard, worth = max(
        (_most_central((away > level).astype(np.uint8), away, rim, upright) for level in levels),
        key=lambda found: found[1],
    )
    if worth <= 0.0:
        return 0.6, np.zeros((tall, broad), np.float32)
    base = min(tall - 1, int(np.flatnonzero(hard.any(axis=1))[-1]))
    near = max(float(ground[base][hard[base] > 0].mean()), 0.42 + 0.9 * float(hard.mean()))
    solid = hard.astype(np.float32)
    # A halo brings along hair, hands and whatever else belongs to it, and spreads the stretch.
    halo = 0.75 * blurred(solid, 0.06 * max(tall, broad))
    mask = np.maximum(blurred(solid, 2.0), halo) * worth
    return float(np.clip(near, 0.35, 0.95)), np.asarray(mask, dtype=np.float32)


def _enclosed(lab: Field) -> Field:
    """Return how strong a border shuts each place off from the upper and side edges.

    The least barrier, in steps of Lab, on any way to those edges (the minimum barrier distance
    of Zhang and others 2015), found by sweeping a small copy in all four directions.
    """
    tall, broad = lab.shape[:2]
    scale = 120 / max(tall, broad)
    size = (max(12, round(broad * scale)), max(12, round(tall * scale)))
    small = scaled(blurred(lab, 1.2), size, AREA)
    high, low = small.copy(), small.copy()
    cost = np.full(small.shape, 1e4, np.float32)
    cost[0], cost[:, 0], cost[:, -1] = 0.0, 0.0, 0.0
    for _ in range(3):
        for turned in (False, True):
            _sweep(*(np.swapaxes(m, 0, 1) if turned else m for m in (small, high, low, cost)))
    barrier = cost.sum(axis=2)
    return np.asarray(scaled(barrier, (broad, tall), CUBIC))


def _sweep(values: Field, high: Field, low: Field, cost: Field) -> None:
    """Carry the least barrier from line to line, down and then up, in place."""
    last = len(values) - 1
    for line, before in [(i, i - 1) for i in range(1, last + 1)] + [
        (i, i + 1) for i in range(last - 1, -1, -1)
    ]:
        top = np.maximum(high[before], values[line])
        bottom = np.minimum(low[before], values[line])
        better = (top - bottom < cost[line]) & (cost[before] < 1e4)
        cost[line][better] = (top - bottom)[better]
        high[line][better], low[line][better] = top[better], bottom[better]


def _most_central(mask: Pixels, away: Field, edges: Field, upright: Field) -> tuple[Pixels, float]:
    """Return the most subject-like connected part of a 0/1 mask and how sure that is, 0 to 1.

    A part that fades into its surroundings is a glow, not a thing: its outline must be crisp.
    One that lies wholly on the ground, as a path does, is no subject either.
    """
    tall, broad = mask.shape
    closed = gathered(mask, cv2.MORPH_CLOSE, 7, 7)
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    near_edges = gathered(edges, cv2.MORPH_DILATE, 5, 5)
    usual = max(10.0, 1.1 * float(near_edges.mean()))
    best, worth = np.zeros_like(mask), 0.0
    for outline in outlines:
        part = cv2.drawContours(np.zeros_like(mask), [outline], -1, 1, -1)
        share = float(part.mean())
        if not 0.004 < share < 0.6:
            continue
        _, _, wide, high = cv2.boundingRect(outline)
        moments = cv2.moments(part, binaryImage=True)
        x = moments["m10"] / moments["m00"] / broad - 0.5
        y = moments["m01"] / moments["m00"] / tall - 0.55
        central = float(np.exp(-((x / 0.28) ** 2) - (y / 0.5) ** 2))
        solid = min(1.0, share * mask.size / (wide * high) / 0.45)
        loose = float(np.clip((0.85 - wide / broad) / 0.3, 0.1, 1.0))
        distinct = float(np.clip((away[part > 0].mean() - 18.0) / 30.0, 0.0, 1.0))
        crisp = float(
            np.clip(
                (np.median(_along(cast(npt.NDArray[Any], outline), near_edges)) - usual) / 22.0,
                0.0,
                1.0,
            )
        )
        stands = float(np.clip(upright[part > 0].mean() / 0.35, 0.0, 1.0)) ** 2
        score = (
            stands * central * solid * loose * distinct * crisp * min(1.0, (share / 0.012) ** 0.5)
        )
        if score > worth:
            best, worth = np.asarray(part, dtype=np.uint8), score
    return best, float(np.clip((worth - 0.10) / 0.15, 0.0, 1.0))


def _along(outline: npt.NDArray[Any], values: Field) -> Field:
    points = outline.reshape(-1, 2).astype(np.int64)
    return np.asarray(values[points[:, 1], points[:, 0]], dtype=np.float32)
