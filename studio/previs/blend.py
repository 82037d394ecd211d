"""How one picture becomes another: along the motion between them where there is any.

Flow is measured both ways on the two pictures at rest. Where they show the same things each
is bent along the flow and they meet half way. Where they have nothing in common the lens goes
out of focus, the pictures change places while nothing in them has an edge, and it comes back.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from studio.previs.raster import (
    AREA,
    LINEAR,
    REPEAT,
    Field,
    Pixels,
    blurred,
    grey_of,
    looked_up,
    scaled,
)

_WORK_SIDE = 448  # pixels on the long side for flow
_RELATED = 0.5  # share of the picture whose flow must agree both ways to follow it
_SOFT = 0.22  # width of the wipe's edge, as a share of its travel


@dataclass(frozen=True, slots=True)
class Meeting:
    """What to show between the pictures at one moment, at the working size.

    `first` and `last` are displacements in working pixels into each picture; `share` is the
    last picture's weight, 0 to 1. `defocus` is how far out of focus both are, 0 to 1.
    """

    first: Field
    last: Field
    share: Field
    defocus: float = 0.0


class Joint:
    """The way from one picture to another, measured once and asked at any progress."""

    def __init__(self, first: Pixels, last: Pixels) -> None:
        tall, broad = first.shape[:2]
        scale = min(1.0, _WORK_SIDE / max(tall, broad))
        self.size = (max(16, round(broad * scale)), max(16, round(tall * scale)))
        a, b = _grey(first, self.size), _grey(last, self.size)
        guess = _shared_plane(a, b)
        self._there = _flow(a, b, guess)
        self._back = _flow(b, a, _inverted(guess))
        self._agree_a = _agreement(self._there, self._back) * _likeness(a, b, self._there)
        self._agree_b = _agreement(self._back, self._there) * _likeness(b, a, self._back)
        self.likeness = float((self._agree_a.mean() + self._agree_b.mean()) / 2)
        self.related = self.likeness >= _RELATED

    def meet(self, progress: float) -> Meeting:
        """Return how the two pictures meet at `progress`, 0 (first alone) to 1 (last alone)."""
        s = min(1.0, max(0.0, progress))
        shape = (self.size[1], self.size[0])
        if not self.related:
            still = np.zeros((*shape, 2), np.float32)
            share = _smooth(np.full(shape, (s - 0.40) / 0.20, np.float32))
            return Meeting(still, still, share, _defocus(s))
        first, seen_a = _splat(self._there, s, self._agree_a)
        last, seen_b = _splat(self._back, 1.0 - s, self._agree_b)
        fade = _smooth(np.full(shape, s, np.float32))
        # A place that lies past one picture's edge is left to the other.
        left = (1.0 - fade) * (seen_a + 0.02) * _within(first)
        right = fade * (seen_b + 0.02) * _within(last)
        share = right / np.maximum(left + right, 1e-6)
        trust = np.clip(np.maximum(seen_a, seen_b) * 1.5, 0.0, 1.0)
        # Where neither side knows its way a slow fade would show both: turn quickly instead.
        quick = _smooth(np.full(shape, (s - 0.45) / 0.10, np.float32))
        share = trust * share + (1.0 - trust) * quick
        edge = min(1.0, min(s, 1.0 - s) / 0.04)
        share = edge * share + (1.0 - edge) * fade
        return Meeting(first, last, blurred(share, 1.5))


def _defocus(s: float) -> float:
    """Return how soft an unlike pair is at progress `s`: sharp, fully soft at half way, sharp."""
    away = min(1.0, abs(s - 0.5) / 0.30)
    return (1.0 - away) ** 2 * (1.0 + 2.0 * away)


def _within(shift: Field) -> Field:
    """Return 1 where a displaced place still lies on the picture, 0 where it is past its edge."""
    size = (shift.shape[1], shift.shape[0])
    at = _places(size) + shift
    inner = np.minimum(
        np.minimum(at[..., 0], size[0] - 1 - at[..., 0]),
        np.minimum(at[..., 1], size[1] - 1 - at[..., 1]),
    )
    return np.asarray(np.clip((inner + 0.035 * max(size)) / 6.0, 1e-3, 1.0), dtype=np.float32)


def _smooth(x: Field) -> Field:
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x), dtype=np.float32)


def _grey(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Return the picture small and grey, its light and contrast brought to a common measure."""
    light = grey_of(scaled(pixels, size, AREA)).astype(np.float32)
    even = (light - light.mean()) / max(float(light.std()), 4.0) * 48.0 + 124.0
    return np.asarray(np.clip(even, 0, 255), dtype=np.uint8)


def _shared_plane(a: Pixels, b: Pixels) -> Field | None:
    """Return the homography that carries most features of `a` to `b`, or None without one."""
    finder = cv2.SIFT_create(nfeatures=900)  # type: ignore[attr-defined]  # missing in its stubs
    keys_a, marks_a = finder.detectAndCompute(a, None)
    keys_b, marks_b = finder.detectAndCompute(b, None)
    if marks_a is None or marks_b is None or len(keys_a) < 12 or len(keys_b) < 12:
        return None
    pairs = cv2.BFMatcher().knnMatch(marks_a, marks_b, k=2)
    good = [p[0] for p in pairs if len(p) == 2 and p[0].distance < 0.75 * p[1].distance]
    if len(good) < 14:
        return None
    from_a = np.array([keys_a[m.queryIdx].pt for m in good], np.float32)
    to_b = np.array([keys_b[m.trainIdx].pt for m in good], np.float32)
    cv2.setRNGSeed(7)
    plane, inliers = cv2.findHomography(from_a, to_b, cv2.RANSAC, 4.0)
    if int(np.count_nonzero(inliers)) < max(12, 0.35 * len(good)):
        return None
    return np.asarray(plane, dtype=np.float32)


def _inverted(plane: Field | None) -> Field | None:
    return None if plane is None else np.asarray(np.linalg.inv(plane), dtype=np.float32)


def _places(size: tuple[int, int]) -> Field:
    x, y = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    return np.dstack([x, y])


def _flow(a: Pixels, b: Pixels, plane: Field | None) -> Field:
    """Return where each pixel of `a` has gone in `b`, refined around a shared plane if known."""
    finder = cv2.DISOpticalFlow_create(  # type: ignore[attr-defined]  # missing in its stubs
        cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
    )
    finder.setFinestScale(1)
    size = (a.shape[1], a.shape[0])
    if plane is None:
        return np.asarray(finder.calc(a, b, None), dtype=np.float32)
    back = cv2.warpPerspective(
        b, plane, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
    )
    rest = finder.calc(a, back, None)
    at = _places(size) + rest
    carried = cv2.perspectiveTransform(at.reshape(-1, 1, 2), plane.astype(np.float64))
    return np.asarray(carried.reshape(at.shape) - _places(size), dtype=np.float32)


def _at(field: Field, where: Field) -> Field:
    return looked_up(field, where, LINEAR, REPEAT)


def _agreement(there: Field, back: Field) -> Field:
    """Return 1 where going there and back ends where it began, 0 where it is lost."""
    size = (there.shape[1], there.shape[0])
    home = there + _at(back, _places(size) + there)
    miss = np.linalg.norm(home, axis=2)
    slack = 0.8 + 0.06 * np.linalg.norm(there, axis=2)
    return np.asarray(np.exp(-((miss / (2.0 * slack)) ** 2)), dtype=np.float32)


def _likeness(a: Pixels, b: Pixels, flow: Field) -> Field:
    """Return 1 where `b`, brought back along `flow`, looks like `a`, whatever its exposure."""
    size = (a.shape[1], a.shape[0])
    bent = _at(b.astype(np.float32), _places(size) + flow)
    one, two = a.astype(np.float32), bent

    def mean(of: Field) -> Field:
        return blurred(of, 5.0)

    mean_1, mean_2 = mean(one), mean(two)
    both = mean(one * two) - mean_1 * mean_2
    var_1, var_2 = mean(one * one) - mean_1**2, mean(two * two) - mean_2**2
    calm = 60.0  # flat patches of like brightness count as alike
    alike = (both + calm / 2) / (np.sqrt(np.maximum(var_1 * var_2, 0.0)) + calm / 2)
    light = np.exp(-(((mean_1 - mean_2) / 70.0) ** 2))
    return np.asarray(np.clip(alike, 0.0, 1.0) * light, dtype=np.float32)


def _splat(flow: Field, part: float, trust: Field) -> tuple[Field, Field]:
    """Return, at the place each pixel has reached after `part` of its way, the way back, and
    how well that place is known (0 to 1)."""
    tall, broad = trust.shape
    goal = _places((broad, tall)) + part * flow
    x = np.clip(np.rint(goal[..., 0]), 0, broad - 1).astype(np.int64)
    y = np.clip(np.rint(goal[..., 1]), 0, tall - 1).astype(np.int64)
    inside = (
        (goal[..., 0] > -1) & (goal[..., 0] < broad) & (goal[..., 1] > -1) & (goal[..., 1] < tall)
    )
    cell = (y * broad + x).ravel()
    weight = ((trust + 1e-3) * inside).ravel()
    heap = [np.bincount(cell, weight, broad * tall)]
    for axis in (0, 1):
        heap.append(np.bincount(cell, weight * (-part * flow[..., axis]).ravel(), broad * tall))
    total, dx, dy = (h.reshape(tall, broad).astype(np.float32) for h in heap)
    hits = np.bincount(cell, inside.ravel().astype(np.float64), broad * tall)
    hits = hits.reshape(tall, broad).astype(np.float32)
    dx, dy, known = (
        _filled(dx, total),
        _filled(dy, total),
        _filled(total - 1e-3 * hits, np.maximum(hits, 0.0)),
    )
    return np.dstack([dx, dy]).astype(np.float32), np.clip(known, 0.0, 1.0)


def _filled(sums: Field, weights: Field) -> Field:
    """Return sums / weights with gaps closed from around them."""
    fine = (blurred(sums, 1.2), blurred(weights, 1.2))
    wide = (blurred(sums, 9.0), blurred(weights, 9.0))
    close = fine[0] + 1e-3 * wide[0]
    return np.asarray(close / (fine[1] + 1e-3 * wide[1] + 1e-9), dtype=np.float32)
